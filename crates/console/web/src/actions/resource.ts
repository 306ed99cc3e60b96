// Actions that need no more than a yes: what they are called, who may, when not, how they are done, and the same as a command line.
import { perform } from '@/api/client'
import { cache } from '@/api/cache'
import { keys } from '@/api/keys'
import type { Permission } from '@/constants/permission'

import type { Field, Values } from './fields'

export interface ResourceAction<T> {
  /** Unique within its resource. */
  name: string
  /** A key of the locales. */
  label: string
  permission: Permission
  /** Why not now, as a key of the locales. */
  validate?: (row: T) => string | null
  /** Makes no sense for this row. */
  isHidden?: (row: T) => boolean
  /** Asked for first. */
  fields?: (row: T) => readonly Field[]
  /** Asked first: a key of the locales, with `name`. */
  confirm?: string
  isDanger?: boolean
  climc: (row: T) => string
  /** What to say when it is done, as a key and its values; nothing: the page shows it. */
  perform: (row: T, values: Values) => Promise<{ said: string; values?: Record<string, unknown> } | undefined>
}

/** What was changed is asked for again, wherever it is shown. */
export async function reload(...resources: string[]): Promise<void> {
  await Promise.all(resources.map((resource) => cache.invalidateQueries({ queryKey: [resource] })))
}

/** A verb without a body; the resource is asked for again. */
export function verb<T extends { id: string }>(resource: string, keyword: string, name: string) {
  return async (row: T): Promise<undefined> => {
    await perform(resource, keyword, row.id, name)
    await cache.invalidateQueries({ queryKey: keys.one(resource, row.id) })
    await reload(resource)
    return undefined
  }
}
