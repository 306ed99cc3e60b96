// One element over the whole screen, and back.
import { onBeforeUnmount, onMounted, readonly, ref, type Ref, type ShallowRef } from 'vue'

export function useFullscreen(element: Readonly<ShallowRef<HTMLElement | null>>): { isFull: Readonly<Ref<boolean>>; toggle: () => Promise<void> } {
  const isFull = ref(false)
  const look = () => {
    isFull.value = document.fullscreenElement !== null && document.fullscreenElement === element.value
  }
  onMounted(() => document.addEventListener('fullscreenchange', look))
  onBeforeUnmount(() => document.removeEventListener('fullscreenchange', look))
  async function toggle() {
    if (isFull.value) await document.exitFullscreen()
    else await element.value?.requestFullscreen()
  }
  return { isFull: readonly(isFull), toggle }
}
