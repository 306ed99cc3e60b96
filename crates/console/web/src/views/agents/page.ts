import type { Page } from '@/router'

export default {
  routes: [{ path: '/agents', name: 'agents', component: () => import('./AgentsView.vue'), meta: { title: 'agents.title', permission: 'baremetalagent_list' } }],
  nav: { label: 'agents.title', to: '/agents', icon: 'agent', section: 'infrastructure', order: 20, permission: 'baremetalagent_list' },
} satisfies Page
