// Two languages, each loaded when it is chosen. Keys are namespaced by page: `servers.title`.
import { shallowRef } from 'vue'
import { createI18n } from 'vue-i18n'
import type { Language as ElementLanguage } from 'element-plus/es/locale'

export const LANGUAGES = ['en', 'zh-CN'] as const
export type Language = (typeof LANGUAGES)[number]

/** Each by its own name. */
export const LANGUAGE_NAMES: Record<Language, string> = { en: 'English', 'zh-CN': '简体中文' }

export const i18n = createI18n({ legacy: false, locale: 'en', fallbackLocale: false, messages: {}, missingWarn: false, fallbackWarn: false })

/** For code that is no component. */
export const t = (key: string, values: Record<string, unknown> = {}): string => i18n.global.t(key, values)
export const te = (key: string): boolean => i18n.global.te(key, i18n.global.locale.value)

/** Words of Element Plus's own parts, as its configuration takes them. */
export const elementLanguage = shallowRef<ElementLanguage>()

const loaders: Record<Language, () => Promise<[{ default: object }, { default: ElementLanguage }]>> = {
  en: () => Promise.all([import('@/locales/en.json'), import('element-plus/es/locale/lang/en.mjs')]),
  'zh-CN': () => Promise.all([import('@/locales/zh-CN.json'), import('element-plus/es/locale/lang/zh-cn.mjs')]),
}

export async function setLanguage(language: Language): Promise<void> {
  const [messages, element] = await loaders[language]()
  i18n.global.setLocaleMessage(language, messages.default as never)
  i18n.global.locale.value = language as never
  elementLanguage.value = element.default
  document.documentElement.lang = language
}
