/** A node of the network as a process of its own: started, asked, stopped, killed, started again. */
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { Options } from "../src/Gossip.ts"

type Answer = [id: number, result: unknown, error: string | undefined]

/** What a process that is neither stopped nor blocked takes longer for has hung. */
const longest = 15_000

export interface MemberOptions {
  readonly name: string
  readonly node: Options
  /** What the process is run by: a program and its arguments, before those of the process itself. */
  readonly within?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  /** The file of the worker. */
  readonly worker: string
  readonly folder: string
  /** Something that must not be: it ended by itself, or it does not answer. */
  readonly violated: (what: string) => void
}

/** The process that was asked is gone: whoever killed it knows. */
export class Gone extends Error {}

export interface Figures {
  readonly heap: number
  readonly resident: number
  readonly fibers: number
  readonly descriptors: number
}

/** Of a process, by the system. */
export interface Sample {
  readonly resident: number
  readonly descriptors: number
}

export class Member {
  readonly name: string
  readonly log: string
  /** Stopped or blocked, by us. */
  out = false
  /** How often it was: an answer that took long is only one where this is the same at its end. */
  disturbed = 0
  starts = 0
  /** It has started, and was not killed since. */
  ready = false
  #process: ChildProcess | undefined
  #killed = false
  #requests = 0
  readonly #options: MemberOptions
  readonly #waiting = new Map<number, { done: (answer: Answer) => void; gone: () => void }>()

  constructor(options: MemberOptions) {
    this.name = options.name
    this.log = join(options.folder, `${options.name}.log`)
    this.#options = options
  }

  get alive(): boolean {
    return this.#process !== undefined
  }

  get pid(): number {
    return this.#process?.pid ?? 0
  }

  /** Ends when the node is there. */
  async start(): Promise<void> {
    const { env, node, violated, within = [], worker } = this.#options
    const [program, ...args] = [...within, process.execPath, "--expose-gc", worker, JSON.stringify(node)]
    const log = openSync(this.log, "a")
    const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", log, log, "ipc"] })
    closeSync(log)
    this.#process = child
    this.#killed = false
    this.starts += 1
    this.ready = false
    child.on("message", ([id, result, error]: Answer) => this.#waiting.get(id)?.done([id, result, error]))
    child.once("exit", (code, signal) => {
      const killed = this.#killed
      this.#process = undefined
      for (const { gone } of this.#waiting.values()) gone()
      if (!killed) violated(`${this.name} ended by itself, with ${signal ?? `exit code ${code}`}, see ${this.log}`)
    })
    await this.#answer(0, () => {}, 4 * longest)
    this.ready = true
  }

  ask<A>(operation: string, ...args: ReadonlyArray<unknown>): Promise<A> {
    const id = ++this.#requests
    return this.#answer(id, () => this.#process?.send([id, operation, ...args], () => {})) as Promise<A>
  }

  #answer(id: number, send: () => void, limit = longest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#process === undefined) return reject(new Gone(`${this.name} is not running`))
      const end = () => {
        this.#waiting.delete(id)
        clearInterval(timer)
      }
      // The time in which it stands still does not count.
      let waited = 0
      const timer = setInterval(() => {
        waited += this.out ? 0 : 500
        if (waited < limit) return
        end()
        this.#options.violated(`${this.name} did not answer within ${limit} ms, see ${this.log}`)
        reject(new Error(`${this.name} hangs`))
      }, 500)
      this.#waiting.set(id, {
        done: ([, result, error]) => {
          end()
          if (error === undefined) resolve(result)
          else reject(new Error(`${this.name}: ${error}`))
        },
        gone: () => {
          end()
          reject(new Gone(`${this.name} is gone`))
        }
      })
      send()
      return undefined
    })
  }

  /** Ends when the process is gone. */
  kill(): Promise<void> {
    const child = this.#process
    if (child === undefined) return Promise.resolve()
    this.#killed = true
    child.kill("SIGKILL")
    return new Promise((resolve) => void child.once("exit", () => resolve()))
  }

  /** SIGSTOP, or SIGCONT. */
  stop(stopped: boolean): void {
    this.out = stopped
    this.disturbed += 1
    this.#process?.kill(stopped ? "SIGSTOP" : "SIGCONT")
  }

  sample(): Sample | undefined {
    const { pid } = this
    try {
      const resident = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024
      return { resident, descriptors: readdirSync(`/proc/${pid}/fd`).length }
    } catch {
      return undefined // it is on its way out
    }
  }
}
