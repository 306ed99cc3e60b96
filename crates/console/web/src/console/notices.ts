// What region and hosts say in the midst of a serial console's output, in brackets, to the one who has it open.
//
// A guest can print the same words, so nothing here is believed: it is a reason to ask, or to say what was said anyway.

export type Notice = 'recorded' | 'unrecorded' | 'busy'

/** A test holds them to the sources of region and host. */
export const NOTICES: Readonly<Record<Notice, string>> = {
  recorded: '[this console is recorded for auditors: what it shows is kept, what you type is not]',
  unrecorded: '[the recording of this console has ended]',
  busy: '[not typed: somebody else is typing]',
}

const LONGEST = 4096
const decoder = new TextDecoder()

/** The notices in a piece of output, in order. Long pieces are a program's, or a replay. */
export function noticesIn(data: Uint8Array): Notice[] {
  if (data.length > LONGEST) return []
  const text = decoder.decode(data)
  return (Object.keys(NOTICES) as Notice[])
    .map((notice) => ({ notice, at: text.lastIndexOf(NOTICES[notice]) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at)
    .map(({ notice }) => notice)
}

/** Whether it is a notice and nothing else. */
export function isNoticeAlone(data: Uint8Array): boolean {
  return data.length <= LONGEST && Object.values(NOTICES).includes(decoder.decode(data).trim())
}
