// Small PNG files of screens: at most 256 colours, which is what a page has but for the edges of its letters. A fifth of what a browser writes.
//
// Format: PNG specification (third edition), sections 5 and 11: signature, IHDR, PLTE, IDAT, IEND; colour type 3, 8 bits, no filter.
import { crc32, deflateSync } from 'node:zlib'

export interface Picture {
  width: number
  height: number
  /** Red, green, blue, alpha of each pixel, row by row. */
  pixels: Uint8Array
}

/** Colours are rounded to so many bits each before the most frequent are chosen: letters' edges have thousands that nobody tells apart. */
const BITS = 6
/** So many places of the palette go to the most frequent. */
const COMMON = 96

export function encode({ width, height, pixels }: Picture): Buffer {
  const { palette, indexes } = quantize(pixels)
  const lines = Buffer.alloc(height * (width + 1))
  for (let y = 0; y < height; y += 1) lines.set(indexes.subarray(y * width, (y + 1) * width), y * (width + 1) + 1)
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 3, 0, 0, 0], 8)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([signature, chunk('IHDR', header), chunk('PLTE', palette), chunk('IDAT', deflateSync(lines, { level: 9, memLevel: 9 })), chunk('IEND', Buffer.alloc(0))])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}

interface Colour {
  count: number
  /** Sums, of which the mean is the colour of all that were rounded to it. */
  red: number
  green: number
  blue: number
}

/** The most frequent colours, and for each pixel the nearest of them. */
function quantize(pixels: Uint8Array): { palette: Buffer; indexes: Uint8Array } {
  const seen = new Map<number, Colour>()
  const rounded = (at: number) => {
    const part = (offset: number) => (pixels[at + offset] ?? 0) >> (8 - BITS)
    return (part(0) << (2 * BITS)) | (part(1) << BITS) | part(2)
  }
  for (let at = 0; at < pixels.length; at += 4) {
    const key = rounded(at)
    const colour = seen.get(key) ?? { count: 0, red: 0, green: 0, blue: 0 }
    colour.count += 1
    colour.red += pixels[at] ?? 0
    colour.green += pixels[at + 1] ?? 0
    colour.blue += pixels[at + 2] ?? 0
    seen.set(key, colour)
  }
  const mean = ({ count, red, green, blue }: Colour) => [red / count, green / count, blue / count].map(Math.round) as [number, number, number]
  const all = [...seen.values()].sort((a, b) => b.count - a.count).map((colour) => ({ count: colour.count, mean: mean(colour) }))
  const chosen = all.slice(0, COMMON).map((colour) => colour.mean)
  // Then those that would be missed most: a small green dot is no grey one.
  const apart = ([r, g, b]: [number, number, number], [red, green, blue]: [number, number, number]) => (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2
  const rest = all.slice(COMMON).map((colour) => ({ ...colour, distance: Math.min(...chosen.map((one) => apart(one, colour.mean))) }))
  while (chosen.length < 256 && rest.length > 0) {
    const next = rest.reduce((best, colour) => (colour.distance * colour.count > best.distance * best.count ? colour : best))
    if (next.distance === 0) break
    chosen.push(next.mean)
    for (const colour of rest) colour.distance = Math.min(colour.distance, apart(next.mean, colour.mean))
  }
  const nearest = new Map<number, number>()
  for (const [key, colour] of seen) {
    const [red, green, blue] = mean(colour)
    let best = 0
    let least = Number.POSITIVE_INFINITY
    for (const [index, [r, g, b]] of chosen.entries()) {
      const distance = (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2
      if (distance < least) {
        least = distance
        best = index
      }
    }
    nearest.set(key, best)
  }
  const indexes = new Uint8Array(pixels.length / 4)
  for (let at = 0; at < pixels.length; at += 4) indexes[at / 4] = nearest.get(rounded(at)) ?? 0
  return { palette: Buffer.from(chosen.flat()), indexes }
}
