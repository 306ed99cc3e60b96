import { performServer } from '@/api/client'
import { textOf } from './form'
import type { ServerAction } from './types'
import { climcLine, fromStatus, shellWord } from './validate'

const FROM = ['ready', 'running'] as const

export const insertIso: ServerAction = {
  name: 'insert-iso',
  label: 'actions.insert_iso.label',
  icon: 'recording',
  group: 'config',
  permission: 'server_perform_insert_iso',
  isForMany: false,
  meta: { from: FROM, validate: (server) => fromStatus(server, FROM) },
  fields: [
    { key: 'iso', label: 'fields.iso', hint: 'fields.isoHint', kind: 'text', isRequired: true, pattern: /^[^/]+$/ },
    { key: 'cdrom', label: 'fields.drive', kind: 'choice', isRequired: true, initial: () => '0', choices: () => ['0', '1'].map((value) => ({ value, label: value })) },
  ],
  dialog: () => import('@/dialogs/FieldsDialog.vue'),
  perform: (server, values) => performServer(server.id, 'insert-iso', { iso: textOf(values, 'iso'), cdrom: Number(textOf(values, 'cdrom')) }),
  climc: (servers, values = {}) => climcLine('server-insert-iso', servers, `--iso ${shellWord(textOf(values, 'iso') || 'NAME.iso')}`, textOf(values, 'cdrom') === '1' && '--cdrom 1', '--wait'),
}
