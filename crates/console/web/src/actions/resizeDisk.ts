import { performServer } from '@/api/client'
import type { Server } from '@/api/types'
import { ownDisks } from './disks'
import { numberOf, textOf, type FormValues } from './form'
import type { ServerAction } from './types'
import { climcLine, firstOf, fromStatus } from './validate'

const FROM = ['ready', 'running'] as const

/** A disk never becomes smaller. */
const smallest = (server: Server, values: FormValues) => (server.disks.find((disk) => disk.id === values.disk_id)?.size ?? 0) + 1

export const resizeDisk: ServerAction = {
  name: 'resize-disk',
  label: 'actions.resize_disk.label',
  icon: 'disk',
  group: 'storage',
  permission: 'server_perform_resize_disk',
  isForMany: false,
  meta: { from: FROM, validate: (server) => firstOf(server.disks.length === 0 && { reason: 'actions.why.noDisk' }, fromStatus(server, FROM)) },
  fields: [
    { key: 'disk_id', label: 'fields.disk', kind: 'choice', isRequired: true, choices: ownDisks },
    { key: 'size', label: 'fields.newSizeMib', kind: 'number', min: smallest, max: 67_108_864, step: 1_024, initial: (server) => Math.max(...server.disks.map((disk) => disk.size), 0) + 1_024 },
  ],
  dialog: () => import('@/dialogs/FieldsDialog.vue'),
  perform: (server, values) => performServer(server.id, 'resize-disk', { disk_id: textOf(values, 'disk_id'), size: numberOf(values, 'size') }),
  climc: (servers, values = {}) => climcLine('server-resize-disk', servers, `--disk-id ${textOf(values, 'disk_id')}`, `--size ${numberOf(values, 'size')}`, '--wait'),
}
