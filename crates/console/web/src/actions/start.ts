import { performServer } from '@/api/client'
import type { ServerAction } from './types'
import { climcLine, fromStatus } from './validate'

const FROM = ['ready', 'start_failed', 'stop_failed', 'start_rescue_failed'] as const

export const start: ServerAction = {
  name: 'start',
  label: 'actions.start.label',
  icon: 'play',
  group: 'power',
  permission: 'server_perform_start',
  isForMany: true,
  meta: {
    from: FROM,
    validate: (server) => (server.status === 'running' ? { reason: 'actions.why.isOn' } : fromStatus(server, FROM)),
  },
  perform: (server) => performServer(server.id, 'start'),
  climc: (servers) => climcLine('server-start', servers, '--wait'),
}
