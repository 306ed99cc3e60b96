import type { Page } from '@/router'

export default {
  routes: [
    { path: '/policies', name: 'policies', component: () => import('./PoliciesView.vue'), meta: { title: 'policies.title', permission: 'policy_list' } },
    { path: '/policies/new', name: 'policy-new', component: () => import('./PolicyView.vue'), meta: { title: 'policies.create', permission: 'policy_create' } },
    { path: '/policies/:id', name: 'policy', component: () => import('./PolicyView.vue'), meta: { title: 'policies.one', permission: 'policy_get' } },
  ],
  nav: { label: 'policies.title', to: '/policies', icon: 'policy', section: 'identity', order: 40, permission: 'policy_list' },
} satisfies Page
