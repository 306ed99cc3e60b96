// Pages beneath /ui/. Each folder of views/ with a page.ts is one: nothing is listed here, so pages come and go by themselves.
import { createRouter, createWebHistory, type RouteLocationNormalized, type RouteRecordRaw } from 'vue-router'

import { live } from '@/api/live'
import { whenReached, whenUnauthorized } from '@/api/client'
import type { Permission } from '@/constants/permission'
import { usePermissions } from '@/stores/permissions'
import { useSession } from '@/stores/session'

/** Groups of the navigation, in order. */
export const SECTIONS = ['compute', 'infrastructure', 'records', 'identity'] as const

export interface Page {
  /** A page may have more than one route: a list and a detail. */
  routes: RouteRecordRaw[]
  /** Its place in the navigation, if it has one. */
  nav?: {
    label: string
    to: string
    icon: string
    section: (typeof SECTIONS)[number]
    order: number
    permission?: Permission
  }
}

declare module 'vue-router' {
  interface RouteMeta {
    /** A key of the locales, for the document's title. */
    title?: string
    permission?: Permission
    /** May be seen by those who are not logged in. */
    isPublic?: boolean
    /** Without navigation and bars: a window of its own. */
    isBare?: boolean
  }
}

const modules = import.meta.glob<{ default: Page }>('./views/*/page.ts', { eager: true })
export const pages: readonly Page[] = Object.values(modules).map((module) => module.default)

export const router = createRouter({
  history: createWebHistory(import.meta.env.BASE_URL),
  routes: [
    { path: '/login', name: 'login', component: () => import('./views/login/LoginView.vue'), meta: { isPublic: true, title: 'login.title' } },
    { path: '/', redirect: '/servers' },
    ...pages.flatMap((page) => page.routes),
    { path: '/denied', name: 'denied', component: () => import('./views/lost/LostView.vue'), meta: { title: 'lost.deniedTitle' } },
    { path: '/:path(.*)*', name: 'lost', component: () => import('./views/lost/LostView.vue'), meta: { title: 'lost.title' } },
  ],
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? undefined : { top: 0 }),
})

/** Where to go after log-in: only ever within the console. */
export function backTo(to: unknown): string {
  return typeof to === 'string' && /^\/(?![/\\])/.test(to) && !to.startsWith('/login') ? to : '/servers'
}

function toLogin(from: RouteLocationNormalized) {
  return { name: 'login', query: from.fullPath === '/servers' || from.fullPath === '/' ? {} : { back: from.fullPath } }
}

router.beforeEach(async (to) => {
  const session = useSession()
  if (to.meta.isPublic) return true
  // Where region does not answer, log-in is shown with the reason, and comes back by itself.
  const isIn = await session.resume().catch(() => false)
  if (!isIn) return toLogin(to)
  if (!usePermissions().can(to.meta.permission)) return { name: 'denied', query: { need: to.meta.permission } }
  return true
})

whenUnauthorized(() => {
  const session = useSession()
  if (!session.isIn) return
  session.leave()
  const from = router.currentRoute.value
  if (!from.meta.isPublic) void router.push({ ...toLogin(from), query: { ...toLogin(from).query, ended: '1' } })
})

whenReached((reached) => live.reached(reached))
