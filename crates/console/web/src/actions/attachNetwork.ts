import { performServer } from '@/api/client'
import { textOf, type FormValues } from './form'
import type { ServerAction } from './types'
import { climcLine, fromStatus } from './validate'

const FROM = ['ready', 'running'] as const

/** `8080:80, 2222:22` */
export function forwardsOf(text: string): { host_port: number; guest_port: number }[] {
  return text
    .split(/[\s,]+/)
    .filter((one) => one !== '')
    .map((one) => one.split(':').map(Number))
    .map(([host_port = 0, guest_port = 0]) => ({ host_port, guest_port }))
}

function net(values: FormValues): string {
  const parts = [
    ...forwardsOf(textOf(values, 'forwards')).map((one) => `hostfwd=${one.host_port}:${one.guest_port}`),
    ...(textOf(values, 'model') ? [`model=${textOf(values, 'model')}`] : []),
    ...(textOf(values, 'mac') ? [`mac=${textOf(values, 'mac')}`] : []),
  ]
  return parts.length > 0 ? parts.join(',') : 'user'
}

export const attachNetwork: ServerAction = {
  name: 'attach-network',
  label: 'actions.attach_network.label',
  icon: 'network',
  group: 'config',
  permission: 'server_perform_attach_network',
  isForMany: false,
  meta: { from: FROM, validate: (server) => fromStatus(server, FROM) },
  fields: [
    { key: 'forwards', label: 'server.forwards', hint: 'fields.forwardsHint', kind: 'text', pattern: /^\d{1,5}:\d{1,5}([\s,]+\d{1,5}:\d{1,5})*$/ },
    {
      key: 'model',
      label: 'server.model',
      kind: 'choice',
      choices: () => [
        { value: '', label: 'fields.usual', isKey: true },
        { value: 'virtio', label: 'virtio' },
        { value: 'e1000', label: 'e1000' },
      ],
    },
    { key: 'mac', label: 'fields.mac', hint: 'fields.macHint', kind: 'text', pattern: /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i },
  ],
  dialog: () => import('@/dialogs/FieldsDialog.vue'),
  perform: (server, values) =>
    performServer(server.id, 'attach-network', {
      forwards: forwardsOf(textOf(values, 'forwards')),
      ...(textOf(values, 'model') && { model: textOf(values, 'model') }),
      ...(textOf(values, 'mac') && { mac: textOf(values, 'mac') }),
    }),
  climc: (servers, values = {}) => climcLine('server-attach-network', servers, `--net ${net(values)}`, '--wait'),
}
