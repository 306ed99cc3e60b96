import type { Page } from '@/router'

export default {
  routes: [
    { path: '/recordings', name: 'recordings', component: () => import('./RecordingsView.vue'), meta: { title: 'recordings.title', permission: 'consolerecording_list' } },
    { path: '/recordings/:id', name: 'recording', component: () => import('./RecordingView.vue'), meta: { title: 'recordings.one', permission: 'consolerecording_get' } },
  ],
  nav: { label: 'recordings.title', to: '/recordings', icon: 'recording', section: 'records', order: 30, permission: 'consolerecording_list' },
} satisfies Page
