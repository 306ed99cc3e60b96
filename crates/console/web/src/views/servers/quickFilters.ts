// The quick filters of the list: groups of statuses by one word, in the URL as `status=rescue,...`.
import type { GuestStatus } from '@/api/types'
import { FAILED, OF_RESCUE } from '@/constants/status'

export const QUICK = ['all', 'rescue', 'failed', 'running', 'off'] as const
export type Quick = (typeof QUICK)[number]

export const STATUSES_OF: Record<Quick, readonly GuestStatus[]> = {
  all: [],
  rescue: OF_RESCUE,
  failed: FAILED,
  running: ['running'],
  off: ['ready'],
}

/** Which of them these statuses are; `null`: some other choice. */
export function quickOf(statuses: readonly string[] | undefined): Quick | null {
  const given = [...(statuses ?? [])].sort().join()
  return QUICK.find((one) => [...STATUSES_OF[one]].sort().join() === given) ?? null
}
