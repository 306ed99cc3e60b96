// Each page: it shows what there is, works, and is accessible, in both languages and both colour schemes.
import { describe, expect, it } from 'vitest'

import { pagesOf, stands } from './pages'
import { answered, telling } from './telling'

describe('the pages', () => {
  const told = telling()
  const { part, isAccessible } = told
  const link = (name: string | RegExp) => told.page.getByRole('link', { name })

  it('are reached by the navigation', async () => {
    const { page, browser } = told
    browser.expects(answered(401))
    await page.goto('/ui/')
    await told.logIn()
    for (const entry of await page.locator('nav.side li a').all()) {
      const name = await entry.innerText()
      await entry.click()
      await page.getByRole('heading', { level: 1, name }).waitFor()
    }
  })

  it('are accessible, each, in the light', async () => {
    const { page, stack } = told
    for (const shown of await pagesOf(stack, 'web1', 'db1')) {
      if (shown.isPublic) continue
      await stands(page, shown)
      await isAccessible(`${shown.name}, light`)
    }
  })

  it('hosts: capacity, a ping, and guests that nobody knows', async () => {
    const { page } = told
    await page.goto('/ui/hosts')
    await link('host1').click()
    await page.getByRole('meter', { name: /Memory in use/ }).waitFor()
    await page.getByText('There are none.').waitFor()
    await part('action-ping').click()
    await page.getByText(/host1 answered in/).waitFor()
    await isAccessible('a host')
    await part('action-disable').click()
    await page.getByRole('dialog').getByRole('button', { name: 'Disable' }).click()
    await part('disabled').waitFor()
    await part('action-enable').click()
    await part('disabled').waitFor({ state: 'detached' })
  })

  it('images: digests and who serves them', async () => {
    const { page } = told
    await page.goto('/ui/images')
    await link('small').click()
    const kernel = page.getByRole('region', { name: 'Kernel' })
    expect(await kernel.locator('code').innerText()).toMatch(/^[0-9a-f]{64}$/)
    await isAccessible('an image')
  })

  it('tasks: one with its stages', async () => {
    const { page } = told
    await page.goto('/ui/tasks?task_name=StartRescueTask')
    await part('row').first().getByRole('link').first().click()
    await page.locator('[data-test="stage"][data-stage="await_ready"]').waitFor()
    await isAccessible('a task')
  })

  it('the audit log: filters, pages, and a chain that is whole', async () => {
    const { page } = told
    await page.goto('/ui/audit?obj=web1')
    await part('verify').click()
    const verdict = part('verdict')
    await verdict.waitFor()
    expect(await verdict.getAttribute('data-kind')).toBe('whole')
    await isAccessible('audit log')
    await page.goto('/ui/audit?action=start_rescue&success=true')
    await page.locator('[data-test="events"] tbody tr').first().waitFor()
    const actions = await page.locator('[data-test="events"] tbody td code:first-child').allInnerTexts()
    expect(actions).toContain('start_rescue')
  })

  it('users: a mistake is told in the dialog, and what was typed stays', async () => {
    const { page, browser } = told
    browser.expects(answered(400))
    await page.goto('/ui/users')
    await part('create').click()
    const dialog = part('form-dialog')
    await dialog.locator('#field-name').fill('uma')
    await dialog.locator('#field-password').fill('short')
    await part('submit', dialog).click()
    await part('error-box', dialog).waitFor()
    await isAccessible('a form with a mistake')
    await dialog.locator('#field-password').fill('long enough 7')
    await part('submit', dialog).click()
    await dialog.waitFor({ state: 'hidden' })
    await part('row').filter({ hasText: 'uma' }).waitFor()
  })

  it('policies: what is built in is for reading; one of our own, with its mistakes told by line', async () => {
    const { page, browser, stack } = told
    browser.expects(answered(400))
    await page.goto('/ui/policies')
    await link('project_viewer').click()
    const yaml = part('yaml')
    await expect.poll(() => yaml.inputValue()).toContain('rules:')
    expect(await yaml.isEditable()).toBe(false)
    await page.goto('/ui/policies/new')
    const text = await yaml.inputValue()
    await yaml.fill(text.replace('list: allow', 'list: perhaps'))
    await part('save').click()
    await part('error-box').waitFor()
    expect(await part('error-box').innerText()).toMatch(/line \d+|perhaps/)
    await isAccessible('a policy with a mistake')
    await yaml.fill(text)
    await part('save').click()
    await page.waitForURL(/policies\/[0-9a-f-]{36}/)
    await page.getByRole('heading', { level: 1, name: 'rescuers' }).waitFor()
    // It gives rights that later stories are about not having.
    await stack.call('DELETE', '/policies/rescuers')
  })

  it('speak Chinese, and are dark, when asked', async () => {
    const { page, stack } = told
    await page.goto('/ui/servers')
    await part('language').click()
    await part('language-zh-CN').click()
    await page.locator('html[lang="zh-CN"]').waitFor()
    expect(await page.locator('nav.side').innerText()).toMatch(/宿主机[\s\S]*审计日志/)
    await part('dark').click()
    await page.locator('html.dark').waitFor()
    for (const shown of await pagesOf(stack, 'web1', 'db1')) {
      if (shown.isPublic) continue
      await stands(page, shown)
      await isAccessible(`${shown.name}, dark, in Chinese`)
    }
    // It is remembered.
    await page.reload()
    await page.locator('html.dark[lang="zh-CN"]').waitFor()
    await part('language').click()
    await part('language-en').click()
    await part('dark').click()
    await page.locator('html:not(.dark)[lang="en"]').waitFor()
  })
})
