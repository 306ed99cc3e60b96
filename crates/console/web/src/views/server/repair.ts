// Commands for the rescue system's shell, with this server's own disks in them. Pure. All of them exist in the rescue image.
import type { RescueSession, SeenDisk, SeenPart, Server } from '@/api/types'

/** File systems that the rescue system can check; the others it can at most mount. */
const CHECKED = ['ext2', 'ext3', 'ext4']
const MOUNTED = [...CHECKED, 'xfs', 'vfat']

export interface Step {
  /** A key beneath `repair`. */
  title: string
  commands: string[]
}

/** What the rescue system's own agent finds and mends (docs/diagnosis.md): looking changes nothing, and repairs are shown before they are done. */
export function ownSteps(session: Pick<RescueSession, 'disk_mode'>): Step[] {
  const diagnose = { title: 'diagnose', commands: ['rescue-agent diagnose'] }
  // A disk that is read only can be looked at; a repair would be refused.
  if (session.disk_mode === 'ro') return [diagnose]
  return [diagnose, { title: 'preview', commands: ['rescue-agent repair --dry-run CODE'] }, { title: 'repair', commands: ['rescue-agent repair CODE'] }]
}

/** Where its system most likely is: the largest file system that can be mounted, and is no boot partition. */
export function rootPart(disks: readonly SeenDisk[]): SeenPart | null {
  const parts = disks.flatMap((disk) => disk.parts ?? []).filter((part) => MOUNTED.includes(part.filesystem) && part.filesystem !== 'vfat')
  return parts.reduce<SeenPart | null>((best, part) => (best === null || part.size > best.size ? part : best), null)
}

/** The same by hand, for the usual faults. */
export function stepsOf(session: Pick<RescueSession, 'disks' | 'disk_mode'>): Step[] {
  const isReadOnly = session.disk_mode === 'ro'
  const root = rootPart(session.disks)
  const device = `/dev/${root?.name ?? 'vda1'}`
  const steps: Step[] = [{ title: 'look', commands: ['blkid', 'dmesg | tail -n 40'] }]
  if (!root || CHECKED.includes(root.filesystem)) steps.push({ title: isReadOnly ? 'checkOnly' : 'check', commands: [isReadOnly ? `e2fsck -fn ${device}` : `e2fsck -f ${device}`] })
  steps.push({ title: 'mount', commands: [isReadOnly ? `mount -o ro ${device} /mnt` : `mount ${device} /mnt`] })
  if (isReadOnly) {
    steps.push({ title: 'read', commands: ['cat /mnt/etc/fstab', 'df -h /mnt', 'tail -n 100 /mnt/var/log/syslog'] })
  } else {
    steps.push(
      { title: 'fstab', commands: ['vi /mnt/etc/fstab'] },
      { title: 'full', commands: ['df -h /mnt', 'du -xk /mnt | sort -n | tail -n 20'] },
      { title: 'password', commands: ['rescue-chroot /mnt passwd root'] },
      { title: 'initramfs', commands: ['rescue-chroot /mnt update-initramfs -u -k all'] },
    )
  }
  steps.push({ title: 'unmount', commands: ['umount /mnt'] })
  return steps
}

export interface DiskRow {
  serial: string
  /** As Linux usually names it when the server runs by itself; `null` where the rescue system sees more than the server has. */
  normal: string | null
  rescue: SeenDisk | null
  index: number | null
}

const letter = (index: number) => String.fromCharCode(97 + (index % 26))

/** Each disk of the server with how it is usually named and how the rescue system names it. The serial number tells which is which. */
export function diskRows(server: Pick<Server, 'disks'>, seen: readonly SeenDisk[]): DiskRow[] {
  const counts = { vd: 0, sd: 0 }
  const rest = new Map(seen.map((disk) => [disk.name, disk]))
  const rows = [...server.disks]
    .sort((a, b) => a.index - b.index)
    .map((disk): DiskRow => {
      const bus = disk.driver === 'virtio' ? 'vd' : 'sd'
      const normal = `${bus}${letter(counts[bus])}`
      counts[bus] += 1
      // Buses without serial numbers: the same place, the same name.
      const found = [...rest.values()].find((one) => one.serial !== '' && one.serial === disk.serial) ?? (rest.get(normal)?.serial === '' ? rest.get(normal) : undefined)
      if (found) rest.delete(found.name)
      // Whoever started the rescue system knows better.
      return { serial: disk.serial, normal: found?.normal_name || normal, rescue: found ?? null, index: disk.index }
    })
  return [...rows, ...[...rest.values()].map((disk): DiskRow => ({ serial: disk.serial, normal: null, rescue: disk, index: null }))]
}

export interface SshAccess {
  port: number
  command: string
  knownHosts: string | null
}

/** By which ports of the host's loopback the rescue system's SSH is reached. */
export function sshAccess(server: Pick<Server, 'nics'>, session: Pick<RescueSession, 'ssh_host_key' | 'ssh_fingerprint'>): SshAccess[] {
  if (!session.ssh_fingerprint) return []
  return server.nics
    .flatMap((nic) => nic.forwards)
    .filter((forward) => forward.guest_port === 22)
    .map(({ host_port: port }) => ({ port, command: `ssh -p ${port} root@127.0.0.1`, knownHosts: session.ssh_host_key ? `[127.0.0.1]:${port} ${session.ssh_host_key}` : null }))
}
