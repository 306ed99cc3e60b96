import type { Page } from '@/router'

export default {
  routes: [{ path: '/audit', name: 'audit', component: () => import('./AuditView.vue'), meta: { title: 'audit.title', permission: 'event_list' } }],
  nav: { label: 'audit.title', to: '/audit', icon: 'log', section: 'records', order: 20, permission: 'event_list' },
} satisfies Page
