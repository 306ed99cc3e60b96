// Log-in by cookie: the browser keeps what authenticates, scripts only the CSRF value.
import { call } from './client'
import type { Permissions, Session } from './types'

export interface Credentials {
  username: string
  password: string
  domain?: string
  project?: string
}

export async function logIn(credentials: Credentials): Promise<Session> {
  return (await call<{ session: Session }>('POST', '/auth/login', credentials)).session
}

/** Who is logged in; a 401 if nobody is. */
export async function currentSession(): Promise<Session> {
  return (await call<{ session: Session }>('GET', '/auth/session')).session
}

export async function switchProject(project: string): Promise<Session> {
  return (await call<{ session: Session }>('POST', '/auth/project', { project })).session
}

export async function logOut(): Promise<void> {
  await call<unknown>('POST', '/auth/logout', {})
}

export async function permissions(): Promise<Permissions> {
  return call<Permissions>('GET', '/permissions')
}
