import type { ServerAction } from './types'
import { climcLine, firstOf, fromStatus } from './validate'

/** From `suspend` only by force: the dialog asks. */
const FROM = ['ready', 'running', 'suspend', 'start_rescue_failed', 'stop_rescue_failed'] as const

export const startRescue: ServerAction = {
  name: 'start-rescue',
  label: 'actions.start_rescue.label',
  icon: 'rescue',
  group: 'rescue',
  permission: 'server_perform_start_rescue',
  isForMany: true,
  hidden: (server) => server.status === 'rescue' || server.status === 'stop_rescue',
  meta: {
    from: FROM,
    validate: (server) =>
      firstOf(
        server.hypervisor !== 'kvm' && { reason: 'actions.why.hypervisor', values: { hypervisor: server.hypervisor } },
        server.status === 'rescue' && { reason: 'actions.why.alreadyInRescue' },
        fromStatus(server, FROM),
      ),
  },
  dialog: () => import('@/dialogs/StartRescueDialog.vue'),
  climc: (servers) => climcLine('server-start-rescue', servers, '--wait'),
}
