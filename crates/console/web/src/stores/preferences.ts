// What a reader chose for this browser: language, theme. Nothing else is kept in it.
import { defineStore } from 'pinia'
import { computed, ref, watch } from 'vue'

import { LANGUAGES, setLanguage, type Language } from '@/i18n'

export type Theme = 'light' | 'dark' | 'system'

const KEY = 'lifeboat.preferences'

function stored(): { language?: string; theme?: string } {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}') as object
  } catch {
    return {}
  }
}

/** The first of the browser's languages that there is. */
export function preferredLanguage(wanted: readonly string[]): Language {
  for (const one of wanted) {
    if (/^zh\b/i.test(one)) return 'zh-CN'
    if (/^en\b/i.test(one)) return 'en'
  }
  return 'en'
}

export const usePreferences = defineStore('preferences', () => {
  const kept = stored()
  const language = ref<Language>(LANGUAGES.find((one) => one === kept.language) ?? preferredLanguage(navigator.languages))
  const theme = ref<Theme>((['light', 'dark', 'system'] as const).find((one) => one === kept.theme) ?? 'system')
  const systemDark = ref(false)
  const media = window.matchMedia('(prefers-color-scheme: dark)')
  systemDark.value = media.matches
  media.addEventListener('change', (event) => (systemDark.value = event.matches))

  const isDark = computed(() => theme.value === 'dark' || (theme.value === 'system' && systemDark.value))

  watch(isDark, (dark) => document.documentElement.classList.toggle('dark', dark), { immediate: true })
  watch([language, theme], () => {
    try {
      localStorage.setItem(KEY, JSON.stringify({ language: language.value, theme: theme.value }))
    } catch {
      // Storage may be forbidden; the choice then holds for this page.
    }
  })

  async function chooseLanguage(next: Language): Promise<void> {
    await setLanguage(next)
    language.value = next
  }

  function toggleDark(): void {
    theme.value = isDark.value ? 'light' : 'dark'
  }

  return { language, theme, isDark, chooseLanguage, toggleDark }
})
