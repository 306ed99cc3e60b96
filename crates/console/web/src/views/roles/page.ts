import type { Page } from '@/router'

export default {
  routes: [{ path: '/roles', name: 'roles', component: () => import('./RolesView.vue'), meta: { title: 'roles.title', permission: 'role_list' } }],
  nav: { label: 'roles.title', to: '/roles', icon: 'key', section: 'identity', order: 30, permission: 'role_list' },
} satisfies Page
