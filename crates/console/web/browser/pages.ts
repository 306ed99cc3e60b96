// Every page there is, and when it stands: for accessibility in both colour schemes, and for pictures.
import type { Locator, Page } from 'playwright-core'

import { until, type Stack } from './stack'

export interface Shown {
  /** Of its picture. */
  name: string
  path: string
  /** What is there once it stands. */
  ready: (page: Page) => Locator
  /** Before it is looked at. */
  prepare?: (page: Page) => Promise<void>
  /** For those who are not logged in. */
  isPublic?: boolean
}

const part = (name: string) => (page: Page) => page.locator(`[data-test="${name}"]`).first()
const link = (page: Page) => page.locator('main [data-test="row"] a').first()
const open = (page: Page) => page.locator('[data-test="connection"][data-state="open"]')

/** `running` runs and has a screen, `rescued` is in rescue; something was recorded and some rescue has succeeded. */
export async function pagesOf(stack: Stack, running: string, rescued: string): Promise<Shown[]> {
  const { tasks } = await stack.call<{ tasks: { id: string }[] }>('GET', '/tasks?task_name=StartRescueTask&state=succeeded&limit=1')
  const { consolerecordings } = await stack.call<{ consolerecordings: { id: string }[] }>('GET', '/consolerecordings?limit=1&order=asc')
  const [task] = tasks
  const [recording] = consolerecordings
  if (!task || !recording) throw new Error('there must have been a rescue, and a recording of its console')
  return [
    { name: 'login', path: '/ui/login', ready: part('log-in'), isPublic: true },
    { name: 'servers', path: '/ui/servers', ready: link },
    {
      name: 'start-rescue',
      path: `/ui/servers/${running}`,
      ready: part('plan'),
      prepare: (page) => part('do-start-rescue')(page).click(),
    },
    { name: 'server', path: `/ui/servers/${running}`, ready: part('disks') },
    { name: 'server-rescue', path: `/ui/servers/${rescued}/rescue`, ready: (page) => page.locator('[data-test="session"][data-ready="true"]') },
    { name: 'server-console', path: `/ui/servers/${rescued}/console`, ready: (page) => page.locator('.xterm-rows').filter({ hasText: 'rescue' }) },
    { name: 'server-screen', path: `/ui/servers/${running}/screen`, ready: open, prepare: hasPicture },
    { name: 'server-tasks', path: `/ui/servers/${running}/tasks`, ready: part('open-task') },
    { name: 'server-log', path: `/ui/servers/${running}/log`, ready: part('row') },
    { name: 'console-window', path: `/ui/console/${rescued}?kind=console`, ready: (page) => page.locator('.xterm-rows').filter({ hasText: 'rescue' }) },
    { name: 'hosts', path: '/ui/hosts', ready: link },
    { name: 'host', path: '/ui/hosts/host1', ready: (page) => page.getByRole('meter').first() },
    { name: 'agents', path: '/ui/agents', ready: part('row') },
    { name: 'images', path: '/ui/images', ready: link },
    { name: 'image', path: '/ui/images/small', ready: (page) => page.locator('main code').first() },
    { name: 'tasks', path: '/ui/tasks', ready: link },
    { name: 'task', path: `/ui/tasks/${task.id}`, ready: (page) => page.locator('[data-stage="await_ready"]') },
    { name: 'audit', path: `/ui/audit?obj=${running}`, ready: (page) => page.locator('[data-test="events"] tbody tr').first() },
    { name: 'recordings', path: '/ui/recordings', ready: part('open-recording') },
    { name: 'recording', path: `/ui/recordings/${recording.id}`, ready: part('player'), prepare: atEnd },
    { name: 'users', path: '/ui/users', ready: part('row') },
    { name: 'projects', path: '/ui/projects', ready: part('row') },
    { name: 'roles', path: '/ui/roles', ready: part('row') },
    { name: 'policies', path: '/ui/policies', ready: link },
    { name: 'policy', path: '/ui/policies/project_viewer', ready: part('yaml') },
    { name: 'denied', path: '/ui/denied?need=policy_create', ready: (page) => page.locator('h1') },
  ]
}

/** Leads there, and waits until it stands. */
export async function stands(page: Page, shown: Shown): Promise<void> {
  await page.goto(shown.path)
  await shown.prepare?.(page)
  await shown.ready(page).waitFor()
  await page.locator('main [aria-busy="true"]').first().waitFor({ state: 'detached' })
}

async function hasPicture(page: Page): Promise<void> {
  await until('a picture', 30, () =>
    page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('[data-test="screen"] canvas')
      if (!canvas || canvas.width === 0) return false
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height)
      return data.some((value, index) => index % 4 !== 3 && value > 60)
    }),
  )
}

/** Paused, so that each picture is the same. */
async function atEnd(page: Page): Promise<void> {
  await page.locator('[data-test="player"][data-playing="true"] [data-test="play"]').click()
  const position = part('position')(page)
  await position.fill((await position.getAttribute('max')) ?? '')
}
