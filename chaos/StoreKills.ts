/**
 * A node with a directory, `zgossip serve`, that clients publish to, that is killed at some moment, and started again:
 * what it answered with PONG must be there, whatever moment it was.
 */
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { Dealer } from "zeromq"
import * as RecordLog from "../src/layers/RecordLog.ts"
import * as TupleRecord from "../src/layers/TupleRecord.ts"
import { said, Wire } from "../test/interop/RawPeer.ts"

const clients = 3
const keysOfEach = 20

/** Now and then a long one, so that the log is made anew meanwhile. */
const valueOf = (n: number): string => `${n} ${"x".repeat(n % 20 === 0 ? 50_000 : n % 40)}`

class Client {
  readonly #socket: Dealer

  constructor(endpoint: string) {
    this.#socket = new Dealer({ linger: 0 })
    this.#socket.connect(endpoint)
  }

  /** The tuples that come before the PONG. */
  async ask(...frames: ReadonlyArray<Buffer>): Promise<ReadonlyMap<string, string>> {
    for (const frame of [...frames, Wire.PING]) await this.#socket.send(frame)
    const heard = new Map<string, string>()
    for (;;) {
      const [frame = Buffer.alloc(0)] = await this.#socket.receive()
      const message = said(frame)
      if (message.type === "PONG") return heard
      if (message.type === "PUBLISH") heard.set(message.key.toString(), message.value.toString())
    }
  }

  close(): void {
    this.#socket.close()
  }
}

export class StoreKills {
  readonly #program: string
  readonly #directory: string
  readonly #acknowledged = new Map<string, string>()
  /** Published and not answered yet: it may be there or not. */
  readonly #open = new Map<string, string>()
  /** What each version was ever the version of. */
  readonly #versions = new Map<string, string>()
  #count = 0

  constructor(program: string, directory: string) {
    this.#program = program
    this.#directory = directory
  }

  get count(): number {
    return this.#count
  }

  /** One life, of so many milliseconds from the first tuple on; what is wrong then. */
  async live(milliseconds: number): Promise<ReadonlyArray<string>> {
    const args = ["serve", "--bind", "tcp://127.0.0.1:0", "--store", this.#directory, "--store-sync", "0"]
    const child = spawn(process.execPath, [this.#program, ...args], { stdio: ["ignore", "ignore", "pipe"] })
    const ended = once(child, "close")
    const endpoint = await boundOf(child)
    const all = Array.from({ length: clients }, () => new Client(endpoint))
    try {
      const [first, ...others] = all
      const wrong = first === undefined ? [] : this.#compare("the node", await first.ask(Wire.HELLO))
      for (const other of others) await other.ask(Wire.HELLO)
      if (wrong.length > 0) return wrong
      let running = true
      // The last question of each is never answered.
      const publishing = all.map((client, index) => this.#publish(client, index, () => running))
      await Promise.race([
        new Promise((resume) => setTimeout(resume, milliseconds)),
        ended.then(() => Promise.reject(new Error("the node ended by itself"))),
        ...publishing.map((one) => one.then(() => undefined))
      ])
      child.kill("SIGKILL")
      await ended
      running = false
      return await this.#look()
    } finally {
      child.kill("SIGKILL")
      for (const client of all) client.close()
    }
  }

  async #publish(client: Client, index: number, goesOn: () => boolean): Promise<void> {
    try {
      while (goesOn()) {
        const n = ++this.#count
        const [key, value] = [`${index}/${n % keysOfEach}`, valueOf(n)]
        this.#open.set(key, value)
        await client.ask(Wire.PUBLISH(key, value))
        if (!goesOn()) return
        this.#acknowledged.set(key, value)
        this.#open.delete(key)
      }
    } catch (cause) {
      // Its socket was closed because the node was killed.
      if (goesOn()) throw cause
    }
  }

  #look(): Promise<ReadonlyArray<string>> {
    const { isKnown } = TupleRecord
    return Effect.runPromise(
      Effect.scoped(
        Effect.map(RecordLog.open({ directory: this.#directory, isKnown }), ({ isDamaged, records }) => {
          const wrong = isDamaged ? ["the log is damaged"] : []
          const found = new Map<string, string>()
          for (const [key, record] of records) {
            const held = TupleRecord.decode(record)
            if (held === undefined) continue
            found.set(key, held.value)
            const { counter, origin, time } = held.version
            const version = `${time} ${counter} ${Buffer.from(origin, "latin1").toString("hex")}`
            const what = `${key}=${held.value}`
            const before = this.#versions.get(version)
            if (before !== undefined && before !== what)
              wrong.push(`${short(what)} has the version of ${short(before)}`)
            this.#versions.set(version, what)
          }
          return [...wrong, ...this.#compare("the log", found)]
        })
      )
    )
  }

  /** What is found is taken for acknowledged from now on. */
  #compare(who: string, found: ReadonlyMap<string, string>): ReadonlyArray<string> {
    const wrong: Array<string> = []
    for (const key of new Set([...this.#acknowledged.keys(), ...found.keys()])) {
      const value = found.get(key)
      const wanted = [this.#acknowledged.get(key), this.#open.get(key)]
      if (!wanted.includes(value))
        wrong.push(`${who} has ${key}=${short(value)} and not ${wanted.map(short).join(" or ")}`)
      if (value !== undefined) this.#acknowledged.set(key, value)
    }
    this.#open.clear()
    return wrong
  }
}

const short = (text = "nothing"): string => text.slice(0, 30)

const boundOf = async (child: ChildProcess): Promise<string> => {
  let heard = ""
  for await (const text of child.stderr?.setEncoding("utf8") ?? []) {
    heard += text
    const [, endpoint] = /bound (\S+)\n/.exec(heard) ?? []
    if (endpoint !== undefined) return endpoint
  }
  throw new Error(`it did not start: ${heard}`)
}
