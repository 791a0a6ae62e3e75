/**
 * What a node still says when it ends: that what it announced is gone, and what it was told to publish a moment ago.
 * Nobody sets the clock while a node ends, so nothing here may wait for it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Scope } from "effect"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import { Patience } from "../../src/layers/LastWords.ts"
import * as Gossip from "../../src/Gossip.ts"
import { Wire } from "../interop/RawPeer.ts"
import {
  at,
  build,
  capture,
  chain,
  knows,
  link,
  type Network,
  pass,
  rawServer,
  settle,
  start,
  startAll
} from "./support.ts"

/** A node and its announcement, in one scope. */
const announcer = (network: Network, options: Gossip.Options = {}) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const gossip = yield* Effect.gen(function* () {
      const gossip = yield* build(Gossip.layerMemory(network, { host: "announcer", ...options }))
      yield* gossip.announce("me", "here", { lifetime: "1 hour" })
      return gossip
    }).pipe(Scope.provide(scope))
    return { gossip, close: Scope.close(scope, Exit.void) }
  })

const many = (count: number, value = "v") => Array.from({ length: count }, (_, n) => [`k${n}`, value] as const)

/** A clock that runs: it has moved whenever somebody looks, and does not let anybody wait. */
const running = Effect.map(Clock.Clock, (standing) => {
  let now = 0
  const millis = () => (now += 0.01)
  const nanos = () => BigInt(Math.round(millis() * 1e6))
  const clock: Clock.Clock = {
    currentTimeNanosUnsafe: () => standing.currentTimeNanosUnsafe(),
    currentTimeMillis: standing.currentTimeMillis,
    currentTimeNanos: standing.currentTimeNanos,
    currentTimeMillisUnsafe: () => standing.currentTimeMillisUnsafe() + millis(),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: () =>
      Effect.andThen(
        Effect.yieldNow,
        Effect.sync(() => void (now += 1))
      )
  }
  return { clock, now: () => now }
})

describe("a node that ends together with what it announces", () => {
  it.effect("says so to those it is connected to, and to those who are connected to it", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const nodes = yield* startAll(network, 3)
      yield* link(nodes, [[2, 1]])
      const { close } = yield* announcer(network, { bind: ["inproc://announcer"], connect: ["inproc://n1"] })
      yield* at(nodes, 0).gossip.connect("inproc://announcer")
      yield* pass(network, 1000)
      for (const { gossip } of nodes) assert.deepStrictEqual(yield* knows(gossip), ["me=here"])
      yield* close
      yield* settle(network)
      for (const { gossip } of nodes) {
        assert.deepStrictEqual(yield* knows(gossip), [])
        assert.strictEqual((yield* gossip.status).counters.deleted, 1)
      }
    })
  )

  it.effect("does the same where the node is stopped first, and announces nothing from then on", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const server = yield* start(network, "server")
      const { close, gossip } = yield* announcer(network, { connect: [server.endpoint] })
      yield* pass(network, 1000)
      const { layer, lines } = capture()
      yield* Effect.provide(gossip.stop, layer)
      yield* pass(network, 10_000)
      assert.deepStrictEqual(yield* knows(server.gossip), [])
      assert.strictEqual((yield* Effect.flip(Effect.scoped(gossip.announce("me", "again")))).reason._tag, "Stopped")
      yield* close
      assert.deepStrictEqual(lines, [])
    })
  )
})

describe("a node that ends", () => {
  it.effect("at once has said what it published, also to whom it has just begun to connect", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const server = yield* start(network, "server", { endpoint: "tcp://server:1" })
      const client = yield* start(network, "client", { connect: [server.endpoint], publish: { k: "v" } })
      yield* client.close
      yield* settle(network)
      assert.deepStrictEqual(yield* knows(server.gossip), ["k=v"])
    })
  )

  it.effect("has said more than fits into its queues", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ highWaterMark: 10 })
      const nodes = yield* startAll(network, 3, { queueTuples: 20 })
      yield* link(nodes, chain(3))
      yield* pass(network, 1000)
      yield* at(nodes, 1).gossip.publishAll(many(2000))
      yield* at(nodes, 1).close
      yield* settle(network)
      for (const n of [0, 2]) assert.lengthOf(yield* knows(at(nodes, n).gossip), 2000)
    })
  )

  it.effect("has said long values, one of which may be under way at a time", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const nodes = yield* startAll(network, 3, { flightOctets: 0 })
      yield* link(nodes, chain(3))
      yield* pass(network, 1000)
      yield* at(nodes, 1).gossip.publishAll(many(5, "v".repeat(100_000)))
      yield* at(nodes, 1).close
      yield* settle(network)
      for (const n of [0, 2]) assert.lengthOf(yield* knows(at(nodes, n).gossip), 5)
    })
  )

  it.effect("waits for the PONG of a server of version 1, and tells it the news then", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const server = yield* rawServer(MemoryTransport.make(network, "server"), "inproc://server")
      const { clock } = yield* running
      const client = yield* start(network, "client", { connect: ["inproc://server"] }).pipe(
        Effect.provideService(Clock.Clock, clock)
      )
      yield* client.gossip.publish("k", "v")
      const closing = yield* Effect.forkChild(Effect.provideService(client.close, Clock.Clock, clock))
      yield* settle(network)
      assert.isUndefined(closing.pollUnsafe())
      assert.deepStrictEqual(server.take().slice(0, 2), ["HELLO", "PING"])
      yield* server.say(Wire.PONG)
      yield* Effect.replicateEffect(Effect.yieldNow, 30)
      assert.include(server.take(), "PUBLISH k=v")
      yield* server.say(Wire.PONG, Wire.PONG)
      yield* Fiber.join(closing)
    })
  )

  it.effect("waits for a second for who does not read, says so, and lets nobody else wait", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ highWaterMark: 10 })
      const { clock, now } = yield* running
      const patience = yield* Patience
      const [deaf, other] = yield* startAll(network, 2)
      const { layer, lines } = capture()
      const scope = yield* Scope.make()
      const client = yield* build(Gossip.layerMemory(network, { host: "client" })).pipe(
        Scope.provide(scope),
        Effect.provideService(Clock.Clock, clock),
        Effect.provide(layer)
      )
      yield* Effect.forEach([deaf!, other!], ({ endpoint }) => client.connect(endpoint))
      yield* settle(network)
      yield* network.stall("client", "n0")
      yield* client.publishAll(many(2000))
      const before = now()
      yield* Effect.provideService(Scope.close(scope, Exit.void), Clock.Clock, clock)
      assert.isAtLeast(now() - before, patience)
      assert.isAtMost(now() - before, 2 * patience)
      assert.lengthOf(yield* knows(other!.gossip), 2000)
      assert.include(lines, "Warn ended before all was taken that was to be said to inproc://n0")
    })
  )

  it.effect("has nothing to say to who is not there, or has heard everything", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const { clock, now } = yield* running
      const scope = yield* Scope.make()
      const server = yield* start(network, "server", { endpoint: "tcp://server:1" })
      const client = yield* build(Gossip.layerMemory(network, { host: "client" })).pipe(
        Scope.provide(scope),
        Effect.provideService(Clock.Clock, clock)
      )
      const { layer } = capture()
      yield* Effect.forEach(["tcp://server:1", "tcp://server:2"], client.connect).pipe(Effect.provide(layer))
      yield* client.publish("k", "v")
      yield* settle(network)
      const before = now()
      yield* Effect.provideService(Scope.close(scope, Exit.void), Clock.Clock, clock)
      assert.isAtMost(now() - before, 50)
      assert.deepStrictEqual(yield* knows(server.gossip), ["k=v"])
    })
  )
})
