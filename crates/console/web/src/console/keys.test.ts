import { describe, expect, it } from 'vitest'
import { COMBINATIONS, press, typed, untypeable } from './keys'

const shown = (strokes: ReturnType<typeof press>) => strokes.map((s) => `${s.down ? '+' : '-'}${s.code}`).join(' ')

describe('keys of a screen', () => {
  it('go down in order and up in the opposite one', () => {
    const find = (name: string) => COMBINATIONS.find((c) => c.name === name)?.keys ?? []
    expect(shown(press(find('Ctrl-Alt-Del')))).toBe('+ControlLeft +AltLeft +Delete -Delete -AltLeft -ControlLeft')
    expect(find('Ctrl-Alt-F1').at(-1)).toEqual({ keysym: 0xffbe, code: 'F1' })
    expect(find('F12').at(-1)?.keysym).toBe(0xffc9)
  })

  it('type a text as on a US keyboard, with Shift where it is needed', () => {
    expect(shown(typed('aB!'))).toBe('+KeyA -KeyA +ShiftLeft +KeyB -KeyB -ShiftLeft +ShiftLeft +Digit1 -Digit1 -ShiftLeft')
    expect(shown(typed(' \r\n'))).toBe('+Space -Space +Enter -Enter')
    expect(typed('Z')[1]).toEqual({ keysym: 0x5a, code: 'KeyZ', down: true })
  })

  it('type all of ASCII, and name what is beyond it', () => {
    const ascii = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('')
    expect(untypeable(`${ascii}\n\t`)).toEqual([])
    expect(new Set(typed(ascii).filter((s) => s.down && s.code !== 'ShiftLeft').map((s) => s.keysym)).size).toBe(95)
    expect(untypeable('密码: é é')).toEqual(['密', '码', 'é'])
    expect(() => typed('é')).toThrow('é')
  })
})
