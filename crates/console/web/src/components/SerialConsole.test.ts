// What a guest prints reaches its own screen and nothing else: neither the clipboard nor the page, and it never types what it likes.
import { mount, type VueWrapper } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'

import SerialConsole from '@/components/SerialConsole.vue'
import { i18n, setLanguage } from '@/i18n'

/** The browser's end of a connection, of which the test is the other one. */
class Socket extends EventTarget {
  static readonly OPEN = 1
  static last: Socket | undefined
  binaryType = ''
  readonly readyState = Socket.OPEN
  readonly sent: string[] = []
  constructor() {
    super()
    Socket.last = this
  }
  send(data: Uint8Array) {
    this.sent.push(new TextDecoder().decode(data))
  }
  close() {}
  says(text: string) {
    this.dispatchEvent(Object.assign(new Event('message'), { data: new TextEncoder().encode(text).buffer }))
  }
}

/** A question that each terminal answers so, after all that came before it. */
const FENCE = { asked: '\x1b[5n', answered: '\x1b[0n' }

describe('a serial console', () => {
  let page: VueWrapper
  let socket: Socket
  const touched = vi.fn()

  beforeEach(async () => {
    setActivePinia(createPinia())
    await setLanguage('en')
    document.title = 'web1'
    vi.stubGlobal('WebSocket', Socket)
    vi.stubGlobal('fetch', async () => new Response(JSON.stringify({ console: { ticket: 't1' } })))
    vi.stubGlobal('open', touched)
    vi.stubGlobal('print', touched)
    vi.spyOn(navigator.clipboard, 'writeText').mockImplementation(touched)
    vi.spyOn(navigator.clipboard, 'readText').mockImplementation(touched)
    const router = createRouter({
      history: createMemoryHistory(),
      routes: [
        { path: '/', component: SerialConsole },
        { path: '/console/:id', name: 'console', component: SerialConsole },
      ],
    })
    page = mount(SerialConsole, {
      props: { serverId: 'a', serverName: 'web1' },
      global: { plugins: [i18n, router] },
      attachTo: document.body,
    })
    socket = await vi.waitFor(() => Socket.last ?? expect.fail('not connected'), 30_000)
  }, 60_000)
  afterEach(() => {
    page.unmount()
    Socket.last = undefined
    touched.mockReset()
    vi.unstubAllGlobals()
  })

  /** What the terminal typed because of what the guest printed. */
  async function typed(printed: string): Promise<string[]> {
    socket.sent.length = 0
    socket.says(printed)
    socket.says(FENCE.asked)
    await vi.waitFor(() => expect(socket.sent.at(-1)).toBe(FENCE.answered), 30_000)
    return socket.sent.slice(0, -1)
  }

  it('does not answer questions that stand in the replay', async () => {
    socket.says('\x1b[c\x1b[6nlogin: ')
    expect(await typed('')).toEqual([])
  })

  it('lets a guest have its own screen alone', async () => {
    socket.says('login: ')
    // Clipboard set and asked for (OSC 52); title (OSC 0, 2); printer (MC); pointer, notification, and where it is (OSC 22, 9, 777, 7).
    const silent = ['\x1b]52;c;ZXZpbA==\x07', '\x1b]52;c;?\x07', '\x1b]0;evil\x07', '\x1b]2;evil\x1b\\', '\x1b[5i', '\x1b]22;evil\x07']
    for (const printed of [...silent, '\x1b]9;evil\x07', '\x1b]777;notify;evil;evil\x07', '\x1b]7;file://evil/\x07', '\x1b[3;0;0t']) {
      expect(await typed(printed), JSON.stringify(printed)).toEqual([])
    }
    expect(document.title).toBe('web1')
    expect(touched).not.toHaveBeenCalled()
    expect(await typed('<img src=x onerror="open()">')).toEqual([])
    expect(page.element.querySelector('[onerror]')).toBeNull()
  })

  it('types nothing that a guest chose', async () => {
    socket.says('login: ')
    // The title told (CSI 21 t), a setting asked for by a made-up name (DECRQSS, XTGETTCAP), answerback (ENQ), keys redefined (DECUDK).
    const asks = ['\x1b]0;evil\r\x07\x1b[21t\x1b[20t', '\x1bP$qevil\r\x1b\\', '\x1bP+q6576696c0d\x1b\\', '\x05', '\x1bP0;0|17/6576696c0d\x1b\\']
    for (const printed of asks) {
      const answers = (await typed(printed)).join('')
      expect(answers, JSON.stringify(printed)).not.toMatch(/evil|6576696c|[\r\n]/)
      // Nothing, or DECRQSS's own word for "no such setting".
      expect(['', '\x1bP0$r\x1b\\'], JSON.stringify(printed)).toContain(answers)
    }
  })
})
