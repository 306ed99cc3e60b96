// Tasks followed to their end, however many: the stream tells as it happens, and beneath it those that are open are asked for in one list.
import { listOf } from './client'
import { live } from './live'
import { taskIsNewer } from './liveReducer'
import { fetchTask } from './task'
import type { Task } from './types'

/** The stream may have told before the id was known here. */
const FIRST_ASK_MS = 400
const ASK_AGAIN_MS = 5_000
/** Ids in one question: they stand in its URL. */
const CHUNK = 80

export interface Following {
  add: (id: string) => void
  stop: () => void
}

const all = new Set<Following>()

/** At log-out: nobody is told what another began. */
export function stopFollowing(): void {
  for (const one of [...all]) one.stop()
}

/** `onTask`: called with each newer state, for the last time when it has ended. */
export function followTasks(onTask: (task: Task) => void): Following {
  const open = new Map<string, Task | null>()
  let timer: ReturnType<typeof setTimeout> | null = null
  let isStopped = false

  const take = (task: Task): void => {
    const held = open.get(task.id)
    if (held === undefined || (held && !taskIsNewer(task, held))) return
    if (task.is_complete) open.delete(task.id)
    else open.set(task.id, task)
    onTask(task)
  }

  const ask = async (): Promise<void> => {
    const ids = [...open.keys()]
    for (let at = 0; at < ids.length && !isStopped; at += CHUNK) {
      const chunk = ids.slice(at, at + CHUNK)
      // What can't be asked now is asked again; the page says that region does not answer.
      await some(chunk).then((tasks) => isStopped || tasks.forEach(take), () => {})
    }
  }

  const schedule = (wait: number): void => {
    timer ??= setTimeout(() => {
      timer = null
      void ask().then(() => {
        if (!isStopped && open.size > 0) schedule(ASK_AGAIN_MS)
      })
    }, wait)
  }

  const end = live.onTask(take)
  const following: Following = {
    add(id) {
      if (isStopped || open.has(id)) return
      open.set(id, null)
      schedule(FIRST_ASK_MS)
    },
    stop() {
      isStopped = true
      if (timer) clearTimeout(timer)
      open.clear()
      end()
      all.delete(following)
    },
  }
  all.add(following)
  return following
}

async function some(ids: readonly string[]): Promise<Task[]> {
  if (ids.length === 1 && ids[0]) return [await fetchTask(ids[0])]
  const { rows } = await listOf<Task>('tasks', { limit: ids.length, filter: [`id.in(${ids.map((id) => `'${id}'`).join(',')})`] })
  // Ended tasks move to the archive.
  const missing = ids.filter((id) => !rows.some((row) => row.id === id))
  const archived = await Promise.all(missing.slice(0, 5).map((id) => fetchTask(id).catch(() => null)))
  return [...rows, ...archived.filter((task) => task !== null)]
}
