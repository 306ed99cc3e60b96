import { listOf, performServer } from '@/api/client'
import type { Snapshot } from '@/api/types'
import { textOf } from './form'
import type { ServerAction } from './types'
import { climcLine, fromStatus } from './validate'

const FROM = ['ready'] as const

export const revertSnapshot: ServerAction = {
  name: 'revert-snapshot',
  label: 'actions.revert_snapshot.label',
  icon: 'camera',
  group: 'storage',
  permission: 'server_perform_revert_snapshot',
  isDangerous: true,
  isForMany: false,
  meta: { from: FROM, validate: (server) => fromStatus(server, FROM) },
  fields: [
    {
      key: 'snapshot_id',
      label: 'fields.snapshot',
      kind: 'choice',
      isRequired: true,
      choices: async (server) => {
        const page = await listOf<Snapshot>('snapshots', { limit: 200, server_id: server.id, order_by: 'created_at', order: 'desc' })
        return page.rows.filter((one) => one.status === 'ready').map((one) => ({ value: one.id, label: `${one.name}, ${one.created_at.slice(0, 16).replace('T', ' ')}Z` }))
      },
    },
  ],
  dialog: () => import('@/dialogs/FieldsDialog.vue'),
  perform: (server, values) => performServer(server.id, 'revert-snapshot', { snapshot_id: textOf(values, 'snapshot_id') }),
  climc: (servers, values = {}) => climcLine('server-snapshot-revert', servers, `--snapshot ${textOf(values, 'snapshot_id') || 'SNAPSHOT'}`, '--wait'),
}
