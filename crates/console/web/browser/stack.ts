// A whole Lifeboat in a folder of its own: real programs, private Postgres, real QEMU. REST beside the browser, for what a story needs to
// be so, and to look at what the browser has done.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../../../../', import.meta.url))
const target = resolve(process.env.LIFEBOAT_TARGET ?? join(repository, 'target'))
const bin = resolve(process.env.LIFEBOAT_BIN ?? join(target, 'debug'))

/** What a story gets of the stack: plain data, it crosses from one process to another. */
export interface Place {
  folder: string
  url: string
  user: string
  password: string
}

export interface Task {
  id: string
  task_name: string
  state: string
  stage: string
  cause?: string
  evidence: string[]
  is_complete: boolean
}

/** Looks again and again, until there is something or the limit has passed. */
export async function until<T>(what: string, seconds: number, look: () => Promise<T | undefined | false | null>): Promise<T> {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() >= end) throw new Error(`waited ${seconds} s for ${what}`)
    await new Promise((again) => setTimeout(again, 100))
  }
}

export class Stack {
  private token?: string

  constructor(readonly place: Place) {}

  /** Makes a folder and starts everything in it. */
  static up(): Stack {
    // Short, for unix sockets beneath it; and Postgres, which runs as another user when root starts it, must get through.
    const folder = mkdtempSync(join(tmpdir(), 'lb-ui-'))
    chmodSync(folder, 0o711)
    try {
      Stack.lifeboat(folder, 'up', '--listen', '127.0.0.1:0', '--accel', 'tcg')
      return Stack.at(folder)
    } catch (error) {
      Stack.end(folder)
      throw error
    }
  }

  /** One that runs, by its folder. */
  static at(folder: string): Stack {
    const rc = Object.fromEntries(
      readFileSync(join(folder, 'rc'), 'utf8')
        .trim()
        .split('\n')
        .map((line): [string, string] => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )
    const { OS_AUTH_URL: url = '', OS_USERNAME: user = '', OS_PASSWORD: password = '' } = rc
    return new Stack({ folder, url: url.replace(/\/v3$/, ''), user, password })
  }

  private static lifeboat(folder: string, command: string, ...args: string[]): void {
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      LIFEBOAT_GUESTS: process.env.LIFEBOAT_GUESTS ?? join(target, 'guests'),
      LIFEBOAT_RESCUE_IMAGES: process.env.LIFEBOAT_RESCUE_IMAGES ?? join(target, 'rescue-images'),
      REGION_WEB__ROOT: process.env.REGION_WEB__ROOT,
      // As an auditor wants it.
      REGION_CONSOLE__RECORD: 'rescue',
    }
    delete env.DATABASE_URL
    const ran = spawnSync(join(bin, 'lifeboat'), [command, '--state', folder, ...args], { env, encoding: 'utf8' })
    if (ran.error) throw new Error(`${join(bin, 'lifeboat')}: ${ran.error.message}; build it with make build`)
    if (ran.status !== 0) throw new Error(`lifeboat ${command}: ${ran.stderr}${ran.stdout}`)
  }

  private static end(folder: string): void {
    // QEMU at once: what a test leaves behind needs no gentle end.
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      let args = ''
      try {
        args = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      } catch {
        continue
      }
      if (/^[^\0]*qemu-system/.test(args) && args.includes(`${folder}/`)) process.kill(Number(pid), 'SIGKILL')
    }
    try {
      Stack.lifeboat(folder, 'down')
    } finally {
      if (!process.env.KEEP) rmSync(folder, { recursive: true, force: true })
    }
  }

  down(): void {
    Stack.end(this.place.folder)
  }

  /** Region alone is gone, at once; whoever keeps the parts alive can't start it again until `continue` is called. */
  stopRegion(): { again: () => Promise<void> } {
    const parts = JSON.parse(readFileSync(join(this.place.folder, 'parts.json'), 'utf8')) as Parts
    const supervisor = pidOf(parts, 'lifeboat')
    process.kill(supervisor, 'SIGSTOP')
    process.kill(pidOf(parts, 'region'), 'SIGKILL')
    return {
      again: async () => {
        process.kill(supervisor, 'SIGCONT')
        await until('region to serve again', 60, () =>
          fetch(`${this.place.url}/readyz`).then(
            (answer) => answer.ok,
            () => false,
          ),
        )
      },
    }
  }

  /** The last lines of every log, for a story that failed. */
  logs(lines = 15): string {
    return ['region', 'host', 'baremetal-agent', 'lifeboat']
      .map((part) => {
        const text = readFileSync(join(this.place.folder, 'log', `${part}.log`), 'utf8')
        return text
          .trimEnd()
          .split('\n')
          .slice(-lines)
          .map((line) => `${part} | ${line}`)
          .join('\n')
      })
      .join('\n')
  }

  async request(method: string, path: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
    this.token ??= await this.logIn()
    const answer = await fetch(this.place.url + path, {
      method,
      headers: { 'X-Auth-Token': this.token, 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    const text = await answer.text()
    return { status: answer.status, body: text ? (JSON.parse(text) as Record<string, unknown>) : {} }
  }

  /** A request that must succeed. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.request(method, path, body)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body as T
  }

  private async logIn(): Promise<string> {
    const { user, password, url } = this.place
    const identity = { methods: ['password'], password: { user: { name: user, domain: { name: 'Default' }, password } } }
    const answer = await fetch(`${url}/v3/auth/tokens`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ auth: { identity, scope: { project: { name: 'system' } } } }),
    })
    const token = answer.headers.get('X-Subject-Token')
    if (!token) throw new Error(`log-in: ${answer.status} ${await answer.text()}`)
    return token
  }

  async task(id: string, seconds = 240): Promise<Task> {
    const task = await until(`task ${id}`, seconds, async () => {
      const { task } = await this.call<{ task: Task }>('GET', `/tasks/${id}`)
      return task.is_complete && task
    })
    if (task.state !== 'succeeded') throw new Error(`${task.task_name}: ${task.state} at ${task.stage}: ${task.cause}\n${task.evidence.join('\n')}`)
    return task
  }

  /** A new server from the tiny guest's disk. */
  async server(name: string, wanted: { memory?: number; vnc?: boolean; start?: boolean } = {}): Promise<string> {
    const { memory = 256, vnc = false, start = false } = wanted
    const server = { name, vmem_size: memory, vnc, auto_start: start, disks: [{ image: 'tiny.qcow2' }], nets: [{}] }
    const made = await this.call<{ server: { id: string }; task: { id: string } }>('POST', '/servers', { server })
    await this.task(made.task.id)
    return made.server.id
  }

  /** Breaks the disk of a server that is off, from outside: words of tests/guests/break.sh. */
  breakDisk(server: string, fault: string): void {
    const folder = join(this.place.folder, 'host', 'servers', server, 'disks')
    for (const disk of readdirSync(folder).filter((name) => name.endsWith('.qcow2'))) {
      const ran = spawnSync(join(repository, 'tests', 'guests', 'break.sh'), [fault, join(folder, disk)], { encoding: 'utf8' })
      if (ran.status !== 0) throw new Error(`break.sh ${fault}: ${ran.stderr}`)
    }
  }

  async status(server: string): Promise<string> {
    return (await this.call<{ server: { status: string } }>('GET', `/servers/${server}/status`)).server.status
  }
}

type Parts = Record<string, { pid?: number }>

function pidOf(parts: Parts, name: string): number {
  const pid = parts[name]?.pid
  if (!pid) throw new Error(`${name} does not run: ${JSON.stringify(parts)}`)
  return pid
}
