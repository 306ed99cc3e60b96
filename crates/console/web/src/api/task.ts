// One task by its id. An ended task may have been moved to the archive.
import { oneOf } from './client'
import { ApiError } from './errors'
import type { Task } from './types'

export async function fetchTask(id: string, signal?: AbortSignal): Promise<Task> {
  try {
    return await oneOf<Task>('tasks', 'task', id, signal)
  } catch (thrown) {
    if (thrown instanceof ApiError && thrown.kind === 'ResourceNotFoundError') return oneOf<Task>('archivedtasks', 'archivedtask', id, signal)
    throw thrown
  }
}
