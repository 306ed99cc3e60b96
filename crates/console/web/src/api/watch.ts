// Tasks that the reader began and then looked away from: their end is told by a toast, with the cause and the way to the task.
import { QueryObserver } from '@tanstack/vue-query'
import { ElNotification } from 'element-plus'
import { h } from 'vue'

import { fetchTask } from '@/composables/useTask'
import { t } from '@/i18n'
import { router } from '@/router'
import { cache } from './cache'
import { keys } from './keys'
import type { Task } from './types'

const ASK_AGAIN_MS = 5_000
const watched = new Set<string>()

/** `title`: what it does to whom, translated: "Start web1". */
export function watchTask(id: string, title: string): void {
  if (watched.has(id)) return
  watched.add(id)
  const observer = new QueryObserver<Task>(cache, {
    queryKey: keys.one('tasks', id),
    queryFn: ({ signal }) => fetchTask(id, signal),
    refetchInterval: (query) => (query.state.data?.is_complete ? false : ASK_AGAIN_MS),
  })
  const end = observer.subscribe(({ data }) => {
    if (!data?.is_complete) return
    end()
    watched.delete(id)
    tell(data, title)
  })
}

function tell(task: Task, title: string): void {
  const isGood = task.state === 'succeeded'
  const go = (event: Event) => {
    event.preventDefault()
    note.close()
    void router.push(`/tasks/${task.id}`)
  }
  const link = h('a', { href: router.resolve(`/tasks/${task.id}`).href, onClick: go }, t('errors.openTask'))
  const note = ElNotification({
    type: isGood ? 'success' : task.state === 'cancelled' ? 'warning' : 'error',
    title: `${title}: ${t(`taskState.${task.state}`)}`,
    message: h('div', { 'data-test': 'task-toast' }, isGood ? [link] : [h('div', { style: 'overflow-wrap: anywhere' }, task.cause ?? ''), link]),
    duration: isGood ? 4_000 : 12_000,
  })
}
