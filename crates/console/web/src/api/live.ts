// Changes as they commit, into the cache of vue-query: `GET /stream` by EventSource, resumed where it broke off.
//
// While there is no stream, what is on the screen is asked for again every few seconds, and the state says so. Region says at least `alive`
// every few seconds: a connection that was cut without a word is known by its silence.
// A hidden page gives its stream back (browsers allow only six connections to an origin) and catches up when it is looked at again.
import type { QueryClient } from '@tanstack/vue-query'
import { readonly, ref } from 'vue'

import { cache } from './cache'
import { ping } from './client'
import { keys } from './keys'
import { applyToOne, applyToPage, serverIsNewer, taskIsNewer } from './liveReducer'
import type { AuditEvent, Page, Server, Task } from './types'

/** `live`: changes come by themselves. `polling`: no stream, region answers. `offline`: region does not answer. */
export type LiveState = 'idle' | 'connecting' | 'live' | 'polling' | 'offline'

const POLL_MS = 5_000
/** Lists are asked again at most so often, however much changes. */
const REFRESH_MS = 1_000
const FIRST_RETRY_MS = 1_000
const LAST_RETRY_MS = 30_000
/** From connecting to the first word. */
const FIRST_WORD_MS = 20_000
const LOOK_MS = 5_000

const state = ref<LiveState>('idle')

/** The state of the connection, for the indicator. */
export const liveState = readonly(state)

export class Live {
  private source: EventSource | null = null
  private lastId: string | null = null
  private retryMs = FIRST_RETRY_MS
  private retryTimer: ReturnType<typeof setTimeout> | null = null
  private pollTimer: ReturnType<typeof setInterval> | null = null
  private refreshTimer: ReturnType<typeof setTimeout> | null = null
  private lookTimer: ReturnType<typeof setInterval> | null = null
  private heardAt = 0
  /** After so much silence the stream is dead; 0 where region does not say how often it speaks. */
  private silenceMs = 0
  private readonly stale = new Set<string>()
  private running = false
  private readonly taskListeners = new Set<(task: Task) => void>()

  /** `isThere`: whether region answers at all, soon. */
  constructor(
    private readonly cache: QueryClient,
    private readonly isThere: () => Promise<boolean> = ping,
  ) {}

  start(): void {
    if (this.running) return
    this.running = true
    document.addEventListener('visibilitychange', this.onVisibility)
    window.addEventListener('online', this.onOnline)
    this.connect()
  }

  /** At log-out: nothing of the last user is kept. */
  stop(): void {
    this.running = false
    document.removeEventListener('visibilitychange', this.onVisibility)
    window.removeEventListener('online', this.onOnline)
    this.close()
    this.poll(false)
    if (this.refreshTimer) clearTimeout(this.refreshTimer)
    this.refreshTimer = null
    this.stale.clear()
    this.lastId = null
    state.value = 'idle'
  }

  /** Called with each task that the stream tells of; answers what ends it. */
  onTask(then: (task: Task) => void): () => void {
    this.taskListeners.add(then)
    return () => this.taskListeners.delete(then)
  }

  /** Called with each answer of region, or the lack of one. */
  reached(reached: boolean): void {
    if (!this.running || state.value === 'live') return
    if (!reached) state.value = 'offline'
    else if (state.value === 'offline') {
      state.value = 'polling'
      this.retryMs = FIRST_RETRY_MS
      this.connect()
    }
  }

  private readonly onVisibility = () => {
    if (document.visibilityState === 'hidden') this.close()
    else if (!this.source) this.connect()
  }

  private readonly onOnline = () => {
    this.retryMs = FIRST_RETRY_MS
    if (state.value !== 'live') this.connect()
  }

  private close(): void {
    if (this.retryTimer) clearTimeout(this.retryTimer)
    this.retryTimer = null
    if (this.lookTimer) clearInterval(this.lookTimer)
    this.lookTimer = null
    this.source?.close()
    this.source = null
  }

  private connect(): void {
    this.close()
    if (!this.running) return
    if (state.value === 'idle') state.value = 'connecting'
    const url = this.lastId ? `/stream?last_event_id=${encodeURIComponent(this.lastId)}` : '/stream'
    const source = new EventSource(url)
    this.source = source
    this.heardAt = Date.now()
    this.silenceMs = FIRST_WORD_MS
    this.lookTimer = setInterval(() => {
      if (this.silenceMs > 0 && Date.now() - this.heardAt > this.silenceMs) this.again()
    }, LOOK_MS)
    const note = (event: MessageEvent) => {
      this.heardAt = Date.now()
      if (event.lastEventId) this.lastId = event.lastEventId
    }
    source.addEventListener('ready', (event) => {
      // The first stream begins now: what was listed before it may already be old.
      const fresh = this.lastId === null
      note(event)
      this.silenceMs = (parse<{ keep_alive_s?: number }>(event.data)?.keep_alive_s ?? 0) * 2_500
      this.retryMs = FIRST_RETRY_MS
      const wasAway = state.value === 'polling' || state.value === 'offline'
      state.value = 'live'
      this.poll(false)
      if (fresh || wasAway) void this.cache.invalidateQueries({ refetchType: 'active' })
    })
    source.addEventListener('alive', note)
    source.addEventListener('reset', (event) => {
      note(event)
      void this.cache.invalidateQueries({ refetchType: 'active' })
      this.again()
    })
    source.addEventListener('server', (event) => {
      note(event)
      const item = parse<{ server: Server; deleted_at?: string }>(event.data)
      if (item) this.server(item.server, item.deleted_at !== undefined)
    })
    source.addEventListener('task', (event) => {
      note(event)
      const item = parse<{ task: Task }>(event.data)
      if (item) this.task(item.task)
    })
    source.addEventListener('event', (event) => {
      note(event)
      const item = parse<{ event: AuditEvent }>(event.data)
      if (item) this.refresh('events', 'actions', `servers/${item.event.obj_id}`)
    })
    // Region's own `error` event says why it ends; the browser's has no data. Either way the stream is over.
    source.addEventListener('error', () => this.again())
  }

  /** The stream broke: ask meanwhile, and try again after a while that grows. */
  private again(): void {
    this.close()
    if (!this.running) return
    if (state.value !== 'offline') state.value = 'polling'
    this.poll(true)
    // A break of the stream alone, or of everything: that is said without waiting for the next question.
    void this.isThere().then((isThere) => this.reached(isThere))
    const wait = this.retryMs * (0.75 + Math.random() / 2)
    this.retryMs = Math.min(this.retryMs * 2, LAST_RETRY_MS)
    this.retryTimer = setTimeout(() => this.connect(), wait)
  }

  private poll(on: boolean): void {
    if (on && !this.pollTimer) this.pollTimer = setInterval(() => void this.ask(), POLL_MS)
    else if (!on && this.pollTimer) {
      clearInterval(this.pollTimer)
      this.pollTimer = null
    }
  }

  /** First whether region is there: one that hangs would hold up each question for long. */
  private async ask(): Promise<void> {
    if (document.visibilityState === 'hidden') return
    const isThere = await this.isThere()
    this.reached(isThere)
    if (isThere && this.pollTimer) void this.cache.invalidateQueries({ refetchType: 'active' })
  }

  private server(server: Server, deleted: boolean): void {
    // Only what somebody looks at is held, by id or by name; a name may by now be another server's.
    for (const [queryKey, held] of this.cache.getQueriesData<Server>({ queryKey: keys.ones('servers') })) {
      if (held?.id !== server.id) continue
      if (deleted) void this.cache.invalidateQueries({ queryKey, exact: true, refetchType: 'active' })
      else this.cache.setQueryData<Server>(queryKey, applyToOne(held, server, serverIsNewer))
    }
    this.pages('servers', server, deleted, serverIsNewer)
    // What is not in the row: the session, disks.
    this.refresh('rescuesessions', `servers/${server.id}`)
  }

  private task(task: Task): void {
    for (const then of this.taskListeners) then(task)
    const key = keys.one('tasks', task.id)
    const held = this.cache.getQueryData<Task>(key)
    if (held) {
      // Children come only with the detail.
      const next = { ...task, children: held.children, children_total: held.children_total }
      this.cache.setQueryData<Task>(key, applyToOne(held, next, taskIsNewer))
      if ((held.children_total ?? 0) > 0) void this.cache.invalidateQueries({ queryKey: key, refetchType: 'active' })
    }
    if (task.parent_task_id) void this.cache.invalidateQueries({ queryKey: keys.one('tasks', task.parent_task_id), refetchType: 'active' })
    this.pages('tasks', task, false, taskIsNewer)
    if (task.obj_id) this.refresh(`servers/${task.obj_id}`)
  }

  private pages<T extends { id: string }>(resource: string, next: T, deleted: boolean, newer: (next: T, held: T) => boolean): void {
    let stale = false
    for (const [key, page] of this.cache.getQueriesData<Page<T>>({ queryKey: keys.lists(resource) })) {
      if (!page) continue
      const applied = applyToPage(page, next, { deleted, newer })
      if (applied.page !== page) this.cache.setQueryData(key, applied.page)
      stale ||= applied.stale
    }
    if (stale) this.refresh(resource)
  }

  /** Asks again, gathered: a storm of changes makes one question a second for each list. `servers/ID` stands for the details of one. */
  private refresh(...what: string[]): void {
    for (const one of what) this.stale.add(one)
    this.refreshTimer ??= setTimeout(() => {
      this.refreshTimer = null
      const due = [...this.stale]
      this.stale.clear()
      for (const one of due) {
        const [resource = '', id] = one.split('/')
        const queryKey = id ? keys.details(resource, id) : keys.lists(resource)
        void this.cache.invalidateQueries({ queryKey, refetchType: 'active' })
      }
    }, REFRESH_MS)
  }
}

function parse<T>(data: string): T | null {
  try {
    return JSON.parse(data) as T
  } catch {
    return null
  }
}

/** The one connection of this page. */
export const live = new Live(cache)
