// Tasks are followed to their end by the stream and by asking, whichever tells first; many are asked for in one list.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { allOf } from '@/api/allOf'
import { followTasks, stopFollowing, type Following } from '@/api/follow'
import { live } from '@/api/live'
import type { Task } from '@/api/types'

const task = (id: string, patch: Partial<Task> = {}): Task => ({ id, state: 'waiting', is_complete: false, way_back: false, stages: [], ...patch }) as Task
const ended = (id: string): Task => task(id, { state: 'succeeded', is_complete: true })

let asked: string[]
let answer: (path: string, query: URLSearchParams) => unknown
/** What the stream says. */
let say: (task: Task) => void

beforeEach(() => {
  vi.useFakeTimers()
  asked = []
  vi.stubGlobal('fetch', (request: Request) => {
    const url = new URL(request.url)
    asked.push(decodeURIComponent(url.pathname + url.search))
    const body = answer(url.pathname, url.searchParams)
    return Promise.resolve(body === null ? new Response('{"class":"ResourceNotFoundError"}', { status: 404 }) : new Response(JSON.stringify(body)))
  })
  vi.spyOn(live, 'onTask').mockImplementation((then) => {
    say = then
    return () => (say = () => {})
  })
})
afterEach(() => {
  stopFollowing()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

function follow(...ids: string[]): { told: Task[]; following: Following } {
  const told: Task[] = []
  const following = followTasks((one) => told.push(one))
  ids.forEach(following.add)
  return { told, following }
}

describe('followed tasks', () => {
  it('are told as the stream tells, and no others', () => {
    const { told } = follow('a')
    say(task('a'))
    say(task('b'))
    say(ended('a'))
    expect(told.map((one) => [one.id, one.is_complete])).toEqual([['a', false], ['a', true]])
  })

  it('never go back: what is older, or comes after the end, is dropped', () => {
    const { told } = follow('a')
    const stage = { stage: 's', attempts: 1, started_at: '', way_back: false } as Task['stages'][number]
    say(task('a', { stages: [stage] }))
    say(task('a'))
    say(ended('a'))
    say(task('a', { stages: [stage, stage] }))
    expect(told).toHaveLength(2)
  })

  it('are asked for where the stream told before their id was known', async () => {
    answer = () => ({ task: ended('a') })
    const { told } = follow('a')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(asked).toEqual(['/tasks/a'])
    expect(told.map((one) => one.state)).toEqual(['succeeded'])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(asked).toHaveLength(1)
  })

  it('are asked for in lists, and only those that are open again', async () => {
    const ids = [...Array(100).keys()].map((n) => `t${n}`)
    answer = (_, query) => {
      const wanted = [...(query.get('filter.0') ?? '').matchAll(/'(\w+)'/g)].map((match) => match[1] as string)
      return { tasks: wanted.map((id) => (id === 't7' ? task(id) : ended(id))), total: wanted.length }
    }
    const { told } = follow(...ids)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(asked).toHaveLength(2)
    expect(told.filter((one) => one.is_complete)).toHaveLength(99)
    answer = (path) => (path === '/tasks/t7' ? { task: ended('t7') } : null)
    await vi.advanceTimersByTimeAsync(6_000)
    expect(asked[2]).toBe('/tasks/t7')
    expect(told.filter((one) => one.is_complete)).toHaveLength(100)
  })

  it('are found in the archive', async () => {
    answer = (path) => (path === '/tasks' ? { tasks: [ended('a')], total: 1 } : path === '/archivedtasks/b' ? { archivedtask: ended('b') } : null)
    const { told } = follow('a', 'b')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(told.map((one) => one.id).sort()).toEqual(['a', 'b'])
  })

  it('are asked for again when region did not answer', async () => {
    let isAway = true
    answer = () => {
      if (isAway) throw new TypeError('away')
      return { task: ended('a') }
    }
    const { told } = follow('a')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(told).toEqual([])
    isAway = false
    await vi.advanceTimersByTimeAsync(6_000)
    expect(told).toHaveLength(1)
  })

  it('are forgotten at log-out', async () => {
    const { told } = follow('a')
    stopFollowing()
    say(ended('a'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect([asked, told]).toEqual([[], []])
  })
})

describe('all that a list finds', () => {
  const rows = [...Array(1_200).keys()].map((id) => ({ id }))
  const page = (query: URLSearchParams) => {
    const [offset, limit] = [Number(query.get('offset')), Number(query.get('limit'))]
    return { servers: rows.slice(offset, offset + limit), total: rows.length, limit, offset }
  }

  it('is gathered page by page, with its search and filters', async () => {
    answer = (_, query) => page(query)
    expect(await allOf('servers', { search: 'web', status: ['rescue'], limit: 20, offset: 40 })).toEqual(rows)
    expect(asked).toHaveLength(3)
    expect(asked.every((one) => one.includes('search=web') && one.includes('status.0=rescue'))).toBe(true)
  })

  it('has each row once, though rows move between pages, and an end', async () => {
    answer = (_, query) => page(new URLSearchParams({ offset: String(Math.max(0, Number(query.get('offset')) - 3)), limit: query.get('limit') ?? '' }))
    const found = await allOf<{ id: number }>('servers', {}, 1_000)
    expect(found.map((one) => one.id)).toEqual([...Array(997).keys()])
  })
})
