// @vitest-environment node
// The styles that are loaded are those of the parts that are used.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { sources, web } from './source'

const kebab = (name: string) => name.replace(/([a-z])([A-Z])/g, '$1-$2').toLowerCase()
/** Drawn by others: ElDialog's and ElDrawer's shade, what pops up, what scrolls. */
const INNER = new Set(['el-overlay', 'el-popper', 'el-scrollbar', 'el-tag', 'el-option', 'el-select', 'el-input', 'el-config-provider'])

describe('Element Plus', () => {
  const loaded = new Set([...readFileSync(`${web}src/styles/element.ts`, 'utf8').matchAll(/theme-chalk\/(el-[\w-]+)\.css/g)].map((match) => match[1] as string))
  const used = new Set(
    sources().flatMap(({ text }) =>
      [...text.matchAll(/import \{([^}]+)\} from 'element-plus'/g)].flatMap((match) => [...(match[1] ?? '').matchAll(/\bEl[A-Z]\w*/g)].map((name) => kebab(name[0]))),
    ),
  )

  it('has a style for each part that is used', () => {
    expect(used.size).toBeGreaterThan(5)
    expect([...used].filter((one) => !loaded.has(one))).toEqual([])
  })

  it('has no style for parts that are not', () => {
    expect([...loaded].filter((one) => !used.has(one) && !INNER.has(one))).toEqual([])
  })

  it('is imported by name, so that what is not used is not shipped', () => {
    for (const { path, text } of sources()) expect(/import ElementPlus|app\.use\(Element/.test(text), path).toBe(false)
  })
})
