// What disks of a server can be chosen from, for the actions on them.
import { listOf } from '@/api/client'
import type { Disk, Server } from '@/api/types'
import { mebibytes } from '@/composables/format'
import type { Choice } from './form'

const size = (count: number) => (count > 0 ? mebibytes(count) : '')
const label = (...parts: (string | null | undefined)[]) => parts.filter(Boolean).join(', ')

export function ownDisks(server: Server): Choice[] {
  return server.disks.map((disk) => ({ value: disk.id, label: label(`${disk.index}: ${disk.serial}`, size(disk.size), disk.image, disk.driver) }))
}

/** Detached disks on the server's host. */
export async function detachedDisks(server: Server): Promise<Choice[]> {
  const page = await listOf<Disk>('disks', { limit: 200, status: ['ready'], host_id: [server.host_id] })
  return page.rows.map((disk) => ({ value: disk.id, label: label(disk.name, size(disk.size), disk.image, disk.driver) }))
}
