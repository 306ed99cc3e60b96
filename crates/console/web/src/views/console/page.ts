import type { Page } from '@/router'

export default {
  routes: [
    {
      path: '/console/:id',
      name: 'console',
      component: () => import('./ConsoleView.vue'),
      meta: { title: 'console.title', permission: 'server_perform_console_ticket', isBare: true },
    },
  ],
} satisfies Page
