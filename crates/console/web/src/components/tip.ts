// `v-tip="words"`: what is said on hover, and when the keyboard comes to it; nothing where there are no words. Escape hides it (WCAG 1.4.13).
// One element for the whole page: a list of hundreds of rows has as many tips, and they cost nothing until they are looked at.
import type { Directive } from 'vue'

const GAP = 6
const EDGE = 8
const words = new WeakMap<HTMLElement, string>()

let tip: HTMLElement | null = null
let shownFor: HTMLElement | null = null

function show(target: HTMLElement): void {
  const text = words.get(target)
  if (!text) return
  tip ??= document.body.appendChild(Object.assign(document.createElement('div'), { id: 'tip', className: 'tip', role: 'tooltip' }))
  tip.textContent = text
  tip.hidden = false
  shownFor = target
  target.setAttribute('aria-describedby', tip.id)
  const at = target.getBoundingClientRect()
  const { width, height } = tip.getBoundingClientRect()
  const isAbove = at.top - GAP - height >= EDGE
  tip.style.left = `${Math.max(EDGE, Math.min(at.left + at.width / 2 - width / 2, window.innerWidth - width - EDGE))}px`
  tip.style.top = `${isAbove ? at.top - GAP - height : at.bottom + GAP}px`
  document.addEventListener('keydown', onKey, true)
  window.addEventListener('scroll', hide, true)
}

function hide(): void {
  shownFor?.removeAttribute('aria-describedby')
  shownFor = null
  if (tip) tip.hidden = true
  document.removeEventListener('keydown', onKey, true)
  window.removeEventListener('scroll', hide, true)
}

function onKey(event: KeyboardEvent): void {
  if (event.key === 'Escape') hide()
}

const onEnter = (event: Event) => show(event.currentTarget as HTMLElement)
const onFocus = (event: Event) => {
  // Not after a click: it would stand in the way.
  if ((event.currentTarget as HTMLElement).matches(':focus-visible')) onEnter(event)
}

export const vTip: Directive<HTMLElement, string | null | undefined> = {
  mounted(element, { value }) {
    words.set(element, value ?? '')
    element.addEventListener('mouseenter', onEnter)
    element.addEventListener('mouseleave', hide)
    element.addEventListener('focus', onFocus)
    element.addEventListener('blur', hide)
  },
  updated(element, { value }) {
    words.set(element, value ?? '')
    if (shownFor !== element) return
    if (value) show(element)
    else hide()
  },
  unmounted(element) {
    if (shownFor === element) hide()
  },
}
