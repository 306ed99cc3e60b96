import { call } from '@/api/client'
import type { PerformAnswer } from '@/api/types'
import { textOf } from './form'
import type { ServerAction } from './types'
import { climcLine, shellWord } from './validate'

export const update: ServerAction = {
  name: 'update',
  label: 'actions.update.label',
  icon: 'log',
  group: 'other',
  permission: 'server_update',
  isForMany: false,
  meta: { from: null, validate: () => null },
  fields: [
    { key: 'name', label: 'servers.name', hint: 'fields.nameHint', kind: 'text', isRequired: true, pattern: /^[A-Za-z0-9][\w.-]{0,62}$/, initial: (server) => server.name },
    { key: 'description', label: 'server.description', kind: 'text', initial: (server) => server.description ?? '' },
  ],
  dialog: () => import('@/dialogs/FieldsDialog.vue'),
  // Somebody else's change in the meantime is a 412, not overwritten.
  perform: (server, values) =>
    call<PerformAnswer>('PATCH', `/servers/${encodeURIComponent(server.id)}`, { server: { name: textOf(values, 'name'), description: textOf(values, 'description') } }, { headers: { 'If-Match': `"${server.update_version}"` } }),
  climc: (servers, values = {}) => climcLine('server-update', servers, `--name ${shellWord(textOf(values, 'name'))}`, `--desc ${shellWord(textOf(values, 'description') || '')}`),
}
