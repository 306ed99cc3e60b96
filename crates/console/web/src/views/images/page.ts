import type { Page } from '@/router'

export default {
  routes: [
    { path: '/images', name: 'images', component: () => import('./ImagesView.vue'), meta: { title: 'images.title', permission: 'rescueimage_list' } },
    { path: '/images/:id', name: 'image', component: () => import('./ImageView.vue'), meta: { title: 'images.one', permission: 'rescueimage_get' } },
  ],
  nav: { label: 'images.title', to: '/images', icon: 'rescue', section: 'infrastructure', order: 30, permission: 'rescueimage_list' },
} satisfies Page
