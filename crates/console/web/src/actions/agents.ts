// What can be done with a baremetal agent.
import type { BaremetalAgent } from '@/api/types'

import { type ResourceAction, verb } from './resource'

export const agentActions: readonly ResourceAction<BaremetalAgent>[] = [
  {
    name: 'enable',
    label: 'agents.enable',
    permission: 'baremetalagent_perform_enable',
    isHidden: (agent) => agent.enabled,
    climc: (agent) => `climc agent-enable ${agent.name}`,
    perform: verb('baremetalagents', 'baremetalagent', 'enable'),
  },
  {
    name: 'disable',
    label: 'agents.disable',
    permission: 'baremetalagent_perform_disable',
    isHidden: (agent) => !agent.enabled,
    confirm: 'agents.disableAsk',
    climc: (agent) => `climc agent-disable ${agent.name}`,
    perform: verb('baremetalagents', 'baremetalagent', 'disable'),
  },
]
