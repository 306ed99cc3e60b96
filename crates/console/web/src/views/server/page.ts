import type { Page } from '@/router'

export default {
  routes: [
    {
      path: '/servers/:id',
      component: () => import('./ServerView.vue'),
      props: true,
      meta: { title: 'server.title', permission: 'server_get' },
      children: [
        { path: '', name: 'server', component: () => import('./OverviewTab.vue'), meta: { title: 'server.title' } },
        { path: 'rescue', name: 'server-rescue', component: () => import('./RescueTab.vue'), meta: { title: 'server.tabs.rescue' } },
        { path: 'console', name: 'server-console', component: () => import('./ConsoleTab.vue'), meta: { title: 'server.tabs.console', permission: 'server_perform_console_ticket' } },
        { path: 'screen', name: 'server-screen', component: () => import('./ScreenTab.vue'), meta: { title: 'server.tabs.screen', permission: 'server_perform_console_ticket' } },
        { path: 'tasks', name: 'server-tasks', component: () => import('./TasksTab.vue'), meta: { title: 'server.tabs.tasks', permission: 'task_list' } },
        { path: 'log', name: 'server-log', component: () => import('./LogTab.vue'), meta: { title: 'server.tabs.log', permission: 'event_list' } },
      ],
    },
  ],
} satisfies Page
