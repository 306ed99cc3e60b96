// Copies text. The clipboard interface exists only in secure contexts; a console on plain HTTP copies by a selected field.
import { onScopeDispose, ref } from 'vue'

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const field = document.createElement('textarea')
    field.value = text
    field.style.cssText = 'position:fixed;opacity:0'
    document.body.append(field)
    field.select()
    try {
      return document.execCommand('copy')
    } catch {
      return false
    } finally {
      field.remove()
    }
  }
}

export function useCopy() {
  const isCopied = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  async function copy(text: string): Promise<void> {
    isCopied.value = await copyText(text)
    clearTimeout(timer)
    timer = setTimeout(() => (isCopied.value = false), 2_000)
  }
  onScopeDispose(() => clearTimeout(timer))
  return { isCopied, copy }
}
