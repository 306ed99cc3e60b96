// Pure: what a change that came by the stream makes of what the cache holds. Changes may come twice, late, or after a newer answer.
import type { AuditEvent, Page, Server, Task } from './types'

export interface LiveItem {
  kind: 'server' | 'task' | 'event'
  data: { server?: Server; task?: Task; event?: AuditEvent; deleted_at?: string }
}

/** Whether `next` is at least as new as `held`. */
export function serverIsNewer(next: Server, held: Server): boolean {
  return next.update_version >= held.update_version
}

/**
 * Tasks have no version. A task ends once; before that it only gains stages, and the stage at work only gains attempts.
 */
export function taskIsNewer(next: Task, held: Task): boolean {
  if (held.is_complete !== next.is_complete) return next.is_complete
  if (next.stages.length !== held.stages.length) return next.stages.length > held.stages.length
  if (next.way_back !== held.way_back) return next.way_back
  const attempts = (task: Task) => task.stages.at(-1)?.attempts ?? 0
  if (attempts(next) !== attempts(held)) return attempts(next) > attempts(held)
  return (next.progress?.at ?? '') >= (held.progress?.at ?? '')
}

/** What becomes of one that is held alone. */
export function applyToOne<T>(held: T | undefined, next: T, newer: (next: T, held: T) => boolean): T {
  return held === undefined || newer(next, held) ? next : held
}

/**
 * What becomes of a page. `stale`: whether its rows, order or total may no longer be what the server would answer, so that it must be asked again.
 * A row is changed where it stands at once; whether it still belongs there only the server can say.
 */
export function applyToPage<T extends { id: string | number }>(
  page: Page<T>,
  next: T,
  options: { deleted: boolean; newer: (next: T, held: T) => boolean },
): { page: Page<T>; stale: boolean } {
  const at = page.rows.findIndex((row) => row.id === next.id)
  if (at < 0) return { page, stale: !options.deleted || page.total > 0 }
  if (options.deleted) {
    return { page: { ...page, rows: page.rows.filter((row) => row.id !== next.id), total: Math.max(0, page.total - 1) }, stale: true }
  }
  const held = page.rows[at] as T
  if (!options.newer(next, held)) return { page, stale: false }
  const rows = page.rows.slice()
  rows[at] = next
  return { page: { ...page, rows }, stale: true }
}
