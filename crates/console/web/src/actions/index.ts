// The one list of what can be done to a server, in the order of menus. One action is one file.
import type { Server } from '@/api/types'
import { attachDisk } from './attachDisk'
import { attachNetwork } from './attachNetwork'
import { changeConfig } from './changeConfig'
import { createSnapshot } from './createSnapshot'
import { remove } from './delete'
import { detachDisk } from './detachDisk'
import { detachNetwork } from './detachNetwork'
import { ejectIso } from './ejectIso'
import { insertIso } from './insertIso'
import { rescueRepair } from './rescueRepair'
import { reset } from './reset'
import { resizeDisk } from './resizeDisk'
import { restart } from './restart'
import { resume } from './resume'
import { revertSnapshot } from './revertSnapshot'
import { setMetadata } from './setMetadata'
import { start } from './start'
import { startRescue } from './startRescue'
import { stop } from './stop'
import { stopRescue } from './stopRescue'
import { suspend } from './suspend'
import { syncstatus } from './syncstatus'
import type { Refusal, ServerAction } from './types'
import { update } from './update'

export type { Refusal, ServerAction } from './types'
export { startRescue, stopRescue }

export const SERVER_ACTIONS: readonly ServerAction[] = [
  startRescue,
  rescueRepair,
  stopRescue,
  start,
  stop,
  restart,
  reset,
  suspend,
  resume,
  changeConfig,
  attachNetwork,
  detachNetwork,
  insertIso,
  ejectIso,
  attachDisk,
  detachDisk,
  resizeDisk,
  createSnapshot,
  revertSnapshot,
  syncstatus,
  update,
  setMetadata,
  remove,
]

/** Of these servers, those that it can be done to, and the others with the reason. */
export function divide(action: ServerAction, servers: readonly Server[]): { able: Server[]; skipped: { server: Server; why: Refusal }[] } {
  const able: Server[] = []
  const skipped: { server: Server; why: Refusal }[] = []
  for (const server of servers) {
    const why = action.meta.validate(server)
    if (why) skipped.push({ server, why })
    else able.push(server)
  }
  return { able, skipped }
}

/** Why it can't be done to any of them; `null` if it can to at least one. */
export function refusalOf(action: ServerAction, servers: readonly Server[]): Refusal | null {
  const { able, skipped } = divide(action, servers)
  if (able.length > 0) return null
  if (skipped.length === 1 || new Set(skipped.map(({ why }) => why.reason)).size === 1) return skipped[0]?.why ?? { reason: 'actions.why.nobody' }
  return { reason: 'actions.why.nobody' }
}
