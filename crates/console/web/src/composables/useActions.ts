// Doing an action: with its dialog, or at once. One place, so that row, detail page and bulk bar do the same.
import { markRaw, shallowRef, type Component } from 'vue'
import { useI18n } from 'vue-i18n'

import type { ServerAction } from '@/actions/types'
import { cache } from '@/api/cache'
import { keys } from '@/api/keys'
import type { Server } from '@/api/types'
import { watchTasks } from '@/api/watch'
import { notifyError, notifySuccess } from '@/components/notify'

export interface OpenDialog {
  component: Component
  action: ServerAction
  servers: readonly Server[]
}

/** The dialog that is open. */
const open = shallowRef<OpenDialog | null>(null)

/** Rows show at once what the answer says; the rest comes by the stream. */
export function keep(server: Server | undefined): void {
  if (server?.id) cache.setQueryData<Server>(keys.one('servers', server.id), (held) => (held && held.update_version > server.update_version ? held : server))
  void cache.invalidateQueries({ queryKey: keys.lists('servers') })
}

export function useActions() {
  const { t } = useI18n()

  async function run(action: ServerAction, servers: readonly Server[]): Promise<void> {
    const [only] = servers
    try {
      if (!action.dialog && action.perform && servers.length === 1 && only) {
        const title = t('actions.of', { action: t(action.label), server: only.name })
        const answer = await action.perform(only, {})
        keep(answer.server)
        if (answer.task) watchTasks([answer.task.id], title)
        else notifySuccess(title)
        return
      }
      const load = action.dialog ?? (() => import('@/dialogs/ConfirmDialog.vue'))
      open.value = { component: markRaw((await load()).default), action, servers }
    } catch (thrown) {
      notifyError(thrown, t(action.label))
    }
  }

  return { open, run, close: () => (open.value = null) }
}
