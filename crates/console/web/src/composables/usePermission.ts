// Permission-aware parts: `can()` for code, `v-permission` for templates.
import type { Directive } from 'vue'

import type { Permission } from '@/constants/permission'
import { usePermissions } from '@/stores/permissions'

export function usePermission(): { can: (permission: Permission | undefined) => boolean } {
  return { can: usePermissions().can }
}

/** `v-permission="'host_perform_enable'"`: what the reader may not do is not shown. */
export const vPermission: Directive<HTMLElement, Permission> = {
  mounted: (element, { value }) => void (element.hidden = !usePermissions().can(value)),
  updated: (element, { value }) => void (element.hidden = !usePermissions().can(value)),
}
