// Why a verb can't begin: one decision for all actions, so that they all explain in the same words.
import type { GuestStatus, Server } from '@/api/types'
import { IN_TRANSITION, OF_RESCUE } from '@/constants/status'
import type { Refusal } from './types'

/** `null` where a server in this status, without a task, may begin it. */
export function fromStatus(server: Server, from: readonly GuestStatus[] | null): Refusal | null {
  if (from === null) return null
  if (server.task) return { reason: 'actions.why.task', values: { task: server.task.task_name } }
  if (IN_TRANSITION.includes(server.status)) return { reason: 'actions.why.transition' }
  if (from.includes(server.status)) return null
  if (server.status === 'rescue') return { reason: 'actions.why.inRescue' }
  if (OF_RESCUE.includes(server.status)) return { reason: 'actions.why.rescueFailed' }
  if (server.status === 'suspend') return { reason: 'actions.why.suspended' }
  if (server.status === 'running') return from.includes('ready') ? { reason: 'actions.why.mustBeOff' } : { reason: 'actions.why.isOn' }
  if (server.status === 'ready') return from.includes('running') ? { reason: 'actions.why.mustBeOn' } : { reason: 'actions.why.notNow' }
  return { reason: 'actions.why.notNow' }
}

/** The first reason that there is. */
export function firstOf(...refusals: (Refusal | null | false | undefined)[]): Refusal | null {
  for (const refusal of refusals) if (refusal) return refusal
  return null
}

const PLAIN = /^[\w.:/@%+=,-]+$/

/** A word of a command line, as a shell reads it back. */
export function shellWord(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}

/** `climc server-stop web1 web2 --wait`. */
export function climcLine(command: string, servers: readonly Server[], ...options: readonly (string | false | null | undefined)[]): string {
  const words = options.filter((one): one is string => typeof one === 'string')
  return ['climc', command, ...servers.map((server) => shellWord(server.name)), ...words].join(' ')
}
