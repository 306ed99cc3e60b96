// Requests carry what they must, and refusals become errors that say what to do.
import { afterEach, describe, expect, it, vi } from 'vitest'

import { call, perform, setCsrf, whenReached, whenUnauthorized } from '@/api/client'
import { ApiError, asApiError } from '@/api/errors'

function answer(status: number, body: unknown, headers: Record<string, string> = {}) {
  const seen: Request[] = []
  vi.stubGlobal(
    'fetch',
    vi.fn((request: Request) => {
      seen.push(request)
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      return Promise.resolve(new Response(text, { status, headers }))
    }),
  )
  return seen
}

const fault = (promise: Promise<unknown>): Promise<ApiError> =>
  promise.then(
    () => Promise.reject(new Error('it should have been refused')),
    (thrown: unknown) => thrown as ApiError,
  )

afterEach(() => {
  vi.unstubAllGlobals()
  setCsrf(null)
  whenUnauthorized(() => {})
  whenReached(() => {})
})

describe('requests', () => {
  it('carry the CSRF value where they change something, and only there', async () => {
    setCsrf('c-s-r-f')
    const seen = answer(200, { server: {} })
    await perform('servers', 'server', 'web 1/x', 'start-rescue', { reason: 'fsck' })
    await call('GET', '/servers')
    expect(seen[0]?.headers.get('x-csrf-token')).toBe('c-s-r-f')
    expect(seen[0]?.headers.get('idempotency-key')).toMatch(/^[0-9a-f]{32}$/)
    expect(new URL(seen[0]?.url ?? '').pathname).toBe('/servers/web%201%2Fx/start-rescue')
    expect(await seen[0]?.json()).toEqual({ server: { reason: 'fsck' } })
    expect(seen[1]?.headers.get('x-csrf-token')).toBeNull()
  })
})

describe('refusals', () => {
  it("are region's own words, with the id to quote", async () => {
    answer(409, { code: 409, class: 'InvalidStatusError', details: 'status is ready; allowed: start', time: '', request_id: 'r-1' })
    const error = await fault(call('POST', '/servers/a/stop', {}))
    expect(error).toBeInstanceOf(ApiError)
    expect([error.kind, error.status, error.requestId, error.details]).toEqual(['InvalidStatusError', 409, 'r-1', 'status is ready; allowed: start'])
    expect(error.taskId).toBeNull()
  })

  it('name the task that stands in the way', async () => {
    const id = '0195f1f4-0000-7000-8000-0123456789ab'
    answer(409, { code: 409, class: 'ConflictError', details: `task ${id} (StartRescueTask) is at work on it`, request_id: 'r' })
    expect((await fault(call('POST', '/x', {}))).taskId).toBe(id)
  })

  it.each([
    [502, '<html>Bad gateway</html>', 'ServiceUnavailableError'],
    [503, '', 'ServiceUnavailableError'],
    [413, 'too large', 'PayloadTooLargeError'],
    [418, '{}', 'UnknownError'],
    [500, '{"class": "Odd", "details": 5}', 'InternalServerError'],
    [400, '[]', 'InputParameterError'],
    [404, 'null', 'ResourceNotFoundError'],
  ])('that are not region’s, %i %s, are %s', async (status, body, kind) => {
    answer(status, body, { 'x-request-id': 'from-header' })
    const error = await fault(call('GET', '/servers'))
    expect(error.kind).toBe(kind)
    expect(error.requestId).toBe('from-header')
    expect(error.details).not.toBe('')
  })

  it('say when to try again', async () => {
    answer(429, { class: 'TooManyRequestsError', details: 'slower', request_id: 'r' }, { 'retry-after': '7' })
    const error = await fault(call('GET', '/servers'))
    expect(error.retryAfter).toBe(7)
    expect(error.isPassing).toBe(true)
  })

  it('by the network are told apart, and reported', async () => {
    vi.stubGlobal('fetch', vi.fn(() => Promise.reject(new TypeError('Failed to fetch'))))
    const reached = vi.fn()
    whenReached(reached)
    expect((await fault(call('GET', '/servers'))).kind).toBe('NetworkError')
    expect(reached).toHaveBeenCalledWith(false)
  })

  it('of a session that ended lead to log-in; of a wrong password they do not', async () => {
    const ended = vi.fn()
    whenUnauthorized(ended)
    answer(401, { class: 'UnauthorizedError', details: 'no session', request_id: 'r' })
    await fault(call('POST', '/auth/login', {}))
    expect(ended).not.toHaveBeenCalled()
    await fault(call('GET', '/servers'))
    expect(ended).toHaveBeenCalledOnce()
  })

  it('that are no errors of ours are still errors', () => {
    expect(asApiError('odd').kind).toBe('UnknownError')
    expect(asApiError(new Error('x')).details).toBe('x')
  })
})
