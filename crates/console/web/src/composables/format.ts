// Numbers and times as people read them. Pure: the language comes as `t`.

type Translate = (key: string, values?: Record<string, unknown>) => string

const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const

/** Two units at most: `2 h 5 min`. Never negative. */
export function duration(seconds: number, t: Translate): string {
  let rest = Math.max(0, Math.floor(seconds))
  const parts: string[] = []
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0 || (unit === 'second' && parts.length === 0)) parts.push(t(`time.${unit}`, { n: count }))
    // The unit after the first belongs to it even if it is zero, and is then left out.
    if (parts.length === 2 || (parts.length === 1 && count === 0)) break
  }
  return parts.join(' ')
}

/** How long ago, in one unit: what is looked at for long must not twitch each second. */
export function coarse(seconds: number, t: Translate): string {
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? UNITS[3]
  return t(`time.${unit}`, { n: Math.max(0, Math.floor(seconds / size)) })
}

/** Stages take milliseconds or minutes: below ten seconds with a decimal. */
export function took(milliseconds: number, t: Translate): string {
  if (milliseconds < 10_000) return t('time.second', { n: (Math.max(0, milliseconds) / 1_000).toFixed(1) })
  return duration(milliseconds / 1_000, t)
}

/** Costly to make, and asked for by each row. */
const moments = new Map<string, Intl.DateTimeFormat>()

/** A moment in the reader's own time zone, to the second. */
export function moment(iso: string, language: string): string {
  const format = moments.get(language) ?? new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' })
  moments.set(language, format)
  return format.format(new Date(iso))
}

/** `10,003`, as the language groups digits. */
export function count(value: number, language: string): string {
  return value < 1_000 ? String(value) : value.toLocaleString(language)
}

const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** Bytes in powers of 1024, as region counts. */
export function bytes(count: number): string {
  let value = count
  let unit = 0
  while (value >= 1024 && unit < SIZES.length - 1) {
    value /= 1024
    unit += 1
  }
  const digits = value < 10 && !Number.isInteger(value) ? 1 : 0
  return `${value.toFixed(digits)} ${SIZES[unit]}`
}

/** MiB, as disks and memory are given. */
export function mebibytes(count: number): string {
  return bytes(count * 1024 * 1024)
}
