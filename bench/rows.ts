/**
 * The rows of the table, each a piece of work for either implementation.
 */
import { Effect, type Scope } from "effect"
import { BenchError, type Host, type Implementation, keyPrefix, type Node } from "./Implementation.ts"
import { type Relay, relay } from "./Relay.ts"

/** One figure of a row. */
export interface Metric {
  readonly name: string
  readonly unit: string
  readonly better: "more" | "less"
}

/** Does the work once, and gives a figure for each metric. A warm-up may do less of it. */
export type Round = (warmUp: boolean) => Effect.Effect<ReadonlyArray<number>, BenchError>

export interface Row {
  /** For --only. */
  readonly id: string
  readonly metrics: ReadonlyArray<Metric>
  /** At most so many rounds, where they take long or do not differ. */
  readonly rounds?: number
  /** No warm-up where processes are new in each round, or nothing is timed. */
  readonly cold?: boolean
  /** Left out by --quick. */
  readonly slow?: boolean
  /** Starts what all rounds share; closing the scope ends it. */
  readonly prepare: (implementation: Implementation) => Effect.Effect<Round, BenchError, Scope.Scope>
}

const perSecond = (count: number, from: number, to: number): number => count / ((to - from) / 1e9)

const nodes = (host: Host, count: number): Effect.Effect<ReadonlyArray<Node>, BenchError> =>
  Effect.replicateEffect(host.node, count)

const all = <A>(effects: Iterable<Effect.Effect<A, BenchError>>): Effect.Effect<ReadonlyArray<A>, BenchError> =>
  Effect.all(effects, { concurrency: "unbounded" })

/** Looks every millisecond until it is true. */
const until = (what: string, check: () => boolean, seconds = 60): Effect.Effect<void, BenchError> =>
  Effect.gen(function* () {
    const deadline = performance.now() + seconds * 1000
    while (!check()) {
      if (performance.now() > deadline) return yield* new BenchError({ message: `${what}: not in ${seconds} s` })
      yield* Effect.sleep(1)
    }
  })

// ---------------------------------------------------------------------------------------------------------------------
// HELLO sync

/** Two processes. An empty node connects to one that has the tuples. */
const syncDown = (count: number): Row => ({
  id: `sync-down-${count / 1000}k`,
  metrics: [{ name: `HELLO sync, the server has ${count / 1000}k`, unit: "tuples/s", better: "more" }],
  prepare: Effect.fnUntraced(function* (implementation) {
    const server = yield* (yield* implementation.host("sync-server")).node
    const clients = yield* implementation.host("sync-client")
    const endpoint = yield* server.bind
    yield* server.publishMany(keyPrefix("down"), count)
    yield* server.awaitCount(count)
    return () =>
      Effect.gen(function* () {
        const client = yield* clients.node
        const from = yield* client.connect(endpoint)
        const to = yield* client.awaitCount(count)
        yield* client.destroy
        return [perSecond(count, from, to)]
      })
  })
})

/** Two processes. A node that has the tuples connects to an empty one. */
const syncUp = (count: number): Row => ({
  id: `sync-up-${count / 1000}k`,
  metrics: [{ name: `HELLO sync, the client has ${count / 1000}k`, unit: "tuples/s", better: "more" }],
  prepare: Effect.fnUntraced(function* (implementation) {
    const servers = yield* implementation.host("sync-server")
    const clients = yield* implementation.host("sync-client")
    return () =>
      Effect.gen(function* () {
        const client = yield* clients.node
        yield* client.publishMany(keyPrefix("up"), count)
        yield* client.awaitCount(count)
        const server = yield* servers.node
        const endpoint = yield* server.bind
        const from = yield* client.connect(endpoint)
        const to = yield* server.awaitCount(count)
        yield* client.destroy
        yield* server.destroy
        return [perSecond(count, from, to)]
      })
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Live tuples

/**
 * The hub in a process of its own; the publishing leaf and the others spread evenly over `processes` more. From the
 * first PUBLISH command to the last delivery at the last leaf.
 */
const fanOut = (leaves: number, processes: number): Row => ({
  id: `fan-out-${leaves}`,
  metrics: [
    {
      name: `live, one leaf to ${leaves} ${leaves === 1 ? "other" : "others"} through a hub`,
      unit: "deliveries/s",
      better: "more"
    }
  ],
  rounds: leaves > 10 ? 3 : Infinity,
  slow: leaves > 10,
  prepare: Effect.fnUntraced(function* (implementation) {
    const hub = yield* (yield* implementation.host("hub")).node
    const hosts = yield* Effect.forEach(Array.from({ length: Math.min(processes, leaves) }), () =>
      implementation.host("leaves")
    )
    const endpoint = yield* hub.bind
    const publisher = yield* hosts[0]!.node
    const others = yield* Effect.forEach(Array.from({ length: leaves }), (_, i) => hosts[(i + 1) % hosts.length]!.node)
    yield* Effect.forEach([publisher, ...others], (leaf) => leaf.connect(endpoint))
    // Who has the probe has said HELLO, and is told of everything from now on.
    yield* hub.publish("probe", "v")
    yield* all([publisher, ...others].map((leaf) => leaf.awaitCount(1)))
    let published = 1
    let round = 0
    return (warmUp) =>
      Effect.gen(function* () {
        const count = warmUp ? 2_000 : 20_000
        published += count
        const reached = others.map((leaf) => leaf.awaitCount(published))
        const [from, ...to] = yield* all([publisher.publishMany(keyPrefix("live", ++round), count), ...reached])
        yield* publisher.awaitCount(published)
        return [perSecond(count * leaves, from!, Math.max(...to))]
      })
  })
})

/** Ten nodes in a row, in as many processes as said. From the PUBLISH command at the first to the delivery at the last. */
const chain = (length: number, processes: number): Row => ({
  id: processes === 1 ? "latency" : `latency-${processes}`,
  metrics: [0.5, 0.99].map((quantile) => ({
    name: `chain of ${length}, ${processes === 1 ? "one process" : `${processes} processes`}, p${quantile * 100}`,
    unit: "ms",
    better: "less"
  })),
  prepare: Effect.fnUntraced(function* (implementation) {
    const hosts = yield* Effect.forEach(Array.from({ length: processes }), () => implementation.host("chain"))
    const all = yield* Effect.forEach(Array.from({ length }), (_, i) => hosts[i % hosts.length]!.node)
    for (let i = 1; i < length; i++) yield* all[i]!.connect(yield* all[i - 1]!.bind)
    const first = all[0]!
    const last = all[length - 1]!
    yield* first.publish("probe", "v")
    yield* last.awaitCount(1)
    let published = 1
    return () =>
      Effect.gen(function* () {
        const samples: Array<number> = []
        while (samples.length < 200) {
          published += 1
          const key = keyPrefix("chain") + String(published).padStart(6, "0")
          const [to, from] = yield* Effect.all([last.awaitCount(published), first.publish(key, "v".repeat(32))], {
            concurrency: "unbounded"
          })
          samples.push((to - from) / 1e6)
          yield* Effect.sleep(1)
        }
        samples.sort((a, b) => a - b)
        return [0.5, 0.99].map((quantile) => samples[Math.ceil(samples.length * quantile) - 1]!)
      })
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Frames

type Pairs = ReadonlyArray<readonly [client: number, server: number]>

const mesh = (size: number): Pairs =>
  Array.from({ length: size }).flatMap((_, server) =>
    Array.from({ length: size - server - 1 }, (_, i) => [server + 1 + i, server] as const)
  )

const ring = (size: number): Pairs => Array.from({ length: size }, (_, i) => [i, (i + 1) % size] as const)

/** All nodes in one process, a counting relay in front of each. Frames with tuples, of a few that are published in turn. */
const frames = (id: string, name: string, size: number, pairs: Pairs): Row => ({
  id,
  metrics: [{ name, unit: "frames/tuple", better: "less" }],
  rounds: 1,
  cold: true,
  prepare: Effect.fnUntraced(function* (implementation) {
    const all = yield* nodes(yield* implementation.host("nodes"), size)
    const relays = yield* Effect.forEach(all, (node) => Effect.flatMap(node.bind, relay))
    yield* Effect.forEach(pairs, ([client, server]) => all[client]!.connect(relays[server]!.endpoint))
    const total = (of: (link: Relay["links"][number]) => number) =>
      relays.flatMap(({ links }) => links).reduce((sum, link) => sum + of(link), 0)
    yield* until("the links", () => total(({ toServer }) => toServer.hellos) >= pairs.length)
    yield* Effect.sleep(500) // until the servers have read them
    const tuples = 10
    return () =>
      Effect.gen(function* () {
        const news = () => total(({ toClient, toServer }) => toClient.news + toServer.news)
        const before = news()
        for (let i = 1; i <= tuples; i++) {
          yield* all[0]!.publish(`${keyPrefix("frames")}${String(i).padStart(6, "0")}`, "v".repeat(32))
          yield* Effect.forEach(all, (node) => node.awaitCount(i), { concurrency: "unbounded" })
        }
        yield* Effect.sleep(500) // what is still under way
        return [(news() - before) / tuples]
      })
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Coming back

/**
 * Two processes that have the same tuples, and a relay that breaks the connection between them. From the moment it
 * accepts the next connection until both are in sync: once the server has begun to speak each side publishes one tuple,
 * which comes behind all that it had to say, and the other side gets it.
 */
const rejoin = (count: number): Row => ({
  id: "rejoin",
  metrics: [
    { name: `rejoin with ${count / 1000}k unchanged, until in sync`, unit: "ms", better: "less" },
    { name: `rejoin with ${count / 1000}k unchanged, on the wire`, unit: "kB", better: "less" }
  ],
  prepare: Effect.fnUntraced(function* (implementation) {
    const server = yield* (yield* implementation.host("rejoin-server")).node
    const client = yield* (yield* implementation.host("rejoin-client")).node
    const { cut, endpoint, links } = yield* Effect.map(Effect.flatMap(server.bind, relay), (relay) => ({
      cut: () => relay.cut(),
      endpoint: relay.endpoint,
      links: relay.links
    }))
    yield* server.publishMany(keyPrefix("rejoin"), count)
    yield* server.awaitCount(count)
    yield* client.connect(endpoint)
    yield* client.awaitCount(count)
    yield* Effect.sleep(1000) // our client learns with its next PONGs what the server has
    let held = count
    let round = 0
    return () =>
      Effect.gen(function* () {
        const before = links.length
        cut()
        // Servers of ours do not dump: they say PONG.
        yield* until("a new connection", () => {
          const { pongs = 0, news = 0 } = links[before]?.toClient ?? {}
          return news > 0 || pongs > 0
        })
        const link = links[before]!
        round += 1
        held += 2
        const [atServer, atClient] = yield* all([
          server.awaitCount(held),
          client.awaitCount(held),
          server.publish(`from the server ${round}`, "v"),
          client.publish(`from the client ${round}`, "v")
        ])
        yield* Effect.sleep(1000) // the rest of an echo, and the PONGs again
        return [
          (Math.max(atServer!, atClient!) - link.acceptedAt) / 1e6,
          (link.toServer.octets + link.toClient.octets) / 1e3
        ]
      })
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Memory

/**
 * Resident memory of a process of its own, per tuple: published there, or received with HELLO. What a process takes
 * once is not counted, as another node of it has done the same with a few tuples before.
 */
const memory = (id: string, name: string, count: number, received: boolean): Row => ({
  id,
  metrics: [
    { name: `${name}, resident`, unit: "octets/tuple", better: "less" },
    { name: `${name}, in use on V8's heap`, unit: "octets/tuple", better: "less" }
  ],
  rounds: 3,
  cold: true,
  prepare: (implementation) =>
    Effect.succeed(() =>
      Effect.gen(function* () {
        const host = yield* implementation.host("memory")
        const fill = Effect.fnUntraced(function* (count: number) {
          const node = yield* host.node
          const source = received ? yield* (yield* implementation.host("memory-source")).node : node
          yield* source.publishMany(keyPrefix("memory"), count)
          yield* source.awaitCount(count)
          if (received) yield* node.connect(yield* source.bind)
          yield* node.awaitCount(count)
          return node
        })
        yield* (yield* fill(count / 50)).destroy
        const before = yield* host.memory
        yield* fill(count)
        const after = yield* host.memory
        return [(after.resident - before.resident) / count, (after.heap - before.heap) / count]
      }).pipe(Effect.scoped)
    )
})

/** `processors` is how many of the machine's the leaves of a fan-out may keep busy. */
export const rows = (processors: number): ReadonlyArray<Row> => [
  syncDown(10_000),
  syncDown(100_000),
  syncUp(10_000),
  syncUp(100_000),
  fanOut(1, processors),
  fanOut(10, processors),
  fanOut(50, processors),
  chain(10, 1),
  chain(10, 2),
  frames("frames-mesh", "frames with tuples in a mesh of 10, 45 links", 10, mesh(10)),
  frames("frames-ring", "frames with tuples in a ring of 50", 50, ring(50)),
  rejoin(100_000),
  memory("memory-published", "memory, 100k published", 100_000, false),
  memory("memory-received", "memory, 100k received", 100_000, true)
]
