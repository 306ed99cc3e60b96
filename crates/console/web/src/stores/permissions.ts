// What the one who is logged in may do, by the names of `GET /permissions`.
import { defineStore } from 'pinia'
import { ref } from 'vue'

import * as session from '@/api/session'
import type { Permission } from '@/constants/permission'

export const usePermissions = defineStore('permissions', () => {
  /** Rule to scope. */
  const allowed = ref<Record<string, string>>({})
  /** Rule to what it takes. */
  const denied = ref<Record<string, { require: string; allow: unknown }>>({})
  const loaded = ref(false)

  async function load(): Promise<void> {
    const answer = await session.permissions()
    allowed.value = answer.permissions
    denied.value = answer.denied
    loaded.value = true
  }

  function clear(): void {
    allowed.value = {}
    denied.value = {}
    loaded.value = false
  }

  /** Whether region would let it through. Region decides again with each request; this only spares the reader the refusal. */
  function can(permission: Permission | undefined): boolean {
    return permission === undefined || permission in allowed.value
  }

  return { allowed, denied, loaded, load, clear, can }
})
