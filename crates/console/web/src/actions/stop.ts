import type { ServerAction } from './types'
import { climcLine, fromStatus } from './validate'

const FROM = ['running', 'start_failed', 'stop_failed', 'suspend', 'suspend_failed', 'resume_failed', 'start_rescue_failed', 'stop_rescue_failed'] as const

export const stop: ServerAction = {
  name: 'stop',
  label: 'actions.stop.label',
  icon: 'stop',
  group: 'power',
  permission: 'server_perform_stop',
  isForMany: true,
  meta: {
    from: FROM,
    validate: (server) => (server.status === 'ready' ? { reason: 'actions.why.isOff' } : fromStatus(server, FROM)),
  },
  dialog: () => import('@/dialogs/StopDialog.vue'),
  climc: (servers) => climcLine('server-stop', servers, '--wait'),
}
