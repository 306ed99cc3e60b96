// What the start-rescue dialog asks for, apart from how it looks: the request, the command line, what is wrong with it, and what will happen.
import { climcLine, shellWord } from '@/actions/validate'
import type { DiskMode, OverlayEnd, RescueImage, RescueNetwork, Server, ServerVerbBody } from '@/api/types'

export interface StartRescueForm {
  /** Empty: the best one for each server. */
  image: string
  diskMode: DiskMode
  onExpiry: OverlayEnd
  network: RescueNetwork
  /** As typed: one public key a line. */
  sshKeys: string
  isPasswordWanted: boolean
  /** Seconds. */
  ttl: number
  reason: string
  stopTimeout: number
  /** Paused servers too. */
  isForce: boolean
}

/** Region's limits, in seconds. */
export const TTL_MIN = 300
export const TTL_MAX = 2_592_000
export const TTLS = [3_600, 14_400, 86_400, 259_200, 604_800] as const
const TTL_USUAL = 86_400
const STOP_TIMEOUT_USUAL = 60

export function emptyForm(): StartRescueForm {
  return { image: '', diskMode: 'rw', onExpiry: 'discard', network: 'full', sshKeys: '', isPasswordWanted: true, ttl: TTL_USUAL, reason: '', stopTimeout: STOP_TIMEOUT_USUAL, isForce: false }
}

export function sshKeys(form: StartRescueForm): string[] {
  return form.sshKeys
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

const PUBLIC_KEY = /^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) [A-Za-z0-9+/]+={0,3}( .*)?$/

/** The keys that count: without a network nobody comes by SSH. */
function keysOf(form: StartRescueForm): string[] {
  return form.network === 'none' ? [] : sshKeys(form)
}

/** What is wrong, as a key of the locales; `null` if nothing. */
export function faultOf(form: StartRescueForm): { key: string; values?: Record<string, unknown> } | null {
  const keys = keysOf(form)
  if (keys.some((key) => key.includes('PRIVATE KEY'))) return { key: 'startRescue.privateKey' }
  const bad = keys.findIndex((key) => !PUBLIC_KEY.test(key))
  if (bad >= 0) return { key: 'startRescue.badKey', values: { n: bad + 1 } }
  return null
}

/** Nobody could log in: sensible only to let the rescue system look. */
export function isLockedOut(form: StartRescueForm): boolean {
  return !form.isPasswordWanted && keysOf(form).length === 0
}

export function bodyOf(form: StartRescueForm): ServerVerbBody<'start-rescue'> {
  const keys = keysOf(form)
  return {
    disk_mode: form.diskMode,
    ...(form.network === 'none' && { network: form.network }),
    ...(form.diskMode === 'overlay' && { on_expiry: form.onExpiry }),
    ...(form.image && { rescue_image: form.image }),
    ...(keys.length > 0 && { ssh_keys: keys }),
    ...(form.isPasswordWanted && { password: 'generate' }),
    ttl: form.ttl,
    ...(form.reason.trim() && { reason: form.reason.trim() }),
    ...(form.stopTimeout !== STOP_TIMEOUT_USUAL && { stop_timeout: form.stopTimeout }),
    ...(form.isForce && { force: true }),
  }
}

export function climcOf(form: StartRescueForm, servers: readonly Server[]): string {
  return climcLine(
    'server-start-rescue',
    servers,
    form.image && `--rescue-image ${shellWord(form.image)}`,
    form.diskMode !== 'rw' && `--disk-mode ${form.diskMode}`,
    form.diskMode === 'overlay' && form.onExpiry !== 'discard' && `--on-expiry ${form.onExpiry}`,
    form.network === 'none' && '--network none',
    ...keysOf(form).map((key) => `--ssh-key ${shellWord(key)}`),
    form.isPasswordWanted && '--password generate',
    form.ttl !== TTL_USUAL && `--ttl ${form.ttl}`,
    form.reason.trim() !== '' && `--reason ${shellWord(form.reason.trim())}`,
    form.stopTimeout !== STOP_TIMEOUT_USUAL && `--stop-timeout ${form.stopTimeout}`,
    form.isForce && '--force',
    '--wait',
  )
}

/** Those that this form rescues: paused ones only by force. */
export function meant(form: StartRescueForm, able: readonly Server[]): Server[] {
  return able.filter((server) => form.isForce || !isPaused(server))
}

export function isPaused(server: Server): boolean {
  return server.status === 'suspend' || server.power_state === 'paused'
}

/** Images that every one of these servers can boot, newest first; of one name the newest only. */
export function imagesFor(images: readonly RescueImage[], servers: readonly Server[]): RescueImage[] {
  const arches = new Set(servers.map((server) => server.arch))
  const byName = new Map<string, RescueImage>()
  for (const image of images) {
    if (![...arches].every((arch) => arch === image.arch)) continue
    const held = byName.get(image.name)
    if (!held || image.serial > held.serial) byName.set(image.name, image)
  }
  return [...byName.values()].sort((a, b) => a.name.localeCompare(b.name))
}

/** What will happen, as keys beneath `startRescue.plan`. */
export function planOf(servers: readonly Server[]): string[] {
  const anyOn = servers.some((server) => server.power_state !== 'shutoff')
  return ['check', 'fetch', ...(anyOn ? ['stop'] : []), 'save', 'boot', 'proof']
}
