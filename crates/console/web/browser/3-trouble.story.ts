// What goes wrong around a page: region away, a session that ended, somebody who may only look.
import { describe, expect, it } from 'vitest'

import { VIEWER } from './stack.setup'
import { answered, telling, UNANSWERED } from './telling'

describe('trouble', () => {
  const told = telling()
  const { part, isAccessible } = told

  it('region goes away and comes back: the page says so, and goes on', async () => {
    const { page, browser, stack } = told
    browser.expects(answered(401), UNANSWERED)
    await page.goto('/ui/servers')
    await told.logIn()
    await page.locator('[data-test="live"][data-state="live"]').waitFor()
    const region = stack.stopRegion()
    try {
      await part('offline').waitFor()
      await isAccessible('offline')
    } finally {
      await region.again()
    }
    await part('offline').waitFor({ state: 'detached', timeout: 40_000 })
    await page.locator('[data-test="live"][data-state="live"]').waitFor({ timeout: 40_000 })
    await part('row').first().waitFor()
  })

  it('a session ends: log in again, and be where one was', async () => {
    const { page, browser } = told
    browser.expects(answered(401))
    await page.goto('/ui/tasks?state=succeeded')
    await part('row').first().waitFor()
    await browser.context.clearCookies()
    await page.getByRole('button', { name: 'Refresh' }).click()
    await page.waitForURL('**/ui/login**')
    await told.logIn()
    await page.waitForURL('**/ui/tasks?state=succeeded')
    await part('row').first().waitFor()
  })

  it('a script that somebody gets into a page does not run', async () => {
    const { page, browser } = told
    browser.expects(/CSP: script-src-elem refuses inline/, /violates the following Content Security Policy directive/)
    const ran = await page.evaluate(async () => {
      const refused = new Promise((seen) => document.addEventListener('securitypolicyviolation', seen, { once: true }))
      const script = document.createElement('script')
      script.textContent = 'window.ran = true'
      document.body.append(script)
      await refused
      return 'ran' in window
    })
    expect(ran).toBe(false)
  })

  it('who may only look is offered nothing else', async () => {
    const { page, browser } = told
    browser.expects(answered(401), answered(403))
    await part('account').click()
    await part('log-out').click()
    await page.waitForURL('**/ui/login**')
    await told.logIn(VIEWER.name, VIEWER.password)
    await page.goto('/ui/servers/web1')
    await page.getByRole('heading', { level: 1, name: 'web1' }).waitFor()
    const button = part('do-start-rescue').or(part('do-stop-rescue')).first()
    expect(await button.getAttribute('aria-disabled')).toBe('true')
    expect(await button.innerText()).toMatch(/server_perform_st(art|op)_rescue/)
    expect(await page.locator('nav.side').innerText()).not.toMatch(/Policies/)
    await isAccessible('a server, for who may only look')
    // An address that somebody else sent leads to an explanation, not to a broken page.
    await page.goto('/ui/policies/new')
    await page.getByText('identity/policies/create').waitFor()
    await page.goto('/ui/servers/web1/console')
    await page.getByText('compute/servers/perform/console-ticket').waitFor()
  })
})
