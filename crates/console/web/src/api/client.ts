// The way to region: one `fetch` that carries the session and turns refusals into `ApiError`, and on it the typed client.
//
// The session is a cookie that scripts can't read; what scripts add is the CSRF value, so that no other site can act with that cookie.
import createClient from 'openapi-fetch'

import { ApiError, errorOf } from './errors'
import type { paths } from './schema'
import type { Page, PerformAnswer, ServerVerb, ServerVerbBody } from './types'

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

let csrf: string | null = null
let onUnauthorized: () => void = () => {}
let onReach: (reached: boolean) => void = () => {}

/** Set after log-in, cleared at log-out. */
export function setCsrf(value: string | null): void {
  csrf = value
}

/** Called when region no longer knows the session. */
export function whenUnauthorized(then: () => void): void {
  onUnauthorized = then
}

/** Called with each answer, and with each request that got none. */
export function whenReached(then: (reached: boolean) => void): void {
  onReach = then
}

/**
 * Sends a request; an answer that is no success becomes an `ApiError`.
 * A 401 also ends the session here, save for the routes of log-in itself, where it is the answer.
 */
export async function send(request: Request): Promise<Response> {
  if (!SAFE.has(request.method) && csrf) request.headers.set('X-CSRF-Token', csrf)
  let response: Response
  try {
    response = await fetch(request)
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === 'AbortError') throw thrown
    onReach(false)
    throw new ApiError('NetworkError', thrown instanceof Error ? thrown.message : String(thrown), 0, null)
  }
  // A proxy that has lost region answers in its place.
  onReach(response.status !== 502 && response.status !== 504)
  if (response.ok) return response
  const error = await errorOf(response)
  if (response.status === 401 && !new URL(request.url).pathname.startsWith('/auth/')) onUnauthorized()
  throw error
}

const PING_MS = 4_000

/** Whether region answers at all, soon. */
export async function ping(): Promise<boolean> {
  try {
    const response = await fetch('/ping', { cache: 'no-store', signal: AbortSignal.timeout(PING_MS) })
    return response.ok
  } catch {
    return false
  }
}

type Query = Record<string, string | number | boolean | readonly string[] | null | undefined>

/** `a=1&status.0=ready&status.1=running`: arrays as region's lists read them; what is empty is left out. */
export function queryString(query: Query): string {
  const out = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === '') continue
    if (Array.isArray(value)) value.forEach((one: string, index) => out.append(`${key}.${index}`, one))
    else out.append(key, String(value))
  }
  return out.toString()
}

/** The typed client, for each path of the schema. */
export const api = createClient<paths>({
  baseUrl: typeof location === 'undefined' ? 'http://localhost' : location.origin,
  fetch: send,
  querySerializer: (query) => queryString(query as Query),
})

/** A request by path, for what the schema has no type for; answers the body's JSON. */
export async function call<T>(method: string, path: string, body?: unknown, options: { query?: Query; signal?: AbortSignal; headers?: Record<string, string> } = {}): Promise<T> {
  const query = options.query ? queryString(options.query) : ''
  const url = new URL(query ? `${path}?${query}` : path, location.origin)
  const headers = new Headers({ Accept: 'application/json', ...options.headers })
  if (body !== undefined) headers.set('Content-Type', 'application/json')
  const response = await send(
    new Request(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal: options.signal }),
  )
  const text = await response.text()
  return (text ? JSON.parse(text) : undefined) as T
}

/** One page of `/servers`, `/tasks`, ... */
export async function listOf<T>(resource: string, query: Query = {}, signal?: AbortSignal): Promise<Page<T>> {
  const body = await call<Record<string, unknown>>('GET', `/${resource}`, undefined, { query, signal })
  return {
    rows: body[resource] as T[],
    total: Number(body.total),
    limit: Number(body.limit),
    offset: Number(body.offset),
    next_marker: body.next_marker as string | undefined,
  }
}

/** One by id or name: `one('servers', 'server', 'web1')`. */
export async function oneOf<T>(resource: string, keyword: string, id: string, signal?: AbortSignal): Promise<T> {
  const body = await call<Record<string, T>>('GET', `/${resource}/${encodeURIComponent(id)}`, undefined, { signal })
  return body[keyword] as T
}

/** A verb of one thing; the body stands under its keyword. */
export async function perform<T>(resource: string, keyword: string, id: string, verb: string, body: object = {}): Promise<T> {
  return call<T>('POST', `/${resource}/${encodeURIComponent(id)}/${verb}`, { [keyword]: body }, { headers: { 'Idempotency-Key': idempotencyKey() } })
}

/** A verb of one server, its body typed by the schema. */
export async function performServer<V extends ServerVerb>(id: string, verb: V, body: ServerVerbBody<V> | object = {}): Promise<PerformAnswer> {
  return perform<PerformAnswer>('servers', 'server', id, verb, body as object)
}

/** So that a request which the network repeats is done once. `randomUUID` exists only in secure contexts; a console may be on plain HTTP. */
export function idempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
