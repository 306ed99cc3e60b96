// What the console takes from region is what region has: the schema, permissions, statuses, stages, errors.
// @vitest-environment node
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { ERROR_CLASSES } from '@/api/errors'
import { PERMISSIONS } from '@/constants/permission'
import { ROADS } from '@/constants/stages'
import { FAILED, IN_TRANSITION, OF_RESCUE, STATUSES } from '@/constants/status'
import en from '@/locales/en.json'
import { file, generate } from '../scripts/api.mjs'
import { region } from './source'

const read = (name: string) => readFileSync(`${region}${name}`, 'utf8')
const schemas = (JSON.parse(read('openapi.json')) as { components: { schemas: Record<string, { enum?: string[] }> } }).components.schemas

describe('the contract with region', () => {
  it('the generated schema is current (npm run api)', async () => {
    expect(readFileSync(file, 'utf8') === (await generate())).toBe(true)
  })

  it('each permission is a rule of region', () => {
    const rules = new Set(
      read('verbs.txt')
        .split('\n')
        .filter((line) => line.includes(' | '))
        .map((line) => line.split(' | ')[0]),
    )
    for (const permission of PERMISSIONS) expect(rules.has(permission), permission).toBe(true)
    // And no verb of a server is without one.
    for (const rule of rules) if (rule?.startsWith('server_')) expect(PERMISSIONS).toContain(rule)
  })

  it('each status has a word, and is in the right group', () => {
    const all = schemas.GuestStatus?.enum ?? []
    expect([...STATUSES].sort()).toEqual([...all].sort())
    for (const status of all) expect(en.status).toHaveProperty(status)
    expect([...FAILED].sort()).toEqual(all.filter((one) => one.endsWith('_failed')).sort())
    for (const line of read('matrix.txt').split('\n').filter((one) => one.includes('a task is at work'))) {
      expect(IN_TRANSITION).toContain(line.split(':')[0])
    }
    expect([...OF_RESCUE].sort()).toEqual(all.filter((one) => one.includes('rescue')).sort())
  })

  it('each task and stage has a word, and each road is one that its task has', () => {
    const lines = read('tasks.txt')
      .split('\n')
      .filter((line) => line && !line.startsWith('#'))
    expect(lines.length).toBeGreaterThan(10)
    const stages = new Map(lines.map((line) => [line.split(': ')[0] as string, (line.split(': ')[1] ?? '').split(' ')]))
    for (const [task, names] of stages) {
      expect(en.tasks).toHaveProperty(task)
      for (const stage of names) expect(en.stages).toHaveProperty(stage)
    }
    for (const [task, road] of Object.entries(ROADS)) for (const stage of road) expect(stages.get(task), task).toContain(stage)
  })

  it('each class of error has a title and a next step', () => {
    expect([...ERROR_CLASSES].sort()).toEqual([...(schemas.ErrorClass?.enum ?? [])].sort())
    for (const kind of [...ERROR_CLASSES, 'NetworkError', 'UnknownError']) expect(en.errors).toHaveProperty(kind)
  })
})
