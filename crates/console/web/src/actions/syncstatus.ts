import { performServer } from '@/api/client'
import type { ServerAction } from './types'
import { climcLine, fromStatus } from './validate'

const FROM = [
  'ready',
  'start_failed',
  'running',
  'stop_failed',
  'suspend',
  'suspend_failed',
  'resume_failed',
  'change_config_failed',
  'attach_disk_failed',
  'detach_disk_failed',
  'disk_resize_failed',
  'snapshot_failed',
  'disk_reset_failed',
  'rescue',
  'start_rescue_failed',
  'stop_rescue_failed',
] as const

export const syncstatus: ServerAction = {
  name: 'syncstatus',
  label: 'actions.syncstatus.label',
  icon: 'refresh',
  group: 'other',
  permission: 'server_perform_syncstatus',
  isForMany: true,
  meta: { from: FROM, validate: (server) => fromStatus(server, FROM) },
  perform: (server) => performServer(server.id, 'syncstatus'),
  climc: (servers) => climcLine('server-syncstatus', servers, '--wait'),
}
