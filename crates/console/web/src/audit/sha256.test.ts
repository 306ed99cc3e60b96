// @vitest-environment node
import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { hex, sha256 } from './sha256'

it('agrees with another implementation at every length around its blocks', () => {
  for (const length of [0, 1, 3, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000, 70_001]) {
    const data = Uint8Array.from({ length }, (_, i) => (i * 31 + length) & 0xff)
    expect(hex(sha256(data)), String(length)).toBe(createHash('sha256').update(data).digest('hex'))
  }
})
