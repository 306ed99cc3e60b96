// Short names for what the generated schema holds.
import type { components, paths } from './schema'

type Schemas = components['schemas']

export type Server = Schemas['Server']
export type Task = Schemas['Task']
export type TaskBrief = Schemas['TaskBrief']
export type TaskStage = Schemas['TaskStage']
export type RescueSession = Schemas['RescueSession']
export type RescueImage = Schemas['RescueImage']
export type SeenDisk = Schemas['SeenDisk']
export type SeenPart = Schemas['SeenPart']
export type Host = Schemas['Host']
export type BaremetalAgent = Schemas['BaremetalAgent']
export type Disk = Schemas['Disk']
export type Snapshot = Schemas['Snapshot']
export type ConsoleRecording = Schemas['ConsoleRecording']
export type AuditEvent = Schemas['Event']
export type ErrorBody = Schemas['ErrorBody']
export type ErrorClass = Schemas['ErrorClass']
export type GuestStatus = Schemas['GuestStatus']
export type PowerState = Schemas['PowerState']
export type DiskMode = Schemas['DiskMode']
export type OverlayEnd = Schemas['OverlayEnd']
export type RescueNetwork = Schemas['RescueNetwork']
export type PowerAfter = Schemas['PowerAfter']

/** The verbs of `/servers/{id}/...`, as the schema has them. */
export type ServerVerb = {
  [P in keyof paths]: P extends `/servers/{id}/${infer V}`
    ? paths[P] extends { post: { requestBody?: unknown } }
      ? V
      : never
    : never
}[keyof paths]

type BodyOf<P> = P extends { post: { requestBody?: { content: { 'application/json': { server?: infer B } } } } } ? B : never

/** What the body of a verb may hold. */
export type ServerVerbBody<V extends ServerVerb> = BodyOf<paths[`/servers/{id}/${V}` & keyof paths]>

/** What a verb answers. `rescue_session` comes from start-rescue, with a password that was generated, once. */
export interface PerformAnswer {
  server: Server
  task?: TaskBrief
  warnings?: string[]
  rescue_session?: { id: string; password?: string | null; password_shown?: boolean }
}

/** A page of a list; `rows` is what the resource's keyword holds. */
export interface Page<T> {
  rows: T[]
  total: number
  limit: number
  offset: number
  next_marker?: string
}

/** Who is logged in: `POST /auth/login`, `GET /auth/session`. */
export type Session = Schemas['Session']

/** `GET /permissions`. */
export interface Permissions {
  user: unknown
  permissions: Record<string, string>
  denied: Record<string, { require: string; allow: unknown }>
}
