// Everything that a list's search and filters find, gathered page by page: for a selection beyond the page that is shown.
import { listOf } from './client'

/** No more are taken at once: each is asked and followed one by one. */
export const MOST_AT_ONCE = 2_000
const A_PAGE = 500

export async function allOf<T extends { id: string | number }>(resource: string, query: Record<string, string | number | readonly string[]>, most = MOST_AT_ONCE): Promise<T[]> {
  // Rows come and go meanwhile: each is taken once.
  const found = new Map<T['id'], T>()
  for (let offset = 0; offset < most; offset += A_PAGE) {
    const page = await listOf<T>(resource, { ...query, limit: Math.min(A_PAGE, most - offset), offset })
    for (const row of page.rows) found.set(row.id, row)
    if (page.rows.length === 0 || offset + page.rows.length >= page.total) break
  }
  return [...found.values()]
}
