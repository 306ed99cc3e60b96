// What a rescue system found and repaired: `GET /rescuesessions/{id}/diagnosis`. Shapes: crates/types/src/diagnosis.rs.
import { useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'

import { call } from '@/api/client'
import { keys } from '@/api/keys'
import type { RescueSession } from '@/api/types'
import type { Tone } from '@/constants/status'

export type Severity = 'critical' | 'warning' | 'note'
export type FixState = 'done' | 'nothing_to_do' | 'failed' | 'refused'

export interface FixOffer {
  code: string
  safe: boolean
  reason: string
  title: string
}

export interface Finding {
  code: string
  severity: Severity
  title: string
  evidence: string[]
  what_to_do: string
  fixes: FixOffer[]
}

export interface FileChange {
  path: string
  kind: 'added' | 'removed' | 'changed' | 'mode'
  diff?: string
  note?: string
}

export interface RepairReport {
  fixes: { code: string; state: FixState; message: string; log: string[] }[]
  changes: FileChange[]
  dry_run: boolean
}

export interface Examined {
  diagnosis: { findings: Finding[]; checked: string[]; skipped: { code: string; why: string }[]; seconds: number } | null
  diagnosed_at: string | null
  repairs: { at: string; user: string; task_id: string; report: RepairReport }[]
  trials: { at: string; user: string; task_id: string; report: Trial }[]
}

/** One boot of the server's own system on what was repaired. */
export interface Trial {
  sign: string | null
  seconds: number | null
  cause: string | null
  console: string[]
}

export const SEVERITY_TONES: Record<Severity, Tone> = { critical: 'danger', warning: 'warning', note: 'info' }
export const FIX_TONES: Record<FixState, Tone> = { done: 'success', nothing_to_do: 'info', failed: 'danger', refused: 'warning' }

/** Beneath the server's details, so that whatever changes the server asks this anew. */
export function useExamined(session: MaybeRefOrGetter<Pick<RescueSession, 'id' | 'server_id'>>) {
  return useQuery({
    queryKey: computed(() => keys.detail('servers', toValue(session).server_id, 'diagnosis', { session: toValue(session).id })),
    queryFn: async ({ signal }) => {
      const body = await call<{ rescuesession: Examined }>('GET', `/rescuesessions/${toValue(session).id}/diagnosis`, undefined, { signal })
      return body.rescuesession
    },
  })
}

/** The fixes that the findings offer, each once, in their order. */
export function fixesOf(findings: readonly Finding[]): FixOffer[] {
  const fixes = new Map<string, FixOffer>()
  for (const fix of findings.flatMap((finding) => finding.fixes)) {
    const known = fixes.get(fix.code)
    // What is safe for one finding and not for another is not safe.
    if (!known || (known.safe && !fix.safe)) fixes.set(fix.code, fix)
  }
  return [...fixes.values()]
}

/** Why a repair can't be done now, as a key beneath `findings`; a dry run always can. */
export function whyNoRepair(session: Pick<RescueSession, 'disk_mode'>, chosen: readonly string[]): 'notOverlay' | 'noneChosen' | null {
  if (session.disk_mode !== 'overlay') return 'notOverlay'
  return chosen.length === 0 ? 'noneChosen' : null
}
