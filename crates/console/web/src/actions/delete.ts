import { call } from '@/api/client'
import type { PerformAnswer } from '@/api/types'
import type { ServerAction } from './types'
import { climcLine, fromStatus } from './validate'

const FROM = [
  'ready',
  'create_failed',
  'start_failed',
  'stop_failed',
  'change_config_failed',
  'attach_disk_failed',
  'detach_disk_failed',
  'disk_resize_failed',
  'snapshot_failed',
  'disk_reset_failed',
  'delete_failed',
] as const

export const remove: ServerAction = {
  name: 'delete',
  label: 'actions.delete.label',
  icon: 'cross',
  group: 'other',
  permission: 'server_delete',
  isDangerous: true,
  isForMany: true,
  meta: { from: FROM, validate: (server) => fromStatus(server, FROM) },
  dialog: () => import('@/dialogs/DeleteDialog.vue'),
  perform: (server) => call<PerformAnswer>('DELETE', `/servers/${encodeURIComponent(server.id)}`),
  climc: (servers) => climcLine('server-delete', servers, '--wait'),
}
