// A verb for many servers: each is asked, a few at once, and each one's task is followed to its end.
// The result of one is what its task says, never what was hoped: a 202 is only a beginning.
import { useQueries } from '@tanstack/vue-query'
import { computed, ref } from 'vue'

import { ApiError, asApiError } from '@/api/errors'
import { keys } from '@/api/keys'
import type { PerformAnswer, Server, Task } from '@/api/types'
import { fetchTask } from './useTask'

const PARALLEL = 6
/** Beneath the stream, which tells at once. */
const ASK_AGAIN_MS = 5_000

export type Outcome = 'queued' | 'asking' | 'working' | 'done' | 'failed' | 'cancelled'

export interface Result {
  server: Server
  outcome: Outcome
  /** Region's refusal. */
  error: ApiError | null
  /** The task's cause. */
  cause: string | null
  task: Task | null
  taskId: string | null
  answer: PerformAnswer | null
}

interface Asked {
  server: Server
  state: 'queued' | 'asking' | 'answered'
  error: ApiError | null
  answer: PerformAnswer | null
}

/** What one has come to. Pure. */
export function outcomeOf(asked: Asked, task: Task | undefined): Outcome {
  if (asked.state !== 'answered') return asked.state
  if (asked.error) return 'failed'
  // 200: nothing was left for a task.
  if (!asked.answer?.task) return 'done'
  if (!task?.is_complete) return 'working'
  return task.state === 'succeeded' ? 'done' : task.state === 'cancelled' ? 'cancelled' : 'failed'
}

/** Runs `work` over `items`, at most `limit` at once. */
export async function pool<T>(items: readonly T[], limit: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < items.length) {
      const item = items[next] as T
      next += 1
      await work(item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
}

export function useBatch(perform: (server: Server) => Promise<PerformAnswer>) {
  const asked = ref<Asked[]>([]) as { value: Asked[] }
  const isAsking = ref(false)

  const taskIds = computed(() => asked.value.flatMap((one) => one.answer?.task?.id ?? []))
  const tasks = useQueries({
    queries: computed(() =>
      taskIds.value.map((id) => ({
        queryKey: keys.one('tasks', id),
        queryFn: ({ signal }: { signal: AbortSignal }) => fetchTask(id, signal),
        refetchInterval: (query: { state: { data?: Task } }) => (query.state.data?.is_complete ? false : ASK_AGAIN_MS),
      })),
    ),
  })

  const results = computed<Result[]>(() => {
    const byId = new Map(tasks.value.flatMap((query) => (query.data ? [[query.data.id, query.data as Task] as const] : [])))
    return asked.value.map((one) => {
      const taskId = one.answer?.task?.id ?? null
      const task = taskId ? byId.get(taskId) : undefined
      return { server: one.server, outcome: outcomeOf(one, task), error: one.error, cause: task?.cause ?? null, task: task ?? null, taskId, answer: one.answer }
    })
  })

  const count = (...outcomes: Outcome[]) => results.value.filter((one) => outcomes.includes(one.outcome)).length
  const counts = computed(() => ({ all: results.value.length, done: count('done'), failed: count('failed', 'cancelled'), open: count('queued', 'asking', 'working') }))

  async function run(servers: readonly Server[]): Promise<void> {
    const again = new Set(servers.map((server) => server.id))
    const fresh = servers.map((server): Asked => ({ server, state: 'queued', error: null, answer: null }))
    asked.value = [...asked.value.filter((one) => !again.has(one.server.id)), ...fresh]
    const change = (id: string, patch: Partial<Asked>) => {
      asked.value = asked.value.map((one) => (one.server.id === id ? { ...one, ...patch } : one))
    }
    isAsking.value = true
    try {
      await pool(servers, PARALLEL, async (server) => {
        change(server.id, { state: 'asking' })
        try {
          change(server.id, { state: 'answered', answer: await perform(server) })
        } catch (thrown) {
          change(server.id, { state: 'answered', error: asApiError(thrown) })
        }
      })
    } finally {
      isAsking.value = false
    }
  }

  /** Those that failed, once more. */
  const retry = () => run(results.value.filter((one) => one.outcome === 'failed' || one.outcome === 'cancelled').map((one) => one.server))

  return { results, counts, isAsking, run, retry }
}
