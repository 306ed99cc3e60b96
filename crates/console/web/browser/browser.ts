// A browser that notices each fault a page shows, and each secret that is where others could read it: in an address, which stands in logs
// and histories, or in a storage that scripts read. What a story provokes on purpose it says beforehand: `expects`.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type BrowserContext, chromium, type Page } from 'playwright-core'

import type { Place } from './stack'

export interface Wishes {
  language?: 'en' | 'zh-CN'
  dark?: boolean
  width?: number
  height?: number
}

export class Browser {
  readonly faults: string[] = []
  /** Every address that was asked for, WebSockets too. */
  private readonly addresses: string[] = []
  private readonly secrets = new Set<string>()
  private readonly answers: Promise<void>[] = []
  private readonly expected: RegExp[] = []

  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
    private readonly folder: string,
    private readonly place: Place,
  ) {}

  static async open(place: Place, wishes: Wishes = {}): Promise<Browser> {
    const { language = 'en', dark = false, width = 1360, height = 860 } = wishes
    const folder = mkdtempSync(join(tmpdir(), 'lb-chromium-'))
    const context = await chromium.launchPersistentContext(folder, {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      headless: !process.env.HEADED,
      chromiumSandbox: false,
      args: [
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
      baseURL: place.url,
      locale: language === 'en' ? 'en-US' : 'zh-CN',
      colorScheme: dark ? 'dark' : 'light',
      reducedMotion: 'reduce',
      viewport: { width, height },
    })
    context.setDefaultTimeout(20_000)
    const page = context.pages()[0] ?? (await context.newPage())
    const browser = new Browser(context, page, folder, place)
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        console.error(`CSP: ${event.violatedDirective} refuses ${event.blockedURI || event.sample || 'inline'} at ${event.sourceFile}`)
      })
      // Animations only cost time, and a picture in the middle of one is another each time.
      const still = () => {
        const style = document.createElement('style')
        style.textContent = '*,*::before,*::after{animation-duration:0s!important;transition-duration:0s!important;caret-color:transparent!important}'
        document.head.append(style)
      }
      if (document.head) still()
      else document.addEventListener('DOMContentLoaded', still)
    })
    context.on('page', (opened) => browser.watch(opened))
    browser.watch(page)
    return browser
  }

  /** Faults of this kind are part of the story. */
  expects(...faults: RegExp[]): void {
    this.expected.push(...faults)
  }

  /** What went wrong on the pages so far and was not expected; asked at the end of each story. */
  takeFaults(): string[] {
    const found = this.faults.filter((fault) => !this.expected.some((pattern) => pattern.test(fault)))
    this.faults.length = 0
    this.expected.length = 0
    return found
  }

  /** What must be in no address and no storage. */
  isSecret(...secrets: string[]): void {
    for (const secret of secrets) this.secrets.add(secret)
  }

  /** Where secrets were seen since the last time: what was logged in with, the session's cookie and CSRF value, tickets of consoles. */
  async takeLeaks(): Promise<string[]> {
    await Promise.all(this.answers.splice(0))
    const cookies = await this.context.cookies()
    this.isSecret(this.place.password, ...cookies.map((cookie) => cookie.value))
    const stored = await this.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]))
    const leaks = [...this.secrets].filter((secret) => stored.includes(secret)).map((secret) => `in a storage: ${secret}`)
    for (const address of this.addresses.splice(0)) {
      if ([...this.secrets].some((secret) => address.includes(encodeURIComponent(secret)) || address.includes(secret))) leaks.push(`a secret in ${address}`)
      else if (/[?&](token|ticket|password|csrf|session)=/i.test(address)) leaks.push(`what looks like one in ${address}`)
    }
    return leaks
  }

  private watch(page: Page): void {
    page.on('request', (request) => this.addresses.push(request.url()))
    page.on('websocket', (socket) => this.addresses.push(socket.url()))
    page.on('response', (response) => {
      if (/\/auth\/(login|session|project)$|\/console-ticket$/.test(response.url()) && response.ok()) {
        // A page that has gone on has no body to read any more.
        this.answers.push(response.json().then((body) => this.isSecret(...secretsIn(body)), () => undefined))
      }
    })
    page.on('console', (message) => {
      // What this one says is how a story looks at a screen, not how a page draws it.
      const isOurs = message.text().startsWith('Canvas2D: Multiple readback operations')
      if (!isOurs && (message.type() === 'error' || message.type() === 'warning')) {
        const { url } = message.location()
        this.faults.push(`${message.type()}: ${message.text()} (${url.replace(this.place.url, '')})`)
      }
    })
    page.on('pageerror', (error) => this.faults.push(`exception: ${error.stack ?? error.message}`))
  }

  async close(): Promise<void> {
    await this.context.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

interface Answers {
  session?: { csrf?: string }
  console?: { ticket?: string }
}

function secretsIn(body: unknown): string[] {
  const { session, console } = body as Answers
  return [session?.csrf, console?.ticket].filter((secret) => secret !== undefined)
}
