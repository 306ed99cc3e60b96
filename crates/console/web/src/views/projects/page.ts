import type { Page } from '@/router'

export default {
  routes: [{ path: '/projects', name: 'projects', component: () => import('./ProjectsView.vue'), meta: { title: 'projects.title', permission: 'project_list' } }],
  nav: { label: 'projects.title', to: '/projects', icon: 'project', section: 'identity', order: 20, permission: 'project_list' },
} satisfies Page
