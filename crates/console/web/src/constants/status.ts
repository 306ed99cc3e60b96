// The lifecycle's words and how they look. Named subsets as crates/types/src/status.rs has them.
import type { GuestStatus } from '@/api/types'

export type Tone = 'success' | 'info' | 'warning' | 'danger' | 'primary' | 'rescue'

/** A task is at work; the status ends by itself. */
export const IN_TRANSITION: readonly GuestStatus[] = [
  'creating',
  'starting',
  'stopping',
  'restarting',
  'suspending',
  'resuming',
  'change_config',
  'attach_disk',
  'detach_disk',
  'disk_resize',
  'snapshot',
  'snapshot_delete',
  'disk_reset',
  'start_rescue',
  'stop_rescue',
  'deleting',
]

/** Each status of the quick filter "failed". */
export const FAILED: readonly GuestStatus[] = [
  'create_failed',
  'start_failed',
  'stop_failed',
  'suspend_failed',
  'resume_failed',
  'change_config_failed',
  'attach_disk_failed',
  'detach_disk_failed',
  'disk_resize_failed',
  'snapshot_failed',
  'disk_reset_failed',
  'start_rescue_failed',
  'stop_rescue_failed',
  'delete_failed',
]

/** Each status of the quick filter "in rescue". */
export const OF_RESCUE: readonly GuestStatus[] = ['start_rescue', 'start_rescue_failed', 'rescue', 'stop_rescue', 'stop_rescue_failed']

export const STATUSES: readonly GuestStatus[] = ['ready', 'running', 'suspend', 'rescue', ...IN_TRANSITION, ...FAILED]

export function isTransitional(status: GuestStatus): boolean {
  return IN_TRANSITION.includes(status)
}

export function isFailed(status: GuestStatus): boolean {
  return FAILED.includes(status)
}

export function toneOf(status: GuestStatus): Tone {
  if (isFailed(status)) return 'danger'
  if (isTransitional(status)) return 'primary'
  if (status === 'running') return 'success'
  if (status === 'rescue') return 'rescue'
  if (status === 'suspend') return 'warning'
  return 'info'
}
