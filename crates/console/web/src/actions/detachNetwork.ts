import { performServer } from '@/api/client'
import { textOf } from './form'
import type { ServerAction } from './types'
import { climcLine, firstOf, fromStatus } from './validate'

const FROM = ['ready', 'running'] as const

export const detachNetwork: ServerAction = {
  name: 'detach-network',
  label: 'actions.detach_network.label',
  icon: 'network',
  group: 'config',
  permission: 'server_perform_detach_network',
  isForMany: false,
  meta: { from: FROM, validate: (server) => firstOf(server.nics.length === 0 && { reason: 'actions.why.noNic' }, fromStatus(server, FROM)) },
  fields: [{ key: 'mac', label: 'fields.nic', kind: 'choice', isRequired: true, choices: (server) => server.nics.map((nic) => ({ value: nic.mac, label: `${nic.index}: ${nic.mac}, ${nic.model}` })) }],
  dialog: () => import('@/dialogs/FieldsDialog.vue'),
  perform: (server, values) => performServer(server.id, 'detach-network', { mac: textOf(values, 'mac') }),
  climc: (servers, values = {}) => climcLine('server-detach-network', servers, `--mac ${textOf(values, 'mac')}`, '--wait'),
}
