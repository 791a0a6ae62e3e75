/** One run: a node, an honest client, and strangers whose acts come from a seed. */
import { type ChildProcess, fork } from "node:child_process"
import { monitorEventLoopDelay } from "node:perf_hooks"
import type { Status } from "../src/services/Gossip.ts"
import { names } from "./acts.ts"
import { generator, type Random } from "./frames.ts"
import { Honest } from "./honest.ts"
import { sleep } from "./zmtp.ts"

/** One act: what is needed to do it again. */
export interface Deed {
  readonly name: string
  readonly seed: number
}

export interface Options {
  readonly seconds: number
  readonly seed: number
  /** Of these, again and again in this order; all of them in an order from the seed unless given. */
  readonly deeds?: ReadonlyArray<Deed>
  /** Acts at a time. */
  readonly atOnce?: number
  readonly crowd?: number
  /** How long one act takes, in ms. */
  readonly ms?: number
  /** The node's. */
  readonly settings?: Readonly<Record<string, number>>
}

export interface Report {
  readonly seed: number
  readonly deeds: ReadonlyArray<Deed>
  /** Those that were under way when the first fault was found. */
  readonly suspects: ReadonlyArray<Deed>
  readonly faults: ReadonlyArray<string>
  readonly pings: number
  readonly worstPong: number
  /** What was under way when that PONG came. */
  readonly duringWorst: ReadonlyArray<Deed>
  readonly medianPong: number
  readonly readbacks: number
  readonly worstReadback: number
  readonly publishes: number
  /** Resident octets of the node. */
  readonly memory: { readonly before: number; readonly most: number; readonly after: number }
  /** How long the node's event loop did not turn at most, and that of the honest client, in ms. */
  readonly held: { readonly node: number; readonly honest: number }
  readonly status: Status | undefined
}

/** A process, and what it says. */
class Child {
  readonly process: ChildProcess
  readonly log: Array<string> = []
  exited: string | undefined
  #heard: Array<Record<string, unknown>> = []
  readonly #waiters = new Set<() => void>()

  constructor(module: string, args: ReadonlyArray<string>) {
    this.process = fork(new URL(module, import.meta.url), args, {
      stdio: ["ignore", "ignore", "pipe", "ipc"]
    })
    this.process.stderr?.on("data", (data: Buffer) => this.log.push(data.toString()))
    this.process.on("message", (message: Record<string, unknown>) => {
      if (typeof message["log"] === "string") this.log.push(message["log"])
      else this.#heard.push(message)
      this.#look()
    })
    this.process.on("exit", (code, signal) => {
      this.exited = `${module} ended with ${signal ?? `exit code ${code}`}: ${this.log.slice(-5).join("")}`
      this.#look()
    })
  }

  #look(): void {
    for (const look of [...this.#waiters]) look()
  }

  /** The first message that has this; undefined where it ends before that, or does not come in time. */
  async next(name: string, check: (value: unknown) => boolean = () => true, ms = 20_000): Promise<unknown> {
    const end = performance.now() + ms
    for (;;) {
      const index = this.#heard.findIndex((message) => name in message && check(message[name]))
      if (index >= 0) return this.#heard.splice(index, 1)[0]
      if (this.exited !== undefined || performance.now() > end) return undefined
      await new Promise<void>((resolve) => {
        const look = () => {
          clearTimeout(timer)
          this.#waiters.delete(look)
          resolve()
        }
        const timer = setTimeout(look, ms)
        this.#waiters.add(look)
      })
    }
  }

  async end(): Promise<void> {
    if (this.exited !== undefined) return
    const gone = new Promise<void>((resolve) => this.process.once("exit", () => resolve()))
    this.process.kill("SIGKILL")
    await gone
  }
}

/** Limits low enough to be reached: what happens at them is a part of it. */
const small = { tuples: 20_000, octets: 64 * 2 ** 20 }

/** All of them once in a random order, then again in another one. */
function* shuffled(random: Random): Generator<Deed, void> {
  for (;;) {
    const left = [...names]
    while (left.length > 0) {
      const [name = ""] = left.splice(random.below(left.length), 1)
      yield { name, seed: random.below(1_000_000) }
    }
  }
}

function* repeated(deeds: ReadonlyArray<Deed>): Generator<Deed, void> {
  for (;;) yield* deeds
}

export const run = async (options: Options): Promise<Report> => {
  const { atOnce = 3, crowd = 200, ms = 500, seconds, seed } = options
  const strangers = new Child("strangers.ts", [])
  const { port } = ((await strangers.next("port")) ?? {}) as { port?: number }
  const node = new Child("node.ts", [`tcp://127.0.0.1:${port}`, JSON.stringify({ ...small, ...options.settings })])
  const { endpoint } = ((await node.next("endpoint")) ?? {}) as { endpoint?: string }
  if (port === undefined || endpoint === undefined) {
    await Promise.all([strangers.end(), node.end()])
    throw new Error(node.exited ?? strangers.exited ?? "the processes did not start")
  }

  const look = async () => {
    if (node.exited !== undefined) return undefined
    node.process.send("status", () => {})
    return (await node.next("status", undefined, 5000)) as
      { status: Status; resident: number; held: number } | undefined
  }

  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const done: Array<Deed> = []
  const under = new Set<Deed>()
  let duringWorst: ReadonlyArray<Deed> = []
  const honest = new Honest(endpoint, () => void (duringWorst = [...under]))
  const { findings } = honest
  let suspects: ReadonlyArray<Deed> = []
  const watch = () => {
    if (suspects.length === 0 && (findings.faults.length > 0 || node.exited !== undefined)) suspects = [...under]
  }
  try {
    await honest.begin()
    const before = (await look())?.resident ?? 0
    let most = before
    const measuring = setInterval(() => {
      watch()
      void look().then((found) => (most = Math.max(most, found?.resident ?? 0)))
    }, 200)
    const honestly = honest.run()

    const end = performance.now() + seconds * 1000
    const deeds = options.deeds === undefined ? shuffled(generator(seed)) : repeated(options.deeds)
    let id = 0
    const stranger = async () => {
      while (performance.now() < end && node.exited === undefined && strangers.exited === undefined) {
        const { value: deed } = deeds.next()
        if (deed === undefined) return
        under.add(deed)
        done.push(deed)
        const mine = ++id
        const time = Math.min(ms, Math.max(50, end - performance.now()))
        strangers.process.send({ id: mine, ...deed, endpoint, ms: time, crowd })
        await strangers.next("done", (value) => value === mine)
        watch()
        under.delete(deed)
      }
    }
    await Promise.all(Array.from({ length: atOnce }, stranger))
    await sleep(200)
    honest.end()
    await honestly
    if (node.exited === undefined) await honest.readback()
    clearInterval(measuring)
    const last = await look()
    watch()
    const pongs = findings.pongs.toSorted((a, b) => a - b)
    return {
      seed,
      deeds: done,
      suspects,
      faults: [
        ...findings.faults,
        ...[node.exited, strangers.exited].filter((exited) => exited !== undefined),
        ...node.log.filter((line) => line.includes("a defect")).slice(0, 5)
      ],
      pings: findings.pings,
      worstPong: findings.worstPong,
      duringWorst,
      medianPong: pongs[pongs.length >> 1] ?? Number.NaN,
      readbacks: findings.readbacks,
      worstReadback: findings.worstReadback,
      publishes: findings.publishes,
      memory: { before, most: Math.max(most, last?.resident ?? 0), after: last?.resident ?? 0 },
      held: { node: last?.held ?? 0, honest: delay.max / 1e6 },
      status: last?.status
    }
  } finally {
    honest.close()
    await Promise.all([strangers.end(), node.end()])
  }
}
