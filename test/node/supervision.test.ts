/**
 * Sockets that fail, faults of our own, and the end of everything.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Layer, Result, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Gossip from "../../src/Gossip.ts"
import * as GossipHealth from "../../src/layers/GossipHealth.ts"
import * as MemoryConfig from "../../src/layers/MemoryConfig.ts"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import * as MemoryTupleStore from "../../src/layers/MemoryTupleStore.ts"
import { type Listener, Transport, TransportError, type TransportReason } from "../../src/services/Transport.ts"
import * as Tuple from "../../src/protocol/Tuple.ts"
import { TupleStore } from "../../src/services/TupleStore.ts"
import { Wire } from "../interop/RawPeer.ts"
import {
  at,
  build,
  capture,
  chain,
  knows,
  link,
  mesh,
  type Network,
  pass,
  publishEach,
  quiet,
  rawClient,
  rawServer,
  settle,
  start,
  startAll
} from "./support.ts"

const { HELLO, INVALID, PING, PONG, PUBLISH } = Wire

const error = (operation: TransportError["operation"], tag: TransportReason, detail: string) =>
  new TransportError({ operation, endpoint: "somewhere", reason: { _tag: tag, detail } })

/** A node whose parts are chosen. */
const assemble = (
  network: Network,
  parts: { readonly transport?: Transport["Service"]; readonly store?: Layer.Layer<TupleStore> },
  options: Omit<Gossip.Options, "publish"> & { readonly publish?: Readonly<Record<string, string>> } = {}
) =>
  build(
    Gossip.layerStarted().pipe(
      Layer.provide([
        Layer.succeed(Transport, parts.transport ?? MemoryTransport.make(network, "here")),
        parts.store ?? Layer.fresh(MemoryTupleStore.layer),
        MemoryConfig.layer({
          ...options,
          publish: Result.getOrThrow(Tuple.makeAll(Object.entries(options.publish ?? {})))
        })
      ])
    )
  )

/** Fails with each of these in turn, or dies of what is no TransportError; then does what it should. */
const failing = <A, R>(outcomes: ReadonlyArray<unknown>, then: Effect.Effect<A, TransportError, R>) => {
  const left = [...outcomes]
  return Effect.suspend(() => {
    const next = left.shift()
    if (next === undefined) return then
    return next instanceof TransportError ? Effect.fail(next) : Effect.die(next)
  })
}

describe("a connection that cannot be made", () => {
  const attempts = (network: Network, outcomes: ReadonlyArray<unknown>) =>
    Effect.gen(function* () {
      const real = MemoryTransport.make(network, "here")
      const times: Array<number> = []
      const connect = failing(outcomes, real.connect({ _tag: "Inproc", name: "server" }))
      const transport = Transport.of({
        ...real,
        connect: () =>
          Effect.andThen(
            Effect.map(Clock.currentTimeMillis, (now) => times.push(now)),
            connect
          )
      })
      return { times, gossip: yield* assemble(network, { transport }, { connect: ["inproc://server"] }) }
    })

  it.effect("is tried again, from 50 ms to 2 s apart, a little more or less, until it works", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      yield* start(network, "server", { publish: { there: "1" } })
      const outcomes = Array.from({ length: 12 }, () => error("connect", "Refused", "nobody there"))
      const { gossip, times } = yield* attempts(network, outcomes)
      yield* TestClock.adjust("30 seconds")
      const gaps = times.slice(1).map((time, n) => time - at(times, n))
      const expected = Array.from({ length: 12 }, (_, n) => Math.min(2000, 50 * 2 ** n))
      assert.strictEqual(gaps.length, expected.length)
      for (const [n, gap] of gaps.entries()) {
        assert.isAtLeast(gap, 0.8 * at(expected, n) - 1)
        assert.isAtMost(gap, 1.2 * at(expected, n) + 1)
      }
      yield* settle(network)
      assert.deepStrictEqual(yield* knows(gossip), ["there=1"])
    })
  )

  it.effect("is told once for each distinct failure, in one line; a defect with its stack", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      yield* start(network, "server")
      const log = capture()
      const refused = error("connect", "Refused", "nobody there")
      const unknown = error("connect", "UnknownHost", "no such host")
      yield* Effect.gen(function* () {
        yield* attempts(network, [refused, refused, refused, unknown, unknown, refused, new Error("a fault"), refused])
        yield* TestClock.adjust("60 seconds")
        yield* settle(network)
      }).pipe(Effect.provide(log.layer), Effect.scoped)
      assert.strictEqual(log.lines.filter((line) => line.startsWith("Warn ")).length, 4)
      assert.strictEqual(
        log.lines.filter((line) => line.startsWith("Warn ") && line.includes("nobody there")).length,
        3
      )
      assert.strictEqual(
        log.lines.filter((line) => line.startsWith("Warn ") && line.includes("no such host")).length,
        1
      )
      assert.strictEqual(log.lines.filter((line) => line.startsWith("Error ") && line.includes("a fault")).length, 1)
      assert.strictEqual(log.lines.filter((line) => line === "Info connected to inproc://server").length, 1)
      assert.strictEqual(log.lines.length, 6)
      for (const line of log.lines.filter((line) => line.startsWith("Warn "))) {
        assert.include(line, "inproc://server")
        assert.notInclude(line, "\n")
      }
    })
  )
})

describe("a connection that is lost again and again", () => {
  it.effect("is made again each time, at a bearable pace", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      yield* start(network, "server")
      const real = MemoryTransport.make(network, "here")
      let attempts = 0
      const transport = Transport.of({
        ...real,
        connect: (endpoint) =>
          Effect.map(real.connect(endpoint), (connection) => {
            attempts += 1
            return { ...connection, receive: Effect.fail(error("receive", "Lost", "gone at once")) }
          })
      })
      const gossip = yield* assemble(network, { transport }, { connect: ["inproc://server"] })
      yield* pass(network, 10_000)
      // Up for a moment is not up: the delays grow to 2 s.
      assert.isAtLeast(attempts, 5)
      assert.isAtMost(attempts, 16)
      yield* gossip.publish("still", "alive")
    })
  )
})

describe("a connection whose remote has left", () => {
  it.effect("is read to its end, also where a send was the first to find out", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const batches = Array.from({ length: 5 }, (_, n) => [[PUBLISH(`k${n}`, "v")]])
      const transport = Transport.of({
        bind: () => Effect.fail(error("bind", "Unsupported", "not here")),
        connect: (endpoint) =>
          Effect.succeed({
            endpoint,
            send: () => Effect.fail(error("send", "Lost", "it has left")),
            receive: Effect.delay(
              Effect.suspend(() => {
                const batch = batches.shift()
                return batch === undefined
                  ? Effect.fail(error("receive", "Lost", "it has left"))
                  : Effect.succeed(batch)
              }),
              10
            )
          })
      })
      const gossip = yield* assemble(network, { transport }, { connect: ["inproc://server"] })
      yield* pass(network, 200)
      assert.deepStrictEqual(yield* knows(gossip), ["k0=v", "k1=v", "k2=v", "k3=v", "k4=v"])
    })
  )
})

describe("a listener that fails", () => {
  /** Its `receive` fails with each of these in turn; so does each bind after the first. */
  const served = (network: Network, receives: ReadonlyArray<unknown>, binds: ReadonlyArray<unknown> = []) =>
    Effect.gen(function* () {
      const real = MemoryTransport.make(network, "here")
      const left = [...receives]
      const failures: Array<() => void> = []
      let first = true
      const bindsAgain = failing<void, never>(binds, Effect.void)
      const transport = Transport.of({
        ...real,
        bind: (endpoint) =>
          Effect.gen(function* () {
            if (!first) yield* bindsAgain
            first = false
            const listener: Listener = yield* real.bind(endpoint)
            const broken = Effect.callback<never, TransportError>((resume) => {
              failures.push(() => {
                const next = left.shift()
                resume(next instanceof TransportError ? Effect.fail(next) : Effect.die(next))
              })
            })
            return { ...listener, receive: Effect.raceFirst(listener.receive, broken) }
          })
      })
      const gossip = yield* assemble(network, { transport }, { bind: ["tcp://127.0.0.1:*"] })
      return { gossip, fail: Effect.sync(() => failures.at(-1)?.()) }
    })

  it.effect("is bound again at the same port, says so, and its clients come back", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const log = capture()
      yield* Effect.gen(function* () {
        const { fail, gossip } = yield* served(
          network,
          [
            error("receive", "Other", "broken socket"),
            new Error("a fault"),
            error("receive", "Other", "broken socket")
          ],
          [error("bind", "AddressInUse", "it is in use"), error("bind", "AddressInUse", "it is in use")]
        )
        const client = yield* start(network, "client", { connect: ["tcp://127.0.0.1:49152"] })
        yield* quiet(network)
        for (let n = 0; n < 3; n++) {
          yield* fail
          yield* client.gossip.publish(`client-${n}`, "1")
          yield* gossip.publish(`server-${n}`, "1")
          yield* pass(network, 5000)
          assert.deepStrictEqual((yield* gossip.status).lost, [])
          assert.deepStrictEqual(at((yield* gossip.status).listeners, 0), {
            endpoint: "tcp://127.0.0.1:49152",
            peers: 1,
            members: 1
          })
        }
        assert.strictEqual((yield* knows(gossip)).length, 6)
        assert.deepStrictEqual(yield* knows(client.gossip), yield* knows(gossip))
      }).pipe(Effect.provide(log.layer), Effect.scoped)
      const about = (text: string) => log.lines.filter((line) => line.includes(text))
      assert.strictEqual(about("it is in use").length, 1)
      assert.strictEqual(about("broken socket").length, 2)
      assert.strictEqual(about("a fault").length, 1)
      assert.isTrue(about("a fault").every((line) => line.startsWith("Error ")))
      assert.strictEqual(about("Info bound tcp://127.0.0.1:49152").length, 4)
    })
  )

  it.effect("can be unbound, and the node stopped, while it fails", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const inUse = Array.from({ length: 1000 }, () => error("bind", "AddressInUse", "it is in use"))
      const { fail, gossip } = yield* served(network, [error("receive", "Other", "broken")], inUse)
      yield* settle(network)
      yield* fail
      yield* pass(network, 5000)
      const status = yield* gossip.status
      assert.deepStrictEqual(status.listeners, [])
      assert.deepStrictEqual(status.lost, [{ endpoint: "tcp://127.0.0.1:49152", error: "it is in use" }])
      assert.deepStrictEqual(GossipHealth.ofStatus(status), {
        live: true,
        ready: false,
        reasons: ["tcp://127.0.0.1:49152: no longer served on, it is in use"]
      })
      yield* gossip.unbind("tcp://127.0.0.1:49152")
      assert.deepStrictEqual((yield* gossip.status).lost, [])
      yield* gossip.stop
      assert.strictEqual((yield* network.status).listeners, 0)
    })
  )
})

describe("a fault of our own", () => {
  /** A store that does not stand one key. */
  const brittle = Layer.effect(
    TupleStore,
    Effect.map(TupleStore, (store) =>
      TupleStore.of({
        ...store,
        merge: (change, basis) => {
          if (change.tuple.key === "bomb") throw new Error("the bomb")
          return store.merge(change, basis)
        }
      })
    )
  ).pipe(Layer.provide(Layer.fresh(MemoryTupleStore.layer)))

  it.effect("in one session costs the message that brought it out, and nothing else", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const log = capture()
      yield* Effect.gen(function* () {
        const gossip = yield* assemble(network, { store: brittle }, { bind: ["inproc://here"] })
        const [guilty, other] = [
          yield* rawClient(MemoryTransport.make(network, "guilty"), "inproc://here"),
          yield* rawClient(MemoryTransport.make(network, "other"), "inproc://here")
        ]
        yield* other.say(HELLO)
        yield* guilty.say(HELLO, PUBLISH("before", "1"), PUBLISH("bomb", "1"), PUBLISH("after", "1"), PING)
        yield* settle(network)
        assert.deepStrictEqual(guilty.take(), ["PONG"])
        assert.deepStrictEqual(other.take(), ["PUBLISH before=1", "PUBLISH after=1"])
        yield* guilty.say(PUBLISH("again", "1"), PING)
        yield* settle(network)
        assert.deepStrictEqual(guilty.take(), ["PONG"])
        assert.deepStrictEqual(other.take(), ["PUBLISH again=1"])
        assert.strictEqual((yield* gossip.status).counters.defects, 1)
      }).pipe(Effect.provide(log.layer), Effect.scoped)
      assert.strictEqual(log.lines.filter((line) => line.includes("the bomb")).length, 1)
    })
  )

  it.effect("in one remote leaves the others, and the listeners, as they are", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const guilty = yield* rawServer(MemoryTransport.make(network, "guilty"), "inproc://guilty")
      const other = yield* start(network, "other")
      const options = { bind: ["inproc://here"], connect: ["inproc://guilty", "inproc://other"] }
      const gossip = yield* assemble(network, { store: brittle }, options)
      yield* settle(network)
      yield* guilty.say(PUBLISH("bomb", "1"), PUBLISH("after", "1"))
      yield* other.gossip.publish("from", "other")
      yield* pass(network, 100)
      assert.deepStrictEqual(yield* knows(gossip), ["after=1", "from=other"])
      assert.deepStrictEqual(yield* knows(other.gossip), ["after=1", "from=other"])
      assert.strictEqual((yield* gossip.status).counters.defects, 1)
    })
  )

  it.effect("in a publish is its caller's", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const gossip = yield* assemble(network, { store: brittle })
      const [bomb, fine] = yield* Effect.all(
        [Effect.exit(gossip.publish("bomb", "")), Effect.exit(gossip.publish("a", ""))],
        {
          concurrency: "unbounded"
        }
      )
      assert.isTrue(Exit.hasDies(bomb))
      assert.deepStrictEqual(fine, Exit.void)
    })
  )

  it.effect("while a dump is read ends what that one client gets, and nothing else", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      let broken = false
      const store = Layer.effect(
        TupleStore,
        Effect.map(TupleStore, (store) =>
          TupleStore.of({
            ...store,
            read: (range) => {
              const tuples = store.read(range)
              return {
                next: () => {
                  if (broken) throw new Error("cannot read")
                  return tuples.next()
                }
              }
            }
          })
        )
      ).pipe(Layer.provide(Layer.fresh(MemoryTupleStore.layer)))
      const gossip = yield* assemble(network, { store }, { bind: ["inproc://here"], publish: { a: "1" } })
      broken = true
      const first = yield* rawClient(MemoryTransport.make(network, "first"), "inproc://here")
      yield* first.say(HELLO, PING)
      yield* settle(network)
      broken = false
      const second = yield* rawClient(MemoryTransport.make(network, "second"), "inproc://here")
      yield* second.say(HELLO, PING)
      yield* settle(network)
      yield* gossip.publish("b", "1")
      yield* settle(network)
      assert.deepStrictEqual(second.take(), ["PUBLISH a=1", "PONG", "PUBLISH b=1"])
    })
  )

  it.effect("in the store's commit stalls nobody", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      let broken = false
      const store = Layer.effect(
        TupleStore,
        Effect.map(TupleStore, (store) =>
          TupleStore.of({ ...store, commit: Effect.suspend(() => (broken ? Effect.die("disk on fire") : Effect.void)) })
        )
      ).pipe(Layer.provide(Layer.fresh(MemoryTupleStore.layer)))
      const gossip = yield* assemble(network, { store }, { bind: ["inproc://here"] })
      const client = yield* rawClient(MemoryTransport.make(network, "client"), "inproc://here")
      broken = true
      const publishing = yield* Effect.forkChild(Effect.exit(gossip.publish("a", "1")))
      yield* client.say(HELLO)
      yield* settle(network)
      assert.isDefined(publishing.pollUnsafe())
      broken = false
      yield* client.say(PING)
      yield* settle(network)
      assert.include(client.heard, "PONG")
    })
  )
})

describe("the end", () => {
  /** Closes something without letting any time pass, and looks at what is left. */
  const closes = (network: Network, close: Effect.Effect<void>, left: { listeners: number; connections: number }) =>
    Effect.gen(function* () {
      const closing = yield* Effect.forkChild(close)
      yield* settle(network)
      yield* settle(network)
      assert.isDefined(closing.pollUnsafe(), "it waits for nothing")
      assert.deepInclude(yield* network.status, left)
    })

  const nothingGoesOn = (network: Network) =>
    Effect.gen(function* () {
      const { sent } = yield* network.status
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* network.status).sent, sent)
    })

  it.effect("closes every socket of a node in the middle of a mesh, under load", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const scope = yield* Scope.make()
      const nodes = yield* startAll(network, 6).pipe(Scope.provide(scope))
      yield* link(nodes, mesh(6))
      yield* publishEach(nodes, "old")
      const publishing = yield* Effect.forEach(nodes, ({ gossip, name }) =>
        gossip
          .publishAll(Array.from({ length: 1000 }, (_, n) => [`${name}-${n % 50}`, `${n}`] as const))
          .pipe(Effect.exit, Effect.forkChild)
      )
      yield* Effect.replicateEffect(Effect.yieldNow, 20)
      yield* closes(network, Scope.close(scope, Exit.void), { listeners: 0, connections: 0 })
      yield* nothingGoesOn(network)
      for (const fiber of publishing) assert.isDefined(fiber.pollUnsafe())
    })
  )

  it.effect("does not wait for peers that are stalled, or never read", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ highWaterMark: 10 })
      const nodes = yield* startAll(network, 3)
      yield* link(nodes, chain(3))
      const deaf = yield* MemoryTransport.make(network, "deaf").connect({ _tag: "Inproc", name: "n1" })
      yield* deaf.send([HELLO])
      yield* quiet(network)
      yield* network.partition(["n1"], ["n0", "n2"], "stall")
      yield* at(nodes, 1).gossip.publishAll(Array.from({ length: 5000 }, (_, n) => [`k${n}`, "v"] as const))
      yield* pass(network, 5000)
      // The deaf client and the connection of n2 remain; those wait for n1 to come back.
      yield* closes(network, at(nodes, 1).close, { listeners: 2, connections: 2 })
      yield* at(nodes, 0).close
      yield* at(nodes, 2).close
      assert.deepInclude(yield* network.status, { listeners: 0, connections: 1 })
    })
  )

  it.effect("ends while it connects over a stalled link, and while it waits to try again", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      yield* start(network, "there", { endpoint: "tcp://there:5000" })
      yield* network.partition(["here"], ["there"], "stall")
      const node = yield* start(network, "here", { connect: ["tcp://there:5000", "tcp://127.0.0.1:1"] })
      yield* pass(network, 1000)
      yield* closes(network, node.close, { listeners: 1, connections: 0 })
      yield* nothingGoesOn(network)
    })
  )

  it.effect("leaves no fiber: streams end, and what waited is answered", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const scope = yield* Scope.make()
      const node = yield* start(network, "here").pipe(Scope.provide(scope))
      const pipe = yield* node.gossip.pipe.pipe(Scope.provide(scope))
      const waiting = yield* Effect.forEach(
        [Stream.runDrain(node.gossip.deliveries), Effect.asVoid(Effect.exit(pipe.take)), node.gossip.stopped],
        (effect) => Effect.forkChild(effect)
      )
      yield* settle(network)
      yield* Scope.close(scope, Exit.void)
      yield* settle(network)
      for (const fiber of waiting) assert.isDefined(fiber.pollUnsafe())
      yield* Effect.forEach(waiting, Fiber.await)
    })
  )

  it.effect("a server that answers nonsense, and one that is gone, end nothing else", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const raw = yield* rawServer(MemoryTransport.make(network, "raw"), "inproc://raw")
      const server = yield* start(network, "server")
      const node = yield* start(network, "here", { connect: ["inproc://raw", server.endpoint] })
      yield* settle(network)
      yield* raw.say(Wire.hex("00"), INVALID, PONG, Wire.hex("aaa002"), INVALID)
      yield* network.cut("raw", "here")
      yield* server.gossip.publish("a", "1")
      yield* quiet(network)
      assert.deepStrictEqual(yield* knows(node.gossip), ["a=1"])
    })
  )
})
