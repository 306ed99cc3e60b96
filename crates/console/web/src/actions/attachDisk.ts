import { performServer } from '@/api/client'
import { detachedDisks } from './disks'
import { numberOf, textOf, type FormValues } from './form'
import type { ServerAction } from './types'
import { climcLine, fromStatus, shellWord } from './validate'

const FROM = ['ready', 'running'] as const
const isNew = (values: FormValues) => values.what === 'new'

export const attachDisk: ServerAction = {
  name: 'attach-disk',
  label: 'actions.attach_disk.label',
  icon: 'disk',
  group: 'storage',
  permission: 'server_perform_attach_disk',
  isForMany: false,
  meta: { from: FROM, validate: (server) => fromStatus(server, FROM) },
  fields: [
    {
      key: 'what',
      label: 'fields.disk',
      kind: 'choice',
      isRequired: true,
      initial: () => 'new',
      choices: () => [
        { value: 'new', label: 'fields.newDisk', isKey: true },
        { value: 'detached', label: 'fields.detachedDisk', isKey: true },
      ],
    },
    { key: 'disk_id', label: 'fields.detachedDisk', kind: 'choice', isRequired: true, choices: detachedDisks, shown: (_, values) => !isNew(values) },
    { key: 'size', label: 'fields.sizeMib', kind: 'number', min: 1, max: 67_108_864, step: 1_024, initial: () => 10_240, shown: (_, values) => isNew(values) },
    { key: 'image', label: 'fields.image', hint: 'fields.imageHint', kind: 'text', shown: (_, values) => isNew(values) },
    {
      key: 'driver',
      label: 'server.driver',
      kind: 'choice',
      initial: () => '',
      // A running server takes only these two.
      choices: (server) => [
        { value: '', label: 'fields.usual', isKey: true },
        ...['virtio', 'scsi', ...(server.status === 'ready' ? ['sata', 'ide'] : [])].map((value) => ({ value, label: value })),
      ],
    },
  ],
  dialog: () => import('@/dialogs/FieldsDialog.vue'),
  perform: (server, values) =>
    performServer(server.id, 'attach-disk', {
      ...(isNew(values) ? { size: numberOf(values, 'size'), ...(textOf(values, 'image') && { image: textOf(values, 'image') }) } : { disk_id: textOf(values, 'disk_id') }),
      ...(textOf(values, 'driver') && { driver: textOf(values, 'driver') }),
    }),
  climc: (servers, values = {}) =>
    climcLine(
      'server-attach-disk',
      servers,
      isNew(values) ? `--size ${numberOf(values, 'size')}` : `--disk-id ${textOf(values, 'disk_id') || 'DISK'}`,
      isNew(values) && textOf(values, 'image') !== '' && `--image ${shellWord(textOf(values, 'image'))}`,
      textOf(values, 'driver') !== '' && `--driver ${textOf(values, 'driver')}`,
      '--wait',
    ),
}
