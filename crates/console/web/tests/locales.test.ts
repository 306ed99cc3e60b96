// @vitest-environment node
// Both languages are complete: the same keys, the same placeholders, each translated; every key that code uses exists, and every key is used.
import { describe, expect, it } from 'vitest'

import en from '@/locales/en.json'
import zh from '@/locales/zh-CN.json'
import { leaves, sources } from './source'

const english = leaves(en)
const chinese = leaves(zh)
const placeholders = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort()

/** Names that are the same in every language. */
const SAME = /^(SSH|VNC|ISO|ID|UUID|QEMU|MAC|TTL|IP|CPU|DHCP|ttl|sha256|[\d\s.,:{}\w]*\{\w+\}[\s.,:·/×]*)$/

describe('the two languages', () => {
  it('have the same keys', () => {
    expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort())
    expect(english.size).toBeGreaterThan(100)
  })

  it('have the same placeholders', () => {
    for (const [key, text] of english) expect(placeholders(chinese.get(key) ?? ''), key).toEqual(placeholders(text))
  })

  it('are both written: nothing is empty, nothing left in English', () => {
    for (const [key, text] of english) {
      const other = chinese.get(key) ?? ''
      expect(text.trim(), key).not.toBe('')
      expect(other.trim(), key).not.toBe('')
      if (!SAME.test(text)) {
        expect(other, `${key} is the same in both`).not.toBe(text)
        expect(other, `${key} has nothing Chinese`).toMatch(/[\u4e00-\u9fff]/)
      }
      expect(text, `${key} has Chinese in the English file`).not.toMatch(/[\u4e00-\u9fff]/)
    }
  })

  it('use no character that the message syntax would take for itself', () => {
    for (const [key, text] of [...english, ...chinese]) expect(text, key).not.toMatch(/[@|]/)
  })
})

describe('the keys in code', () => {
  const files = sources()
  /** `t('a.b')`, and in tables of labels: `label: 'a.b'`. */
  const fixed = files.flatMap(({ path, text }) => [...text.matchAll(/\b(?:t|te|label|title|reason|about)(?:\(|: )\s*'((?:[a-z][A-Za-z]*\.)+[\w-]+)'/g)].map((match) => ({ path, key: match[1] as string })))
  /** `t(`a.b.${x}`)`: some key must begin, and end, so. */
  const built = files.flatMap(({ path, text }) => [...text.matchAll(/\b(?:t|te)\(`([^`]+)`/g)].map((match) => ({ path, pattern: match[1] as string })))

  const asRegExp = (pattern: string) =>
    new RegExp(
      `^${pattern
        .split(/\$\{(?:[^{}]|\{[^}]*\})*\}/)
        .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
        .join('[\\w.-]+')}$`,
    )

  it('exist', () => {
    expect(fixed.length).toBeGreaterThan(50)
    for (const { path, key } of fixed) expect(english.has(key), `${path}: ${key}`).toBe(true)
    for (const { path, pattern } of built) {
      const some = [...english.keys()].some((key) => asRegExp(pattern).test(key))
      expect(some, `${path}: ${pattern}`).toBe(true)
    }
  })

  it('are all there is: no text that nobody reads', () => {
    const all = files.map(({ text }) => text).join('\n')
    const patterns = built.map(({ pattern }) => asRegExp(pattern))
    const unused = [...english.keys()].filter((key) => !all.includes(`'${key}'`) && !all.includes(`"${key}"`) && !patterns.some((pattern) => pattern.test(key)))
    expect(unused).toEqual([])
  })
})
