// What the reader began and then looked away from: its end is told by a toast, with the cause and the way to the task. Of many, by one toast.
import { ElNotification } from 'element-plus'
import { h } from 'vue'

import { t } from '@/i18n'
import { router } from '@/router'
import { followTasks } from './follow'
import type { Task } from './types'

/** `title`: what it does to whom, translated: "Start web1". */
export function watchTasks(ids: readonly string[], title: string): void {
  const open = new Set(ids)
  const ended: Task[] = []
  const following = followTasks((task) => {
    if (!task.is_complete || !open.delete(task.id)) return
    ended.push(task)
    if (open.size > 0) return
    following.stop()
    const [only] = ended
    if (only && ended.length === 1) tellOne(only, title)
    else tellMany(ended, title)
  })
  for (const id of open) following.add(id)
}

function tellOne(task: Task, title: string): void {
  const isGood = task.state === 'succeeded'
  const message = isGood ? [] : [h('div', { style: 'overflow-wrap: anywhere' }, task.cause ?? '')]
  tell(isGood ? 'success' : task.state === 'cancelled' ? 'warning' : 'error', `${title}: ${t(`taskState.${task.state}`)}`, message, `/tasks/${task.id}`, t('errors.openTask'))
}

function tellMany(tasks: readonly Task[], title: string): void {
  const failed = tasks.filter((task) => task.state !== 'succeeded').length
  const sum = h('div', t('batch.sum', { done: tasks.length - failed, failed }))
  tell(failed > 0 ? 'error' : 'success', title, [sum], failed > 0 ? '/tasks?state=failed' : '/tasks', t('errors.openTasks'))
}

function tell(type: 'success' | 'warning' | 'error', title: string, lines: ReturnType<typeof h>[], to: string, link: string): void {
  const go = (event: Event) => {
    event.preventDefault()
    note.close()
    void router.push(to)
  }
  const note = ElNotification({
    type,
    title,
    message: h('div', { 'data-test': 'task-toast' }, [...lines, h('a', { href: router.resolve(to).href, onClick: go }, link)]),
    duration: type === 'success' ? 4_000 : 12_000,
  })
}
