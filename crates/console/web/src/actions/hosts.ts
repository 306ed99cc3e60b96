// What can be done with a host.
import { perform } from '@/api/client'
import type { Host } from '@/api/types'

import { type ResourceAction, verb } from './resource'

interface Pinged {
  ping?: { round_trip_ms: number; version: string }
}

export const hostActions: readonly ResourceAction<Host>[] = [
  {
    name: 'ping',
    label: 'hosts.ping',
    permission: 'host_perform_ping',
    climc: (host) => `climc host-ping ${host.name}`,
    perform: async (host) => {
      const { ping } = await perform<Pinged>('hosts', 'host', host.id, 'ping')
      return { said: 'hosts.pinged', values: { name: host.name, ms: (ping?.round_trip_ms ?? 0).toFixed(1) } }
    },
  },
  {
    name: 'enable',
    label: 'hosts.enable',
    permission: 'host_perform_enable',
    isHidden: (host) => host.enabled,
    climc: (host) => `climc host-enable ${host.name}`,
    perform: verb('hosts', 'host', 'enable'),
  },
  {
    name: 'disable',
    label: 'hosts.disable',
    permission: 'host_perform_disable',
    isHidden: (host) => !host.enabled,
    confirm: 'hosts.disableAsk',
    climc: (host) => `climc host-disable ${host.name}`,
    perform: verb('hosts', 'host', 'disable'),
  },
]
