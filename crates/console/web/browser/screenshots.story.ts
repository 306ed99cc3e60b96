// `make screenshots`: each page, light and dark, in both languages, into docs/screenshots with a page that shows them.
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Page } from 'playwright-core'
import { afterAll, describe, expect, inject, it } from 'vitest'

import en from '../src/locales/en.json'
import { Browser } from './browser'
import { pagesOf, stands, type Shown } from './pages'
import { encode } from './png'
import { Stack, until } from './stack'

const folder = fileURLToPath(new URL('../../../../docs/screenshots/', import.meta.url))
const LIMIT_MB = 4
const LOOKS = [
  { name: 'en-light', language: 'en', dark: false },
  { name: 'en-dark', language: 'en', dark: true },
  { name: 'zh-light', language: 'zh-CN', dark: false },
  { name: 'zh-dark', language: 'zh-CN', dark: true },
] as const

const WIDTH = 1280
const HEIGHT = 800

/** Of the page that shows them: the words that the pages have themselves. */
const TITLES: Record<string, string> = {
  login: en.login.title,
  servers: en.servers.title,
  'start-rescue': en.actions.start_rescue.label,
  server: en.server.tabs.overview,
  'server-rescue': en.server.tabs.rescue,
  'server-console': en.server.tabs.console,
  'server-screen': en.server.tabs.screen,
  'server-tasks': en.server.tabs.tasks,
  'server-log': en.server.tabs.log,
  'console-window': en.console.ownWindow,
  hosts: en.hosts.title,
  host: en.hosts.one,
  agents: en.agents.title,
  images: en.images.title,
  image: en.images.one,
  tasks: en.taskList.title,
  task: en.taskList.one,
  audit: en.audit.title,
  recordings: en.recordings.title,
  recording: en.recordings.one,
  users: en.users.title,
  projects: en.projects.title,
  roles: en.roles.title,
  policies: en.policies.title,
  policy: en.policies.one,
  denied: en.lost.deniedTitle,
}

async function logIn(page: Page, stack: Stack): Promise<void> {
  await page.locator('[data-test="username"]').fill(stack.place.user)
  await page.locator('[data-test="password"]').fill(stack.place.password)
  await page.locator('[data-test="log-in"]').click()
  await page.locator('[data-test="account"]').waitFor()
}

/** Pixels by the browser, which can read its own PNG. */
async function take(page: Page, scratch: Page, file: string): Promise<void> {
  const taken = (await page.screenshot({ type: 'png' })).toString('base64')
  const { width, height, pixels } = await scratch.evaluate(async (data) => {
    const image = new Image()
    image.src = `data:image/png;base64,${data}`
    await image.decode()
    const canvas = new OffscreenCanvas(image.width, image.height)
    const context = canvas.getContext('2d')!
    context.drawImage(image, 0, 0)
    const { data: bytes } = context.getImageData(0, 0, image.width, image.height)
    let text = ''
    for (let at = 0; at < bytes.length; at += 32_768) text += String.fromCharCode(...bytes.subarray(at, at + 32_768))
    return { width: image.width, height: image.height, pixels: btoa(text) }
  }, taken)
  writeFileSync(file, encode({ width, height, pixels: Buffer.from(pixels, 'base64') }))
}

describe('pictures', () => {
  const stack = new Stack(inject('place'))
  const browsers: Browser[] = []
  afterAll(async () => {
    for (const browser of browsers) await browser.close()
  })
  let pages: Shown[] = []

  it('of a stack in which something happened', async () => {
    for (const [name, wanted] of [['mail1', { memory: 512 }], ['build-7', {}]] as const) await stack.server(name, wanted)
    const made = await stack.call<{ task: { id: string }; rescue_session: { password: string } }>('POST', '/servers/db1/start-rescue', {
      server: { password: 'generate', reason: 'fstab names a disk that is gone', ttl: 14_400 },
    })
    await stack.task(made.task.id)
    // A console that was opened is recorded; and one server came back from rescue.
    const browser = await Browser.open(stack.place, { width: WIDTH, height: HEIGHT })
    browsers.push(browser)
    await browser.page.goto('/ui/servers/db1/console')
    await logIn(browser.page, stack)
    const says = (text: string) => browser.page.locator('.xterm-rows').filter({ hasText: text }).waitFor({ timeout: 60_000 })
    await says('login:')
    await browser.page.keyboard.type('root\n')
    await says('assword:')
    await browser.page.keyboard.type(`${made.rescue_session.password}\n`)
    await says('# ')
    await browser.page.keyboard.type('e2fsck -f /dev/vda1\n')
    await says('Pass 5')
    await until('it to be recorded', 30, async () => (await stack.call<{ total: number }>('GET', '/consolerecordings')).total > 0)
    await browser.page.goto('/ui/servers')
    pages = await pagesOf(stack, 'web1', 'db1')
  })

  for (const look of LOOKS) {
    it(look.name, async () => {
      expect(pages.length, 'the stack is as it was wanted').toBeGreaterThan(0)
      mkdirSync(folder, { recursive: true })
      for (const file of readdirSync(folder)) if (file.endsWith(`-${look.name}.png`)) rmSync(join(folder, file))
      const browser = await Browser.open(stack.place, { ...look, width: WIDTH, height: HEIGHT })
      browsers.push(browser)
      const scratch = await browser.context.newPage()
      const shots = [...pages.filter((shown) => shown.isPublic), ...pages.filter((shown) => !shown.isPublic)]
      let isIn = false
      for (const shown of shots) {
        if (!shown.isPublic && !isIn) {
          await browser.page.goto('/ui/')
          await logIn(browser.page, stack)
          isIn = true
        }
        await browser.page.bringToFront()
        await stands(browser.page, shown)
        await take(browser.page, scratch, join(folder, `${shown.name}-${look.name}.png`))
      }
    })
  }

  it('are small, and shown', () => {
    const files = readdirSync(folder, { withFileTypes: true }).filter((file) => file.name.endsWith('.png'))
    expect(files.length).toBe(pages.length * LOOKS.length)
    expect(files.length).toBeGreaterThan(0)
    writeFileSync(join(folder, 'README.md'), gallery(pages))
    console.log(`${files.length} pictures, together ${megabytes(files.map((file) => join(folder, file.name))).toFixed(1)} MB, of ${LIMIT_MB}`)
    expect(megabytes(files.map((file) => join(folder, file.name)))).toBeLessThan(LIMIT_MB)
  })
})

const megabytes = (files: readonly string[]) => files.reduce((sum, file) => sum + statSync(file).size, 0) / 1e6

function gallery(pages: readonly Shown[]): string {
  const sections = pages.map(({ name }) => {
    const cell = (look: string) => `![${TITLES[name] ?? name}, ${look}](${name}-${look}.png)`
    return `## ${TITLES[name] ?? name}\n| | light | dark |\n|---|---|---|\n| English | ${cell('en-light')} | ${cell('en-dark')} |\n| 中文 | ${cell('zh-light')} | ${cell('zh-dark')} |\n`
  })
  return `# The web console\nEach page, as \`make screenshots\` takes them of a running stack with real guests.\n\n${sections.join('\n')}`
}
