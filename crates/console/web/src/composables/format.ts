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

/** Stages take milliseconds or minutes: below ten seconds with a decimal. */
export function took(milliseconds: number, t: Translate): string {
  if (milliseconds < 10_000) return t('time.second', { n: (Math.max(0, milliseconds) / 1_000).toFixed(1) })
  return duration(milliseconds / 1_000, t)
}

/** A moment in the reader's own time zone, to the second. */
export function moment(iso: string, language: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' }).format(new Date(iso))
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
