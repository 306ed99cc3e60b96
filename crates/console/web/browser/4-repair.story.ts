// A server that does not boot: what is wrong is found, the change is seen before it is made, and one button does the rest.
import { describe, expect, it } from 'vitest'

import { answered, telling } from './telling'

describe('a repair', () => {
  const told = telling({ isOneStory: true })
  const { part, isAccessible } = told

  it('shows what is wrong, in words and with what was seen', async () => {
    const { page, browser, stack } = told
    // Nobody is logged in yet.
    browser.expects(answered(401))
    const id = await stack.server('broken1')
    stack.breakDisk(id, 'fstab')
    const begun = await stack.call<{ task: { id: string } }>('POST', '/servers/broken1/start-rescue', { disk_mode: 'overlay' })
    await stack.task(begun.task.id)
    await page.goto('/ui/servers')
    await told.logIn()
    await page.goto('/ui/servers/broken1/rescue')
    await part('diagnose').click()
    const finding = part('finding-fstab_missing_device')
    await finding.waitFor({ timeout: 180_000 })
    expect(await finding.innerText()).toContain('no-such-disk')
    await isAccessible('findings')
  })

  it('shows what a fix would change, and changes nothing', async () => {
    await part('fix-fstab_comment_out').click()
    await part('preview-repair').click()
    const preview = told.page.locator('[data-test="last-repair"][data-dry-run="true"]')
    await preview.waitFor({ timeout: 180_000 })
    expect(await preview.innerText()).toMatch(/\/etc\/fstab[\s\S]*-LABEL=no-such-disk[\s\S]*\+#LABEL=no-such-disk/)
    await isAccessible('a change that is not made yet')
  })

  it('is done by one button, tried by a boot, and committed', async () => {
    const { page, stack } = told
    await part('repair-auto').click()
    await page.locator('[data-test="session"][data-state="confirming"]').waitFor({ timeout: 180_000 })
    await page.locator('[data-test="session"][data-state="closed"]').waitFor({ timeout: 280_000 })
    await part('last-trial').filter({ hasText: 'tiny login:' }).waitFor()
    expect(await page.locator('[data-test="last-repair"][data-dry-run="false"]').innerText()).toContain('/etc/fstab')
    await isAccessible('a repair that is over')
    expect(await stack.status('broken1'), 'off, as it was before').toBe('ready')
  })
})
