// Recordings of consoles, in asciicast v2: a header line, then one line `[seconds, "o", text]` for each piece of output.
//
// `parse` reads one; `Player` plays it into a sink, at any speed, from any place. The clock is the caller's: `advance` says how much time
// has passed, so that a page can drive it from animation frames and a test from nothing.

export interface Cast {
  width: number
  height: number
  /** When it began, in seconds since the epoch, if the file says so. */
  timestamp?: number
  title?: string
  pieces: Piece[]
  /** Seconds. */
  duration: number
}

export interface Piece {
  /** Seconds since the beginning, never less than that of the piece before. */
  at: number
  text: string
}

/** What a recording is shown on. */
export interface Sink {
  write(text: string): void
  /** As if nothing had been written. */
  reset(): void
}

/**
 * Reads a recording. A line cut off at the end, as of a recording that still goes on, is passed over.
 *
 * @throws Error with the number of the line that can't be read.
 */
export function parse(text: string): Cast {
  const lines = text.split('\n')
  const header = readLine(lines[0] ?? '', 1) as Record<string, unknown> | null
  if (header === null || typeof header !== 'object' || header.version !== 2) {
    throw new Error('line 1: not the header of an asciicast of version 2')
  }
  const pieces: Piece[] = []
  for (const [index, line] of lines.entries()) {
    if (index === 0 || line.trim() === '') continue
    let event: unknown
    try {
      event = readLine(line, index + 1)
    } catch (error) {
      if (index === lines.length - 1) break
      throw error
    }
    if (!Array.isArray(event) || typeof event[0] !== 'number' || typeof event[2] !== 'string') {
      throw new Error(`line ${index + 1}: not [seconds, kind, text]`)
    }
    // Other kinds, as input and marks, are shown by nobody.
    if (event[1] === 'o') pieces.push({ at: Math.max(event[0], pieces.at(-1)?.at ?? 0), text: event[2] })
  }
  const size = (value: unknown, otherwise: number) => (typeof value === 'number' && value > 0 ? value : otherwise)
  return {
    width: size(header.width, 80),
    height: size(header.height, 24),
    timestamp: typeof header.timestamp === 'number' ? header.timestamp : undefined,
    title: typeof header.title === 'string' ? header.title : undefined,
    pieces,
    duration: Math.max(pieces.at(-1)?.at ?? 0, size(header.duration, 0)),
  }
}

function readLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw new Error(`line ${number}: not JSON`)
  }
}

/** The same recording, with no pause longer than `limit` seconds. */
export function withoutPauses(cast: Cast, limit: number): Cast {
  let cut = 0
  let before = 0
  const pieces = cast.pieces.map((piece) => {
    cut += Math.max(0, piece.at - before - limit)
    before = piece.at
    return { ...piece, at: piece.at - cut }
  })
  const end = Math.min(cast.duration - before, limit)
  return { ...cast, pieces, duration: (pieces.at(-1)?.at ?? 0) + Math.max(0, end) }
}

export class Player {
  /** Seconds from the beginning. */
  position = 0
  speed = 1
  isPlaying = false
  /** The first piece that has not been written. */
  private next = 0

  constructor(
    readonly cast: Cast,
    private readonly sink: Sink,
  ) {}

  get isAtEnd(): boolean {
    return this.position >= this.cast.duration
  }

  /** From the beginning again, if it was at the end. */
  play(): void {
    if (this.isAtEnd) this.seek(0)
    this.isPlaying = true
  }

  pause(): void {
    this.isPlaying = false
  }

  /** So many seconds of the viewer's time have passed. */
  advance(seconds: number): void {
    if (!this.isPlaying) return
    this.showUntil(Math.min(this.position + seconds * this.speed, this.cast.duration))
    if (this.isAtEnd) this.isPlaying = false
  }

  /** Shows what was there at that time; goes back by writing everything up to it again. */
  seek(to: number): void {
    const target = Math.min(Math.max(to, 0), this.cast.duration)
    if (target < this.position) {
      this.sink.reset()
      this.next = 0
    }
    this.showUntil(target)
  }

  private showUntil(to: number): void {
    this.position = to
    let text = ''
    for (let piece = this.cast.pieces[this.next]; piece && piece.at <= to; piece = this.cast.pieces[this.next]) {
      text += piece.text
      this.next += 1
    }
    if (text !== '') this.sink.write(text)
  }
}
