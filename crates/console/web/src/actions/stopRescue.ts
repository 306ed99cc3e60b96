import { OF_RESCUE } from '@/constants/status'
import type { ServerAction } from './types'
import { climcLine, fromStatus } from './validate'

const FROM = ['rescue', 'start_rescue_failed', 'stop_rescue_failed'] as const

export const stopRescue: ServerAction = {
  name: 'stop-rescue',
  label: 'actions.stop_rescue.label',
  icon: 'exit',
  group: 'rescue',
  permission: 'server_perform_stop_rescue',
  isForMany: true,
  hidden: (server) => !OF_RESCUE.includes(server.status),
  meta: {
    from: FROM,
    validate: (server) => (OF_RESCUE.includes(server.status) ? fromStatus(server, FROM) : { reason: 'actions.why.notInRescue' }),
  },
  dialog: () => import('@/dialogs/StopRescueDialog.vue'),
  climc: (servers) => climcLine('server-stop-rescue', servers, '--wait'),
}
