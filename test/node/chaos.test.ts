/**
 * Everything at once, from seeds: nodes that are killed and come back with nothing, machines that sleep, clocks that are
 * set, links that are cut, stalled and slow, partitions, and all of them publish meanwhile. Then all is well again, and
 * every live node holds every tuple that was not known to a killed node alone; nothing is left over of what broke.
 *
 * A seed that fails fails again: `ZGOSSIP_SEED=107 ZGOSSIP_SEEDS=1` runs that one alone.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Metric, type Scope } from "effect"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import { Machine } from "./Machine.ts"
import {
  assertSilent,
  at,
  generator,
  knows,
  type Network,
  type Node,
  pass,
  quiet,
  randomEdges,
  settle,
  start
} from "./support.ts"

/** Counts the fibers that are there. */
const countFibers = () => {
  let count = 0
  const service: Metric.FiberRuntimeMetricsService = {
    recordFiberStart: () => void (count += 1),
    recordFiberEnd: () => void (count -= 1)
  }
  return { service, count: () => count }
}

interface Host {
  readonly name: string
  readonly machine: Machine
  /** Undefined while it is away. */
  node: Node | undefined
  /** It sleeps, or is away, until then. */
  until: number
}

/** What is made of a seed: hosts, who connects to whom, and how their servers and links are. */
class World {
  readonly hosts: ReadonlyArray<Host>
  readonly edges: ReturnType<typeof randomEdges>
  readonly random: () => number
  readonly network: Network
  /** Of the tuples that were published, those that are not lost by their nature. */
  readonly expected = new Set<string>()
  /** What ends later, and when. */
  readonly ends: Array<{ readonly due: number; readonly run: Effect.Effect<void, unknown, Scope.Scope> }> = []
  now = 0
  readonly #seed: number

  constructor(seed: number, network: Network, machines: ReadonlyArray<Machine>, random: () => number) {
    this.#seed = seed
    this.network = network
    this.random = random
    this.hosts = machines.map((machine, n) => ({ name: `n${n}`, machine, node: undefined, until: 0 }))
    this.edges = randomEdges(machines.length, Math.ceil(machines.length / 2), random)
  }

  static readonly make = (seed: number) =>
    Effect.gen(function* () {
      const random = generator(seed)
      const network = yield* MemoryNetwork.make({ seed, latency: { min: 0, max: 20 } })
      const count = 5 + Math.floor(random() * 16)
      const machines = yield* Effect.replicateEffect(Machine.make, count)
      return new World(seed, network, machines, random)
    })

  upTo(limit: number): number {
    return Math.floor(this.random() * limit)
  }

  endpoint(n: number): string {
    return this.#seed % 3 === 0 ? `inproc://n${n}` : `tcp://n${n}:${5000 + n}`
  }

  start(n: number) {
    return Effect.gen({ self: this }, function* () {
      const host = at(this.hosts, n)
      const connect = this.edges.flatMap(([from, to]) => (from === n ? [this.endpoint(to)] : []))
      // A third of the servers forgets silent clients.
      const settings = (n + this.#seed) % 3 === 0 ? { serverTimeout: 1000 } : {}
      host.node = yield* start(this.network, host.name, { endpoint: this.endpoint(n), connect, ...settings }).pipe(
        Effect.provideService(Clock.Clock, host.machine.clock)
      )
    })
  }

  /** Its connections break before it ends: nobody hears a last word. What nobody else knows is lost, if it was. */
  kill(n: number) {
    return Effect.gen({ self: this }, function* () {
      const host = at(this.hosts, n)
      if (host.node === undefined) return
      const held = new Set(yield* knows(host.node.gossip))
      for (const other of this.hosts) {
        if (other !== host) yield* this.network.cut(host.name, other.name)
        if (other === host || other.node === undefined) continue
        for (const tuple of yield* knows(other.node.gossip)) held.delete(tuple)
      }
      for (const tuple of held) this.expected.delete(tuple)
      yield* host.node.close
      host.node = undefined
    })
  }

  stall(from: string, to: string, stalled: boolean) {
    return stalled ? this.network.stall(from, to) : this.network.resume(from, to)
  }

  /** What goes to a machine that sleeps, or comes from it. */
  isolate(name: string, asleep: boolean) {
    return Effect.forEach(
      this.hosts.filter((other) => other.name !== name),
      (other) => Effect.andThen(this.stall(name, other.name, asleep), this.stall(other.name, name, asleep)),
      { discard: true }
    )
  }

  sleep(n: number, asleep: boolean) {
    const { machine, name } = at(this.hosts, n)
    return Effect.andThen(this.isolate(name, asleep), asleep ? machine.sleep : machine.wake)
  }

  /** Ends partitions and stalls. Those that sleep go on sleeping. */
  heal() {
    const asleep = this.hosts.filter(({ machine }) => machine.asleep)
    return Effect.andThen(
      this.network.heal,
      Effect.forEach(asleep, ({ name }) => this.isolate(name, true), { discard: true })
    )
  }

  publish(n: number, round: number) {
    return Effect.gen({ self: this }, function* () {
      const { node } = at(this.hosts, n)
      if (node === undefined) return
      const keys = Array.from({ length: 1 + this.upTo(10) }, (_, burst) => `${round}-${n}-${burst}`)
      yield* node.gossip.publishAll(keys.map((key) => [key, node.name] as const))
      for (const key of keys) this.expected.add(`${key}=${node.name}`)
    })
  }

  /** One thing that goes wrong, or a few tuples. */
  throw(round: number): Effect.Effect<void, unknown, Scope.Scope> {
    const n = this.upTo(this.hosts.length)
    const host = at(this.hosts, n)
    const [from, to] = at(this.edges, this.upTo(this.edges.length))
    const [one, other] = [at(this.hosts, from).name, at(this.hosts, to).name]
    const time = this.random() < 0.2 ? this.upTo(15_000) : this.upTo(2500)
    const later = (run: Effect.Effect<void, unknown, Scope.Scope>) =>
      Effect.sync(() => void this.ends.push({ due: this.now + time, run }))
    const chance = this.random()
    if (chance < 0.1) {
      if (host.until > this.now) return Effect.void
      host.until = this.now + time
      return Effect.andThen(this.kill(n), later(this.start(n)))
    }
    if (chance < 0.2) {
      if (host.until > this.now || host.node === undefined) return Effect.void
      host.until = this.now + time
      return Effect.andThen(this.sleep(n, true), later(this.sleep(n, false)))
    }
    // Not while it sleeps, or as it wakes: set back by as much as it slept, no clock would tell.
    if (chance < 0.3) {
      const by = (this.random() - 0.5) * 1e8
      return Effect.sync(() => void (host.machine.wrong = this.now > host.until + 500 ? by : host.machine.wrong))
    }
    if (chance < 0.4) return this.network.cut(one, other)
    if (chance < 0.55) {
      const [a, b] = this.random() < 0.5 ? [one, other] : [other, one]
      return Effect.andThen(this.stall(a, b, true), later(this.stall(a, b, false)))
    }
    if (chance < 0.6) {
      const names = this.hosts.map(({ name }) => name)
      const [left, right] = [names.slice(0, n), names.slice(n)]
      return Effect.andThen(
        this.network.partition(left, right, this.random() < 0.5 ? "cut" : "stall"),
        later(Effect.suspend(() => this.heal()))
      )
    }
    return this.publish(n, round)
  }

  /** Lets time pass, and what ends meanwhile end. */
  pass(time: number) {
    return Effect.gen({ self: this }, function* () {
      const end = this.now + time
      for (;;) {
        const next = this.ends.filter(({ due }) => due <= end).toSorted((a, b) => a.due - b.due)[0]
        yield* pass(this.network, Math.max(0, Math.min(next?.due ?? end, end) - this.now))
        this.now = Math.max(this.now, Math.min(next?.due ?? end, end))
        if (next === undefined) return
        this.ends.splice(this.ends.indexOf(next), 1)
        yield* next.run
      }
    })
  }

  get nodes(): ReadonlyArray<Node> {
    return this.hosts.map(({ name, node }) => node ?? assert.fail(`${name} is away`))
  }
}

describe("chaos", () => {
  const first = Number(process.env["ZGOSSIP_SEED"] ?? 300)
  const seeds = Array.from({ length: Number(process.env["ZGOSSIP_SEEDS"] ?? 1) }, (_, n) => first + n)

  it.effect.each(seeds)("everything at once, seed %i: nothing is lost, nothing is left over", (seed) =>
    Effect.gen(function* () {
      const world = yield* World.make(seed)
      const { edges, hosts, network } = world
      const fibers = countFibers()
      yield* Effect.gen(function* () {
        for (let n = 0; n < hosts.length; n++) yield* world.start(n)
        yield* quiet(network)
        const calm = fibers.count()

        for (let round = 0; round < 80; round++) {
          yield* world.throw(round)
          yield* world.pass(world.random() < 0.1 ? 1500 : world.upTo(150))
        }
        yield* world.pass(15_000)
        assert.deepStrictEqual(world.ends, [])
        yield* world.heal()
        // The longest time between two attempts to connect, and the ten timeouts between two doubts.
        yield* pass(network, 12_000)
        yield* quiet(network)

        const all = yield* knows(at(world.nodes, 0).gossip)
        for (const { gossip, name } of world.nodes) assert.deepStrictEqual(yield* knows(gossip), all, name)
        assert.deepStrictEqual(
          [...world.expected].filter((tuple) => !all.includes(tuple)),
          []
        )
        for (const { name, seen } of world.nodes) assert.strictEqual(new Set(seen).size, seen.length, name)

        yield* assertSilent(network, edges.length, 4)
        let [members, peers] = [0, 0]
        for (const { gossip, name } of world.nodes) {
          const { counters, listeners, remotes } = yield* gossip.status
          assert.deepInclude(counters, { defects: 0, repliesDropped: 0 }, name)
          for (const { endpoint, state } of remotes) assert.strictEqual(state, "Connected", `${name} to ${endpoint}`)
          for (const listener of listeners) [members, peers] = [members + listener.members, peers + listener.peers]
        }
        assert.deepStrictEqual({ members, peers }, { members: edges.length, peers: edges.length })
        assert.deepInclude(yield* network.status, { listeners: hosts.length, connections: edges.length })
        assert.strictEqual(fibers.count(), calm, "fibers of the same network before the faults, and now")
      }).pipe(Effect.scoped, Effect.provideService(Metric.FiberRuntimeMetrics, fibers.service))
      yield* settle(network)
      assert.deepInclude(yield* network.status, { listeners: 0, connections: 0 })
      assert.strictEqual(fibers.count(), 0, "fibers when all nodes are closed")
    })
  )

  it.effect.each(seeds)("the end of all nodes in the middle of it, seed %i: no fiber, no socket", (seed) =>
    Effect.gen(function* () {
      const world = yield* World.make(seed)
      const fibers = countFibers()
      yield* Effect.gen(function* () {
        for (let n = 0; n < world.hosts.length; n++) yield* world.start(n)
        for (let round = 0; round < 30; round++) {
          yield* world.throw(round)
          yield* world.pass(world.upTo(100))
        }
      }).pipe(Effect.scoped, Effect.provideService(Metric.FiberRuntimeMetrics, fibers.service))
      yield* settle(world.network)
      assert.deepInclude(yield* world.network.status, { listeners: 0, connections: 0 })
      assert.strictEqual(fibers.count(), 0)
      const { sent } = yield* world.network.status
      yield* pass(world.network, 60_000)
      assert.strictEqual((yield* world.network.status).sent, sent, "nothing goes on")
    })
  )
})
