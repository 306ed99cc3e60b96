import { performServer } from '@/api/client'
import { textOf } from './form'
import type { ServerAction } from './types'
import { climcLine, fromStatus, shellWord } from './validate'

const FROM = ['ready', 'running', 'suspend'] as const

export const createSnapshot: ServerAction = {
  name: 'create-snapshot',
  label: 'actions.create_snapshot.label',
  icon: 'camera',
  group: 'storage',
  permission: 'server_perform_create_snapshot',
  isForMany: false,
  meta: { from: FROM, validate: (server) => fromStatus(server, FROM) },
  fields: [
    { key: 'name', label: 'servers.name', hint: 'fields.nameHint', kind: 'text', isRequired: true, pattern: /^[A-Za-z0-9][\w.-]{0,62}$/ },
    { key: 'description', label: 'server.description', kind: 'text' },
  ],
  dialog: () => import('@/dialogs/FieldsDialog.vue'),
  perform: (server, values) => performServer(server.id, 'create-snapshot', { name: textOf(values, 'name'), description: textOf(values, 'description') }),
  climc: (servers, values = {}) =>
    climcLine('server-snapshot-create', servers, `--snapshot ${shellWord(textOf(values, 'name') || 'NAME')}`, textOf(values, 'description') !== '' && `--description ${shellWord(textOf(values, 'description'))}`, '--wait'),
}
