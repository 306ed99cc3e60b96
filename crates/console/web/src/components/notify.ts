// Toasts. An error says what it is, what to do next, the id to quote and, where there is one, the task to look at.
import { ElNotification } from 'element-plus'
import { h } from 'vue'

import { asApiError, type ApiError } from '@/api/errors'
import { t } from '@/i18n'
import { router } from '@/router'

/** Title and next step of an error, translated; `details` are region's own words. */
export function explain(error: ApiError): { title: string; details: string; next: string } {
  return {
    title: t(`errors.${error.kind}.title`),
    details: error.kind === 'NetworkError' ? '' : error.details,
    next: error.retryAfter ? t('errors.retryAfter', { seconds: error.retryAfter }) : t(`errors.${error.kind}.next`),
  }
}

export function notifyError(thrown: unknown, context?: string): void {
  const error = asApiError(thrown)
  // The session's end is told by the log-in page.
  if (error.status === 401) return
  const { title, details, next } = explain(error)
  const lines = [h('div', { style: 'overflow-wrap: anywhere' }, details), h('div', { style: 'margin-top: 6px' }, next)]
  if (error.requestId) {
    lines.push(h('div', { style: 'margin-top: 6px' }, [t('errors.requestId'), ' ', h('code', { 'data-test': 'request-id', style: 'overflow-wrap: anywhere' }, error.requestId)]))
  }
  const note = ElNotification({
    type: 'error',
    title: context ? `${context}: ${title}` : title,
    message: h('div', { 'data-test': 'error-toast' }, [...lines, ...taskLink(error.taskId, () => note.close())]),
    duration: 12_000,
  })
}

function taskLink(id: string | null, close: () => void) {
  if (!id) return []
  const go = (event: Event) => {
    event.preventDefault()
    close()
    void router.push(`/tasks/${id}`)
  }
  return [h('div', { style: 'margin-top: 6px' }, [h('a', { href: router.resolve(`/tasks/${id}`).href, onClick: go }, t('errors.openTask'))])]
}

export function notifySuccess(title: string, message = ''): void {
  ElNotification({ type: 'success', title, message, duration: 4_000 })
}

export function notifyWarning(title: string, message = ''): void {
  ElNotification({ type: 'warning', title, message, duration: 8_000 })
}
