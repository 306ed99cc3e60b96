// What can be done with users, projects and roles.
import { call, perform } from '@/api/client'
import type { components } from '@/api/schema'

import { many, text, type Field, type Values } from './fields'
import { reload, type ResourceAction, verb } from './resource'

export type User = components['schemas']['User']
export type Project = components['schemas']['Project']
export type Role = components['schemas']['Role']
export type Policy = components['schemas']['Policy']

/** Outside of `Default` a user or project is written `DOMAIN/NAME`. */
export const pathOf = (one: { name: string; domain: string }): string => (one.domain === 'Default' ? one.name : `${one.domain}/${one.name}`)

/** Only if nobody has changed it since: the version goes with it. */
function update(resource: string, keyword: string) {
  return async (row: { id: string; update_version: number }, values: Values): Promise<undefined> => {
    const headers = { 'If-Match': `"${row.update_version}"` }
    await call('PATCH', `/${resource}/${encodeURIComponent(row.id)}`, { [keyword]: { description: text(values, 'description') } }, { headers })
    await reload(resource)
    return undefined
  }
}

function remove(resource: string) {
  return async (row: { id: string }): Promise<undefined> => {
    await call('DELETE', `/${resource}/${encodeURIComponent(row.id)}`)
    await reload(resource)
    return undefined
  }
}

const description = (value: string | null | undefined): Field => ({ key: 'description', label: 'accounts.description', value: value ?? '', isOptional: true })
export const PASSWORD: Field = { key: 'password', label: 'accounts.password', kind: 'password', hint: 'accounts.passwordHint' }

export const userActions: readonly ResourceAction<User>[] = [
  {
    name: 'describe',
    label: 'accounts.describe',
    permission: 'user_update',
    fields: (user) => [description(user.description)],
    climc: (user) => `climc user-update ${pathOf(user)} --description '...'`,
    perform: update('users', 'user'),
  },
  {
    name: 'set-password',
    label: 'users.setPassword',
    permission: 'user_perform_set_password',
    confirm: 'users.setPasswordAbout',
    fields: () => [PASSWORD],
    climc: (user) => `climc user-set-password ${pathOf(user)}`,
    perform: async (user, values) => {
      await perform('users', 'user', user.id, 'set-password', { password: text(values, 'password') })
      return { said: 'users.passwordSet', values: { name: user.name } }
    },
  },
  {
    name: 'enable',
    label: 'users.enable',
    permission: 'user_perform_enable',
    isHidden: (user) => user.enabled,
    climc: (user) => `climc user-enable ${pathOf(user)}`,
    perform: verb('users', 'user', 'enable'),
  },
  {
    name: 'disable',
    label: 'users.disable',
    permission: 'user_perform_disable',
    isHidden: (user) => !user.enabled,
    confirm: 'users.disableAsk',
    isDanger: true,
    climc: (user) => `climc user-disable ${pathOf(user)}`,
    perform: verb('users', 'user', 'disable'),
  },
  {
    name: 'delete',
    label: 'accounts.delete',
    permission: 'user_delete',
    confirm: 'users.deleteAsk',
    isDanger: true,
    climc: (user) => `climc user-delete ${pathOf(user)}`,
    perform: remove('users'),
  },
]

/** Users and roles come from outside: who may choose knows which there are. */
export function projectActions(users: readonly string[], roles: readonly string[]): readonly ResourceAction<Project>[] {
  const members: Field[] = [
    { key: 'users', label: 'users.title', kind: 'many', options: users },
    { key: 'roles', label: 'roles.title', kind: 'many', options: roles },
  ]
  const change = (name: 'join' | 'leave') => async (project: Project, values: Values) => {
    await perform('projects', 'project', project.id, name, { users: many(values, 'users'), roles: many(values, 'roles') })
    await reload('projects', 'users')
    return { said: `projects.${name}Done`, values: { name: project.name } }
  }
  return [
    {
      name: 'join',
      label: 'projects.join',
      permission: 'project_perform_join',
      fields: () => members,
      climc: (project) => `climc project-add-user ${pathOf(project)} --user USER --role ROLE`,
      perform: change('join'),
    },
    {
      name: 'leave',
      label: 'projects.leave',
      permission: 'project_perform_leave',
      fields: () => members,
      climc: (project) => `climc project-remove-user ${pathOf(project)} --user USER --role ROLE`,
      perform: change('leave'),
    },
    {
      name: 'describe',
      label: 'accounts.describe',
      permission: 'project_update',
      fields: (project) => [description(project.description)],
      climc: (project) => `climc project-update ${pathOf(project)} --description '...'`,
      perform: update('projects', 'project'),
    },
    {
      name: 'delete',
      label: 'accounts.delete',
      permission: 'project_delete',
      confirm: 'projects.deleteAsk',
      isDanger: true,
      climc: (project) => `climc project-delete ${pathOf(project)}`,
      perform: remove('projects'),
    },
  ]
}

const builtIn = (row: { built_in?: boolean }) => (row.built_in ? 'accounts.isBuiltIn' : null)

export const roleActions: readonly ResourceAction<Role>[] = [
  {
    name: 'describe',
    label: 'accounts.describe',
    permission: 'role_update',
    validate: builtIn,
    fields: (role) => [description(role.description)],
    climc: (role) => `climc role-update ${role.name} --description '...'`,
    perform: update('roles', 'role'),
  },
  {
    name: 'delete',
    label: 'accounts.delete',
    permission: 'role_delete',
    validate: builtIn,
    confirm: 'roles.deleteAsk',
    isDanger: true,
    climc: (role) => `climc role-delete ${role.name}`,
    perform: remove('roles'),
  },
]

function counts(enabled: boolean) {
  return async (policy: Policy): Promise<undefined> => {
    await call('PATCH', `/policies/${encodeURIComponent(policy.id)}`, { policy: { enabled } }, { headers: { 'If-Match': `"${policy.update_version}"` } })
    await reload('policies')
    return undefined
  }
}

export const policyActions: readonly ResourceAction<Policy>[] = [
  {
    name: 'enable',
    label: 'policies.enable',
    permission: 'policy_update',
    isHidden: (policy) => policy.enabled,
    validate: builtIn,
    climc: (policy) => `climc policy-enable ${policy.name}`,
    perform: counts(true),
  },
  {
    name: 'disable',
    label: 'policies.disable',
    permission: 'policy_update',
    isHidden: (policy) => !policy.enabled,
    validate: builtIn,
    confirm: 'policies.disableAsk',
    climc: (policy) => `climc policy-disable ${policy.name}`,
    perform: counts(false),
  },
  {
    name: 'delete',
    label: 'accounts.delete',
    permission: 'policy_delete',
    validate: builtIn,
    confirm: 'policies.deleteAsk',
    isDanger: true,
    climc: (policy) => `climc policy-delete ${policy.name}`,
    perform: remove('policies'),
  },
]
