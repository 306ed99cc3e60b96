import type { ServerAction } from './types'
import { climcLine, fromStatus } from './validate'

/** In rescue it is the rescue system that restarts. */
const FROM = ['running', 'start_failed', 'stop_failed', 'rescue'] as const

export const restart: ServerAction = {
  name: 'restart',
  label: 'actions.restart.label',
  icon: 'refresh',
  group: 'power',
  permission: 'server_perform_restart',
  isForMany: true,
  meta: { from: FROM, validate: (server) => fromStatus(server, FROM) },
  dialog: () => import('@/dialogs/StopDialog.vue'),
  climc: (servers) => climcLine('server-restart', servers, '--wait'),
}
