/**
 * The `Gossip` service, method by method, on a network of one or two nodes.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Logger, ManagedRuntime, Option, Scope, Stream } from "effect"
import * as Gossip from "../../src/Gossip.ts"
import * as MemoryConfig from "../../src/layers/MemoryConfig.ts"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import * as MemoryTupleStore from "../../src/layers/MemoryTupleStore.ts"
import { at, build, knows, pass, quiet, type Service, settle, start, write } from "./support.ts"

/** A node alone, that serves nowhere yet. */
const alone = (options: Gossip.Options = {}) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.make()
    const gossip = yield* build(Gossip.layerMemory(network, { host: "here", ...options }))
    return { network, gossip }
  })

/** Two nodes, the second connected to the first. */
const pair = Effect.gen(function* () {
  const network = yield* MemoryNetwork.make()
  const server = yield* start(network, "server")
  const client = yield* start(network, "client", { connect: [server.endpoint] })
  yield* quiet(network)
  return { network, server, client }
})

/** What failed, as a caller sees it. */
const failure = <A>(effect: Effect.Effect<A, Gossip.GossipError>) =>
  Effect.map(Effect.flip(effect), ({ endpoint, operation, reason }): Record<string, string | undefined> => ({
    operation,
    endpoint,
    reason: reason._tag
  }))

/** A string of this many octets. */
const long = (octets: number) => "k".repeat(octets)

describe("bind, unbind, port", () => {
  it.effect("gives the endpoint with its port", () =>
    Effect.gen(function* () {
      const { gossip } = yield* alone()
      assert.strictEqual(yield* gossip.port, 0)
      assert.strictEqual(yield* gossip.bind("tcp://*:*"), "tcp://*:49152")
      assert.strictEqual(yield* gossip.port, 49152)
      assert.strictEqual(yield* gossip.bind("tcp://127.0.0.1:*"), "tcp://127.0.0.1:49153")
      assert.strictEqual(yield* gossip.bind("tcp://lo:*[6000-6001]"), "tcp://lo:6000")
      assert.strictEqual(yield* gossip.bind("tcp://*:5670"), "tcp://*:5670")
      assert.match(yield* gossip.bind("tcp://*:!"), /^tcp:\/\/\*:\d{5}$/)
      assert.isAtLeast(yield* gossip.port, 49152)
      assert.strictEqual(yield* gossip.bind("inproc://name"), "inproc://name")
      assert.strictEqual(yield* gossip.port, 0)
    })
  )

  it.effect("fails with a reason, and the port is -1 until the next bind", () =>
    Effect.gen(function* () {
      const { gossip, network } = yield* alone()
      const served = yield* gossip.bind("tcp://127.0.0.1:5000")
      const expected = [
        ["nonsense", "InvalidEndpoint"],
        ["", "InvalidEndpoint"],
        ["tcp://127.0.0.1", "InvalidEndpoint"],
        ["tcp://127.0.0.1:70000", "InvalidEndpoint"],
        ["udp://127.0.0.1:5000", "InvalidEndpoint"],
        ["inproc://", "InvalidEndpoint"],
        ["inproc://a\nb", "InvalidEndpoint"],
        ["tcp://*:5000", "AddressInUse"],
        ["tcp://*:*[5000-5000]", "AddressInUse"],
        ["tcp://10.1.2.3:5001", "AddressNotAvailable"],
        ["tcp://nowhere:5001", "UnknownHost"]
      ] as const
      for (const [endpoint, reason] of expected) {
        assert.deepStrictEqual(yield* failure(gossip.bind(endpoint)), { operation: "bind", endpoint, reason })
        assert.strictEqual(yield* gossip.port, -1)
      }
      const error = yield* Effect.flip(gossip.bind("tcp://*:5000"))
      assert.strictEqual(error.message, "cannot bind tcp://*:5000: the port is in use, or all of the range are")
      assert.strictEqual(error.reason.code, "EADDRINUSE")
      for (const text of ["nonsense", "inproc://a\nb"]) {
        const { message } = yield* Effect.flip(gossip.bind(text))
        assert.isFalse(message.replace(text, "").includes("\n"), "one line")
      }

      const client = yield* start(network, "client", { connect: [served] })
      yield* quiet(network)
      assert.deepStrictEqual((yield* client.gossip.status).remotes, [
        { endpoint: served, state: "Connected", error: undefined }
      ])
      yield* gossip.bind("inproc://again")
      assert.strictEqual(yield* gossip.port, 0)
    })
  )

  it.effect("a reason can be handled by its tag", () =>
    Effect.gen(function* () {
      const { gossip } = yield* alone({ bind: ["tcp://*:5000"] })
      const bound = yield* gossip
        .bind("tcp://*:5000")
        .pipe(Effect.catchReason("GossipError", "AddressInUse", () => gossip.bind("tcp://*:*")))
      assert.strictEqual(bound, "tcp://*:49152")
    })
  )

  it.effect("unbind disconnects the clients, and frees the endpoint", () =>
    Effect.gen(function* () {
      const { client, network, server } = yield* pair
      yield* server.gossip.unbind(server.endpoint)
      yield* settle(network)
      assert.deepStrictEqual((yield* server.gossip.status).listeners, [])
      yield* client.gossip.publish("meanwhile", "1")
      yield* pass(network, 100)
      assert.deepStrictEqual(yield* knows(server.gossip), [])
      assert.strictEqual((yield* network.status).listeners, 1, "the client's own")
      yield* server.gossip.bind(server.endpoint)
      yield* quiet(network)
      assert.deepStrictEqual(yield* knows(server.gossip), ["meanwhile=1"])
    })
  )

  it.effect("unbind takes what bind gave, and what it was asked for", () =>
    Effect.gen(function* () {
      const { gossip, network } = yield* alone()
      yield* gossip.bind("tcp://*:*")
      yield* gossip.unbind("tcp://*:49152")
      yield* gossip.bind("tcp://*:*")
      yield* gossip.unbind("tcp://*:*")
      assert.strictEqual((yield* network.status).listeners, 0)
      const endpoint = "tcp://*:49152"
      assert.deepStrictEqual(yield* failure(gossip.unbind(endpoint)), {
        operation: "unbind",
        endpoint,
        reason: "NotBound"
      })
      assert.deepStrictEqual(yield* failure(gossip.unbind("nonsense")), {
        operation: "unbind",
        endpoint: "nonsense",
        reason: "InvalidEndpoint"
      })
    })
  )

  it.effect("an endpoint that cannot be bound fails the layer, which leaves nothing open", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const layer = Gossip.layerMemory(network, { bind: ["inproc://a", "inproc://a"], connect: ["inproc://b"] })
      const reason = yield* failure(Effect.scoped(build(layer)))
      assert.deepStrictEqual(reason, { operation: "bind", endpoint: "inproc://a", reason: "AddressInUse" })
      assert.deepInclude(yield* network.status, { listeners: 0, connections: 0 })
    })
  )
})

describe("connect, disconnect", () => {
  it.effect("connect refuses what is no single endpoint", () =>
    Effect.gen(function* () {
      const { gossip } = yield* alone()
      for (const endpoint of ["", "nonsense", "tcp://*:5670", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "ipc://*"]) {
        const expected = { operation: "connect", endpoint, reason: "InvalidEndpoint" }
        assert.deepStrictEqual(yield* failure(gossip.connect(endpoint)), expected)
      }
      assert.deepStrictEqual((yield* gossip.status).remotes, [])
    })
  )

  it.effect("connect does not wait; the status tells why there is no connection yet", () =>
    Effect.gen(function* () {
      const { gossip, network } = yield* alone()
      const endpoints = ["tcp://127.0.0.1:5000", "tcp://10.1.2.3:5000", "tcp://nowhere:5000", "inproc://later"]
      yield* Effect.forEach(endpoints, gossip.connect)
      yield* pass(network, 1000)
      assert.deepStrictEqual(
        (yield* gossip.status).remotes.map(({ error, state }) => [state, error]),
        [
          ["Disconnected", "nobody listens there"],
          ["Disconnected", "there is no way to 10.1.2.3"],
          ["Disconnected", "no host is called nowhere"],
          // Nobody can tell: an inproc connection waits for its server.
          ["Joining", undefined]
        ]
      )
      yield* start(network, "later")
      yield* start(network, "other", { endpoint: "tcp://127.0.0.1:5000", publish: { there: "1" } })
      yield* pass(network, 3000)
      assert.deepStrictEqual(yield* knows(gossip), ["there=1"])
      assert.deepStrictEqual(
        (yield* gossip.status).remotes.map(({ state }) => state),
        ["Connected", "Disconnected", "Disconnected", "Connected"]
      )
    })
  )

  it.effect("disconnect ends the connection for good; connect makes a new one", () =>
    Effect.gen(function* () {
      const { client, network, server } = yield* pair
      yield* client.gossip.disconnect(server.endpoint)
      yield* pass(network, 5000)
      assert.deepStrictEqual((yield* client.gossip.status).remotes, [])
      assert.deepInclude(at((yield* server.gossip.status).listeners, 0), { peers: 0, members: 0 })
      yield* server.gossip.publish("meanwhile", "1")
      yield* quiet(network)
      assert.deepStrictEqual(yield* knows(client.gossip), [])
      yield* client.gossip.connect(server.endpoint)
      yield* quiet(network)
      assert.deepStrictEqual(yield* knows(client.gossip), ["meanwhile=1"])
    })
  )

  it.effect("disconnect refuses what is not connected to", () =>
    Effect.gen(function* () {
      const { gossip } = yield* alone({ connect: ["inproc://a"] })
      const endpoint = "inproc://b"
      assert.deepStrictEqual(yield* failure(gossip.disconnect(endpoint)), {
        operation: "disconnect",
        endpoint,
        reason: "NotConnected"
      })
      yield* gossip.disconnect("inproc://a")
      assert.strictEqual((yield* failure(gossip.disconnect("inproc://a")))["reason"], "NotConnected")
      assert.strictEqual((yield* failure(gossip.disconnect("nonsense")))["reason"], "InvalidEndpoint")
    })
  )

  it.effect("many connects to one endpoint at the same moment make one connection", () =>
    Effect.gen(function* () {
      const { gossip, network } = yield* alone()
      yield* start(network, "server")
      const connects = Array.from({ length: 20 }, () => gossip.connect("inproc://server"))
      yield* Effect.all(connects, { concurrency: "unbounded" })
      yield* quiet(network)
      assert.strictEqual((yield* network.status).connections, 1)
      assert.strictEqual(yield* network.count({ id: 1 }), 1)
    })
  )

  it.effect("connect and disconnect in turns, without a pause, leave no connection behind", () =>
    Effect.gen(function* () {
      const { gossip, network } = yield* alone()
      yield* start(network, "server")
      for (let n = 0; n < 20; n++) {
        yield* gossip.connect("inproc://server")
        yield* gossip.disconnect("inproc://server")
      }
      yield* pass(network, 5000)
      assert.strictEqual((yield* network.status).connections, 0)
      assert.deepStrictEqual((yield* gossip.status).remotes, [])
    })
  )
})

describe("publish, get, entries", () => {
  it.effect("gives back what was published, as text and as octets", () =>
    Effect.gen(function* () {
      const { gossip } = yield* alone()
      yield* gossip.publish("größe", "10 €")
      yield* gossip.publish(Uint8Array.of(0, 255, 128), Uint8Array.of(0, 1, 0))
      yield* gossip.publish("", "")
      const text = Option.getOrThrow(yield* gossip.get("größe"))
      assert.deepStrictEqual([text.key, text.value], ["größe", "10 €"])
      assert.deepStrictEqual(text.keyBytes, new Uint8Array(Buffer.from("größe")))
      const octets = Option.getOrThrow(yield* gossip.get(Uint8Array.of(0, 255, 128)))
      assert.deepStrictEqual([octets.keyBytes, octets.valueBytes], [Uint8Array.of(0, 255, 128), Uint8Array.of(0, 1, 0)])
      assert.isTrue(Option.isSome(yield* gossip.get(Buffer.from("größe"))), "text stands for its UTF-8")
      assert.strictEqual(Option.getOrThrow(yield* gossip.get("")).value, "")
      assert.isTrue(Option.isNone(yield* gossip.get("unknown")))
    })
  )

  it.effect("takes any octets across the network", () =>
    Effect.gen(function* () {
      const { client, network, server } = yield* pair
      const all = Uint8Array.from({ length: 255 }, (_, n) => 255 - n)
      yield* client.gossip.publish(all, new Uint8Array(100_000).fill(7))
      yield* server.gossip.publish(new Uint8Array(0), all)
      yield* quiet(network)
      for (const { gossip } of [client, server]) {
        assert.deepStrictEqual(Option.getOrThrow(yield* gossip.get(all)).valueBytes, new Uint8Array(100_000).fill(7))
        assert.deepStrictEqual(Option.getOrThrow(yield* gossip.get("")).valueBytes, all)
      }
    })
  )

  it.effect("keeps what was published, whatever becomes of the caller's octets", () =>
    Effect.gen(function* () {
      const { gossip } = yield* alone()
      const value = Uint8Array.of(1, 2, 3)
      yield* gossip.publish("key", value)
      value.fill(9)
      const tuple = Option.getOrThrow(yield* gossip.get("key"))
      tuple.valueBytes.fill(8)
      assert.deepStrictEqual(tuple.valueBytes, Uint8Array.of(1, 2, 3))
    })
  )

  it.effect("refuses a key of more than 255 octets, and changes nothing", () =>
    Effect.gen(function* () {
      const { gossip } = yield* alone()
      yield* gossip.publish(long(255), "fits")
      const expected = { operation: "publish", endpoint: undefined, reason: "TupleTooLong" }
      assert.deepStrictEqual(yield* failure(gossip.publish(long(256), "")), expected)
      assert.deepStrictEqual(yield* failure(gossip.publish("ä".repeat(128), "")), expected)
      const { message } = yield* Effect.flip(gossip.publish(long(300), ""))
      assert.strictEqual(message, "cannot publish: the key has 300 octets, the limit is 255")
      const some = [
        ["a", "1"],
        [long(256), "2"],
        ["c", "3"]
      ] as const
      assert.deepStrictEqual(yield* failure(gossip.publishAll(some)), expected)
      assert.deepStrictEqual(yield* knows(gossip), [`${long(255)}=fits`])
    })
  )

  it.effect("publishAll keeps the order, takes any iterable, and many", () =>
    Effect.gen(function* () {
      const { gossip } = yield* alone()
      const deliveries = yield* gossip.subscribe
      const tuples = Array.from({ length: 5000 }, (_, n) => [`k${n}`, `${n}`] as const)
      const reading = yield* Effect.forkChild(Stream.runCollect(Stream.take(deliveries, 5000)))
      yield* gossip.publishAll(new Map(tuples))
      assert.deepStrictEqual(
        (yield* gossip.entries).map(({ value }) => value),
        tuples.map(([, value]) => value)
      )
      assert.deepStrictEqual(
        (yield* Fiber.join(reading)).map(({ key }) => key),
        tuples.map(([key]) => key)
      )
      yield* gossip.publishAll([])
    })
  )

  it.effect("entries are in the order of first arrival", () =>
    Effect.gen(function* () {
      const { gossip } = yield* alone({ publish: { b: "1", a: "1" } })
      yield* gossip.publish("c", "1")
      yield* gossip.publish("b", "2")
      assert.deepStrictEqual((yield* gossip.entries).map(write), ["b=2", "a=1", "c=1"])
    })
  )
})

describe("status", () => {
  it.effect("tells the tuples, listeners, remotes, and what was counted", () =>
    Effect.gen(function* () {
      const { client, network, server } = yield* pair
      yield* client.gossip.publish("a", "1")
      yield* client.gossip.publish("a", "1")
      yield* server.gossip.publish("b", "1")
      yield* settle(network)
      const refused = { value: 0, frame: 0, tuples: 0, octets: 0, clients: 0, rate: 0, admission: 0, rule: 0 }
      const dumps = { fellBehind: 0, windowsFull: 0, messagesDelayed: 0, dumpsDelayed: 0, dumpsMerged: 0 }
      const none = {
        renewed: 0,
        deleted: 0,
        expired: 0,
        forgotten: 0,
        held: 0,
        stale: 0,
        damped: 0,
        invalidSent: 0,
        invalidReceived: 0,
        repliesDropped: 0,
        ...dumps,
        defects: 0,
        refused
      }
      const frames = { Frames: 0, Short: 0, Signature: 0, Version: 0, Id: 0, Length: 0 }
      const trailers = { Short: 0, Version: 0, Length: 0, Checksum: 0, Section: 0 }
      const malformed = { malformed: frames, malformedTrailers: trailers }
      assert.deepStrictEqual(yield* client.gossip.status, {
        tuples: 2,
        tombstones: 0,
        octets: 4,
        listeners: [{ endpoint: "inproc://client", peers: 0, members: 0 }],
        lost: [],
        remotes: [{ endpoint: "inproc://server", state: "Connected", error: undefined }],
        aloneFor: undefined,
        store: undefined,
        counters: { accepted: 2, duplicates: 1, ...none, ...malformed }
      })
      const before = yield* server.gossip.status
      assert.deepStrictEqual(before, {
        tuples: 2,
        tombstones: 0,
        octets: 4,
        listeners: [{ endpoint: "inproc://server", peers: 1, members: 1 }],
        lost: [],
        remotes: [],
        aloneFor: undefined,
        store: undefined,
        counters: { accepted: 2, duplicates: 0, ...none, ...malformed }
      })
      yield* server.gossip.publish("c", "1")
      assert.strictEqual(before.counters.accepted, 2, "a status is a value")
    })
  )
})

describe("set", () => {
  it.effect("refuses unknown settings and bad values, and says which there are", () =>
    Effect.gen(function* () {
      const { gossip } = yield* alone()
      for (const [path, value] of [
        ["server/timeouts", "1"],
        ["", ""],
        ["server/timeout", "-1"],
        ["server/timeout", "soon"],
        ["server/timeout", "1.5"],
        ["server/verbose", "yes"],
        ["remote/timeout", "0"],
        ["remote/ping-interval", "0"]
      ] as const) {
        assert.deepInclude(yield* failure(gossip.set(path, value)), {
          operation: `set ${path}`,
          reason: "InvalidSetting"
        })
      }
      const { message } = yield* Effect.flip(gossip.set("server/timeouts", "1"))
      assert.include(message, "server/timeout, server/verbose, server/background, remote/timeout, remote/ping-interval")
    })
  )

  it.effect("remote/ping-interval and remote/timeout change how often the node says PING", () =>
    Effect.gen(function* () {
      const { client, network } = yield* pair
      const pings = (milliseconds: number) =>
        Effect.gen(function* () {
          const before = yield* network.count({ id: 3 })
          yield* pass(network, milliseconds)
          return (yield* network.count({ id: 3 })) - before
        })
      assert.strictEqual(yield* pings(10_000), 40)
      yield* client.gossip.set("remote/timeout", "4000")
      yield* pass(network, 1000)
      assert.strictEqual(yield* pings(10_000), 10)
      yield* client.gossip.set("remote/ping-interval", "100")
      yield* pass(network, 1000)
      assert.strictEqual(yield* pings(10_000), 100)
    })
  )
})

describe("deliveries and subscribe", () => {
  it.effect("tell what is new, also what was published here, in order and once", () =>
    Effect.gen(function* () {
      const { client, network, server } = yield* pair
      yield* client.gossip.publish("a", "1")
      yield* settle(network)
      yield* server.gossip.publish("b", "1")
      yield* settle(network)
      yield* client.gossip.publish("a", "1")
      yield* client.gossip.publish("a", "2")
      yield* settle(network)
      assert.deepStrictEqual(client.seen, ["a=1", "b=1", "a=2"])
      assert.deepStrictEqual(server.seen, ["a=1", "b=1", "a=2"])
    })
  )

  it.effect("subscribe misses nothing between it and the first pull; deliveries begin when they run", () =>
    Effect.gen(function* () {
      const { gossip } = yield* alone()
      const { deliveries } = gossip
      yield* gossip.publish("before", "1")
      const subscription = yield* gossip.subscribe
      yield* gossip.publish("between", "1")
      const running = yield* Effect.forkChild(Stream.runCollect(Stream.take(deliveries, 1)), { startImmediately: true })
      yield* Effect.yieldNow
      yield* gossip.publish("after", "1")
      const first = yield* Stream.runCollect(Stream.take(subscription, 2))
      assert.deepStrictEqual(first.map(write), ["between=1", "after=1"])
      assert.deepStrictEqual((yield* Fiber.join(running)).map(write), ["after=1"])
    })
  )

  it.effect("every subscriber gets everything; one that stops reading leaves nothing behind", () =>
    Effect.gen(function* () {
      const { gossip } = yield* alone()
      const scope = yield* Scope.make()
      const left = yield* Scope.provide(gossip.subscribe, scope)
      const streams = yield* Effect.forEach([1, 2, 3], () => gossip.subscribe)
      yield* gossip.publish("a", "1")
      yield* Scope.close(scope, Exit.void)
      yield* gossip.publish("b", "1")
      for (const stream of streams) {
        assert.deepStrictEqual((yield* Stream.runCollect(Stream.take(stream, 2))).map(write), ["a=1", "b=1"])
      }
      // Its subscription is over: it gets what came before, and ends.
      assert.deepStrictEqual((yield* Stream.runCollect(left)).map(write), ["a=1"])
    })
  )

  it.effect("a subscriber far behind skips values in between, and gets the newest of every key", () =>
    Effect.gen(function* () {
      const { gossip } = yield* alone()
      const deliveries = yield* gossip.subscribe
      for (let round = 0; round < 500; round++) {
        yield* gossip.publishAll(Array.from({ length: 10 }, (_, key) => [`k${key}`, `${round}`] as const))
      }
      yield* gossip.publish("last", "1")
      const all = yield* deliveries.pipe(
        Stream.takeUntil(({ key }) => key === "last"),
        Stream.runCollect
      )
      assert.strictEqual(all.length, 1000 + 10 + 1)
      assert.deepStrictEqual(
        all.slice(0, 1000).map(write),
        Array.from({ length: 1000 }, (_, n) => `k${n % 10}=${Math.floor(n / 10)}`)
      )
      const newest = new Map(all.map(({ key, value }) => [key, value]))
      for (let key = 0; key < 10; key++) assert.strictEqual(newest.get(`k${key}`), "499")
      // It has caught up: from here on it sees everything again.
      yield* gossip.publish("k0", "again")
      yield* gossip.publish("k0", "and again")
      const then = yield* Stream.runCollect(Stream.take(deliveries, 2))
      assert.deepStrictEqual(then.map(write), ["k0=again", "k0=and again"])
    })
  )
})

/** Every method, with arguments that are fine. */
const methods = (gossip: Service): Record<string, Effect.Effect<unknown, Gossip.GossipError, Scope.Scope>> => ({
  bind: gossip.bind("inproc://b"),
  unbind: gossip.unbind("inproc://here"),
  port: gossip.port,
  connect: gossip.connect("inproc://c"),
  "connect again": gossip.connect("inproc://there"),
  disconnect: gossip.disconnect("inproc://there"),
  publish: gossip.publish("a", "1"),
  publishAll: gossip.publishAll([["a", "1"]]),
  get: gossip.get("a"),
  entries: gossip.entries,
  status: gossip.status,
  set: gossip.set("server/timeout", "1"),
  subscribe: gossip.subscribe,
  pipe: gossip.pipe
})

describe("stop", () => {
  it.effect("ends everything: sockets, streams, and every method fails", () =>
    Effect.gen(function* () {
      const { gossip, network } = yield* alone({ bind: ["inproc://here"], connect: ["inproc://there"] })
      yield* start(network, "there")
      yield* quiet(network)
      const ended = yield* Effect.forkChild(Effect.exit(gossip.stopped))
      const streams = [yield* gossip.subscribe, gossip.deliveries]
      const reading = yield* Effect.forEach(streams, (stream) => Effect.forkChild(Stream.runCollect(stream)))
      const unread = yield* gossip.subscribe
      yield* pass(network, 1)
      yield* gossip.publish("last", "1")
      assert.isUndefined(ended.pollUnsafe())
      yield* gossip.stop
      assert.deepInclude(yield* network.status, { listeners: 1, connections: 0 })
      assert.deepStrictEqual(yield* Fiber.join(ended), Exit.void)
      for (const fiber of reading) assert.deepStrictEqual((yield* Fiber.join(fiber)).map(write), ["last=1"])
      assert.deepStrictEqual((yield* Stream.runCollect(unread)).map(write), ["last=1"], "what was there to read")
      assert.deepStrictEqual(yield* Stream.runCollect(gossip.deliveries), [])
      for (const [name, method] of Object.entries(methods(gossip))) {
        const outcome = yield* Effect.exit(Effect.timeout(Effect.scoped(method), "1 second")).pipe(
          Effect.forkChild,
          Effect.tap(() => pass(network, 1000)),
          Effect.flatMap(Fiber.join)
        )
        const error = Exit.isFailure(outcome) ? Option.getOrUndefined(Exit.findErrorOption(outcome)) : undefined
        assert.strictEqual(error?._tag === "GossipError" ? error.reason._tag : outcome, "Stopped", name)
      }
      yield* gossip.stop
      yield* gossip.stopped
    })
  )

  it.effect("answers everybody who waits at that moment, however many", () =>
    Effect.gen(function* () {
      const { gossip, network } = yield* alone()
      const waiting = yield* Effect.forEach(
        Array.from({ length: 5000 }, (_, n) => n),
        (n) => Effect.forkChild(Effect.exit(gossip.publish(`k${n}`, "")), { startImmediately: true })
      )
      yield* gossip.stop
      yield* settle(network)
      const unanswered = waiting.filter((fiber) => fiber.pollUnsafe() === undefined)
      assert.strictEqual(unanswered.length, 0)
    })
  )

  it.effect("a bind and a connect that are under way at that moment end too", () =>
    Effect.gen(function* () {
      const { gossip, network } = yield* alone()
      const under = [gossip.bind("inproc://a"), gossip.connect("inproc://b"), gossip.subscribe, gossip.pipe]
      const waiting = yield* Effect.forEach(under, (effect) => Effect.forkChild(Effect.exit(Effect.scoped(effect))))
      yield* gossip.stop
      yield* pass(network, 1000)
      for (const fiber of waiting) assert.isDefined(fiber.pollUnsafe())
      assert.deepInclude(yield* network.status, { listeners: 0, connections: 0 })
    })
  )

  it.effect("may be called by many at once, and stops when its caller is interrupted", () =>
    Effect.gen(function* () {
      const { gossip, network } = yield* alone({ bind: ["inproc://here"] })
      const first = yield* Effect.forkChild(gossip.stop, { startImmediately: true })
      const others = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(gossip.stop))
      yield* Fiber.interrupt(first)
      yield* Fiber.joinAll(others)
      assert.strictEqual((yield* network.status).listeners, 0)
    })
  )

  it.effect("the end of the scope does the same", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const scope = yield* Scope.make()
      const gossip = yield* Scope.provide(build(Gossip.layerMemory(network, { bind: ["inproc://a"] })), scope)
      const reading = yield* Effect.forkChild(Stream.runCollect(gossip.deliveries))
      yield* pass(network, 1)
      yield* Scope.close(scope, Exit.void)
      yield* gossip.stopped
      assert.deepStrictEqual(yield* Fiber.join(reading), [])
      assert.strictEqual((yield* failure(gossip.publish("a", "1")))["reason"], "Stopped")
    })
  )
})

describe("ways to run it", () => {
  const silent = Logger.layer([])

  /** Nodes that find each other on one network of the program. */
  const onNetwork = (options: Gossip.Options) =>
    Layer.unwrap(
      Effect.map(MemoryNetwork.MemoryNetwork, (network: MemoryNetwork.MemoryNetwork["Service"]) =>
        Gossip.layerMemory(network, options)
      )
    )

  it.effect("two nodes in one process keep their tuples apart until they are linked", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const a = yield* build(Gossip.layerMemory(network, { bind: ["inproc://a"], publish: { a: "1" } }))
      const b = yield* build(Gossip.layerMemory(network, { publish: { b: "1" } }))
      assert.deepStrictEqual([yield* knows(a), yield* knows(b)], [["a=1"], ["b=1"]])
      yield* b.connect("inproc://a")
      yield* quiet(network)
      assert.deepStrictEqual(
        [yield* knows(a), yield* knows(b)],
        [
          ["a=1", "b=1"],
          ["a=1", "b=1"]
        ]
      )
    })
  )

  it("promises, through a ManagedRuntime", async () => {
    const network = ManagedRuntime.make(MemoryNetwork.layer())
    const shared = Layer.effect(
      MemoryNetwork.MemoryNetwork,
      Effect.promise(() => network.runPromise(MemoryNetwork.MemoryNetwork))
    )
    const a = ManagedRuntime.make(Layer.provide(onNetwork({ bind: ["inproc://a"] }), [shared, silent]))
    const b = ManagedRuntime.make(Layer.provide(onNetwork({ connect: ["inproc://a"] }), [shared, silent]))
    const listening = Promise.withResolvers<void>()
    const published = b.runPromise(
      Effect.gen(function* () {
        const deliveries = yield* Gossip.Gossip.use(({ subscribe }) => subscribe)
        listening.resolve()
        return yield* Stream.runHead(deliveries)
      }).pipe(Effect.scoped)
    )
    await listening.promise
    await a.runPromise(Gossip.Gossip.use((gossip) => gossip.publish("from", "a promise")))
    assert.strictEqual(Option.getOrThrow(await published).value, "a promise")
    const refused = await a.runPromise(Effect.flip(Gossip.Gossip.use((gossip) => gossip.bind("nonsense"))))
    assert.strictEqual(refused.reason._tag, "InvalidEndpoint")
    await b.dispose()
    await a.dispose()
    assert.deepInclude(await network.runPromise(MemoryNetwork.MemoryNetwork.use(({ status }) => status)), {
      listeners: 0,
      connections: 0
    })
    await network.dispose()
  })

  it("Effect.runFork, ended by an interrupt", async () => {
    const seen: Array<string> = []
    const heard = Promise.withResolvers<void>()
    const program = Effect.gen(function* () {
      const gossip = yield* Gossip.Gossip
      const deliveries = yield* gossip.subscribe
      yield* gossip.publish("from", "a fiber")
      yield* Stream.runForEach(deliveries, (tuple) =>
        Effect.sync(() => {
          seen.push(write(tuple))
          heard.resolve()
        })
      )
    })
    const layer = Layer.provide(onNetwork({ bind: ["tcp://127.0.0.1:*"] }), [MemoryNetwork.layer(), silent])
    const fiber = Effect.runFork(Effect.scoped(program).pipe(Effect.provide(layer)))
    await heard.promise
    await Effect.runPromise(Fiber.interrupt(fiber))
    assert.deepStrictEqual(seen, ["from=a fiber"])
  })
})

describe("layers", () => {
  it.effect("two nodes never share their tuples, however their layers are put together", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      class A extends Context.Service<A, Gossip.Gossip["Service"]>()("test/A") {}
      class B extends Context.Service<B, Gossip.Gossip["Service"]>()("test/B") {}
      const node = (host: string) =>
        Gossip.layerStarted().pipe(
          Layer.provide([MemoryTransport.layer(network, host), MemoryTupleStore.layer, MemoryConfig.layer()])
        )
      const both = Layer.merge(
        Layer.effect(A, Gossip.Gossip).pipe(Layer.provide(node("a"))),
        Layer.effect(B, Gossip.Gossip).pipe(Layer.provide(node("b")))
      )
      const context = yield* Layer.build(both)
      yield* Context.get(context, A).publish("x", "1")
      assert.deepStrictEqual(yield* Context.get(context, B).entries, [])
    })
  )

  it.effect.each([{ remoteTimeout: -5 }, { remoteTimeout: Number.NaN }, { pingInterval: 0 }, { serverTimeout: 1.5 }])(
    "settings are checked: %j",
    (options) =>
      Effect.gen(function* () {
        const network = yield* MemoryNetwork.make()
        const error = yield* Effect.flip(Layer.build(Gossip.layerMemory(network, options)))
        assert.strictEqual(error.reason._tag, "InvalidSetting")
      })
  )

  it.effect("a setting that is undefined is not given", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      yield* Layer.build(Gossip.layerMemory(network, { remoteTimeout: undefined as never }))
    })
  )
})
