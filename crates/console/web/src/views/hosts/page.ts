import type { Page } from '@/router'

export default {
  routes: [
    { path: '/hosts', name: 'hosts', component: () => import('./HostsView.vue'), meta: { title: 'hosts.title', permission: 'host_list' } },
    { path: '/hosts/:id', name: 'host', component: () => import('./HostView.vue'), meta: { title: 'hosts.one', permission: 'host_get' } },
  ],
  nav: { label: 'hosts.title', to: '/hosts', icon: 'host', section: 'infrastructure', order: 10, permission: 'host_list' },
} satisfies Page
