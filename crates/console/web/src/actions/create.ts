// A new server: what is asked for, and the same as a command line. It is no action of a server, for there is none yet.
import { call } from '@/api/client'
import type { PerformAnswer, Server } from '@/api/types'
import { forwardsOf } from './attachNetwork'
import { numberOf, textOf, type FormField, type FormValues } from './form'
import { shellWord } from './validate'

export const NAME = /^[A-Za-z0-9][\w.-]{0,62}$/

export const CREATE_FIELDS: readonly FormField[] = [
  { key: 'name', label: 'servers.name', hint: 'fields.nameHint', kind: 'text', isRequired: true, pattern: NAME },
  { key: 'image', label: 'fields.image', hint: 'fields.imageHint', kind: 'text' },
  // A disk that is no copy has a size.
  { key: 'size', label: 'fields.sizeMib', hint: 'fields.sizeHint', kind: 'number', min: 0, max: 67_108_864, step: 1_024, isWrong: (_, values) => textOf(values, 'image') === '' && numberOf(values, 'size') === 0 },
  { key: 'vcpu_count', label: 'fields.vcpus', kind: 'number', min: 1, max: 256, initial: () => 1 },
  { key: 'vmem_size', label: 'fields.memory', kind: 'number', min: 64, max: 4_194_304, step: 256, initial: () => 1_024 },
  { key: 'forwards', label: 'server.forwards', hint: 'fields.forwardsHint', kind: 'text', pattern: /^\d{1,5}:\d{1,5}([\s,]+\d{1,5}:\d{1,5})*$/ },
  { key: 'vnc', label: 'fields.screen', kind: 'switch' },
  { key: 'auto_start', label: 'fields.autoStart', kind: 'switch', initial: () => true },
]

export function createBody(values: FormValues) {
  const [image, size] = [textOf(values, 'image'), numberOf(values, 'size')]
  return {
    name: textOf(values, 'name'),
    vcpu_count: numberOf(values, 'vcpu_count'),
    vmem_size: numberOf(values, 'vmem_size'),
    disks: [{ ...(image && { image }), ...(size > 0 && { size }) }],
    nets: [{ forwards: forwardsOf(textOf(values, 'forwards')) }],
    ...(values.vnc === true && { vnc: true }),
    ...(values.auto_start === true && { auto_start: true }),
  }
}

export function createLine(values: FormValues): string {
  const [image, size] = [textOf(values, 'image'), numberOf(values, 'size')]
  const disk = [image && `image=${image}`, size > 0 && `size=${size}M`].filter(Boolean).join(',')
  const net = forwardsOf(textOf(values, 'forwards')).map((one) => `hostfwd=${one.host_port}:${one.guest_port}`)
  return [
    'climc server-create',
    shellWord(textOf(values, 'name') || 'NAME'),
    `--disk ${shellWord(disk || 'size=SIZE')}`,
    `--ncpu ${numberOf(values, 'vcpu_count')}`,
    `--mem ${numberOf(values, 'vmem_size')}`,
    `--net ${net.join(',') || 'user'}`,
    ...(values.vnc === true ? ['--vnc'] : []),
    ...(values.auto_start === true ? ['--auto-start'] : []),
    '--wait',
  ].join(' ')
}

export const createServer = (values: FormValues) => call<PerformAnswer & { server: Server }>('POST', '/servers', { server: createBody(values) })
