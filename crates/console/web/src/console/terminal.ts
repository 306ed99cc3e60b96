// The terminal (xterm.js), loaded only by who opens one: how ours looks and behaves, the same for a live console and a recording.
import type { ITerminalOptions, Terminal } from '@xterm/xterm'

export interface Screen {
  terminal: Terminal
  /** Makes rows and columns fit the element. */
  fit: () => void
  dispose: () => void
}

/** Both colour schemes have the same dark terminal: programs choose their colours for it. Contrast against the ground is 4.5 or more. */
const THEME: ITerminalOptions['theme'] = {
  background: '#10151c',
  foreground: '#dce3ea',
  cursor: '#7fd1ff',
  cursorAccent: '#10151c',
  selectionBackground: '#3a5a7d',
  black: '#7d8590',
  red: '#ff8a80',
  green: '#7ee2a8',
  yellow: '#f2cc60',
  blue: '#79b8ff',
  magenta: '#d2a8ff',
  cyan: '#76e3ea',
  white: '#e6edf3',
  brightBlack: '#9aa4af',
  brightRed: '#ffb3ab',
  brightGreen: '#a5f0c5',
  brightYellow: '#ffe08a',
  brightBlue: '#a8d1ff',
  brightMagenta: '#e6ccff',
  brightCyan: '#a6f3f7',
  brightWhite: '#ffffff',
}

const FONT = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Noto Sans Mono CJK SC', monospace"

export async function openTerminal(element: HTMLElement, options: ITerminalOptions & { fits?: boolean } = {}): Promise<Screen> {
  const [{ Terminal }, { FitAddon }] = await Promise.all([
    import('@xterm/xterm'),
    import('@xterm/addon-fit'),
    import('@xterm/xterm/css/xterm.css'),
  ])
  const { fits = true, ...rest } = options
  const terminal = new Terminal({
    theme: THEME,
    fontFamily: FONT,
    fontSize: 14,
    scrollback: 10_000,
    cursorBlink: !window.matchMedia('(prefers-reduced-motion: reduce)').matches,
    ...rest,
  })
  const addon = new FitAddon()
  terminal.loadAddon(addon)
  terminal.open(element)
  const fit = () => {
    // An element that is not shown has no size to fit to.
    if (fits && element.clientWidth > 0 && element.clientHeight > 0) addon.fit()
  }
  fit()
  const observer = new ResizeObserver(fit)
  observer.observe(element)
  return {
    terminal,
    fit,
    dispose: () => {
      observer.disconnect()
      terminal.dispose()
    },
  }
}
