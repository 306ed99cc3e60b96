import { performServer } from '@/api/client'
import { textOf } from './form'
import type { ServerAction } from './types'
import { climcLine, firstOf, fromStatus } from './validate'

const FROM = ['ready', 'running'] as const

export const ejectIso: ServerAction = {
  name: 'eject-iso',
  label: 'actions.eject_iso.label',
  icon: 'recording',
  group: 'config',
  permission: 'server_perform_eject_iso',
  isForMany: false,
  meta: { from: FROM, validate: (server) => firstOf(!(server.cdroms ?? []).some((drive) => drive.iso) && { reason: 'actions.why.noIso' }, fromStatus(server, FROM)) },
  fields: [
    {
      key: 'cdrom',
      label: 'fields.drive',
      kind: 'choice',
      isRequired: true,
      choices: (server) => (server.cdroms ?? []).flatMap((drive) => (drive.iso ? [{ value: String(drive.index), label: `${drive.index}: ${drive.iso}` }] : [])),
    },
  ],
  dialog: () => import('@/dialogs/FieldsDialog.vue'),
  perform: (server, values) => performServer(server.id, 'eject-iso', { cdrom: Number(textOf(values, 'cdrom')) }),
  climc: (servers, values = {}) => climcLine('server-eject-iso', servers, textOf(values, 'cdrom') === '1' && '--cdrom 1', '--wait'),
}
