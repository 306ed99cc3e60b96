import type { Page } from '@/router'

export default {
  routes: [{ path: '/users', name: 'users', component: () => import('./UsersView.vue'), meta: { title: 'users.title', permission: 'user_list' } }],
  nav: { label: 'users.title', to: '/users', icon: 'user', section: 'identity', order: 10, permission: 'user_list' },
} satisfies Page
