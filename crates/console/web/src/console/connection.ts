// A console's connection that comes back by itself: a fresh ticket, a WebSocket, and again after a pause when it ends.
//
// What the bytes mean is not known here: each new socket is handed to `attach`, before it is open. Tickets go as a subprotocol, so that none
// is ever part of a URL. States, in the order in which they usually come:
//
//   connecting -> open -> waiting (a pause, `retryAt` says until when) -> connecting ...
//   stopped: it was ended by its owner, or by an answer that another try would only get again (`error`)

export type ConsoleKind = 'console' | 'vnc'

/** What a console is opened with, once, within a minute. */
export interface Ticket {
  ticket: string
  /** The path of the WebSocket, without the ticket. */
  path: string
  /** What is shown is kept for auditors. */
  recording: boolean
}

export type State = 'connecting' | 'open' | 'waiting' | 'stopped'

export interface Status {
  state: State
  /** While waiting: when it tries again, in milliseconds since the epoch. */
  retryAt?: number
  /** Why it is not open: what the service or the host said. */
  error?: string
  recording: boolean
}

export interface Options {
  ticket: () => Promise<Ticket>
  /** A new socket, not yet open. */
  attach: (socket: WebSocket) => void
  changed: (status: Status) => void
  /** Says of an error from `ticket` whether another try could end otherwise. Default: always. */
  isFinal?: (error: unknown) => boolean
  /** For tests. */
  open?: (path: string, protocols: string[]) => WebSocket
  random?: () => number
}

/** Pauses between tries, in milliseconds; the last one stays. */
export const PAUSES: readonly number[] = [500, 1000, 2000, 4000, 8000, 15_000]
/** `WebSocket.OPEN`. */
export const OPEN = 1
/** A connection that lasted so long was a good one: the pauses begin anew. */
const SETTLED = 10_000

/** The WebSocket address of a path on our own origin. */
export function address(path: string, base: URL | Location = window.location): string {
  return `${base.protocol === 'https:' ? 'wss:' : 'ws:'}//${base.host}${path}`
}

export class Connection {
  private socket?: WebSocket
  private timer?: ReturnType<typeof setTimeout>
  private tries = 0
  private status: Status = { state: 'stopped', recording: false }
  /** Raised by each start and stop, so that what was begun before knows that it is not wanted any more. */
  private round = 0

  constructor(private readonly options: Options) {}

  /** Connects, at once, also in the middle of a pause. */
  start(): void {
    this.end()
    void this.connect(this.round)
  }

  /** Ends it for good. */
  stop(): void {
    this.end()
    this.become({ state: 'stopped', recording: false })
  }

  /** @returns whether it was sent: only while open. */
  send(data: Uint8Array<ArrayBuffer>): boolean {
    if (this.socket?.readyState !== OPEN) return false
    this.socket.send(data)
    return true
  }

  private end(): void {
    this.round += 1
    clearTimeout(this.timer)
    this.socket?.close()
    this.socket = undefined
  }

  private async connect(round: number): Promise<void> {
    this.become({ ...this.status, state: 'connecting', retryAt: undefined })
    let ticket: Ticket
    try {
      ticket = await this.options.ticket()
    } catch (error) {
      if (round !== this.round) return
      const text = error instanceof Error ? error.message : String(error)
      if (this.options.isFinal?.(error)) this.become({ state: 'stopped', error: text, recording: false })
      else this.pause(round, text)
      return
    }
    if (round !== this.round) return
    const open = this.options.open ?? ((path, protocols) => new WebSocket(address(path), protocols))
    const socket = open(ticket.path, ['binary', `ticket.${ticket.ticket}`])
    socket.binaryType = 'arraybuffer'
    this.socket = socket
    let openedAt = 0
    socket.addEventListener('open', () => {
      if (round !== this.round) return
      openedAt = Date.now()
      this.become({ state: 'open', recording: ticket.recording })
    })
    socket.addEventListener('close', (event) => {
      if (round !== this.round) return
      if (openedAt > 0 && Date.now() - openedAt >= SETTLED) this.tries = 0
      this.pause(round, event.reason)
    })
    this.options.attach(socket)
  }

  private pause(round: number, error: string): void {
    this.socket = undefined
    const longest = PAUSES[Math.min(this.tries, PAUSES.length - 1)] ?? 0
    this.tries += 1
    // Between half of it and all of it: many browsers that lost the same region must not come back together.
    const wait = longest * (0.5 + (this.options.random ?? Math.random)() / 2)
    this.become({ state: 'waiting', retryAt: Date.now() + wait, error: error || undefined, recording: false })
    this.timer = setTimeout(() => {
      if (round === this.round) void this.connect(round)
    }, wait)
  }

  private become(status: Status): void {
    this.status = status
    this.options.changed(status)
  }
}
