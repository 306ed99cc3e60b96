import { describe, expect, it } from 'vitest'

import { bytes, coarse, duration, mebibytes, took } from '@/composables/format'
import { backTo } from '@/router'
import { toCome } from '@/constants/stages'
import { preferredLanguage } from '@/stores/preferences'

const t = (key: string, values?: Record<string, unknown>) => `${String(values?.n)}${key.split('.')[1]?.[0]}`

describe('as people read it', () => {
  it.each([
    [0, '0s'],
    [-5, '0s'],
    [59.9, '59s'],
    [60, '1m'],
    [61, '1m 1s'],
    [3_600, '1h'],
    [3_601, '1h'],
    [7_500, '2h 5m'],
    [86_400, '1d'],
    [90_061, '1d 1h'],
  ])('%d seconds', (seconds, text) => expect(duration(seconds, t)).toBe(text))

  it.each([
    [-5, '0s'],
    [59.9, '59s'],
    [119, '1m'],
    [7_500, '2h'],
    [172_799, '1d'],
  ])('%d seconds ago, in one unit', (seconds, text) => expect(coarse(seconds, t)).toBe(text))

  it('what took short, with a decimal', () => {
    expect(took(1_234, t)).toBe('1.2s')
    expect(took(-3, t)).toBe('0.0s')
    expect(took(75_000, t)).toBe('1m 15s')
  })

  it('sizes', () => {
    expect([bytes(0), bytes(1_536), bytes(10 * 1024 ** 3), mebibytes(256), mebibytes(1_536)]).toEqual(['0 B', '1.5 KiB', '10 GiB', '256 MiB', '1.5 GiB'])
  })
})

describe('where log-in leads back to', () => {
  it.each([
    ['/servers?status=rescue', '/servers?status=rescue'],
    ['//evil.example', '/servers'],
    ['https://evil.example', '/servers'],
    ['/\\evil.example', '/servers'],
    ['\\\\evil.example', '/servers'],
    ['javascript:alert(1)', '/servers'],
    [' //evil.example', '/servers'],
    ['/login?back=/x', '/servers'],
    [undefined, '/servers'],
    [['/a'], '/servers'],
  ])('%j', (to, expected) => expect(backTo(to)).toBe(expected))
})

describe('the stages to come', () => {
  const past = (stage: string, way_back = false) => ({ stage, way_back })
  it('are those of the road that were not reached', () => {
    expect(toCome('StopRescueTask', [past('stop_rescue_system')], false)).toEqual(['restore_desc', 'start_server'])
    expect(toCome('StartRescueTask', [], false).length).toBe(6)
  })
  it('are none after a turn back, at the end, or on an unknown road', () => {
    expect(toCome('StartRescueTask', [past('preflight'), past('finish_stop', true)], false)).toEqual([])
    expect(toCome('StopRescueTask', [], true)).toEqual([])
    expect(toCome('SomeTask', [past('a')], false)).toEqual([])
  })
})

describe('the language to begin with', () => {
  it.each([
    [['zh-TW', 'en'], 'zh-CN'],
    [['fr', 'zh'], 'zh-CN'],
    [['en-GB'], 'en'],
    [['fr'], 'en'],
    [[], 'en'],
  ])('%j', (wanted, expected) => expect(preferredLanguage(wanted)).toBe(expected))
})
