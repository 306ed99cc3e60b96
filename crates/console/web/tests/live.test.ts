// Changes come twice, late, and after answers that already know more: the cache never goes back in time.
import { QueryClient } from '@tanstack/vue-query'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { keys } from '@/api/keys'
import { Live, liveState } from '@/api/live'
import { applyToPage, serverIsNewer, taskIsNewer } from '@/api/liveReducer'
import type { Page, Server, Task } from '@/api/types'

const server = (version: number, status = 'running', id = 'a'): Server => ({ id, name: `web-${id}`, status, update_version: version }) as Server
const task = (patch: Partial<Task> = {}): Task => ({ id: 't', is_complete: false, way_back: false, stages: [], ...patch }) as Task
const stage = (name: string, attempts = 1) => ({ stage: name, attempts, started_at: '2026-01-01T00:00:00Z', way_back: false })

describe('which of two is newer', () => {
  it('a server by its version', () => {
    expect(serverIsNewer(server(2), server(1))).toBe(true)
    expect(serverIsNewer(server(1), server(1))).toBe(true)
    expect(serverIsNewer(server(1), server(2))).toBe(false)
  })

  it.each([
    ['an end after no end', task({ is_complete: true }), task({ stages: [stage('a'), stage('b')] }), true],
    ['no end after an end', task({ stages: [stage('a'), stage('b'), stage('c')] }), task({ is_complete: true }), false],
    ['more stages', task({ stages: [stage('a'), stage('b')] }), task({ stages: [stage('a')] }), true],
    ['fewer stages', task({ stages: [stage('a')] }), task({ stages: [stage('a'), stage('b')] }), false],
    ['more attempts', task({ stages: [stage('a', 2)] }), task({ stages: [stage('a', 1)] }), true],
    ['fewer attempts', task({ stages: [stage('a', 1)] }), task({ stages: [stage('a', 2)] }), false],
    ['the way back', task({ way_back: true, stages: [stage('a')] }), task({ stages: [stage('a')] }), true],
    ['not the way back any more', task({ stages: [stage('a')] }), task({ way_back: true, stages: [stage('a')] }), false],
    ['more bytes', task({ progress: { at: '2026-01-01T00:00:02Z' } as never }), task({ progress: { at: '2026-01-01T00:00:01Z' } as never }), true],
    ['fewer bytes', task({ progress: { at: '2026-01-01T00:00:01Z' } as never }), task({ progress: { at: '2026-01-01T00:00:02Z' } as never }), false],
    ['the same again', task(), task(), true],
  ])('a task: %s', (_, next, held, expected) => {
    expect(taskIsNewer(next, held)).toBe(expected)
  })
})

describe('a page of a list', () => {
  const page: Page<Server> = { rows: [server(5), server(5, 'ready', 'b')], total: 12, limit: 20, offset: 0 }
  const options = { deleted: false, newer: serverIsNewer }

  it('has its row changed in place, and is asked again', () => {
    const { page: next, stale } = applyToPage(page, server(6, 'start_rescue'), options)
    expect(next.rows.map((row) => row.status)).toEqual(['start_rescue', 'ready'])
    expect(stale).toBe(true)
    expect(page.rows[0]?.status).toBe('running')
  })

  it('is left alone by what is older', () => {
    expect(applyToPage(page, server(4, 'rescue'), options)).toEqual({ page, stale: false })
  })

  it('loses a row that was deleted, however old the news', () => {
    const { page: next } = applyToPage(page, server(1), { ...options, deleted: true })
    expect(next.rows.map((row) => row.id)).toEqual(['b'])
    expect(next.total).toBe(11)
  })

  it('is asked again when something new may belong to it', () => {
    expect(applyToPage(page, server(1, 'ready', 'new'), options)).toEqual({ page, stale: true })
  })
})

/** The browser's `EventSource`, spoken to by hand. */
class Source {
  static all: Source[] = []
  closed = false
  private readonly listeners = new Map<string, ((event: { data?: string; lastEventId: string }) => void)[]>()
  constructor(readonly url: string) {
    Source.all.push(this)
  }
  addEventListener(name: string, then: (event: { data?: string; lastEventId: string }) => void) {
    this.listeners.set(name, [...(this.listeners.get(name) ?? []), then])
  }
  close() {
    this.closed = true
  }
  say(name: string, data: unknown = {}, lastEventId = '') {
    for (const then of this.listeners.get(name) ?? []) then({ data: JSON.stringify(data), lastEventId })
  }
}

describe('the connection', () => {
  let cache: QueryClient
  let live: Live
  let isThere: boolean
  const last = () => Source.all.at(-1) as Source

  beforeEach(() => {
    vi.useFakeTimers()
    Source.all = []
    vi.stubGlobal('EventSource', Source)
    cache = new QueryClient()
    isThere = true
    live = new Live(cache, () => Promise.resolve(isThere))
    live.start()
  })
  afterEach(() => {
    live.stop()
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  it('is live once what was missed has been sent', () => {
    expect(liveState.value).toBe('connecting')
    last().say('ready', {}, '7')
    expect(liveState.value).toBe('live')
  })

  it('goes on from the last id it saw', () => {
    last().say('ready', {}, '7')
    last().say('server', { server: server(1) }, '8-2')
    last().say('error')
    expect(last().closed).toBe(true)
    vi.advanceTimersByTime(2_000)
    expect(Source.all.map((one) => one.url)).toEqual(['/stream', '/stream?last_event_id=8-2'])
  })

  it('asks every few seconds while there is no stream, and stops once there is', async () => {
    const ask = vi.spyOn(cache, 'invalidateQueries')
    last().say('error')
    expect(liveState.value).toBe('polling')
    await vi.advanceTimersByTimeAsync(5_100)
    expect(ask).toHaveBeenCalled()
    last().say('ready', {}, '1')
    ask.mockClear()
    await vi.advanceTimersByTimeAsync(20_000)
    expect(ask).not.toHaveBeenCalled()
    expect(liveState.value).toBe('live')
  })

  it('waits longer after each failure, but not for ever', () => {
    const waits: number[] = []
    for (let round = 0; round < 12; round += 1) {
      const before = Source.all.length
      last().say('error')
      let waited = 0
      while (Source.all.length === before && waited < 60_000) {
        vi.advanceTimersByTime(500)
        waited += 500
      }
      waits.push(waited)
    }
    expect(waits[0]).toBeLessThanOrEqual(1_500)
    expect(waits[3]).toBeGreaterThanOrEqual(6_000)
    expect(Math.max(...waits)).toBeLessThanOrEqual(38_000)
    expect(Math.min(...waits.slice(6))).toBeGreaterThanOrEqual(22_000)
  })

  it('begins again where nothing ever comes', async () => {
    await vi.advanceTimersByTimeAsync(27_000)
    expect(Source.all.length).toBeGreaterThan(1)
    expect(liveState.value).toBe('polling')
  })

  it('tells offline from a stream that broke', () => {
    last().say('error')
    live.reached(false)
    expect(liveState.value).toBe('offline')
    live.reached(true)
    expect(liveState.value).toBe('polling')
  })

  it('is offline where region hangs, asks for nothing then, and connects at once when it is back', async () => {
    last().say('error')
    isThere = false
    const ask = vi.spyOn(cache, 'invalidateQueries')
    await vi.advanceTimersByTimeAsync(5_100)
    expect(liveState.value).toBe('offline')
    expect(ask).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(120_000)
    const before = Source.all.length
    isThere = true
    await vi.advanceTimersByTimeAsync(5_100)
    expect(liveState.value).toBe('polling')
    expect(Source.all.length).toBeGreaterThan(before)
  })

  it('knows a connection that was cut without a word by its silence', async () => {
    last().say('ready', { keep_alive_s: 10 }, '1')
    await vi.advanceTimersByTimeAsync(20_000)
    last().say('alive')
    await vi.advanceTimersByTimeAsync(20_000)
    expect(liveState.value).toBe('live')
    isThere = false
    await vi.advanceTimersByTimeAsync(15_000)
    expect(liveState.value).toBe('offline')
    expect(Source.all[0]?.closed).toBe(true)
  })

  it('takes silence for nothing where region does not say how often it speaks', async () => {
    last().say('ready', {}, '1')
    await vi.advanceTimersByTimeAsync(600_000)
    expect(liveState.value).toBe('live')
  })

  it('asks for everything again after a reset, and goes on from its id', () => {
    last().say('ready', {}, '7')
    const ask = vi.spyOn(cache, 'invalidateQueries')
    last().say('reset', {}, '90')
    expect(ask).toHaveBeenCalledWith({ refetchType: 'active' })
    vi.advanceTimersByTime(2_000)
    expect(last().url).toBe('/stream?last_event_id=90')
  })

  it('changes what is held, and never with what is older', () => {
    cache.setQueryData(keys.one('servers', 'a'), server(5))
    last().say('server', { server: server(6, 'start_rescue') }, '1')
    last().say('server', { server: server(4, 'ready') }, '2')
    expect(cache.getQueryData<Server>(keys.one('servers', 'a'))?.status).toBe('start_rescue')
  })

  it('keeps the children that only the detail of a task has', () => {
    cache.setQueryData(keys.one('tasks', 't'), task({ children: [{ id: 'c' } as never], children_total: 1 }))
    last().say('task', { task: task({ stages: [stage('a')], children: [], children_total: 0 }) }, '1')
    const held = cache.getQueryData<Task>(keys.one('tasks', 't'))
    expect(held?.children_total).toBe(1)
    expect(held?.stages.length).toBe(1)
  })

  it('makes one question a second of a storm of changes', () => {
    const page: Page<Server> = { rows: [], total: 0, limit: 20, offset: 0 }
    cache.setQueryData(keys.list('servers', {}), page)
    const ask = vi.spyOn(cache, 'invalidateQueries')
    for (let number = 0; number < 500; number += 1) last().say('server', { server: server(number, 'ready', 'x') }, String(number))
    vi.advanceTimersByTime(1_100)
    const lists = ask.mock.calls.filter(([filters]) => JSON.stringify((filters as { queryKey?: unknown })?.queryKey) === '["servers","list"]')
    expect(lists.length).toBe(1)
  })

  it('survives what is no JSON', () => {
    for (const then of ['server', 'task', 'event']) {
      const source = last() as unknown as { listeners: Map<string, ((event: object) => void)[]> }
      for (const listener of source.listeners.get(then) ?? []) expect(() => listener({ data: '{"', lastEventId: '' })).not.toThrow()
    }
  })

  it('forgets its place at log-out', () => {
    last().say('ready', {}, '7')
    live.stop()
    expect(liveState.value).toBe('idle')
    live.start()
    expect(last().url).toBe('/stream')
  })
})
