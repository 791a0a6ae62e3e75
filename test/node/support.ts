/**
 * Nodes on the in-memory network, under the `TestClock`: to start and to stop them, to link them, to wait until they
 * have nothing more to say, and to compare what they know.
 */
import { assert } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, Logger, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Gossip from "../../src/Gossip.ts"
import type * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import type { Tuple } from "../../src/protocol/Tuple.ts"
import * as Endpoint from "../../src/protocol/Endpoint.ts"
import type { Transport } from "../../src/services/Transport.ts"
import { show } from "../interop/RawPeer.ts"

export type Network = MemoryNetwork.MemoryNetwork["Service"]
export type Service = Gossip.Gossip["Service"]

// ---------------------------------------------------------------------------------------------------------------------
// Nodes

export interface Node {
  readonly name: string
  /** Where it serves. */
  readonly endpoint: string
  readonly gossip: Service
  /** Every delivery since it was started, as `key=value`. */
  readonly seen: ReadonlyArray<string>
  /** Closes the scope of the node, as the end of its program would. */
  readonly close: Effect.Effect<void>
}

export interface NodeOptions extends Gossip.Options {
  /** Where to serve, instead of `inproc://name`; `none` for nowhere. */
  readonly endpoint?: string
}

export const write = ({ key, value }: Tuple): string => `${key}=${value}`

/** The service of a layer, until the scope ends. */
export const build = <E>(layer: Layer.Layer<Gossip.Gossip, E>): Effect.Effect<Service, E, Scope.Scope> =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, Gossip.Gossip))

/**
 * A node that serves on `inproc://name`. Its deliveries are noted from its first tuple on. It ends with the test, or
 * when it is closed.
 */
export const start = (network: Network, name: string, options: NodeOptions = {}) =>
  Effect.gen(function* () {
    const { bind = [], connect = [], publish = {}, endpoint = `inproc://${name}`, ...settings } = options
    const scope = yield* Scope.fork(yield* Effect.scope)
    const seen: Array<string> = []
    const gossip = yield* Effect.gen(function* () {
      const gossip = yield* build(Gossip.layerMemory(network, { host: name, ...settings }))
      const deliveries = yield* gossip.subscribe
      yield* deliveries.pipe(
        Stream.runForEachArray((tuples) => Effect.sync(() => seen.push(...tuples.map(write)))),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* gossip.publishAll(Symbol.iterator in publish ? publish : Object.entries(publish))
      if (endpoint !== "none") yield* gossip.bind(endpoint)
      yield* Effect.forEach(bind, gossip.bind)
      yield* Effect.forEach(connect, gossip.connect)
      return gossip
    }).pipe(Scope.provide(scope))
    const node: Node = { name, endpoint, gossip, seen, close: Scope.close(scope, Exit.void) }
    return node
  })

/** Nodes n0, n1, ... that serve where `endpoints` says. */
export const startAll = (
  network: Network,
  count: number,
  { endpoints, ...options }: NodeOptions & { readonly endpoints?: (n: number) => string } = {}
) =>
  Effect.forEach(
    Array.from({ length: count }, (_, n) => n),
    (n) => start(network, `n${n}`, endpoints === undefined ? options : { ...options, endpoint: endpoints(n) })
  )

/** The first of each pair connects to the second. */
export type Edges = ReadonlyArray<readonly [from: number, to: number]>

export const chain = (count: number): Edges => Array.from({ length: count - 1 }, (_, n) => [n + 1, n])
export const star = (count: number): Edges => Array.from({ length: count - 1 }, (_, n) => [n + 1, 0])
export const ring = (count: number): Edges => Array.from({ length: count }, (_, n) => [n, (n + 1) % count])
export const mesh = (count: number): Edges =>
  Array.from({ length: count }, (_, to) =>
    Array.from({ length: count - to - 1 }, (_, n) => [to + n + 1, to] as const)
  ).flat()

/** A connected graph: a random tree, and a few links more. */
export const randomEdges = (count: number, more: number, random: () => number): Edges => {
  const edges = new Map<string, readonly [number, number]>()
  const add = (a: number, b: number) => {
    // One link for two nodes, whoever of them connects.
    if (a !== b) edges.set(`${Math.min(a, b)}-${Math.max(a, b)}`, random() < 0.5 ? [a, b] : [b, a])
  }
  for (let n = 1; n < count; n++) add(n, Math.floor(random() * n))
  while (edges.size < count - 1 + more) add(Math.floor(random() * count), Math.floor(random() * count))
  return Array.from(edges.values())
}

/** A linear congruential generator: good enough to draw a graph, and the same everywhere. */
export const generator = (seed: number) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 2 ** 32
}

export const link = (nodes: ReadonlyArray<Node>, edges: Edges) =>
  Effect.forEach(edges, ([from, to]) => at(nodes, from).gossip.connect(at(nodes, to).endpoint), { discard: true })

/** Every node publishes `prefix-name` once, with its name. */
export const publishEach = (nodes: ReadonlyArray<Node>, prefix: string) =>
  Effect.forEach(nodes, ({ gossip, name }) => gossip.publish(`${prefix}-${name}`, name), { discard: true })

export const at = <A>(all: ReadonlyArray<A>, index: number): A =>
  all.at(index) ?? assert.fail(`there is no number ${index}`)

// ---------------------------------------------------------------------------------------------------------------------
// Time

/** Message ids. */
export const HELLO = 1
export const PUBLISH = 2
export const PING = 3
export const PONG = 4
export const INVALID = 5
/** PING and PONG that carry something. */
export const CARGO = 6

/** Lets happen whatever can without time going by. */
export const settle = (network: Network): Effect.Effect<void> =>
  Effect.gen(function* () {
    let before = -1
    for (let still = 0; still < 30; still++) {
      yield* Effect.yieldNow
      const { connections, delivered, dropped, sent } = yield* network.status
      const now = sent + delivered + dropped + connections
      if (now !== before) still = 0
      before = now
    }
  })

export const pass = (network: Network, milliseconds: number): Effect.Effect<void> =>
  settle(network).pipe(Effect.andThen(TestClock.adjust(milliseconds)), Effect.andThen(settle(network)))

/** Frames delivered so far that are no heartbeat. */
export const news = (network: Network): Effect.Effect<number> =>
  Effect.map(
    Effect.forEach([HELLO, PUBLISH, INVALID, CARGO], (id) => network.count({ id })),
    (counts) => counts.reduce((a, b) => a + b)
  )

/** Lets time pass until a second goes by with nothing but heartbeats on the wire. */
export const quiet = (network: Network, limit = 60_000): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let waited = 0; waited < limit; waited += 1000) {
      const before = yield* news(network)
      yield* pass(network, 1000)
      if (before === (yield* news(network))) return
    }
    assert.fail(`${limit} milliseconds, and the network is not quiet`)
  })

/** The new frames of one kind that something costs, until the network is quiet again. */
export const cost = <A, E, R>(network: Network, id: number, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* network.count({ id })
    yield* effect
    yield* quiet(network)
    return (yield* network.count({ id })) - before
  })

// ---------------------------------------------------------------------------------------------------------------------
// What nodes know

/** What a node holds, as sorted `key=value`. */
export const knows = (gossip: Service) => Effect.map(gossip.entries, (tuples) => tuples.map(write).sort())

/** All nodes hold the same, and it is this where it is given. */
export const assertSame = (nodes: ReadonlyArray<Node>, expected?: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const same = expected?.toSorted() ?? (yield* knows(at(nodes, 0).gossip))
    for (const { gossip, name } of nodes) assert.deepStrictEqual(yield* knows(gossip), same, `what ${name} holds`)
  })

/** Every node was told of these tuples, of each exactly once, and of no others. */
export const assertSeenOnce = (nodes: ReadonlyArray<Node>, expected: ReadonlyArray<string>) => {
  const sorted = expected.toSorted()
  for (const { name, seen } of nodes) assert.deepStrictEqual(seen.toSorted(), sorted, `what ${name} was told`)
}

/** A node PINGs each of its remotes at a quarter of the timeout it reckons with, 1000 ms. */
const pingInterval = 250

/** What every node published, and `prefix` says. */
export const published = (nodes: ReadonlyArray<Node>, prefix: string) =>
  nodes.map(({ name }) => `${prefix}-${name}=${name}`)

/** From now on there are heartbeats at their rate, and nothing else. */
export const assertSilent = (network: Network, links: number, periods = 12) =>
  Effect.gen(function* () {
    const [before, all] = [yield* news(network), yield* network.count()]
    yield* pass(network, periods * pingInterval)
    assert.strictEqual(yield* news(network), before)
    // One PING and one PONG each time on each link; one may be under way at either end.
    const beats = (yield* network.count()) - all
    assert.isAtMost(beats, 2 * (periods + 1) * links)
    assert.isAtLeast(beats, 2 * (periods - 1) * links)
  })

/** A flood without echoes: every node tells every link but the one it heard from. */
export const flood = (nodes: number, links: number) => 2 * links - (nodes - 1)

// ---------------------------------------------------------------------------------------------------------------------
// Raw peers, and logs

export const endpointOf = (text: string): Endpoint.Endpoint => {
  const parsed = Endpoint.parseBind(text)
  return parsed._tag === "Success" ? parsed.success : assert.fail(parsed.failure.message)
}

const text = (frames: ReadonlyArray<Uint8Array>): string => frames.map((frame) => show(Buffer.from(frame))).join(" | ")

/** A client that says what it is told to say. `heard` is all it got; `take` gives what came since the last time. */
export const rawClient = (transport: Transport["Service"], endpoint: string) =>
  Effect.gen(function* () {
    const connection = yield* transport.connect(endpointOf(endpoint))
    const heard: Array<string> = []
    let taken = 0
    yield* connection.receive.pipe(
      Effect.tap((messages) => Effect.sync(() => heard.push(...messages.map(text)))),
      Effect.forever,
      Effect.ignore,
      Effect.forkScoped({ startImmediately: true })
    )
    return {
      say: (...frames: ReadonlyArray<Uint8Array>) => connection.send(frames),
      heard,
      take: () => {
        const since = heard.slice(taken)
        taken = heard.length
        return since
      }
    }
  })

/** A server that notes what its peers say, as `[peer, message]`; the peers are numbered from 1. */
export const rawServer = (transport: Transport["Service"], endpoint: string) =>
  Effect.gen(function* () {
    const listener = yield* transport.bind(endpointOf(endpoint))
    const heard: Array<string> = []
    const peers: Array<string> = []
    let taken = 0
    yield* listener.receive.pipe(
      Effect.tap((events) =>
        Effect.sync(() => {
          for (const event of events) {
            if (!peers.includes(event.peer)) peers.push(event.peer)
            heard.push(event._tag === "Gone" ? "gone" : text(event.frames))
          }
        })
      ),
      Effect.forever,
      Effect.ignore,
      Effect.forkScoped({ startImmediately: true })
    )
    return {
      /** To the peer that came last. */
      say: (...frames: ReadonlyArray<Uint8Array>) => Effect.suspend(() => listener.send(at(peers, -1), frames)),
      heard,
      take: () => {
        const since = heard.slice(taken)
        taken = heard.length
        return since
      }
    }
  })

/** A logger that keeps the lines, to provide to what is to be heard. */
export const capture = () => {
  const lines: Array<string> = []
  const logger = Logger.make<unknown, void>(({ cause, logLevel, message }) => {
    const text = Array.isArray(message) ? message.map(String).join(" ") : String(message)
    lines.push(`${logLevel} ${text}${cause.reasons.length === 0 ? "" : `\n${Cause.pretty(cause)}`}`)
  })
  return { lines, layer: Logger.layer([logger]) }
}
