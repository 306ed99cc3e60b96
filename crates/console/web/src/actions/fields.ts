// What a FormDialog asks for.

export type Values = Record<string, string | string[]>

export interface Field {
  key: string
  /** Keys of the locales. */
  label: string
  hint?: string
  kind?: 'text' | 'password' | 'one' | 'many'
  options?: readonly string[]
  value?: string | string[]
  isOptional?: boolean
}

export const text = (values: Values, key: string): string => {
  const value = values[key]
  return typeof value === 'string' ? value : ''
}

export const many = (values: Values, key: string): string[] => {
  const value = values[key]
  return Array.isArray(value) ? value : value ? [value] : []
}
