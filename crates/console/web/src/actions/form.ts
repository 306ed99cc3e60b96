// What an action asks for before it is done, where that is a few fields: declared beside the action, drawn by dialogs/FieldsDialog.
import type { Server } from '@/api/types'

export type Value = string | number | boolean
export type FormValues = Record<string, Value>

export interface Choice {
  value: string
  /** As it stands there: names and sizes, or a key of the locales with `isKey`. */
  label: string
  isKey?: boolean
}

export interface FormField {
  key: string
  /** Keys of the locales. */
  label: string
  hint?: string
  kind: 'text' | 'lines' | 'number' | 'choice' | 'switch'
  isRequired?: boolean
  min?: number | ((server: Server, values: FormValues) => number)
  max?: number
  /** What the kind alone does not tell. */
  isWrong?: (server: Server, values: FormValues) => boolean
  step?: number
  /** What a text must look like. */
  pattern?: RegExp
  /** What stands there at first. */
  initial?: (server: Server) => Value
  choices?: (server: Server) => readonly Choice[] | Promise<readonly Choice[]>
  /** Asked only then. */
  shown?: (server: Server, values: FormValues) => boolean
}

export function shownFields(fields: readonly FormField[], server: Server, values: FormValues): FormField[] {
  return fields.filter((field) => field.shown?.(server, values) ?? true)
}

export function initialValues(fields: readonly FormField[], server: Server): FormValues {
  const none = { text: '', lines: '', number: 0, choice: '', switch: false }
  return Object.fromEntries(fields.map((field) => [field.key, field.initial?.(server) ?? none[field.kind]]))
}

/** Keys of the fields that are not as they must be. */
export function wrongFields(fields: readonly FormField[], server: Server, values: FormValues): string[] {
  return shownFields(fields, server, values)
    .filter((field) => {
      if (field.isWrong?.(server, values)) return true
      const value = values[field.key]
      if (field.kind === 'number') {
        const min = typeof field.min === 'function' ? field.min(server, values) : field.min
        return typeof value !== 'number' || (min !== undefined && value < min) || (field.max !== undefined && value > field.max)
      }
      if (field.kind === 'switch') return false
      const text = String(value ?? '').trim()
      if (text === '') return field.isRequired === true
      return field.pattern !== undefined && !field.pattern.test(text)
    })
    .map((field) => field.key)
}

export const textOf = (values: FormValues, key: string): string => String(values[key] ?? '').trim()
export const numberOf = (values: FormValues, key: string): number => Number(values[key] ?? 0)
