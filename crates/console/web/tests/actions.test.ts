// @vitest-environment node
// Each action may begin exactly where region lets it, says why where it may not, and is the command line that it shows.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { divide, refusalOf, SERVER_ACTIONS } from '@/actions'
import { forwardsOf } from '@/actions/attachNetwork'
import { changes, changeConfig } from '@/actions/changeConfig'
import { initialValues, shownFields, wrongFields } from '@/actions/form'
import { CREATE_FIELDS, createBody, createLine } from '@/actions/create'
import { metadataOf, setMetadata } from '@/actions/setMetadata'
import { resizeDisk } from '@/actions/resizeDisk'
import { shellWord } from '@/actions/validate'
import type { GuestStatus, Server } from '@/api/types'
import { IN_TRANSITION, STATUSES } from '@/constants/status'
import en from '@/locales/en.json'
import { leaves, region } from './source'

const server = (patch: Partial<Server> = {}): Server =>
  ({
    id: 'id-1',
    name: 'web1',
    status: 'running',
    power_state: 'running',
    hypervisor: 'kvm',
    arch: 'x86_64',
    vcpu_count: 2,
    vmem_size: 512,
    update_version: 1,
    disks: [{ id: 'd0', index: 0, size: 1024, driver: 'virtio', format: 'qcow2', serial: 's0' }],
    nics: [{ index: 0, mac: '52:54:00:00:00:01', model: 'virtio', forwards: [] }],
    cdroms: [{ index: 0, iso: 'debian.iso' }],
    metadata: { owner: 'me' },
    ...patch,
  }) as Server

const rules = new Map(
  readFileSync(`${region}verbs.txt`, 'utf8')
    .split('\n')
    .filter((line) => line.includes(' | '))
    .map((line) => line.split(' | ') as [string, string]),
)
const keys = leaves(en)
const help = readFileSync(new URL('../../../climc/help.txt', import.meta.url), 'utf8')

describe.each(SERVER_ACTIONS.map((action) => [action.name, action] as const))('%s', (_, action) => {
  it("begins in the statuses of region's table", () => {
    const rule = rules.get(action.permission)
    expect(rule, action.permission).toBeDefined()
    expect(action.meta.from === null ? 'any' : [...action.meta.from].sort().join(' ')).toBe(rule === 'any' ? 'any' : rule?.split(' ').sort().join(' '))
  })

  it.each(STATUSES)('in %s: possible, or refused with a reason that has words', (status: GuestStatus) => {
    const refusal = action.meta.validate(server({ status }))
    const isAllowed = action.meta.from === null || action.meta.from.includes(status)
    expect(refusal === null, JSON.stringify(refusal)).toBe(isAllowed)
    if (refusal) expect(keys.has(refusal.reason), refusal.reason).toBe(true)
  })

  it('waits for a task that is at work', () => {
    const from = action.meta.from?.[0]
    if (!from) return expect(action.meta.validate(server())).toBeNull()
    const busy = server({ status: from, task: { id: 't', task_name: 'ServerStopTask', stage: 's' } })
    expect(action.meta.validate(busy)).toEqual({ reason: 'actions.why.task', values: { task: 'ServerStopTask' } })
  })

  it('has a label, a way to be done, and a command that climc has', () => {
    expect(keys.has(action.label), action.label).toBe(true)
    expect(action.perform ?? action.dialog).toBeDefined()
    const line = action.climc([server(), server({ name: 'web2' })], initialValues(action.fields ?? [], server()))
    const command = line.split(' ')[1] as string
    expect(line.startsWith(`climc ${command} web1 web2`), line).toBe(true)
    const section = help.split(/^\$ climc /m).find((one) => one.startsWith(`${command} --help`))
    expect(section, `climc has no ${command}`).toBeDefined()
    for (const [option] of line.matchAll(/--[a-z-]+/g)) expect(section, `${command} has no ${option}`).toContain(option)
  })
})

describe('of several', () => {
  const start = SERVER_ACTIONS.find((action) => action.name === 'start')
  if (!start) throw new Error('there is no start')
  const off = server({ id: 'a', status: 'ready', power_state: 'shutoff' })
  const on = server({ id: 'b' })
  const busy = server({ id: 'c', status: 'stopping' })

  it('those that can are told from those that are skipped, with why', () => {
    const { able, skipped } = divide(start, [off, on, busy])
    expect(able.map((one) => one.id)).toEqual(['a'])
    expect(skipped.map(({ server: one, why }) => [one.id, why.reason])).toEqual([
      ['b', 'actions.why.isOn'],
      ['c', 'actions.why.transition'],
    ])
  })

  it('it is refused only if none can', () => {
    expect(refusalOf(start, [on, off])).toBeNull()
    expect(refusalOf(start, [on])?.reason).toBe('actions.why.isOn')
    expect(refusalOf(start, [on, on])?.reason).toBe('actions.why.isOn')
    expect(refusalOf(start, [on, busy])?.reason).toBe('actions.why.nobody')
    expect(refusalOf(start, [])?.reason).toBe('actions.why.nobody')
  })
})

describe('what is possible only of some', () => {
  const why = (name: string, patch: Partial<Server>) => SERVER_ACTIONS.find((action) => action.name === name)?.meta.validate(server(patch))?.reason
  it.each([
    ['eject-iso', { cdroms: [{ index: 0, iso: null }] }, 'actions.why.noIso'],
    ['eject-iso', { cdroms: undefined }, 'actions.why.noIso'],
    ['detach-disk', { disks: [] }, 'actions.why.noDisk'],
    ['detach-network', { nics: [] }, 'actions.why.noNic'],
    ['start-rescue', { hypervisor: 'esxi' }, 'actions.why.hypervisor'],
    ['delete', { status: 'running' }, 'actions.why.mustBeOff'],
    ['stop', { status: 'rescue' }, 'actions.why.inRescue'],
    ['delete', { status: 'start_rescue_failed' }, 'actions.why.rescueFailed'],
    ['suspend', { status: 'ready' }, 'actions.why.mustBeOn'],
  ] as [string, Partial<Server>, string][])('%s with %j', (name, patch, reason) => expect(why(name, patch)).toBe(reason))

  it('every status that ends by itself says to wait', () => {
    for (const status of IN_TRANSITION) expect(why('restart', { status })).toBe('actions.why.transition')
  })
})

describe('forms', () => {
  it('send only what was changed', () => {
    const off = server({ status: 'ready' })
    const values = initialValues(changeConfig.fields ?? [], off)
    expect(changes(off, values)).toEqual({})
    expect(changes(off, { ...values, vmem_size: 1024, vnc: true })).toEqual({ vmem_size: 1024, vnc: true })
    expect(changeConfig.climc([off], { ...values, vcpu_count: 4 })).toBe('climc server-change-config web1 --ncpu 4 --wait')
  })

  it('ask a running server for nothing that it can not take', () => {
    const fields = changeConfig.fields ?? []
    expect(shownFields(fields, server(), {}).map((field) => field.key)).toEqual(['vnc', 'qemu_version'])
    expect(changes(server(), { vcpu_count: 9, vmem_size: 9, vnc: false, qemu_version: '' })).toEqual({})
  })

  it('know what is missing, too small or misspelt', () => {
    const fields = resizeDisk.fields ?? []
    expect(wrongFields(fields, server(), { disk_id: '', size: 5 })).toEqual(['disk_id'])
    expect(wrongFields(fields, server(), { disk_id: 'd0', size: 1024 })).toEqual(['size'])
    expect(wrongFields(fields, server(), { disk_id: 'd0', size: 1025 })).toEqual([])
    expect(wrongFields(setMetadata.fields ?? [], server(), { metadata: 'a=b\n\nc = d e' })).toEqual([])
    expect(wrongFields(setMetadata.fields ?? [], server(), { metadata: 'a=b\nnonsense' })).toEqual(['metadata'])
    for (const action of SERVER_ACTIONS.filter((one) => one.fields)) {
      for (const field of action.fields ?? []) expect(keys.has(field.label) && (!field.hint || keys.has(field.hint)), `${action.name}.${field.key}`).toBe(true)
    }
  })

  it('read lists as they are typed', () => {
    expect(forwardsOf(' 8080:80, 2222:22 ')).toEqual([
      { host_port: 8080, guest_port: 80 },
      { host_port: 2222, guest_port: 22 },
    ])
    expect(metadataOf('owner = me\n\nnote=a=b\n')).toEqual({ owner: 'me', note: 'a=b' })
  })
})

describe('a word of a command line', () => {
  it.each([
    ['web1', 'web1'],
    ['a b', "'a b'"],
    ["it's", String.raw`'it'\''s'`],
    ['$(reboot)', "'$(reboot)'"],
    ['', "''"],
  ])('%s', (word, quoted) => expect(shellWord(word)).toBe(quoted))
})

describe('a new server', () => {
  const values = { ...initialValues(CREATE_FIELDS, {} as Server), name: 'web9', image: 'debian.qcow2', forwards: '2222:22, 8080:80' }

  it('is asked for as it was typed', () => {
    expect(createBody(values)).toEqual({
      name: 'web9',
      vcpu_count: 1,
      vmem_size: 1_024,
      disks: [{ image: 'debian.qcow2' }],
      nets: [{ forwards: [{ host_port: 2222, guest_port: 22 }, { host_port: 8080, guest_port: 80 }] }],
      auto_start: true,
    })
    expect(createBody({ ...values, image: '', size: 2_048, auto_start: false, vnc: true, forwards: '' })).toMatchObject({ disks: [{ size: 2_048 }], nets: [{ forwards: [] }], vnc: true })
  })

  it('has the same as a command line, of options that climc has', () => {
    const line = createLine({ ...values, size: 10_240, vnc: true })
    expect(line).toBe("climc server-create web9 --disk image=debian.qcow2,size=10240M --ncpu 1 --mem 1024 --net hostfwd=2222:22,hostfwd=8080:80 --vnc --auto-start --wait")
    const section = help.split(/^\$ climc /m).find((one) => one.startsWith('server-create --help'))
    for (const [option] of line.matchAll(/--[a-z-]+/g)) expect(section).toContain(`${option} `.trimEnd())
  })

  it('needs a name, and a size where it is no copy', () => {
    expect(wrongFields(CREATE_FIELDS, {} as Server, values)).toEqual([])
    expect(wrongFields(CREATE_FIELDS, {} as Server, { ...values, name: '-x', image: '' })).toEqual(['name', 'size'])
  })
})
