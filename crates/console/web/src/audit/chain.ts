// The chain of an object's events: each holds the hash of the one before. Recomputed here, in the reader's browser, so that nobody has to
// be believed. The form is that of `crates/api/src/event_chain.rs`; the database makes the same hashes.
import type { components } from '@/api/schema'
import { hex, sha256 } from './sha256'

export type Event = components['schemas']['Event']

/** How a chain stands. Words for each are in the locales, as `audit.chain.KIND`. */
export type Verdict =
  /** All follow one another; `seq` and `hash` are those of the last, 0 and '' where there is none. */
  | { kind: 'whole'; seq: number; hash: string; events: number; unchained: number }
  | { kind: 'missing'; from: number; to: number }
  | { kind: 'order'; id: number; seq: number }
  | { kind: 'changed'; id: number; seq: number }
  | { kind: 'outside'; id: number }

const bytes = new TextEncoder()

/** Microseconds since the epoch, of RFC 3339 with up to nine digits after the dot. */
export function micros(time: string): bigint {
  const match = /^(.*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(time)
  if (!match) throw new Error(`not a time: ${time}`)
  const [, whole, digits = '', zone] = match
  return BigInt(Date.parse(`${whole}${zone}`)) * 1000n + BigInt(digits.padEnd(6, '0').slice(0, 6))
}

function hashOf(before: Uint8Array, event: Event): Uint8Array<ArrayBuffer> {
  const fields: (string | null | undefined)[] = [
    String(event.id),
    event.obj_type,
    event.obj_id,
    event.obj_name,
    event.action,
    String(event.success),
    event.notes,
    event.old_status,
    event.new_status,
    event.user,
    event.project,
    event.source,
    event.request_id,
    event.task_id,
    micros(event.ops_time).toString(),
  ]
  const text = fields.map((value) => (value == null ? '\n-' : `\n${bytes.encode(value).length}:${value}`)).join('')
  const data = bytes.encode(`lifeboat-event-1${text}`)
  const all = new Uint8Array(before.length + data.length)
  all.set(before)
  all.set(data, before.length)
  return sha256(all)
}

/** Checks all events of one object, in any order; those from before there were chains come first and are passed over. */
export function verify(events: readonly Event[]): Verdict {
  const chained = events.filter((event) => event.seq != null)
  chained.sort((a, b) => a.seq! - b.seq! || a.id - b.id)
  const old = events.filter((event) => event.seq == null).map((event) => event.id)
  const oldest = Math.min(...chained.map((event) => event.id))
  const late = old.filter((id) => id > oldest)
  if (late.length > 0) return { kind: 'outside', id: Math.max(...late) }
  let last = 0
  let before = new Uint8Array(32)
  for (const event of chained) {
    const seq = event.seq!
    if (seq > last + 1) return { kind: 'missing', from: last + 1, to: seq - 1 }
    if (seq !== last + 1 || event.prev_hash !== hex(before)) return { kind: 'order', id: event.id, seq }
    const is = hashOf(before, event)
    if (event.hash !== hex(is)) return { kind: 'changed', id: event.id, seq }
    last = seq
    before = is
  }
  return { kind: 'whole', seq: last, hash: last > 0 ? hex(before) : '', events: events.length, unchained: old.length }
}
