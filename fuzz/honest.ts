/**
 * The honest client: says PING and waits for PONG, changes tuples of its own, and reads them back as somebody new. It is
 * told of everything else that happens to the node, and reads all of it.
 */
import { Dealer } from "zeromq"
import * as Frames from "./frames.ts"
import { limit, sleep } from "./zmtp.ts"

export interface Findings {
  pings: number
  /** In ms. */
  worstPong: number
  readonly pongs: Array<number>
  publishes: number
  readbacks: number
  worstReadback: number
  invalids: number
  readonly faults: Array<string>
}

/** How long an answer may take, in ms. */
export const patience = 1000

/** So many tuples of its own, set before the strangers come: a change of one that is held is never refused. */
const keys = 100

export class Honest {
  readonly findings: Findings = {
    pings: 0,
    worstPong: 0,
    pongs: [],
    publishes: 0,
    readbacks: 0,
    worstReadback: 0,
    invalids: 0,
    faults: []
  }
  /** What it knows that the node has taken. */
  readonly acknowledged = new Map<string, string>()
  readonly #endpoint: string
  readonly #socket: Dealer
  readonly #worse: (ms: number) => void
  #pong: (() => void) | undefined
  private going = true

  /** `worse` is told of each PONG that took longer than any before. */
  constructor(endpoint: string, worse: (ms: number) => void = () => {}) {
    this.#worse = worse
    this.#endpoint = endpoint
    this.#socket = connected(endpoint)
    void this.#listen()
  }

  async begin(): Promise<void> {
    await this.#socket.send(Frames.hello)
    for (let n = 0; n < keys; n++) await this.#set(n, "0000000000")
    await this.#ask()
  }

  /** Until {@link end}. */
  async run(): Promise<void> {
    const reading = this.#read()
    for (let round = 1; this.going; round++) {
      if (round % 10 === 0) await this.#set((round / 10) % keys, String(round).padStart(10, "0"))
      await this.#ask()
      await sleep(10)
    }
    await reading
  }

  /** Reads it all back now and then, beside the PINGs. */
  async #read(): Promise<void> {
    while (this.going) {
      await this.readback()
      for (const end = performance.now() + 1000; this.going && performance.now() < end;) await sleep(50)
    }
  }

  end(): void {
    this.going = false
  }

  close(): void {
    this.going = false
    this.#socket.close()
  }

  /** As somebody new: HELLO, the dump, PONG. Every tuple that was acknowledged before has to be there. */
  async readback(): Promise<void> {
    const expected = new Map(this.acknowledged)
    const found = new Map<string, string>()
    const socket = connected(this.#endpoint)
    const began = performance.now()
    try {
      await socket.send(Frames.hello)
      await socket.send(Frames.ping)
      socket.receiveTimeout = 30_000
      for (;;) {
        const [frame = Buffer.alloc(0)] = await socket.receive()
        if (frame[2] === 4) break
        if (frame[2] !== 2) continue
        const end = 5 + (frame[4] ?? 0)
        const key = frame.toString("latin1", 5, end)
        if (key.startsWith(prefix)) found.set(key, frame.toString("latin1", end + 4, frame.length - 4))
      }
      this.findings.readbacks += 1
      this.findings.worstReadback = Math.max(this.findings.worstReadback, performance.now() - began)
      const lost = [...expected].filter(([key, value]) => (found.get(key) ?? "") < value)
      if (lost.length > 0) this.#fault(`${lost.length} acknowledged tuples are lost, ${lost[0]?.join("=")} for one`)
    } catch (error) {
      this.#fault(`no PONG behind a dump within 30 s: ${String(error)}`)
    } finally {
      socket.close()
    }
  }

  #fault(what: string): void {
    this.findings.faults.push(what)
  }

  readonly #pending = new Map<string, string>()

  async #set(n: number, value: string): Promise<void> {
    const key = `${prefix}${n}`
    this.#pending.set(key, value)
    await this.#socket.send(Frames.publish(key, value))
    this.findings.publishes += 1
  }

  async #ask(): Promise<void> {
    const began = performance.now()
    const answered = new Promise<boolean>((resolve) => (this.#pong = () => resolve(true)))
    await this.#socket.send(Frames.ping)
    this.findings.pings += 1
    if (!(await Promise.race([answered, limit(20_000).then(() => false)]))) return this.#fault("no PONG within 20 s")
    const took = performance.now() - began
    this.findings.pongs.push(took)
    if (took > this.findings.worstPong) {
      this.findings.worstPong = took
      this.#worse(took)
    }
    if (took > patience) this.#fault(`a PONG took ${Math.round(took)} ms`)
    for (const [key, value] of this.#pending) this.acknowledged.set(key, value)
    this.#pending.clear()
  }

  async #listen(): Promise<void> {
    try {
      for (let count = 0; ; count++) {
        const [frame] = await this.#socket.receive()
        if (frame?.[2] === 4) this.#pong?.()
        if (frame?.[2] === 5) {
          this.findings.invalids += 1
          this.#fault("INVALID to the honest client")
          await this.#socket.send(Frames.hello)
        }
        if (count % 256 === 255) await new Promise((resolve) => setImmediate(resolve))
      }
    } catch {
      // It was closed.
    }
  }
}

const prefix = "honest tuple number "

const connected = (endpoint: string): Dealer => {
  const socket = new Dealer()
  Object.assign(socket, { linger: 0, sendHighWaterMark: 0, receiveHighWaterMark: 0 })
  socket.connect(endpoint)
  return socket
}
