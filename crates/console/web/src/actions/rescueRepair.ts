import { performServer } from '@/api/client'
import type { ServerAction } from './types'
import { climcLine, fromStatus } from './validate'

const FROM = ['rescue', 'ready', 'running'] as const

/** All by itself. Single fixes are chosen where the findings are shown. */
export const rescueRepair: ServerAction = {
  name: 'rescue-repair',
  label: 'actions.rescue_repair.label',
  icon: 'rescue',
  group: 'rescue',
  permission: 'server_perform_rescue_repair',
  isForMany: true,
  meta: { from: FROM, validate: (server) => fromStatus(server, FROM) },
  dialog: () => import('@/dialogs/ConfirmDialog.vue'),
  perform: (server) => performServer(server.id, 'rescue-repair', { auto: true }),
  climc: (servers) => climcLine('server-rescue-repair', servers, '--auto --wait'),
}
