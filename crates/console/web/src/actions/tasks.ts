// What can be done with a task: asked to stop, and a blocked one let go on or given up.
import type { Task } from '@/api/types'

import { type ResourceAction, verb } from './resource'

const isBlocked = (task: Task) => task.state === 'blocked'

export const taskActions: readonly ResourceAction<Task>[] = [
  {
    name: 'cancel',
    label: 'task.cancel',
    permission: 'task_perform_cancel',
    isHidden: (task) => task.is_complete,
    validate: (task) => (task.cancel_requested ? 'task.cancelRequested' : null),
    confirm: 'taskList.cancelAsk',
    climc: (task) => `climc region-task-cancel ${task.id}`,
    perform: verb('tasks', 'task', 'cancel'),
  },
  {
    name: 'retry',
    label: 'taskList.retry',
    permission: 'task_perform_retry',
    isHidden: (task) => !isBlocked(task),
    climc: (task) => `climc region-task-retry ${task.id}`,
    perform: verb('tasks', 'task', 'retry'),
  },
  {
    name: 'abandon',
    label: 'taskList.abandon',
    permission: 'task_perform_abandon',
    isHidden: (task) => !isBlocked(task),
    confirm: 'taskList.abandonAsk',
    isDanger: true,
    climc: (task) => `climc region-task-abandon ${task.id}`,
    perform: verb('tasks', 'task', 'abandon'),
  },
]
