import { describe, expect, it } from 'vitest'

import { fixesOf, whyNoRepair, type Finding } from '@/views/server/findings'

const finding = (code: string, fixes: [string, boolean][]): Finding => ({
  code,
  severity: 'critical',
  title: code,
  evidence: [],
  what_to_do: '',
  fixes: fixes.map(([fix, safe]) => ({ code: fix, safe, reason: '', title: fix })),
})

describe('fixes', () => {
  it('are offered once, and as safe only if they are for every finding', () => {
    const findings = [finding('a', [['one', true], ['two', true]]), finding('b', [['two', false], ['one', true]])]
    expect(fixesOf(findings).map((fix) => [fix.code, fix.safe])).toEqual([
      ['one', true],
      ['two', false],
    ])
  })

  it('want an overlay, which can be thrown away', () => {
    expect(whyNoRepair({ disk_mode: 'rw' }, ['one'])).toBe('notOverlay')
    expect(whyNoRepair({ disk_mode: 'overlay' }, [])).toBe('noneChosen')
    expect(whyNoRepair({ disk_mode: 'overlay' }, ['one'])).toBeNull()
  })
})
