// A verb for many servers: each is asked, a few at once, and each one's task is followed to its end.
// The result of one is what its task says, never what was hoped: a 202 is only a beginning.
import { computed, onScopeDispose, ref, shallowRef } from 'vue'

import { ApiError, asApiError } from '@/api/errors'
import { followTasks } from '@/api/follow'
import type { PerformAnswer, Server, Task } from '@/api/types'

const PARALLEL = 6
const LONGEST_WAIT_S = 30
const MOST_TRIES = 10

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

/** Many at once run into the limit of rate: that is no failure of one of them, and is waited for as region says. */
export async function patiently<T>(work: () => Promise<T>, wait: (seconds: number) => Promise<void> = pause): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work()
    } catch (thrown) {
      const error = asApiError(thrown)
      if (error.kind !== 'TooManyRequestsError' || error.retryAfter === null || error.retryAfter > LONGEST_WAIT_S || tries >= MOST_TRIES) throw thrown
      await wait(error.retryAfter)
    }
  }
}

const pause = (seconds: number) => new Promise<void>((done) => setTimeout(done, seconds * 1_000))

export function useBatch(perform: (server: Server) => Promise<PerformAnswer>) {
  const asked = shallowRef<ReadonlyMap<string, Asked>>(new Map())
  const tasks = shallowRef<ReadonlyMap<string, Task>>(new Map())
  const isAsking = ref(false)

  const following = followTasks((task) => (tasks.value = new Map(tasks.value).set(task.id, task)))
  onScopeDispose(following.stop)

  const results = computed<Result[]>(() =>
    [...asked.value.values()].map((one) => {
      const taskId = one.answer?.task?.id ?? null
      const task = taskId ? tasks.value.get(taskId) : undefined
      return { server: one.server, outcome: outcomeOf(one, task), error: one.error, cause: task?.cause ?? null, task: task ?? null, taskId, answer: one.answer }
    }),
  )

  const count = (...outcomes: Outcome[]) => results.value.filter((one) => outcomes.includes(one.outcome)).length
  const counts = computed(() => ({ all: results.value.length, done: count('done'), failed: count('failed', 'cancelled'), open: count('queued', 'asking', 'working') }))

  function change(server: Server, patch: Partial<Asked>): void {
    const held = asked.value.get(server.id) ?? { server, state: 'queued', error: null, answer: null }
    asked.value = new Map(asked.value).set(server.id, { ...held, ...patch })
  }

  async function run(servers: readonly Server[]): Promise<void> {
    const next = new Map(asked.value)
    for (const server of servers) next.set(server.id, { server, state: 'queued', error: null, answer: null })
    asked.value = next
    isAsking.value = true
    try {
      await pool(servers, PARALLEL, async (server) => {
        change(server, { state: 'asking' })
        try {
          const answer = await patiently(() => perform(server))
          change(server, { state: 'answered', answer })
          if (answer.task) following.add(answer.task.id)
        } catch (thrown) {
          change(server, { state: 'answered', error: asApiError(thrown) })
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
