// SHA-256 (FIPS 180-4), for browsers that offer none: `crypto.subtle` is missing on a page that came over plain HTTP.

const primes = (count: number): number[] => {
  const found: number[] = []
  for (let n = 2; found.length < count; n += 1) if (found.every((p) => n % p !== 0)) found.push(n)
  return found
}
/** The first 32 bits of the fractional part. */
const fraction = (value: number) => ((value - Math.floor(value)) * 2 ** 32) | 0

// Section 4.2.2 and 5.3.3: cube roots of the first 64 primes, square roots of the first 8.
const K = Int32Array.from(primes(64), (p) => fraction(Math.cbrt(p)))
const H0 = Int32Array.from(primes(8), (p) => fraction(Math.sqrt(p)))

const rotate = (x: number, by: number) => (x >>> by) | (x << (32 - by))

export function sha256(data: Uint8Array): Uint8Array<ArrayBuffer> {
  // Section 5.1.1: a one, zeroes, and the length in bits as 64 bits, up to a multiple of 64 bytes.
  const padded = new Uint8Array((((data.length + 8) >> 6) + 1) << 6)
  padded.set(data)
  padded[data.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(data.length / 2 ** 29))
  view.setUint32(padded.length - 4, (data.length << 3) >>> 0)

  const hash = H0.slice()
  const w = new Int32Array(64)
  for (let block = 0; block < padded.length; block += 64) {
    for (let t = 0; t < 16; t += 1) w[t] = view.getInt32(block + t * 4)
    for (let t = 16; t < 64; t += 1) {
      const w15 = w[t - 15]!
      const w2 = w[t - 2]!
      const s0 = rotate(w15, 7) ^ rotate(w15, 18) ^ (w15 >>> 3)
      const s1 = rotate(w2, 17) ^ rotate(w2, 19) ^ (w2 >>> 10)
      w[t] = (w[t - 16]! + s0 + w[t - 7]! + s1) | 0
    }
    let [a, b, c, d, e, f, g, h] = hash as unknown as [number, number, number, number, number, number, number, number]
    for (let t = 0; t < 64; t += 1) {
      const t1 = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + K[t]! + w[t]!) | 0
      const t2 = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0
      ;[h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0]
    }
    ;[a, b, c, d, e, f, g, h].forEach((word, i) => {
      hash[i] = (hash[i]! + word) | 0
    })
  }
  const out = new Uint8Array(32)
  const words = new DataView(out.buffer)
  hash.forEach((word, i) => words.setInt32(i * 4, word))
  return out
}

export const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
