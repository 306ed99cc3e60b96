import { performServer } from '@/api/client'
import type { ServerAction } from './types'
import { climcLine, fromStatus } from './validate'

const FROM = ['running', 'suspend_failed'] as const

export const suspend: ServerAction = {
  name: 'suspend',
  label: 'actions.suspend.label',
  icon: 'moon',
  group: 'power',
  permission: 'server_perform_suspend',
  isForMany: true,
  meta: { from: FROM, validate: (server) => fromStatus(server, FROM) },
  dialog: () => import('@/dialogs/ConfirmDialog.vue'),
  perform: (server) => performServer(server.id, 'suspend'),
  climc: (servers) => climcLine('server-suspend', servers, '--wait'),
}
