// Once for all stories: the stack, its servers and users; ended when the last story has.
import type { TestProject } from 'vitest/node'

import { type Place, Stack } from './stack'

declare module 'vitest' {
  export interface ProvidedContext {
    place: Place
  }
}

/** Who may look at the project, and nothing more. */
export const VIEWER = { name: 'vera', password: 'looks-only-7' }

export default async function setup(project: TestProject): Promise<(() => void) | undefined> {
  if (process.env.STACK) {
    project.provide('place', Stack.at(process.env.STACK).place)
    return undefined
  }
  const stack = Stack.up()
  try {
    // web1 boots while the first stories are told. low1 has less memory than the rescue system needs: what goes wrong with it is said
    // by region, at the perform.
    const servers = [stack.server('web1', { vnc: true, start: true }), stack.server('db1'), stack.server('low1', { memory: 128 })]
    await stack.call('POST', '/users', { user: { ...VIEWER } })
    await stack.call('POST', '/projects/system/join', { project: { users: [VIEWER.name], roles: ['project_viewer'] } })
    await Promise.all(servers)
  } catch (error) {
    console.error(stack.logs())
    stack.down()
    throw error
  }
  project.provide('place', stack.place)
  return () => stack.down()
}
