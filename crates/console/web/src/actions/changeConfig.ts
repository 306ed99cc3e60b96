import { performServer } from '@/api/client'
import type { Server } from '@/api/types'
import { numberOf, textOf, type FormValues } from './form'
import type { ServerAction } from './types'
import { climcLine, fromStatus, shellWord } from './validate'

const FROM = ['ready', 'running'] as const

/** Processors and memory change only while it is off. */
const isOff = (server: Server) => server.status === 'ready'

/** Only what is another than before is asked for. */
export function changes(server: Server, values: FormValues) {
  const [cpus, memory, vnc, qemu] = [numberOf(values, 'vcpu_count'), numberOf(values, 'vmem_size'), values.vnc === true, textOf(values, 'qemu_version')]
  return {
    ...(isOff(server) && cpus !== server.vcpu_count && { vcpu_count: cpus }),
    ...(isOff(server) && memory !== server.vmem_size && { vmem_size: memory }),
    ...(vnc !== (server.vnc ?? false) && { vnc }),
    ...(qemu !== (server.qemu_version ?? '') && { qemu_version: qemu }),
  }
}

export const changeConfig: ServerAction = {
  name: 'change-config',
  label: 'actions.change_config.label',
  icon: 'policy',
  group: 'config',
  permission: 'server_perform_change_config',
  isForMany: false,
  meta: { from: FROM, validate: (server) => fromStatus(server, FROM) },
  fields: [
    { key: 'vcpu_count', label: 'fields.vcpus', kind: 'number', min: 1, max: 256, initial: (server) => server.vcpu_count, shown: isOff },
    { key: 'vmem_size', label: 'fields.memory', kind: 'number', min: 64, max: 4_194_304, step: 256, initial: (server) => server.vmem_size, shown: isOff },
    { key: 'vnc', label: 'fields.screen', hint: 'fields.screenHint', kind: 'switch', initial: (server) => server.vnc ?? false },
    { key: 'qemu_version', label: 'fields.qemu', hint: 'fields.qemuHint', kind: 'text', initial: (server) => server.qemu_version ?? '' },
  ],
  dialog: () => import('@/dialogs/FieldsDialog.vue'),
  perform: (server, values) => performServer(server.id, 'change-config', changes(server, values)),
  climc: (servers, values = {}) => {
    const [server] = servers
    const wanted = server ? changes(server, values) : {}
    return climcLine(
      'server-change-config',
      servers,
      wanted.vcpu_count !== undefined && `--ncpu ${wanted.vcpu_count}`,
      wanted.vmem_size !== undefined && `--mem ${wanted.vmem_size}`,
      wanted.vnc !== undefined && `--vnc ${wanted.vnc}`,
      wanted.qemu_version !== undefined && `--qemu-version ${shellWord(wanted.qemu_version)}`,
      '--wait',
    )
  },
}
