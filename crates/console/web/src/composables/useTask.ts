// One task, as it goes: from the stream, and asked again while there is none. An ended task may have been moved to the archive.
import { useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'

import { oneOf } from '@/api/client'
import { ApiError } from '@/api/errors'
import { keys } from '@/api/keys'
import type { Task } from '@/api/types'

export async function fetchTask(id: string, signal?: AbortSignal): Promise<Task> {
  try {
    return await oneOf<Task>('tasks', 'task', id, signal)
  } catch (thrown) {
    if (thrown instanceof ApiError && thrown.kind === 'ResourceNotFoundError') return oneOf<Task>('archivedtasks', 'archivedtask', id, signal)
    throw thrown
  }
}

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
