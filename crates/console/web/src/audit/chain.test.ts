// @vitest-environment node
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type Event, micros, verify } from './chain'

/** Four events as the database writes them: the form is spelled out once more here. */
function chain(): Event[] {
  let before = Buffer.alloc(32)
  return [1, 2, 3, 4].map((seq) => {
    const event = {
      id: seq * 10,
      obj_type: 'server',
      obj_id: '0198a3f2-0000-7000-8000-000000000001',
      obj_name: 'web1',
      action: 'start_rescue',
      success: seq % 2 === 0,
      notes: seq === 3 ? '磁盘 /dev/vda1\nis full' : '',
      old_status: null,
      new_status: 'rescue',
      user: 'ann',
      project: 'system',
      source: null,
      request_id: 'r1',
      task_id: null,
      ops_time: `2026-11-23T11:00:0${seq}.12345Z`,
    }
    const seconds = Date.parse(`2026-11-23T11:00:0${seq}Z`) / 1000
    const notes = seq === 3 ? '24:磁盘 /dev/vda1\nis full' : '0:'
    const form = [
      'lifeboat-event-1', `2:${event.id}`, '6:server', `36:${event.obj_id}`, '4:web1', '12:start_rescue',
      event.success ? '4:true' : '5:false', notes, '-', '6:rescue', '3:ann', '6:system', '-', '2:r1', '-',
      `16:${seconds}123450`,
    ].join('\n')
    const hash = createHash('sha256').update(before).update(form).digest()
    const made = { ...event, seq, prev_hash: before.toString('hex'), hash: hash.toString('hex') } as unknown as Event
    before = hash
    return made
  })
}

const changed = (at: number, change: Partial<Event>) => chain().map((event, i) => (i === at ? { ...event, ...change } : event))

describe('the chain of events', () => {
  it('is whole as it was written, in whatever order it comes', () => {
    const events = chain()
    const whole = { kind: 'whole', seq: 4, hash: events[3]?.hash, events: 4, unchained: 0 }
    expect(verify(events)).toEqual(whole)
    expect(verify(events.toReversed())).toEqual(whole)
    expect(verify([])).toEqual({ kind: 'whole', seq: 0, hash: '', events: 0, unchained: 0 })
    const old = { ...events[0]!, id: 3, seq: null, hash: null, prev_hash: null }
    expect(verify([old, ...events])).toEqual({ ...whole, events: 5, unchained: 1 })
  })

  it('shows each way of meddling with it', () => {
    const events = chain()
    expect(verify(events.filter((event) => event.seq !== 2))).toEqual({ kind: 'missing', from: 2, to: 2 })
    expect(verify(changed(2, { notes: 'nothing happened' }))).toEqual({ kind: 'changed', id: 30, seq: 3 })
    expect(verify(changed(1, { user: 'bob' }))).toEqual({ kind: 'changed', id: 20, seq: 2 })
    expect(verify(changed(1, { prev_hash: '00'.repeat(32) }))).toEqual({ kind: 'order', id: 20, seq: 2 })
    expect(verify([...events, { ...events[3]!, id: 41 }])).toEqual({ kind: 'order', id: 41, seq: 4 })
    expect(verify([...events, { ...events[3]!, id: 99, seq: null }])).toEqual({ kind: 'outside', id: 99 })
  })

  it('reads times to the microsecond, in any zone', () => {
    expect(micros('1970-01-01T00:00:01Z')).toBe(1_000_000n)
    expect(micros('1970-01-01T01:00:00.000001+01:00')).toBe(1n)
    expect(micros('1970-01-01T00:00:00.123456789Z')).toBe(123_456n)
    expect(() => micros('yesterday')).toThrow('not a time')
  })
})
