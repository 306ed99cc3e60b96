import { performServer } from '@/api/client'
import type { ServerAction } from './types'
import { climcLine, fromStatus } from './validate'

const FROM = ['running', 'rescue'] as const

export const reset: ServerAction = {
  name: 'reset',
  label: 'actions.reset.label',
  icon: 'refresh',
  group: 'power',
  permission: 'server_perform_reset',
  isDangerous: true,
  isForMany: true,
  meta: { from: FROM, validate: (server) => fromStatus(server, FROM) },
  dialog: () => import('@/dialogs/ConfirmDialog.vue'),
  perform: (server) => performServer(server.id, 'reset'),
  climc: (servers) => climcLine('server-reset', servers, '--wait'),
}
