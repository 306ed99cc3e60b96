// What the tests read of the source: files, without node_modules.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const web = fileURLToPath(new URL('..', import.meta.url))
export const region = fileURLToPath(new URL('../../../region/', import.meta.url))

export interface Source {
  path: string
  text: string
}

export function sources(): Source[] {
  return readdirSync(`${web}src`, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(ts|vue)$/.test(path) && !/\.(test|d)\.ts$/.test(path))
    .map((path) => ({ path, text: readFileSync(`${web}src/${path}`, 'utf8') }))
}

/** `a.b.c` to text, for each leaf. */
export function leaves(tree: object, prefix = ''): Map<string, string> {
  const out = new Map<string, string>()
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === 'string') out.set(prefix + key, value)
    else for (const [path, text] of leaves(value as object, `${prefix}${key}.`)) out.set(path, text)
  }
  return out
}
