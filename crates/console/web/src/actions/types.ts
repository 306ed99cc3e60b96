// What an action is: its label, the permission it takes, when it may be done and why not, and how: by a dialog, or at once.
import type { Component } from 'vue'

import type { GuestStatus, PerformAnswer, Server } from '@/api/types'
import type { IconName } from '@/components/AppIcon.vue'
import type { Permission } from '@/constants/permission'
import type { FormField, FormValues } from './form'

/** Why an action can't be done now: a key of the locales with its values. */
export interface Refusal {
  reason: string
  values?: Record<string, unknown>
}

export type Group = 'rescue' | 'power' | 'config' | 'storage' | 'other'
export const GROUPS: readonly Group[] = ['rescue', 'power', 'config', 'storage', 'other']

export interface ServerAction {
  /** As in the path: `start-rescue`. */
  name: string
  /** A key of the locales. */
  label: string
  icon: IconName
  group: Group
  permission: Permission
  /** What it does can't be undone. */
  isDangerous?: boolean
  /** Whether it can be done to many at once. */
  isForMany: boolean
  /** Not shown for this server at all: what it would do makes no sense for it. */
  hidden?: (server: Server) => boolean
  meta: {
    /** Statuses it may begin in, as crates/region/verbs.txt has them; a test compares. `null`: any. */
    from: readonly GuestStatus[] | null
    /** Why it can't be done to this server now; `null` if it can. Region decides again. */
    validate: (server: Server) => Refusal | null
  }
  /** Asks first. The dialog gets `action` and `servers`, and says `close`. */
  dialog?: () => Promise<{ default: Component }>
  /** What is asked of region; where there is no dialog, at once. */
  perform?: (server: Server, values: FormValues) => Promise<PerformAnswer>
  /** What FieldsDialog asks for; `perform` and `climc` then get the values. */
  fields?: readonly FormField[]
  /** The same as a command line. */
  climc: (servers: readonly Server[], values?: FormValues) => string
}
