// What the tabs of a server's page share: the server, and its last rescue session.
import { useQuery } from '@tanstack/vue-query'
import { computed, inject, toValue, type InjectionKey, type MaybeRefOrGetter, type Ref } from 'vue'

import { call, oneOf } from '@/api/client'
import { keys } from '@/api/keys'
import type { RescueSession, Server } from '@/api/types'

export const SERVER: InjectionKey<Ref<Server>> = Symbol('server')

/** The server of the page; there is always one, tabs only stand once it has come. */
export function usePageServer(): Ref<Server> {
  const server = inject(SERVER)
  if (!server) throw new Error('this tab stands outside of a server’s page')
  return server
}

export function useServer(id: MaybeRefOrGetter<string>) {
  return useQuery({
    queryKey: computed(() => keys.one('servers', toValue(id))),
    queryFn: ({ signal }) => oneOf<Server>('servers', 'server', toValue(id), signal),
  })
}

/** `GET /servers/{id}/rescue`: the last session, open or over. */
export function useRescueSession(id: MaybeRefOrGetter<string | undefined>) {
  return useQuery({
    queryKey: computed(() => keys.detail('servers', toValue(id) ?? '', 'rescue')),
    queryFn: async ({ signal }) => {
      const body = await call<{ server: { rescue_session: RescueSession | null } }>('GET', `/servers/${encodeURIComponent(toValue(id) ?? '')}/rescue`, undefined, { signal })
      return body.server.rescue_session
    },
    enabled: computed(() => toValue(id) !== undefined),
  })
}

export interface Explained {
  what_happened: string
  what_next: string
  cause: string | null
  evidence: string[]
  task_id: string | null
}

/** `GET /rescuesessions/{id}/explain`. */
export function useExplained(id: MaybeRefOrGetter<string | undefined>, server: MaybeRefOrGetter<string>) {
  return useQuery({
    queryKey: computed(() => keys.detail('servers', toValue(server), 'explain', { session: toValue(id) })),
    queryFn: async ({ signal }) => {
      const body = await call<{ rescuesession: Explained }>('GET', `/rescuesessions/${toValue(id) ?? ''}/explain`, undefined, { signal })
      return body.rescuesession
    },
    enabled: computed(() => toValue(id) !== undefined),
  })
}
