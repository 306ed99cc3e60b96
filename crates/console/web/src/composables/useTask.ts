// One task, as it goes: from the stream, and asked again while there is none.
import { useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'

import { keys } from '@/api/keys'
import { fetchTask } from '@/api/task'

/** Beneath the stream, which tells of stages but not of each byte. */
const ASK_AGAIN_MS = 2_000

export function useTask(id: MaybeRefOrGetter<string | null | undefined>) {
  return useQuery({
    queryKey: computed(() => keys.one('tasks', toValue(id) ?? '')),
    queryFn: ({ signal }) => fetchTask(toValue(id) as string, signal),
    enabled: computed(() => Boolean(toValue(id))),
    refetchInterval: (query) => (query.state.data?.is_complete ? false : ASK_AGAIN_MS),
  })
}
