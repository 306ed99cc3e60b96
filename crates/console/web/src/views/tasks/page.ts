import type { Page } from '@/router'

export default {
  routes: [
    { path: '/tasks', name: 'tasks', component: () => import('./TasksView.vue'), meta: { title: 'taskList.title', permission: 'task_list' } },
    { path: '/tasks/:id', name: 'task', component: () => import('./TaskView.vue'), meta: { title: 'taskList.one', permission: 'task_get' } },
  ],
  nav: { label: 'taskList.title', to: '/tasks', icon: 'task', section: 'records', order: 10, permission: 'task_list' },
} satisfies Page
