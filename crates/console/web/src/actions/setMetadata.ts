import { performServer } from '@/api/client'
import { textOf } from './form'
import type { ServerAction } from './types'
import { climcLine, shellWord } from './validate'

/** `owner=me`, one a line. */
export function metadataOf(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .map((line) => {
        const at = line.indexOf('=')
        return [line.slice(0, at).trim(), line.slice(at + 1).trim()]
      }),
  )
}

export const setMetadata: ServerAction = {
  name: 'set-metadata',
  label: 'actions.set_metadata.label',
  icon: 'log',
  group: 'other',
  permission: 'server_perform_set_metadata',
  isForMany: false,
  meta: { from: null, validate: () => null },
  fields: [
    {
      key: 'metadata',
      label: 'server.metadata',
      hint: 'fields.metadataHint',
      kind: 'lines',
      pattern: /^([^=\n]+=[^\n]*(\n\s*|$))*$/,
      initial: (server) =>
        Object.entries(server.metadata ?? {})
          .map(([key, value]) => `${key}=${value}`)
          .join('\n'),
    },
  ],
  dialog: () => import('@/dialogs/FieldsDialog.vue'),
  perform: (server, values) => performServer(server.id, 'set-metadata', metadataOf(textOf(values, 'metadata'))),
  climc: (servers, values = {}) => climcLine('server-set-metadata', servers, '--replace', ...Object.entries(metadataOf(textOf(values, 'metadata'))).map(([key, value]) => `--set ${shellWord(`${key}=${value}`)}`)),
}
