// What every story has: the stack, a browser, and the end of each story: nothing that a page complained of, and a picture where it failed.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import type { Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject } from 'vitest'

import { findings } from './axe'
import { Browser, type Wishes } from './browser'
import { Stack } from './stack'

const ACCESSIBILITY = 'accessibility:'

export interface Telling {
  stack: Stack
  browser: Browser
  page: Page
  /** By `data-test`. */
  part: (name: string, within?: Page | Locator) => Locator
  /** The page as it stands has no serious finding. */
  isAccessible: (what: string) => Promise<void>
  logIn: (user?: string, password?: string) => Promise<void>
}

/** `isOneStory`: what comes later builds on what came before, and is not told once that broke. */
export function telling(wishes: Wishes & { isOneStory?: boolean } = {}): Telling {
  const told = {} as Telling
  let isBroken = false
  beforeAll(async () => {
    told.stack = new Stack(inject('place'))
    told.browser = await Browser.open(told.stack.place, wishes)
    told.page = told.browser.page
  })
  beforeEach(({ skip }) => skip(isBroken, 'the story broke before'))
  afterAll(() => told.browser?.close())
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') {
      isBroken = wishes.isOneStory === true && task.result.errors?.some((error) => !error.message.startsWith(ACCESSIBILITY)) === true
      const folder = join(process.env.LIFEBOAT_TARGET ?? told.stack.place.folder, 'browser')
      mkdirSync(folder, { recursive: true })
      const file = join(folder, `${task.name.replace(/\W+/g, '-').slice(0, 60)}.png`)
      await told.page.screenshot({ path: file }).catch(() => undefined)
      console.error(`at ${told.page.url()}; picture: ${file}\n${told.stack.logs(8)}`)
      console.error(told.browser.takeFaults().join('\n'))
      return
    }
    expect(told.browser.takeFaults(), 'what the page complained of').toEqual([])
    expect(await told.browser.takeLeaks(), 'secrets where others can read them').toEqual([])
  })
  told.part = (name, within = told.page) => within.locator(`[data-test="${name}"]`)
  told.isAccessible = async (what) => expect.soft(await findings(told.page), `${ACCESSIBILITY} ${what}`).toEqual([])
  told.logIn = async (user = told.stack.place.user, password = told.stack.place.password) => {
    await told.part('username').fill(user)
    await told.part('password').fill(password)
    await told.part('log-in').click()
    await told.part('account').waitFor()
  }
  return told
}

/** What the browser itself says of an answer with this status; the page is not at fault. */
export const answered = (status: number): RegExp => new RegExp(`Failed to load resource: the server responded with a status of ${status}`)
/** And of none. */
export const UNANSWERED = /Failed to load resource: net::ERR_|WebSocket connection to .* failed/
