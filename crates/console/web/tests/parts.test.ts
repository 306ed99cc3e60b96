// Parts that people touch: the menu of actions, the bar of pages, the tip.
import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { defineComponent, nextTick } from 'vue'

import type { Server } from '@/api/types'
import ActionMenu from '@/components/ActionMenu.vue'
import PageBar from '@/components/PageBar.vue'
import { vTip } from '@/components/tip'
import { i18n, setLanguage } from '@/i18n'
import { usePermissions } from '@/stores/permissions'

const server = { id: 'a', name: 'web1', status: 'ready', power_state: 'shutoff', hypervisor: 'kvm', disks: [], nics: [], cdroms: [] } as unknown as Server

beforeEach(async () => {
  document.body.innerHTML = '<main id="main"></main>'
  setActivePinia(createPinia())
  await setLanguage('en')
})
afterEach(() => vi.restoreAllMocks())

const all = (selector: string) => [...document.querySelectorAll<HTMLElement>(selector)]
const press = async (key: string) => {
  document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))
  await nextTick()
}

describe('the menu of actions', () => {
  async function open(...permissions: string[]) {
    usePermissions().allowed = Object.fromEntries(permissions.map((one) => [one, 'system']))
    const menu = mount(ActionMenu, { global: { plugins: [i18n] }, attachTo: document.body })
    const button = document.body.appendChild(document.createElement('button'))
    await (menu.vm as unknown as { open: (button: HTMLElement, of: Server[]) => Promise<void> }).open(button, [server])
    await nextTick()
    return { menu, button }
  }

  it('has what the reader may do, and counts the rest', async () => {
    await open('server_perform_start', 'server_perform_stop')
    expect(all('[data-test^="action-"][role=menuitem]').map((one) => one.dataset.test)).toEqual(['action-start', 'action-stop'])
    expect(document.body.textContent).toMatch(/\d+ more take permissions/)
  })

  it('says so where it has nothing', async () => {
    await open()
    expect(all('[role=menuitem]')).toEqual([])
    expect(document.body.textContent).toContain('but not change it')
  })

  it('keeps what is not possible now, with the reason, and does not do it', async () => {
    const { menu } = await open('server_perform_stop')
    const [stop] = all('[data-test=action-stop]')
    expect(stop?.getAttribute('aria-disabled')).toBe('true')
    expect(stop?.textContent).toContain('It is off')
    stop?.click()
    await nextTick()
    expect(all('[role=menu]')).toHaveLength(1)
    menu.unmount()
  })

  it('is walked by keys, copies a command line, and gives the focus back', async () => {
    const write = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue()
    const { button } = await open('server_perform_start', 'server_perform_stop', 'server_delete')
    const at = () => (document.activeElement as HTMLElement).dataset.test
    expect(at()).toBe('action-start')
    await press('End')
    expect(at()).toBe('action-delete')
    await press('ArrowDown')
    expect(at()).toBe('action-start')
    await press('ArrowRight')
    expect(at()).toBe('copy-start')
    ;(document.activeElement as HTMLElement).click()
    expect(write).toHaveBeenCalledWith('climc server-start web1 --wait')
    await press('d')
    expect(at()).toBe('action-delete')
    await press('Escape')
    expect(document.activeElement).toBe(button)
    expect(all('[role=menu]')).toEqual([])
  })
})

describe('the bar of pages', () => {
  const bar = (page: number, total = 10_003) => mount(PageBar, { props: { page, limit: 20, total, label: 'Servers' }, global: { plugins: [i18n] } })

  it('says which rows of how many', () => {
    expect(bar(3).get('[data-test=range]').text()).toBe('41 to 60 of 10,003')
    expect(bar(501).get('[data-test=range]').text()).toBe('10,001 to 10,003 of 10,003')
    expect(bar(1, 0).get('[data-test=range]').text()).toBe('0 to 0 of 0')
  })

  it.each([
    ['77', [[77]]],
    ['9999', [[501]]],
    ['-4', [[1]]],
    ['2.9', undefined],
    ['', [[1]]],
  ])('goes to the page that is typed: %s', async (typed, pages) => {
    const one = bar(2)
    await one.get('[data-test=page]').setValue(typed)
    expect(one.emitted('page')).toEqual(pages)
  })

  it('leads no further than the first and the last', () => {
    const off = (page: number) => bar(page).findAll('button').map((one) => one.attributes('disabled') !== undefined)
    expect(off(1)).toEqual([true, true, false, false])
    expect(off(501)).toEqual([false, false, true, true])
  })
})

describe('a tip', () => {
  const Part = defineComponent({ directives: { tip: vTip }, props: { words: { type: String, default: '' } }, template: '<button v-tip="words">x</button>' })

  it('is there while it is looked at, and goes with Escape, with its words, and with its part', async () => {
    const part = mount(Part, { props: { words: 'It is off' }, attachTo: document.body })
    const tip = () => all('.tip').find((one) => !one.hidden)?.textContent ?? null
    await part.trigger('mouseenter')
    expect(tip()).toBe('It is off')
    expect(part.attributes('aria-describedby')).toBe('tip')
    await press('Escape')
    expect(tip()).toBeNull()
    await part.trigger('mouseenter')
    await part.setProps({ words: 'It is running' })
    expect(tip()).toBe('It is running')
    await part.setProps({ words: '' })
    expect(tip()).toBeNull()
    await part.setProps({ words: 'again' })
    await part.trigger('mouseenter')
    part.unmount()
    expect(tip()).toBeNull()
  })
})
