import type { Page } from '@/router'

export default {
  routes: [{ path: '/servers', name: 'servers', component: () => import('./ServersView.vue'), meta: { title: 'servers.title', permission: 'server_list' } }],
  nav: { label: 'servers.title', to: '/servers', icon: 'server', section: 'compute', order: 10, permission: 'server_list' },
} satisfies Page
