// @vitest-environment node
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { isNoticeAlone, NOTICES, noticesIn } from './notices'

const bytes = (text: string) => new TextEncoder().encode(text)
const source = (path: string) => readFileSync(new URL(`../../../../${path}`, import.meta.url), 'utf8')

describe('notices within a console', () => {
  it('are what region and host say', () => {
    const said = source('region/src/console/record.rs')
    expect(said).toContain(NOTICES.recorded)
    expect(said).toContain(NOTICES.unrecorded)
    const [, reason = ''] = /: (.*)\]/.exec(NOTICES.busy) ?? []
    expect(source('host/src/guest/console.rs')).toContain(`"${reason}"`)
    expect(source('host/src/grpc/console.rs')).toContain(NOTICES.busy.replace(reason, '{error}'))
  })

  it('are found within other output, in their order', () => {
    expect(noticesIn(bytes(`a\r\n${NOTICES.unrecorded}\r\nb\r\n${NOTICES.recorded}\r\n`))).toEqual(['unrecorded', 'recorded'])
    expect(noticesIn(bytes(`a\r\n${NOTICES.busy}\r\n`))).toEqual(['busy'])
    expect(noticesIn(bytes('nothing [of] it'))).toEqual([])
    expect(noticesIn(bytes(NOTICES.busy + ' '.repeat(5000)))).toEqual([])
  })

  it('alone, or before something', () => {
    expect(isNoticeAlone(bytes(`\r\n${NOTICES.recorded}\r\n`))).toBe(true)
    expect(isNoticeAlone(bytes(`\r\n${NOTICES.recorded}\r\nlogin: `))).toBe(false)
    expect(isNoticeAlone(bytes(''))).toBe(false)
  })
})
