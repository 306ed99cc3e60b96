// Who is logged in, in which project.
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'

import { cache } from '@/api/cache'
import { setCsrf } from '@/api/client'
import { ApiError } from '@/api/errors'
import { stopFollowing } from '@/api/follow'
import { live } from '@/api/live'
import * as auth from '@/api/session'
import type { Session } from '@/api/types'
import { usePermissions } from './permissions'

/** Tells the other pages of this browser that the session is another one: they share the cookie, but not what they show. */
const others = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('lifeboat.session')
const changed = () => others?.postMessage('changed')
others?.addEventListener('message', () => location.reload())

export const useSession = defineStore('session', () => {
  const session = ref<Session | null>(null)
  const permissions = usePermissions()

  const isIn = computed(() => session.value !== null)
  const user = computed(() => session.value?.user.name ?? '')
  const project = computed(() => session.value?.project ?? null)
  const projects = computed(() => session.value?.projects ?? [])
  const roles = computed(() => session.value?.roles ?? [])
  const isAdmin = computed(() => roles.value.includes('admin'))

  async function enter(next: Session): Promise<void> {
    session.value = next
    setCsrf(next.csrf)
    await permissions.load()
    live.start()
  }

  /** Forgets everything of the last session; also what region no longer knows. */
  function leave(): void {
    stopFollowing()
    live.stop()
    setCsrf(null)
    session.value = null
    permissions.clear()
    cache.clear()
  }

  async function logIn(credentials: auth.Credentials): Promise<void> {
    await enter(await auth.logIn(credentials))
    changed()
  }

  /** Takes up the session of the cookie, if there is one. Throws where region did not answer at all. */
  async function resume(): Promise<boolean> {
    if (session.value) return true
    try {
      await enter(await auth.currentSession())
      return true
    } catch (thrown) {
      if (thrown instanceof ApiError && thrown.status === 401) {
        leave()
        return false
      }
      throw thrown
    }
  }

  async function switchProject(id: string): Promise<void> {
    const next = await auth.switchProject(id)
    stopFollowing()
    live.stop()
    cache.clear()
    await enter(next)
    changed()
  }

  async function logOut(): Promise<void> {
    try {
      await auth.logOut()
    } finally {
      leave()
      changed()
    }
  }

  return { session, isIn, user, project, projects, roles, isAdmin, logIn, logOut, resume, switchProject, leave }
})
