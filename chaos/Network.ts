/** The network under test, who publishes in it, what is done to it, and what comes of it. */
import { Effect, Exit, Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Czmq, type CzmqNode } from "../test/interop/Czmq.ts"
import { freePort } from "../test/interop/FreePort.ts"
import { bundle } from "./bundle.ts"
import { clockOf, hostName, limited, Namespace } from "./Host.ts"
import { type Figures, Gone, Member } from "./Member.ts"
import type * as Plan from "./Plan.ts"
import { Relay } from "./Relay.ts"

const count = 10

/** A ring, and a chord for every other node: each has at least two ways to everybody, most have three. */
const edges = [
  ...Array.from({ length: count }, (_, n) => [n, (n + 1) % count] as const),
  ...Array.from({ length: count / 2 }, (_, n) => [2 * n, (2 * n + 3) % count] as const)
]

const veterans = [1, 4, 6]
/** Few descriptors; a clock that the system sets, where there is a library for it; a host name and a disk. */
const [poor, timed, namespaced] = [9, 5, 8] as const
const mostDescriptors = 150

/** Milliseconds from a publish that returned to the moment from which no kill may lose the tuple. */
const grace = 10_000
/** Milliseconds from the end of the last fault until all must agree. */
const patience = 30_000

const pause = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time))

interface Published {
  readonly text: string
  readonly writer: Member | undefined
  /** When it was asked for, and when that was answered. */
  readonly since: number
  readonly at: number
}

interface Peers {
  readonly process: Czmq
  /** A silent client of ours, and a server of ours which publishes. */
  readonly client: CzmqNode
  readonly server: CzmqNode
}

export interface Options {
  /** Tuples a second. */
  readonly rate: number
  /** Milliseconds that one fault may take. */
  readonly longest: number
  readonly verbose: boolean
}

export interface Memory {
  readonly name: string
  readonly veteran: boolean
  readonly before: Figures
  readonly after: Figures
  /** Of the whole run, for a veteran: resident octets and descriptors, oldest first. */
  readonly samples: ReadonlyArray<{ readonly resident: number; readonly descriptors: number }>
}

export interface Result {
  readonly violations: ReadonlyArray<string>
  readonly published: number
  readonly acknowledged: number
  /** Not acknowledged, and gone with their node. */
  readonly lost: number
  readonly settled: number
  readonly slowestAnswer: number
  readonly probes: number
  readonly memory: ReadonlyArray<Memory>
  readonly octets: number
  readonly connections: number
  readonly notes: ReadonlyArray<string>
}

export class Network {
  readonly shape: Plan.Network
  readonly #members: ReadonlyArray<Member>
  readonly #ports: ReadonlyArray<number>
  readonly #relays: ReadonlyArray<Relay>
  readonly #czmq: Peers | undefined
  readonly #scope: Scope.Closeable
  readonly #namespace: Namespace | undefined
  readonly #folder: string
  readonly #worker: string
  readonly #rate: number
  readonly #verbose: boolean
  readonly #violations: Array<string>
  readonly #notes: Array<string>
  readonly #published: Array<Published> = []
  /** When each process was killed. */
  readonly #kills = new Map<Member, Array<number>>()
  readonly #samples = new Map<Member, Array<{ readonly resident: number; readonly descriptors: number }>>()
  #slowest = 0
  #probes = 0
  #over = false

  private constructor(parts: {
    readonly members: ReadonlyArray<Member>
    readonly ports: ReadonlyArray<number>
    readonly relays: ReadonlyArray<Relay>
    readonly czmq: Peers | undefined
    readonly scope: Scope.Closeable
    readonly namespace: Namespace | undefined
    readonly folder: string
    readonly worker: string
    readonly rate: number
    readonly longest: number
    readonly verbose: boolean
    readonly violations: Array<string>
    readonly notes: Array<string>
  }) {
    this.#members = parts.members
    this.#ports = parts.ports
    this.#relays = parts.relays
    this.#czmq = parts.czmq
    this.#scope = parts.scope
    this.#namespace = parts.namespace
    this.#folder = parts.folder
    this.#worker = parts.worker
    this.#rate = parts.rate
    this.#verbose = parts.verbose
    this.#violations = parts.violations
    this.#notes = parts.notes
    this.shape = {
      nodes: count,
      veterans,
      links: this.#relays.length,
      named: edges.findIndex(([from]) => from === namespaced),
      czmq: this.#czmq !== undefined,
      longest: parts.longest,
      without: new Set<Plan.Kind>(this.#namespace === undefined ? ["Disk", "Names"] : [])
    }
  }

  /** Starts everything, and ends when all are linked and know each other's first tuples. */
  static async make({ longest, rate, verbose }: Options): Promise<Network> {
    const folder = mkdtempSync(join(tmpdir(), "zgossip-chaos-"))
    const worker = await bundle()
    const violations: Array<string> = []
    const notes: Array<string> = []
    const violated = (what: string) => {
      violations.push(what)
      console.error(`VIOLATION: ${what}`)
    }
    const ports: Array<number> = []
    while (ports.length < count) ports.push(await freePort())
    const scope = Effect.runSync(Scope.make())
    const czmq = await startCzmq(scope, notes)
    const links = [...edges.map(([, to]) => ports[to]!)]
    if (czmq !== undefined) links.push(ports[1]!, czmq.port)
    const relays = links.map((port) => new Relay(port))
    for (const relay of relays) await relay.listen(await freePort())

    const isolated = new Namespace(folder, `n${namespaced}`)
    const namespace = isolated.works() ? isolated : undefined
    if (namespace === undefined) notes.push("no namespaces here (unshare -Urm): without full disks and lost host names")
    const clock = clockOf(folder, `n${timed}`)
    notes.push(
      clock === undefined
        ? "no libfaketime here: all clocks are set inside the process"
        : `the clock of n${timed} is set by libfaketime, the others inside the process`
    )
    const members = ports.map((port, n) => {
      const connect = edges.flatMap(([from], link) => {
        if (from !== n) return []
        const named = n === namespaced && namespace !== undefined
        return [`tcp://${named ? hostName : "127.0.0.1"}:${relays[link]!.port}`]
      })
      if (n === 2 && czmq !== undefined) connect.push(`tcp://127.0.0.1:${relays[edges.length + 1]!.port}`)
      return new Member({
        name: `n${n}`,
        worker,
        folder,
        violated,
        node: {
          bind: [`tcp://127.0.0.1:${port}`],
          connect,
          // A third forgets silent clients as CZMQ does.
          ...(n % 3 === 0 ? { serverTimeout: 1000 } : {})
        },
        ...(n === poor ? { within: limited(mostDescriptors) } : {}),
        ...(n === namespaced && namespace !== undefined ? { within: namespace.within } : {}),
        ...(n === timed && clock !== undefined ? { env: clock } : {})
      })
    })
    await Promise.all(members.map((member) => member.start()))
    const parts = {
      members,
      ports,
      relays,
      czmq: czmq?.peers,
      scope,
      namespace,
      folder,
      worker,
      rate,
      longest,
      verbose,
      violations,
      notes
    }
    const network = new Network(parts)
    if (czmq !== undefined) {
      await Effect.runPromise(czmq.peers.client.connect(`tcp://127.0.0.1:${relays[edges.length]!.port}`))
    }
    for (const [n, member] of members.entries()) await network.#publish(member, `first-n${n}`, "1")
    const settled = await network.#settle()
    if (settled === undefined) violated("the network did not even come up")
    return network
  }

  async run(plan: ReadonlyArray<Plan.Timed>, duration: number): Promise<Result> {
    const before = await this.#measure()
    const since = performance.now()
    const background = [
      ...this.#members.map((_, n) => this.#publishing(n)),
      this.#publishingCzmq(),
      this.#probing(),
      this.#sampling()
    ]
    const going: Array<Promise<void>> = []
    for (const { at, fault } of plan) {
      await pause(Math.max(0, since + at - performance.now()))
      if (this.#verbose) console.log(`${(at / 1000).toFixed(1)} s: ${JSON.stringify(fault)}`)
      const done = this.#throw(fault).catch((cause: unknown) => {
        if (!(cause instanceof Gone)) this.#violated(`${JSON.stringify(fault)}: ${String(cause)}`)
      })
      going.push(done)
    }
    await pause(Math.max(0, since + duration - performance.now()))
    await Promise.all(going)
    this.#over = true
    await Promise.all(background)
    const settled = await this.#settle()
    if (settled === undefined) await this.#explain()
    await pause(1500) // what closes in the background has closed
    const after = await this.#measure()
    const held = new Set(await this.#members[veterans[0]!]!.ask<ReadonlyArray<string>>("holds"))
    const memory = this.#members.map((member, n): Memory => {
      const [was, is] = [before[n]!, after[n]!]
      return {
        name: member.name,
        veteran: veterans.includes(n),
        before: was,
        after: is,
        samples: this.#samples.get(member) ?? []
      }
    })
    this.#judge(memory)
    const acknowledged = this.#published.filter((it) => this.#isAcknowledged(it))
    return {
      violations: this.#violations,
      published: this.#published.length,
      acknowledged: acknowledged.length,
      lost: this.#published.filter(({ text }) => !held.has(text)).length,
      settled: settled ?? NaN,
      slowestAnswer: this.#slowest,
      probes: this.#probes,
      memory,
      octets: this.#relays.reduce((sum, { octets }) => sum + octets, 0),
      connections: this.#relays.reduce((sum, { connections }) => sum + connections, 0),
      notes: this.#notes
    }
  }

  async close(keep: boolean): Promise<void> {
    await Promise.all(this.#members.map((member) => member.kill()))
    for (const relay of this.#relays) relay.close()
    await Effect.runPromise(Scope.close(this.#scope, Exit.void))
    rmSync(this.#worker, { force: true })
    if (keep) console.error(`logs are in ${this.#folder}`)
    else rmSync(this.#folder, { recursive: true, force: true })
  }

  #violated(what: string): void {
    this.#violations.push(what)
    console.error(`VIOLATION: ${what}`)
  }

  // Publishing and probing

  async #publish(member: Member, key: string, value: string): Promise<void> {
    const since = performance.now()
    await member.ask("publish", key, value)
    this.#published.push({ text: `${key}=${value}`, writer: member, since, at: performance.now() })
  }

  /** Each node has keys of its own, and each key one value: tuples of version 1 cannot say which is the newer one. */
  async #publishing(n: number): Promise<void> {
    const member = this.#members[n]!
    for (let number = 0; !this.#over; number++) {
      await pause((count * 1000) / this.#rate)
      if (!member.alive || member.out) continue
      try {
        await this.#publish(member, `n${n}-${number}`, `${"v".repeat(number % 60)}${number}`)
      } catch (cause) {
        if (!(cause instanceof Gone)) this.#violated(`publish: ${String(cause)}`)
      }
    }
  }

  async #publishingCzmq(): Promise<void> {
    if (this.#czmq === undefined) return
    for (let number = 0; !this.#over; number++) {
      await pause((count * 1000) / this.#rate)
      const since = performance.now()
      await Effect.runPromise(this.#czmq.server.publish(`czmq-${number}`, `${number}`))
      this.#published.push({ text: `czmq-${number}=${number}`, writer: undefined, since, at: performance.now() })
    }
  }

  /** Every node that is not held up has to answer. */
  async #probing(): Promise<void> {
    while (!this.#over) {
      await pause(500)
      await Promise.all(
        this.#members.map(async (member) => {
          if (!member.alive || !member.ready || member.out) return
          const { disturbed, starts } = member
          const since = performance.now()
          try {
            await member.ask("size")
          } catch {
            return // it was killed meanwhile; that it hangs, or ended by itself, is told elsewhere
          }
          if (member.disturbed !== disturbed || member.starts !== starts) return
          this.#probes += 1
          this.#slowest = Math.max(this.#slowest, performance.now() - since)
        })
      )
    }
  }

  async #sampling(): Promise<void> {
    while (!this.#over) {
      for (const n of veterans) {
        const member = this.#members[n]!
        const sample = member.sample()
        if (sample === undefined) continue
        const samples = this.#samples.get(member) ?? []
        samples.push(sample)
        this.#samples.set(member, samples)
      }
      await pause(1000)
    }
  }

  // Faults

  async #throw(fault: Plan.Fault): Promise<void> {
    switch (fault._tag) {
      case "Kill": {
        const member = this.#members[fault.node]!
        const kills = this.#kills.get(member) ?? []
        this.#kills.set(member, [...kills, performance.now()])
        await member.kill()
        await pause(fault.away)
        return member.start()
      }
      case "Stop": {
        const member = this.#members[fault.node]!
        member.stop(true)
        await pause(fault.time)
        return member.stop(false)
      }
      case "Block": {
        const member = this.#members[fault.node]!
        member.out = true
        member.disturbed += 1
        await member.ask("block", fault.time)
        member.disturbed += 1
        member.out = false
        return
      }
      case "Clock":
        return this.#members[fault.node]!.alive ? this.#members[fault.node]!.ask("clock", fault.by) : undefined
      case "Cut":
        return this.#relays[fault.link]!.cut()
      case "Refuse":
      case "Stall":
      case "Delay":
      case "Drop": {
        const relay = this.#relays[fault.link]!
        if (fault._tag === "Refuse") relay.refuse()
        else if (fault._tag === "Stall") relay.stall(fault.ways)
        else if (fault._tag === "Delay") relay.delay(fault.by)
        else relay.drop(fault.ways)
        await pause(fault.time)
        if (fault._tag === "Drop") relay.cut()
        return relay.heal()
      }
      case "Descriptors":
        return this.#exhaust(this.#ports[poor]!, fault.time)
      case "Disk": {
        const member = this.#members[namespaced]!
        if (!member.alive || member.out || this.#namespace === undefined) return
        await member.ask("disk", this.#namespace.disk)
        return
      }
      case "Names":
        this.#namespace?.resolves(false)
        this.#relays[this.shape.named]!.cut()
        await pause(fault.time)
        this.#namespace?.resolves(true)
        return
      case "StopCzmq":
        if (this.#czmq === undefined) return
        await Effect.runPromise(this.#czmq.process.kill("SIGSTOP"))
        await pause(fault.time)
        await Effect.runPromise(this.#czmq.process.kill("SIGCONT"))
    }
  }

  /** More connections than the node has descriptors for, that say nothing. */
  async #exhaust(port: number, time: number): Promise<void> {
    const sockets = Array.from({ length: 2 * mostDescriptors }, (): Socket => {
      const socket = connect(port, "127.0.0.1")
      socket.on("error", () => {})
      return socket
    })
    await pause(time)
    for (const socket of sockets) socket.destroy()
  }

  // The end

  /** Killed within the time of grace after it was published: the only one that knew it may be gone with it. */
  #isAcknowledged({ at, since, writer }: Published): boolean {
    return writer === undefined || !this.#kills.get(writer)?.some((kill) => kill >= since && kill < at + grace)
  }

  async #holdings(): Promise<ReadonlyArray<readonly [name: string, held: ReadonlySet<string>]>> {
    const ours = await Promise.all(
      this.#members.map(async (member) => [member.name, new Set(await member.ask<Array<string>>("holds"))] as const)
    )
    const theirs = this.#czmq === undefined ? [] : [this.#czmq.client, this.#czmq.server]
    return [...ours, ...theirs.map((node) => [`CZMQ ${node.name}`, new Set(node.texts())] as const)]
  }

  /** Milliseconds until all nodes hold the same, and all that was acknowledged. */
  async #settle(): Promise<number | undefined> {
    const since = performance.now()
    while (performance.now() - since < patience) {
      const held = await this.#holdings()
      const wanted = this.#published.filter((it) => this.#isAcknowledged(it))
      const same = new Set(held[0]?.[1])
      const agree = held.every(([, set]) => set.size === same.size && [...set].every((text) => same.has(text)))
      if (agree && wanted.every(({ text }) => same.has(text))) {
        return performance.now() - since
      }
      await pause(250)
    }
    return undefined
  }

  async #explain(): Promise<void> {
    const held = await this.#holdings()
    const all = new Set(held.flatMap(([, set]) => [...set]))
    const wanted = new Set(this.#published.filter((it) => this.#isAcknowledged(it)).map(({ text }) => text))
    for (const text of wanted) all.add(text)
    for (const [name, set] of held) {
      const missing = [...all].filter((text) => !set.has(text))
      if (missing.length === 0) continue
      const acknowledged = missing.filter((text) => wanted.has(text)).length
      this.#violated(
        `after ${patience} ms ${name} lacks ${missing.length} tuples, ${acknowledged} of them acknowledged: ` +
          missing.slice(0, 5).join(" ").slice(0, 200)
      )
    }
  }

  #measure(): Promise<ReadonlyArray<Figures>> {
    return Promise.all(this.#members.map((member) => member.ask<Figures>("measure")))
  }

  #judge(memory: ReadonlyArray<Memory>): void {
    for (const { after, before, name, veteran } of memory) {
      if (after.descriptors > before.descriptors + 4) {
        this.#violated(`${name} has ${after.descriptors} descriptors, and had ${before.descriptors} on the same links`)
      }
      if (after.fibers > before.fibers + 4) {
        this.#violated(`${name} has ${after.fibers} fibers, and had ${before.fibers} on the same links`)
      }
      // What is held has its price; what is beyond it was not given back.
      const allowed = before.heap + 1024 * this.#published.length + 4 * 1024 * 1024
      if (veteran && after.heap > allowed) {
        this.#violated(
          `${name} has ${after.heap} octets in use, had ${before.heap}, and holds ${this.#published.length}`
        )
      }
    }
  }
}

const startCzmq = async (
  scope: Scope.Scope,
  notes: Array<string>
): Promise<{ readonly peers: Peers; readonly port: number } | undefined> => {
  const found = Czmq.availability()
  if (!found.available) {
    notes.push(`without CZMQ's nodes: ${found.reason}`)
    return undefined
  }
  return Effect.runPromise(
    Effect.gen(function* () {
      const process = yield* Czmq.make
      const client = yield* process.node("client")
      const server = yield* process.node("server")
      const port = yield* server.bind("tcp://127.0.0.1:!")
      return { peers: { process, client, server }, port }
    }).pipe(Scope.provide(scope))
  )
}
