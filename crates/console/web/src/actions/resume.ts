import { performServer } from '@/api/client'
import type { ServerAction } from './types'
import { climcLine, fromStatus } from './validate'

const FROM = ['suspend', 'suspend_failed', 'resume_failed'] as const

export const resume: ServerAction = {
  name: 'resume',
  label: 'actions.resume.label',
  icon: 'sun',
  group: 'power',
  permission: 'server_perform_resume',
  isForMany: true,
  meta: {
    from: FROM,
    validate: (server) => (server.status === 'running' || server.status === 'ready' ? { reason: 'actions.why.notSuspended' } : fromStatus(server, FROM)),
  },
  perform: (server) => performServer(server.id, 'resume'),
  climc: (servers) => climcLine('server-resume', servers, '--wait'),
}
