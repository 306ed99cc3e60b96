// @vitest-environment node
// The rescue dialogs and panel, apart from how they look.
import { describe, expect, it } from 'vitest'

import type { PerformAnswer, RescueImage, SeenDisk, Server, Task } from '@/api/types'
import { ApiError } from '@/api/errors'
import { outcomeOf, patiently, pool } from '@/composables/useBatch'
import { bodyOf, climcOf, emptyForm, faultOf, imagesFor, isLockedOut, meant, planOf } from '@/dialogs/startRescueForm'
import { diskRows, ownSteps, rootPart, sshAccess, stepsOf } from '@/views/server/repair'
import { quickOf, STATUSES_OF } from '@/views/servers/quickFilters'

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB83GIlhhtFqJshm7as59ClNOyNjXAXc3QtXBEfl8Y6y me@laptop'
const server = (patch: Partial<Server> = {}) => ({ id: 'a', name: 'web1', status: 'running', power_state: 'running', arch: 'x86_64', disks: [], nics: [], ...patch }) as unknown as Server

describe('start-rescue', () => {
  it('asks for what was chosen, and for nothing else', () => {
    expect(bodyOf(emptyForm())).toEqual({ disk_mode: 'rw', password: 'generate', ttl: 86_400 })
    const form = { ...emptyForm(), image: 'small', diskMode: 'overlay' as const, onExpiry: 'commit' as const, sshKeys: `# mine\n${KEY}\n\n`, isPasswordWanted: false, ttl: 3_600, reason: ' fsck ', stopTimeout: 5, isForce: true }
    expect(bodyOf(form)).toEqual({ disk_mode: 'overlay', on_expiry: 'commit', rescue_image: 'small', ssh_keys: [KEY], ttl: 3_600, reason: 'fsck', stop_timeout: 5, force: true })
    expect(climcOf(form, [server()])).toBe(
      `climc server-start-rescue web1 --rescue-image small --disk-mode overlay --on-expiry commit --ssh-key '${KEY}' --ttl 3600 --reason fsck --stop-timeout 5 --force --wait`,
    )
  })

  it.each([
    ['', null],
    [KEY, null],
    ['ssh-rsa AAAAB3NzaC1yc2E= x', null],
    ['sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1', null],
    ['-----BEGIN OPENSSH PRIVATE KEY-----', 'startRescue.privateKey'],
    ['hello', 'startRescue.badKey'],
    [`${KEY}\nssh-ed25519`, 'startRescue.badKey'],
  ])('knows %s as a key, or says what is wrong', (sshKeys, fault) => {
    expect(faultOf({ ...emptyForm(), sshKeys })?.key ?? null).toBe(fault)
  })

  it('warns where nobody could log in', () => {
    expect(isLockedOut(emptyForm())).toBe(false)
    expect(isLockedOut({ ...emptyForm(), isPasswordWanted: false })).toBe(true)
    // Without a network a key opens nothing, and is not sent.
    const cutOff = { ...emptyForm(), network: 'none' as const, sshKeys: KEY }
    expect(isLockedOut({ ...cutOff, isPasswordWanted: false })).toBe(true)
    expect(bodyOf(cutOff)).toEqual({ disk_mode: 'rw', network: 'none', password: 'generate', ttl: 86_400 })
    expect(climcOf(cutOff, [server()])).toContain('--network none')
    expect(isLockedOut({ ...emptyForm(), isPasswordWanted: false, sshKeys: KEY })).toBe(false)
  })

  it('takes paused servers only by force', () => {
    const all = [server(), server({ id: 'b', status: 'suspend' }), server({ id: 'c', power_state: 'paused' })]
    expect(meant(emptyForm(), all).map((one) => one.id)).toEqual(['a'])
    expect(meant({ ...emptyForm(), isForce: true }, all).length).toBe(3)
  })

  it('does not announce a stop of what is off', () => {
    expect(planOf([server()])).toContain('stop')
    expect(planOf([server({ power_state: 'shutoff' })])).not.toContain('stop')
  })

  it('offers images that all of them can boot, of each name the newest', () => {
    const image = (name: string, serial: number, arch = 'x86_64') => ({ name, serial, arch }) as RescueImage
    const images = [image('small', 1), image('small', 3), image('small', 2), image('arm', 9, 'aarch64'), image('big', 1)]
    expect(imagesFor(images, [server()]).map((one) => [one.name, one.serial])).toEqual([
      ['big', 1],
      ['small', 3],
    ])
    expect(imagesFor(images, [server(), server({ arch: 'aarch64' as never })])).toEqual([])
  })
})

describe('the result of one of many', () => {
  const asked = (patch: object) => ({ server: server(), state: 'answered' as const, error: null, answer: { server: server(), task: { id: 't', task_name: 'x', stage: 's' } } as PerformAnswer, ...patch })
  const task = (state: Task['state']) => ({ state, is_complete: ['succeeded', 'failed', 'cancelled'].includes(state) }) as Task

  it.each([
    ['what was not asked yet', asked({ state: 'queued' }), undefined, 'queued'],
    ['what is being asked', asked({ state: 'asking' }), undefined, 'asking'],
    ['a 202 is no success', asked({}), undefined, 'working'],
    ['nor is a task at work', asked({}), task('waiting'), 'working'],
    ['nor one that stands still', asked({}), task('blocked'), 'working'],
    ['its success is', asked({}), task('succeeded'), 'done'],
    ['its failure', asked({}), task('failed'), 'failed'],
    ['its end by somebody', asked({}), task('cancelled'), 'cancelled'],
    ['a refusal', asked({ error: new ApiError('ConflictError', 'x', 409, null), answer: null }), undefined, 'failed'],
    ['done without a task', asked({ answer: { server: server() } }), undefined, 'done'],
  ])('%s', (_, one, its, outcome) => expect(outcomeOf(one, its)).toBe(outcome))

  it('is asked for a few at once, each once', async () => {
    let running = 0
    let most = 0
    const seen: number[] = []
    await pool([...Array(50).keys()], 6, async (number) => {
      running += 1
      most = Math.max(most, running)
      await Promise.resolve()
      seen.push(number)
      running -= 1
    })
    expect(most).toBe(6)
    expect(seen.sort((a, b) => a - b)).toEqual([...Array(50).keys()])
    await pool([], 6, () => Promise.reject(new Error('nobody is there')))
  })
})

describe('a limit of rate', () => {
  const busy = (after: number | null) => new ApiError('TooManyRequestsError', 'slower', 429, null, after)

  it('is waited for, as long as region says', async () => {
    const waits: number[] = []
    let left = 2
    const work = () => (left-- > 0 ? Promise.reject(busy(3)) : Promise.resolve('done'))
    expect(await patiently(work, (seconds) => (waits.push(seconds), Promise.resolve()))).toBe('done')
    expect(waits).toEqual([3, 3])
  })

  it.each([
    ['not without end', busy(1), 10],
    ['not for long', busy(3_600), 1],
    ['not where region does not say how long', busy(null), 1],
    ['nor is another refusal', new ApiError('ConflictError', 'x', 409, null, 1), 1],
  ])('%s', async (_, error, tries) => {
    let asked = 0
    const work = () => ((asked += 1), Promise.reject(error))
    await expect(patiently(work, () => Promise.resolve())).rejects.toBe(error)
    expect(asked).toBe(tries)
  })
})

describe('disks in rescue', () => {
  const part = (name: string, size: number, filesystem: string) => ({ name, size, filesystem, label: '', uuid: '', normal_name: '', by_id: '', mounted: '' })
  const disk = (name: string, serial: string, parts = [part(`${name}1`, 5, 'ext4')]): SeenDisk => ({ name, serial, size: 10, read_only: false, normal_name: '', by_id: '', parts })
  const own = (index: number, serial: string, driver = 'virtio') => ({ id: serial, index, serial, driver, size: 0, format: 'qcow2' }) as Server['disks'][number]

  it('are told apart by serial number, whatever they are called', () => {
    const rows = diskRows({ disks: [own(1, 'data'), own(0, 'root')] }, [disk('vda', 'data'), disk('vdb', 'root')])
    expect(rows.map((row) => [row.index, row.normal, row.rescue?.name])).toEqual([
      [0, 'vda', 'vdb'],
      [1, 'vdb', 'vda'],
    ])
  })

  it('are told by place where the bus has no serial numbers', () => {
    const rows = diskRows({ disks: [own(0, 'root', 'ide'), own(1, 'data')] }, [disk('sda', ''), disk('vda', 'data')])
    expect(rows.map((row) => [row.normal, row.rescue?.name])).toEqual([
      ['sda', 'sda'],
      ['vda', 'vda'],
    ])
  })

  it('that are missing, or too many, are shown', () => {
    const rows = diskRows({ disks: [own(0, 'root')] }, [disk('vdz', 'stranger')])
    expect(rows.map((row) => [row.normal, row.rescue?.name ?? null])).toEqual([
      ['vda', null],
      [null, 'vdz'],
    ])
  })

  it('have their system on the largest file system that is no boot partition', () => {
    expect(rootPart([disk('vda', 's', [part('vda1', 900, 'vfat'), part('vda2', 300, 'ext4'), part('vda3', 500, 'xfs'), part('vda4', 800, 'swap')])])?.name).toBe('vda3')
    expect(rootPart([])).toBeNull()
  })

  it('are repaired by commands that fit: none that writes where the disk is read only', () => {
    const session = { disks: [disk('vdb', 's')], disk_mode: 'rw' as const }
    const commands = (mode: 'rw' | 'ro') => stepsOf({ ...session, disk_mode: mode }).flatMap((step) => step.commands)
    expect(commands('rw')).toContain('e2fsck -f /dev/vdb1')
    expect(commands('rw')).toContain('rescue-chroot /mnt passwd root')
    expect(commands('ro')).toContain('e2fsck -fn /dev/vdb1')
    expect(commands('ro').join()).not.toMatch(/chroot|vi |e2fsck -f \//)
    // xfs can be mounted there, not checked.
    expect(stepsOf({ ...session, disks: [disk('vda', 's', [part('vda1', 5, 'xfs')])] }).flatMap((step) => step.commands).join()).not.toContain('e2fsck')
  })

  it('are diagnosed by the rescue system itself, and repaired only where they can be written', () => {
    const commands = (mode: 'rw' | 'ro' | 'overlay') => ownSteps({ disk_mode: mode }).flatMap((step) => step.commands)
    expect(commands('overlay')).toEqual(['rescue-agent diagnose', 'rescue-agent repair --dry-run CODE', 'rescue-agent repair CODE'])
    expect(commands('ro')).toEqual(['rescue-agent diagnose'])
  })

  it('are reached by ssh where a port leads to it', () => {
    const nics = [{ index: 0, mac: '', model: 'virtio', forwards: [{ host_port: 8080, guest_port: 80 }, { host_port: 2222, guest_port: 22 }] }] as Server['nics']
    expect(sshAccess({ nics }, { ssh_fingerprint: 'SHA256:x', ssh_host_key: 'ssh-ed25519 AAAA' })).toEqual([{ port: 2222, command: 'ssh -p 2222 root@127.0.0.1', knownHosts: '[127.0.0.1]:2222 ssh-ed25519 AAAA' }])
    expect(sshAccess({ nics }, { ssh_fingerprint: null, ssh_host_key: null })).toEqual([])
  })
})

describe('quick filters', () => {
  it('are known again from the URL', () => {
    for (const [name, statuses] of Object.entries(STATUSES_OF)) expect(quickOf([...statuses].reverse())).toBe(name)
    expect(quickOf(undefined)).toBe('all')
    expect(quickOf(['ready', 'running'])).toBeNull()
  })
})
