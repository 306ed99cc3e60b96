// What opens a console: `POST /servers/{id}/console-ticket`.
import { call } from '@/api/client'
import { ApiError } from '@/api/errors'

import type { ConsoleKind, Ticket } from './connection'

interface Answer {
  console?: { ticket: string; recording?: boolean }
}

/** A ticket for one console of a server, good once and for a minute. */
export async function consoleTicket(serverId: string, kind: ConsoleKind): Promise<Ticket> {
  const id = encodeURIComponent(serverId)
  const answer = await call<Answer>('POST', `/servers/${id}/console-ticket`, { server: { kind } })
  if (!answer.console) throw new ApiError('UnknownError', 'the answer holds no ticket', 0, null)
  return { ticket: answer.console.ticket, path: `/servers/${id}/${kind}`, recording: answer.console.recording === true }
}

/** Refusals that another try would only get again: no such server, not allowed, logged out. */
export function isFinal(error: unknown): boolean {
  return error instanceof ApiError && [400, 401, 403, 404].includes(error.status)
}
