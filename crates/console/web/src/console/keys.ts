// Keys for a screen (VNC): the combinations that a browser or its desktop keeps for itself, and text typed key by key.
//
// A screen knows keys, not letters. Text is typed as on a US keyboard, which is what a rescue system and most consoles expect; what that
// keyboard has not is said before anything is typed, because half a password or key is worse than none.

/** Keysyms (X11's keysymdef.h) and the codes of the W3C's UI Events for the same physical key. */
export interface Key {
  keysym: number
  code: string
}

const SHIFT: Key = { keysym: 0xffe1, code: 'ShiftLeft' }
const CTRL: Key = { keysym: 0xffe3, code: 'ControlLeft' }
const ALT: Key = { keysym: 0xffe9, code: 'AltLeft' }
const fn = (n: number): Key => ({ keysym: 0xffbd + n, code: `F${n}` })

/** What the key menu offers: its name, and the keys in the order in which they go down. */
export const COMBINATIONS: readonly { name: string; keys: readonly Key[] }[] = [
  { name: 'Ctrl-Alt-Del', keys: [CTRL, ALT, { keysym: 0xffff, code: 'Delete' }] },
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((n) => ({ name: `Ctrl-Alt-F${n}`, keys: [CTRL, ALT, fn(n)] })),
  { name: 'Ctrl-Alt-Backspace', keys: [CTRL, ALT, { keysym: 0xff08, code: 'Backspace' }] },
  { name: 'Alt-SysRq', keys: [ALT, { keysym: 0xff61, code: 'PrintScreen' }] },
  { name: 'Alt-Tab', keys: [ALT, { keysym: 0xff09, code: 'Tab' }] },
  { name: 'Esc', keys: [{ keysym: 0xff1b, code: 'Escape' }] },
  { name: 'F2', keys: [fn(2)] },
  { name: 'F12', keys: [fn(12)] },
]

/** Of each key of a US keyboard: its code, what it types, and what it types with Shift. */
const LAYOUT: readonly [string, string, string][] = [
  ...'abcdefghijklmnopqrstuvwxyz'
    .split('')
    .map((c): [string, string, string] => [`Key${c.toUpperCase()}`, c, c.toUpperCase()]),
  ...'1234567890'.split('').map((c, i): [string, string, string] => [`Digit${c}`, c, '!@#$%^&*()'.charAt(i)]),
  ['Minus', '-', '_'],
  ['Equal', '=', '+'],
  ['BracketLeft', '[', '{'],
  ['BracketRight', ']', '}'],
  ['Backslash', '\\', '|'],
  ['Semicolon', ';', ':'],
  ['Quote', "'", '"'],
  ['Backquote', '`', '~'],
  ['Comma', ',', '<'],
  ['Period', '.', '>'],
  ['Slash', '/', '?'],
  ['Space', ' ', ' '],
]

const STROKES = new Map<string, Key & { shift: boolean }>()
for (const [code, plain, shifted] of LAYOUT) {
  STROKES.set(shifted, { keysym: shifted.charCodeAt(0), code, shift: true })
  STROKES.set(plain, { keysym: plain.charCodeAt(0), code, shift: false })
}
STROKES.set('\n', { keysym: 0xff0d, code: 'Enter', shift: false })
STROKES.set('\t', { keysym: 0xff09, code: 'Tab', shift: false })

/** One key going down or up. */
export interface Stroke extends Key {
  down: boolean
}

/** All of them down in their order, then up in the opposite one. */
export function press(keys: readonly Key[]): Stroke[] {
  return [...keys.map((key) => ({ ...key, down: true })), ...keys.toReversed().map((key) => ({ ...key, down: false }))]
}

/** Characters of a text that a US keyboard can't type, each once. */
export function untypeable(text: string): string[] {
  return [...new Set(unixLines(text))].filter((c) => !STROKES.has(c))
}

/**
 * The strokes that type a text.
 *
 * @throws Error if some of it can't be typed; see `untypeable`.
 */
export function typed(text: string): Stroke[] {
  return [...unixLines(text)].flatMap((c) => {
    const stroke = STROKES.get(c)
    if (!stroke) throw new Error(`can't type ${JSON.stringify(c)}`)
    const { shift, keysym, code } = stroke
    return press(shift ? [SHIFT, { keysym, code }] : [{ keysym, code }])
  })
}

const unixLines = (text: string) => text.replace(/\r\n?/g, '\n')
