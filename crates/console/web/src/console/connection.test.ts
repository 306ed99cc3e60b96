import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { address, Connection, OPEN, PAUSES, type Status, type Ticket } from './connection'

/** A socket that a test opens, feeds and closes. */
class Socket extends EventTarget {
  binaryType = ''
  readyState: number = 0
  sent: Uint8Array[] = []
  constructor(
    readonly path: string,
    readonly protocols: string[],
  ) {
    super()
  }
  send(data: Uint8Array) {
    this.sent.push(data)
  }
  close() {
    this.readyState = 3
  }
  opens() {
    this.readyState = OPEN
    this.dispatchEvent(new Event('open'))
  }
  ends(reason = '') {
    this.readyState = 3
    this.dispatchEvent(Object.assign(new Event('close'), { reason }))
  }
}

function made(ticket?: () => Promise<Ticket>) {
  const sockets: Socket[] = []
  const seen: Status[] = []
  let tickets = 0
  const connection = new Connection({
    ticket: ticket ?? (async () => ({ ticket: `t${++tickets}`, path: '/servers/a/console', recording: tickets > 1 })),
    attach: () => {},
    changed: (status) => seen.push(status),
    isFinal: (error) => (error as { status?: number }).status === 403,
    open: (path, protocols) => {
      const socket = new Socket(path, protocols)
      sockets.push(socket)
      return socket as unknown as WebSocket
    },
    random: () => 1,
  })
  return { connection, sockets, seen, last: () => seen.at(-1) }
}

const settle = () => vi.advanceTimersByTimeAsync(0)

describe('a connection of a console', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('gives its ticket as a subprotocol, never in the path', async () => {
    const { connection, sockets, seen } = made()
    connection.start()
    await settle()
    expect(sockets[0]?.protocols).toEqual(['binary', 'ticket.t1'])
    expect(sockets[0]?.path).toBe('/servers/a/console')
    expect(connection.send(new Uint8Array([1]))).toBe(false)
    sockets[0]?.opens()
    expect(seen.map((s) => s.state)).toEqual(['connecting', 'open'])
    expect(connection.send(new Uint8Array([2]))).toBe(true)
    expect(sockets[0]?.sent).toEqual([new Uint8Array([2])])
  })

  it('comes back with a fresh ticket, after pauses that grow', async () => {
    const { connection, sockets, last } = made()
    connection.start()
    await settle()
    sockets[0]?.opens()
    for (const [index, pause] of PAUSES.entries()) {
      sockets[index]?.ends('the guest is off')
      expect(last()).toMatchObject({ state: 'waiting', error: 'the guest is off', retryAt: Date.now() + pause })
      await vi.advanceTimersByTimeAsync(pause - 1)
      expect(sockets).toHaveLength(index + 1)
      await vi.advanceTimersByTimeAsync(1)
      expect(sockets[index + 1]?.protocols).toEqual(['binary', `ticket.t${index + 2}`])
    }
    const latest = sockets.at(-1)
    latest?.opens()
    expect(last()).toEqual({ state: 'open', recording: true })
    // It held: the next pause is short again.
    await vi.advanceTimersByTimeAsync(10_000)
    latest?.ends()
    expect(last()?.retryAt).toBe(Date.now() + (PAUSES[0] ?? 0))
  })

  it('tries at once when asked, and stays away once stopped', async () => {
    const { connection, sockets, last } = made()
    connection.start()
    await settle()
    sockets[0]?.ends()
    connection.start()
    await settle()
    expect(sockets).toHaveLength(2)
    connection.stop()
    sockets[1]?.ends()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(sockets).toHaveLength(2)
    expect(last()?.state).toBe('stopped')
  })

  it('does not repeat what was refused for good', async () => {
    const { connection, sockets, last } = made(async () => {
      throw Object.assign(new Error('not allowed'), { status: 403 })
    })
    connection.start()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(last()).toEqual({ state: 'stopped', error: 'not allowed', recording: false })
    expect(sockets).toHaveLength(0)
  })

  it('goes on asking while the service is away', async () => {
    let asked = 0
    const { connection, last } = made(async () => {
      asked += 1
      throw new Error('no answer')
    })
    connection.start()
    await vi.advanceTimersByTimeAsync(8_000)
    expect(asked).toBeGreaterThan(3)
    expect(last()).toMatchObject({ state: 'waiting', error: 'no answer' })
    connection.stop()
  })

  it('follows the scheme of the page', () => {
    expect(address('/x', new URL('https://lb.example:8443/ui/'))).toBe('wss://lb.example:8443/x')
    expect(address('/x', new URL('http://127.0.0.1:8774/ui/'))).toBe('ws://127.0.0.1:8774/x')
  })
})
