// A server is rescued by somebody in a browser: from the log-in to the way back.
import { describe, expect, it } from 'vitest'

import { until } from './stack'
import { answered, telling } from './telling'

describe('a rescue', () => {
  const told = telling({ isOneStory: true })
  const { part, isAccessible } = told
  const row = (name: string) => told.page.locator('[data-test="row"]', { has: told.page.getByRole('link', { name, exact: true }) })
  let password = ''

  it('begins at the log-in, where a wrong password is told', async () => {
    const { page, browser, stack } = told
    // Nobody is logged in, and the password is wrong.
    browser.expects(answered(401))
    await page.goto('/')
    await page.waitForURL('**/ui/login**')
    await isAccessible('log-in')
    await part('username').fill(stack.place.user)
    await part('password').fill('not the password')
    await part('log-in').click()
    await part('login-error').waitFor()
    await told.logIn()
    await page.waitForURL('**/ui/servers')
    const [cookie] = await browser.context.cookies()
    expect(cookie, 'no script reads the session').toMatchObject({ name: 'lifeboat_session', httpOnly: true, sameSite: 'Strict' })
  })

  it('shows the servers as they are, and as they become', async () => {
    const { page, stack } = told
    for (const name of ['web1', 'db1', 'low1']) await row(name).waitFor()
    await page.locator('[data-test="live"][data-state="live"]').waitFor()
    await isAccessible('list of servers')
    // Nobody reloads: what somebody else does is seen.
    const made = await stack.call<{ task: { id: string } }>('POST', '/servers', {
      server: { name: 'late1', vmem_size: 128, disks: [{ size: 64 }], nets: [] },
    })
    await row('late1').locator('[data-status="ready"]').waitFor()
    await stack.task(made.task.id)
    await part('search').fill('db')
    await row('web1').waitFor({ state: 'detached' })
    expect(new URL(page.url()).searchParams.get('search')).toBe('db')
    await part('search').fill('')
    await row('web1').waitFor()
  })

  it('is done to many at once, and says honestly what became of each', async () => {
    const { page, browser } = told
    browser.expects(answered(400))
    for (const name of ['db1', 'low1']) await row(name).locator('[data-test="select"]').click()
    await part('do-start-rescue', part('bulk')).click()
    const dialog = part('dialog-start-rescue')
    await part('plan', dialog).waitFor()
    await part('go', dialog).click()
    const failed = dialog.locator('[data-test="result"][data-outcome="failed"]')
    await failed.waitFor()
    expect(await failed.innerText()).toMatch(/low1[\s\S]*192/)
    const other = dialog.locator('[data-test="result"]', { hasText: 'db1' })
    expect(await other.getAttribute('data-outcome')).not.toBe('failed')
    await isAccessible('results of many')
    // It goes on without the dialog; the end is looked at below.
    await part('close', dialog).click()
    await dialog.waitFor({ state: 'hidden' })
    await page.goto('/ui/servers/web1')
  })

  it('is begun with a dialog that says what will happen', async () => {
    const { page, browser } = told
    await part('do-start-rescue').first().click()
    const dialog = part('dialog-start-rescue')
    await part('plan', dialog).waitFor()
    await isAccessible('the dialog')
    expect(await part('generate-password', dialog).getByRole('checkbox').isChecked(), 'nobody is locked out by default').toBe(true)
    await part('reason', dialog).fill('will not boot')
    await part('go', dialog).click()
    // Never a final state before there is one: the task is followed, stage by stage.
    await dialog.locator('[data-test="stage"][data-stage="prepare_rescue"]').waitFor()
    await dialog.locator('[data-test="task-panel"][data-state="succeeded"]').waitFor({ timeout: 180_000 })
    expect(await dialog.locator('[data-test="stage"][data-look="done"]').count()).toBeGreaterThanOrEqual(6)
    password = (await part('password-shown', dialog).locator('code').innerText()).trim()
    expect(password.length).toBeGreaterThan(8)
    browser.isSecret(password)
    await part('close', dialog).click()
    await page.locator('[data-test="status"][data-status="rescue"]').first().waitFor()
  })

  it('lets its owner in on the serial console', async () => {
    const { page, stack } = told
    await page.goto('/ui/servers/web1/console')
    await page.locator('[data-test="connection"][data-state="open"]').waitFor()
    await part('recorded').waitFor()
    await isAccessible('serial console')
    const shows = (text: RegExp | string, limit = 60_000) => page.locator('.xterm-rows').filter({ hasText: text }).waitFor({ timeout: limit })
    const type = async (line: string) => {
      await page.keyboard.type(line)
      await page.keyboard.press('Enter')
    }
    // What it showed before somebody looked is there.
    await shows('login:', 120_000)
    await type('root')
    await shows('assword:')
    await type(password)
    await shows('# ')
    await type('echo answer $((40 + 2))')
    await shows('answer 42')

    // Out by keyboard alone, as Tab belongs to the shell.
    await page.keyboard.press('Control+]')
    expect(await page.evaluate(() => document.activeElement?.closest('[role=toolbar]') !== null)).toBe(true)

    // The buffer comes again, after the word that it is recorded; nothing in it is answered into the shell.
    await page.reload()
    await shows('answer 42')
    await page.keyboard.press('Enter')
    await type('echo line=$((6 * 7))')
    await shows('line=42')
    expect(await page.locator('.xterm-rows').innerText()).not.toContain('not found')
    const { events } = await stack.call<{ events: { action: string; user: string }[] }>('GET', '/events?obj_type.0=server&obj_id.0=web1&action.0=console')
    expect(events[0]).toMatchObject({ action: 'console', user: stack.place.user })
  })

  it('shows the screen, and types into it', async () => {
    const { page } = told
    await page.goto('/ui/console/web1?kind=vnc')
    await page.locator('[data-test="connection"][data-state="open"]').waitFor()
    const picture = () =>
      page.evaluate(() => {
        const canvas = document.querySelector<HTMLCanvasElement>('[data-test="screen"] canvas')
        if (!canvas || canvas.width === 0) return { lit: 0, sum: 0 }
        const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height)
        let lit = 0
        let sum = 0
        for (let i = 0; i < data.length; i += 4) {
          const value = data[i]! + data[i + 1]! + data[i + 2]!
          if (value > 60) lit += 1
          sum = (sum * 31 + value) % 2_147_483_647
        }
        return { lit, sum }
      })
    const before = await until('a picture that is not black', 60, async () => {
      const now = await picture()
      return now.lit > 50 && now
    })
    await isAccessible('screen')
    await page.getByRole('button', { name: 'Type text' }).click()
    const text = page.getByRole('dialog').getByRole('textbox')
    await text.fill('密')
    await page.getByRole('alert').filter({ hasText: '密' }).waitFor()
    await text.fill('Hello World!\n')
    await page.getByRole('button', { name: 'Type it' }).click()
    await text.waitFor({ state: 'hidden' })
    await until('the picture to change', 30, async () => (await picture()).sum !== before.sum)
  })

  it('can be given more time, and left; the server runs as before', async () => {
    const { page, stack } = told
    await page.goto('/ui/servers/web1/rescue')
    await page.locator('[data-test="session"][data-ready="true"]').waitFor()
    expect(await part('rescue-disks').innerText()).toContain('vda')
    const session = async () =>
      (await stack.call<{ server: { rescue_session: { expires_at: string } } }>('GET', '/servers/web1/rescue')).server.rescue_session
    const before = Date.parse((await session()).expires_at)
    // Looking changes nothing; what it finds is told by code.
    await part('diagnose').click()
    await part('nothing-found').or(part('findings').locator('[data-test^="finding-"]')).first().waitFor({ timeout: 120_000 })
    await isAccessible('rescue panel')
    await part('extend').click()
    await until('more time', 20, async () => Date.parse((await session()).expires_at) > before)
    await part('do-stop-rescue').first().click()
    const dialog = part('dialog-stop-rescue')
    await part('go', dialog).click()
    await dialog.locator('[data-test="task-panel"][data-state="succeeded"]').waitFor({ timeout: 180_000 })
    await part('close', dialog).click()
    await page.locator('[data-test="status"][data-status="running"]').first().waitFor()
    expect(await stack.status('web1')).toBe('running')
  })

  it('was recorded, and an auditor sees what was seen', async () => {
    const { page } = told
    await page.goto('/ui/recordings?user=admin')
    // Two: the console was opened twice.
    await part('open-recording').nth(1).waitFor()
    await isAccessible('recordings')
    await part('open-recording').last().click()
    const player = part('player')
    await player.waitFor()
    await part('play', player).click()
    await page.locator('[data-test="player"][data-playing="false"]').waitFor()
    await part('position', player).fill(await part('position', player).getAttribute('max') ?? '')
    await player.locator('.xterm-rows').filter({ hasText: 'answer 42' }).waitFor()
    expect(await player.locator('.xterm-rows').innerText(), 'what was typed unseen is not there').not.toContain(password)
    await isAccessible('a recording')
    // From the beginning again.
    await part('position', player).fill('0')
    await player.locator('.xterm-rows').filter({ hasText: 'answer 42' }).waitFor({ state: 'detached' })
    const { events } = await told.stack.call<{ events: { action: string }[] }>('GET', '/events?obj_type.0=server&obj_id.0=web1&action.0=console_replay')
    expect(events.length, 'a look is written down').toBeGreaterThan(0)
  })

  it('had gone on for the other one meanwhile', async () => {
    const { stack } = told
    await until('db1 to be in rescue', 180, async () => (await stack.status('db1')) === 'rescue')
    expect(await stack.status('low1')).toBe('ready')
    await told.page.goto('/ui/servers?status=rescue')
    await row('db1').waitFor()
    expect(await part('row').count()).toBe(1)
  })
})
