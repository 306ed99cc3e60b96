import { describe, expect, it } from 'vitest'
import { parse, Player, withoutPauses } from './cast'

const FILE = `{"version":2,"width":100,"height":30,"timestamp":1700000000,"title":"web1"}
[0.5,"o","boot\\r\\n"]
[1.0,"i","typed"]
[1.5,"o","login: "]
[31.5,"o","root\\r\\n"]
`

function screen() {
  const shown = { text: '', resets: 0 }
  const sink = {
    write: (text: string) => {
      shown.text += text
    },
    reset: () => {
      shown.text = ''
      shown.resets += 1
    },
  }
  return { shown, sink }
}

describe('a recording', () => {
  it('is read: size, beginning, and only what was shown', () => {
    const cast = parse(FILE)
    expect(cast).toMatchObject({ width: 100, height: 30, timestamp: 1_700_000_000, title: 'web1', duration: 31.5 })
    expect(cast.pieces.map((piece) => piece.text)).toEqual(['boot\r\n', 'login: ', 'root\r\n'])
  })

  it('may end in the middle of a line, and nowhere else be broken', () => {
    expect(parse(`${FILE}[32.0,"o","# `).pieces).toHaveLength(3)
    expect(() => parse(FILE.replace('[1.5,', '[1.5'))).toThrow(/^line 4: not JSON/)
    expect(() => parse(FILE.replace('"o","boot', '5,"boot').replace('"boot\\r\\n"', '7'))).toThrow(/^line 2/)
    expect(() => parse('')).toThrow(/^line 1/)
    expect(() => parse('{"version":1}')).toThrow(/version 2/)
  })

  it('never goes back in time', () => {
    const cast = parse('{"version":2}\n[2,"o","a"]\n[1,"o","b"]\n')
    expect(cast.pieces.map((piece) => piece.at)).toEqual([2, 2])
    expect(cast).toMatchObject({ width: 80, height: 24 })
  })

  it('can be shortened where nothing happened', () => {
    const short = withoutPauses(parse(FILE), 2)
    expect(short.pieces.map((piece) => piece.at)).toEqual([0.5, 1.5, 3.5])
    expect(short.duration).toBe(3.5)
  })
})

describe('the player', () => {
  it('shows each piece when its time comes, at any speed', () => {
    const { shown, sink } = screen()
    const player = new Player(parse(FILE), sink)
    player.advance(5)
    expect(shown.text).toBe('')
    player.play()
    player.advance(0.4)
    expect(shown.text).toBe('')
    player.advance(0.2)
    expect(shown.text).toBe('boot\r\n')
    player.speed = 4
    player.advance(0.25)
    expect([player.position, shown.text]).toEqual([1.6, 'boot\r\nlogin: '])
    player.advance(60)
    expect([player.isPlaying, player.isAtEnd, player.position]).toEqual([false, true, 31.5])
    player.play()
    expect([player.position, shown.resets, shown.text]).toEqual([0, 1, ''])
  })

  it('seeks forward by writing what is missing, back by writing all anew', () => {
    const { shown, sink } = screen()
    const player = new Player(parse(FILE), sink)
    player.seek(10)
    expect([shown.text, shown.resets]).toEqual(['boot\r\nlogin: ', 0])
    player.seek(1)
    expect([shown.text, shown.resets]).toEqual(['boot\r\n', 1])
    player.seek(1000)
    expect([shown.text, player.position]).toEqual(['boot\r\nlogin: root\r\n', 31.5])
  })
})
