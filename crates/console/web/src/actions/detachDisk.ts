import { performServer } from '@/api/client'
import { ownDisks } from './disks'
import { textOf } from './form'
import type { ServerAction } from './types'
import { climcLine, firstOf, fromStatus } from './validate'

const FROM = ['ready', 'running'] as const

export const detachDisk: ServerAction = {
  name: 'detach-disk',
  label: 'actions.detach_disk.label',
  icon: 'disk',
  group: 'storage',
  permission: 'server_perform_detach_disk',
  isForMany: false,
  meta: { from: FROM, validate: (server) => firstOf(server.disks.length === 0 && { reason: 'actions.why.noDisk' }, fromStatus(server, FROM)) },
  fields: [{ key: 'disk_id', label: 'fields.disk', kind: 'choice', isRequired: true, choices: ownDisks }],
  dialog: () => import('@/dialogs/FieldsDialog.vue'),
  perform: (server, values) => performServer(server.id, 'detach-disk', { disk_id: textOf(values, 'disk_id') }),
  climc: (servers, values = {}) => climcLine('server-detach-disk', servers, `--disk-id ${textOf(values, 'disk_id') || 'DISK'}`, '--wait'),
}
