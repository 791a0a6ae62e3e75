/**
 * The wire behaviour of our node, seen by raw ZeroMQ sockets that know the five messages and nothing of src/.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { createServer, connect as connectTcp } from "node:net"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Dealer, Router } from "zeromq"
import { eventually, numbered, ourNode, type OurNode, place, type Scheme } from "./OurNode.ts"
import { type RawDealer, rawDealer, type RawPeer, type RawPeerError, rawRouter, said, show, Wire } from "./RawPeer.ts"

/** Where ipc differs from tcp is below the transport, which has a suite of its own. */
const schemes = ["tcp", "inproc"] as const satisfies ReadonlyArray<Scheme>

/** Generous: only a fault waits that long. */
const long = 10_000

/** A node of ours that serves. */
const serving = (scheme: Scheme, options: Parameters<typeof ourNode>[0] = {}) =>
  Effect.flatMap(place(scheme), (where) => ourNode({ bind: [where], ...options }))

/** A raw client that has said HELLO and read the dump. */
const member = (endpoint: string): Effect.Effect<RawDealer, RawPeerError, Scope.Scope> =>
  Effect.tap(rawDealer(endpoint), (client) => Effect.andThen(client.send(Wire.HELLO), client.untilPong(long)))

const publication = (key: string, value: string) => `PUBLISH ${key}=${value}`

/** What came since the last time, up to the answer to a PING now. */
const heard = (client: RawDealer) => client.untilPong(long)

// ---------------------------------------------------------------------------------------------------------------------
// Server side

describe.each(schemes)("our server over %s", (scheme) => {
  it.live("answers HELLO with its tuples, in golden octets, ahead of the PONG, and with nothing else", () =>
    Effect.gen(function* () {
      const ours = yield* serving(scheme)
      const early = yield* rawDealer(ours.endpoint)
      yield* early.send(Wire.HELLO)
      yield* early.expectNothing(50)
      yield* ours.gossip.publish("key", "value")
      yield* ours.gossip.publish("b", "2")
      const late = yield* rawDealer(ours.endpoint)
      yield* late.send(Wire.hex("AA A0 01 01"))
      yield* late.send(Wire.hex("AA A0 03 01"))
      const frames = [yield* late.next(long), yield* late.next(long), yield* late.next(long)]
      assert.deepStrictEqual(
        frames.map((frame) => Buffer.concat(frame).toString("hex")),
        ["aaa00201036b65790000000576616c756500000000", "aaa002010162000000013200000000", "aaa00401"]
      )
      yield* late.expectNothing(50)
      assert.deepStrictEqual(yield* heard(early), [publication("key", "value"), publication("b", "2")])
    })
  )

  it.live("dumps a thousand tuples ahead of the PONG, each once", () =>
    Effect.gen(function* () {
      const tuples = numbered("key", 1000)
      const ours = yield* serving(scheme, { publish: tuples })
      const client = yield* rawDealer(ours.endpoint)
      yield* client.send(Wire.HELLO)
      assert.deepStrictEqual(
        yield* heard(client),
        tuples.map(([key, value]) => publication(key, value))
      )
    })
  )

  it.live("answers each PING with one PONG, before HELLO too, and takes nobody in for it", () =>
    Effect.gen(function* () {
      const ours = yield* serving(scheme)
      const client = yield* rawDealer(ours.endpoint)
      for (let n = 0; n < 5; n++) yield* client.send(Wire.PING)
      for (let n = 0; n < 5; n++) assert.deepStrictEqual(yield* client.next(long), [Wire.PONG])
      yield* ours.gossip.publish("a", "1")
      yield* client.expectNothing(50)
      assert.deepStrictEqual((yield* ours.gossip.status).listeners, [{ endpoint: ours.endpoint, peers: 1, members: 0 }])
    })
  )

  it.live("stores, delivers and forwards what a member publishes, in order, and does not echo it", () =>
    Effect.gen(function* () {
      const ours = yield* serving(scheme)
      const sender = yield* member(ours.endpoint)
      const other = yield* member(ours.endpoint)
      const tuples = numbered("key", 500)
      for (const [key, value] of tuples) yield* sender.send(Wire.PUBLISH(key, value))
      assert.deepStrictEqual(yield* heard(sender), [])
      assert.deepStrictEqual(
        yield* heard(other),
        tuples.map(([key, value]) => publication(key, value))
      )
      yield* ours.awaitDelivered(500)
      assert.deepStrictEqual(
        ours.texts(),
        tuples.map(([key, value]) => `${key}=${value}`)
      )
    })
  )

  it.live("drops what it holds already; another value replaces, is delivered and goes on to all others", () =>
    Effect.gen(function* () {
      const ours = yield* serving(scheme)
      const [one, two] = [yield* member(ours.endpoint), yield* member(ours.endpoint)]
      yield* one.send(Wire.PUBLISH("a", "1"))
      yield* one.send(Wire.PUBLISH("a", "1"))
      assert.deepStrictEqual(yield* heard(one), [])
      assert.deepStrictEqual(yield* heard(two), [publication("a", "1")])
      yield* two.send(Wire.PUBLISH("a", "1"))
      yield* two.send(Wire.PUBLISH("a", "2"))
      assert.deepStrictEqual(yield* heard(two), [])
      assert.deepStrictEqual(yield* heard(one), [publication("a", "2")])
      yield* one.send(Wire.PUBLISH("a", "1"))
      assert.deepStrictEqual(yield* heard(one), [])
      assert.deepStrictEqual(yield* heard(two), [publication("a", "1")], "back again is news too")
      yield* ours.awaitDelivered(3)
      assert.deepStrictEqual(ours.texts(), ["a=1", "a=2", "a=1"])
      assert.strictEqual((yield* ours.gossip.status).tuples, 1)
    })
  )

  it.live("answers a PUBLISH before HELLO with INVALID, and does not store it", () =>
    Effect.gen(function* () {
      const ours = yield* serving(scheme)
      const witness = yield* member(ours.endpoint)
      const client = yield* rawDealer(ours.endpoint)
      yield* client.send(Wire.PUBLISH("a", "1"))
      assert.deepStrictEqual(yield* client.next(long), [Wire.INVALID])
      assert.strictEqual((yield* ours.gossip.status).tuples, 0)
      assert.deepStrictEqual(yield* heard(witness), [])
      yield* client.send(Wire.HELLO)
      yield* client.send(Wire.PUBLISH("a", "1"))
      assert.deepStrictEqual(yield* heard(client), [], "HELLO, PUBLISH, PING, PONG: acknowledged")
      assert.deepStrictEqual(yield* ours.holds, ["a=1"])
    })
  )

  it.live.each([
    ["HELLO", Wire.HELLO],
    ["PONG", Wire.PONG],
    ["INVALID", Wire.INVALID]
  ] as const)("answers %s from a member with INVALID and ends the session; HELLO begins it anew", ([, frame]) =>
    Effect.gen(function* () {
      const ours = yield* serving(scheme, { publish: { a: "1" } })
      const client = yield* member(ours.endpoint)
      for (let round = 0; round < 2; round++) {
        yield* client.send(frame)
        assert.strictEqual(yield* client.nextText(long), "INVALID")
        yield* ours.gossip.publish("unheard", `${round}`)
        yield* client.expectNothing(30)
        yield* client.send(Wire.PUBLISH("refused", "1"))
        assert.strictEqual(yield* client.nextText(long), "INVALID")
        yield* client.send(Wire.HELLO)
        assert.deepStrictEqual(yield* heard(client), [publication("a", "1"), publication("unheard", `${round}`)])
      }
      assert.deepStrictEqual(yield* ours.holds, ["a=1", "unheard=1"])
    })
  )

  it.live("tells a member of what is published here, and of what comes from other endpoints", () =>
    Effect.gen(function* () {
      const ours = yield* serving(scheme, { bind: [yield* place(scheme), yield* place("tcp"), yield* place("inproc")] })
      const clients = yield* Effect.forEach(ours.endpoints, member)
      yield* ours.gossip.publish("from us", "1")
      for (const [index, client] of clients.entries()) yield* client.send(Wire.PUBLISH(`from ${index}`, "1"))
      for (const [index, client] of clients.entries()) {
        const expected = ["from us", ...[0, 1, 2].filter((other) => other !== index).map((other) => `from ${other}`)]
        const got: Array<string> = []
        while (got.length < expected.length) got.push(yield* client.nextText(long))
        assert.deepStrictEqual(got.sort(), expected.map((key) => publication(key, "1")).sort())
        assert.deepStrictEqual(yield* heard(client), [])
      }
    })
  )

  it.live("a client that goes is let go, one that comes back under the same routing id is a new one", () =>
    Effect.gen(function* () {
      const ours = yield* serving(scheme, { publish: { a: "1" } })
      const listener = Effect.map(ours.gossip.status, ({ listeners }) => listeners[0]!)
      for (let round = 0; round < 3; round++) {
        const client = yield* rawDealer(ours.endpoint, { routingId: "fixed" })
        yield* client.send(Wire.HELLO)
        assert.deepStrictEqual(yield* heard(client), [publication("a", "1")])
        assert.strictEqual((yield* listener).members, 1)
        yield* client.close
        yield* eventually(listener, ({ peers }) => peers === 0)
      }
    })
  )

  it.live("connected to before it binds, it answers what was said meanwhile", () =>
    Effect.gen(function* () {
      const first = yield* serving(scheme)
      yield* first.close
      const client = yield* rawDealer(first.endpoint)
      yield* client.send(Wire.HELLO)
      yield* Effect.sleep("50 millis")
      yield* ourNode({ bind: [first.endpoint], publish: { a: "1" } })
      assert.deepStrictEqual(yield* heard(client), [publication("a", "1")])
    })
  )

  it.live("200 clients that come, publish and go leave tuples behind, and nothing else", () =>
    Effect.gen(function* () {
      const ours = yield* serving(scheme)
      const witness = yield* member(ours.endpoint)
      const visit = (n: number) =>
        Effect.scoped(
          Effect.gen(function* () {
            const client = yield* rawDealer(ours.endpoint)
            if (n % 3 > 0) yield* client.send(Wire.HELLO)
            if (n % 3 > 1) yield* client.send(Wire.PUBLISH(`visitor ${n}`, "1"))
            if (n % 2 > 0) yield* client.send(Wire.PING)
            if (n % 2 > 0) while ((yield* client.nextText(long)) !== "PONG");
          })
        )
      yield* Effect.forEach(
        Array.from({ length: 200 }, (_, n) => n),
        visit,
        { concurrency: 20, discard: true }
      )
      const status = yield* eventually(ours.gossip.status, ({ listeners }) => listeners[0]?.peers === 1, long)
      assert.deepStrictEqual(status.listeners, [{ endpoint: ours.endpoint, peers: 1, members: 1 }])
      const published = yield* heard(witness)
      assert.strictEqual(published.length, status.tuples)
    })
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// Octets

describe("octets", () => {
  it.live.each(schemes)("any key and value passes two of our nodes unchanged (%s)", (scheme) =>
    Effect.gen(function* () {
      const first = yield* serving(scheme)
      const second = yield* serving(scheme, { connect: [first.endpoint] })
      const sender = yield* member(first.endpoint)
      const receiver = yield* member(second.endpoint)
      yield* sender.send(Wire.PUBLISH("ready", ""))
      assert.deepStrictEqual(yield* receiver.next(long), [Wire.PUBLISH("ready", "")])
      /** All 256 octets from `start` on, round and round. */
      const odd = (start: number, length: number) => Uint8Array.from({ length }, (_, index) => (start + index) % 256)
      const frames = [
        ...Array.from({ length: 256 }, (_, length) => Wire.PUBLISH(odd(length, length), odd(0, 256 - length))),
        Wire.PUBLISH("\0", "\0\0\0"),
        Wire.PUBLISH("\0\0", ""),
        Wire.PUBLISH("a\0b", "c\0d"),
        Wire.PUBLISH(Uint8Array.of(0xff, 0xfe), Uint8Array.of(0xc3, 0x28)),
        Wire.PUBLISH(Uint8Array.of(0xff, 0xfd), Uint8Array.of(0xed, 0xa0, 0x80)),
        Wire.PUBLISH("ümläut", "日本語 🙂"),
        Wire.PUBLISH("large", odd(7, 1 << 20)),
        Wire.PUBLISH("a frame in a value", Wire.PUBLISH("k", "v"))
      ]
      for (const frame of frames) yield* sender.send(frame)
      for (const frame of frames) {
        const [got] = yield* receiver.next(long)
        assert.isTrue(got?.equals(frame), `${got && show(got)} instead of ${show(frame)}`)
      }
      const late = yield* rawDealer(second.endpoint)
      yield* late.send(Wire.HELLO)
      yield* heard(late)
      // 256 octets of key at length 0 and value at length 256 included; the dump holds each
      const dump = new Set(late.received.map(([frame]) => frame!.toString("latin1")))
      for (const frame of frames) assert.isTrue(dump.has(frame.toString("latin1")), show(frame))
    })
  )

  it.live("what stands behind the last field is ignored and goes no further, and so is the ttl", () =>
    Effect.gen(function* () {
      const ours = yield* serving("tcp")
      const sender = yield* rawDealer(ours.endpoint)
      const receiver = yield* member(ours.endpoint)
      const behind = (frame: Buffer) => Buffer.concat([frame, Buffer.from("and more")])
      yield* sender.send(behind(Wire.HELLO))
      yield* sender.send(behind(Wire.PUBLISH("a", "1", 5000)))
      yield* sender.send(Wire.PUBLISH("b", "2"))
      yield* sender.send(behind(Wire.PING))
      assert.deepStrictEqual(yield* sender.next(long), [Wire.PONG])
      assert.deepStrictEqual(yield* receiver.next(long), [Wire.PUBLISH("a", "1")])
      assert.deepStrictEqual(yield* receiver.next(long), [Wire.PUBLISH("b", "2")])
    })
  )

  it.live("a key of 256 octets is refused with a typed error, and changes nothing", () =>
    Effect.gen(function* () {
      const ours = yield* serving("tcp")
      const client = yield* member(ours.endpoint)
      const error = yield* Effect.flip(ours.gossip.publish("ü".repeat(128), "1"))
      assert.strictEqual(error.reason._tag, "TupleTooLong")
      yield* ours.gossip.publish("k".repeat(255), "1")
      assert.deepStrictEqual(yield* client.next(long), [Wire.PUBLISH("k".repeat(255), "1")])
      assert.strictEqual((yield* ours.gossip.status).tuples, 1)
    })
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// Client side

/** A raw server that answers every PING of the nodes that connect, and notes all else. */
interface RawServer {
  readonly router: RawPeer
  /** Everything but PINGs, from the `from`th message on. */
  readonly news: (from?: number) => ReadonlyArray<string>
  readonly pings: () => number
  /** To whoever spoke last. */
  readonly say: (frame: Uint8Array) => Effect.Effect<void, RawPeerError>
  readonly awaitNews: (
    check: (news: ReadonlyArray<string>) => boolean,
    timeout?: number
  ) => Effect.Effect<ReadonlyArray<string>, unknown>
}

const rawServer = (where: string, answering = true): Effect.Effect<RawServer, RawPeerError, Scope.Scope> =>
  Effect.gen(function* () {
    const router = yield* rawRouter(where)
    const answer = Effect.gen(function* () {
      const [id, frame] = yield* router.next(3_600_000)
      if (answering && show(frame!) === "PING") yield* Effect.ignore(router.send(id!, Wire.PONG))
    })
    yield* Effect.forkScoped(Effect.ignore(Effect.forever(answer)))
    const news = (from = 0) =>
      router
        .texts()
        .slice(from)
        .filter((text) => text !== "PING")
    return {
      router,
      news,
      pings: () => router.texts().filter((text) => text === "PING").length,
      say: (frame) => Effect.suspend(() => router.send(router.received.at(-1)![0]!, frame)),
      awaitNews: (check, timeout = long) =>
        eventually(
          Effect.sync(() => news()),
          check,
          timeout
        )
    }
  })

describe.each(schemes)("our client over %s", (scheme) => {
  it.live("says HELLO, then every tuple held, then what is new", () =>
    Effect.gen(function* () {
      const server = yield* rawServer(yield* place(scheme))
      const ours = yield* ourNode({ publish: numbered("key", 200) })
      yield* ours.gossip.connect(server.router.endpoint)
      yield* server.awaitNews((news) => news.length === 201)
      yield* ours.gossip.publish("new", "1")
      yield* server.awaitNews((news) => news.length === 202)
      assert.deepStrictEqual(server.news(), [
        "HELLO",
        ...numbered("key", 200).map(([key, value]) => publication(key, value)),
        publication("new", "1")
      ])
      assert.strictEqual(server.router.texts()[0], "HELLO", "the first of all frames")
      assert.deepStrictEqual(
        server.router.received.map(({ length }) => length),
        server.router.received.map(() => 2),
        "one frame each"
      )
      assert.deepStrictEqual(server.router.received[1]?.[1]?.length, 4)
    })
  )

  it.live("stores and delivers what the server publishes, tells all others, and does not echo it", () =>
    Effect.gen(function* () {
      const server = yield* rawServer(yield* place(scheme))
      const other = yield* rawServer(yield* place(scheme))
      const ours = yield* serving(scheme, { connect: [server.router.endpoint, other.router.endpoint] })
      const client = yield* member(ours.endpoint)
      yield* Effect.forEach([server, other], ({ awaitNews }) => awaitNews((news) => news.includes("HELLO")))
      yield* server.say(Wire.PUBLISH("a", "1", 777))
      yield* ours.awaitTuple("a", "1")
      yield* server.say(Wire.PUBLISH("a", "1"))
      yield* server.say(Wire.PUBLISH("b", "2"))
      yield* ours.awaitTuple("b", "2")
      yield* other.awaitNews((news) => news.length >= 3)
      assert.deepStrictEqual(yield* heard(client), [publication("a", "1"), publication("b", "2")])
      yield* client.send(Wire.PUBLISH("c", "3"))
      yield* server.awaitNews((news) => news.length >= 2)
      yield* other.awaitNews((news) => news.length >= 4)
      assert.deepStrictEqual(server.news(), ["HELLO", publication("c", "3")])
      assert.deepStrictEqual(other.news(), ["HELLO", ...["a=1", "b=2", "c=3"].map((tuple) => `PUBLISH ${tuple}`)])
    })
  )

  it.live("ignores HELLO, PING and PONG of the server", () =>
    Effect.gen(function* () {
      const server = yield* rawServer(yield* place(scheme))
      const ours = yield* ourNode({ connect: [server.router.endpoint], publish: { a: "1" } })
      yield* server.awaitNews((news) => news.length === 2)
      for (const frame of [Wire.HELLO, Wire.PING, Wire.PONG, Wire.HELLO, Wire.PING, Wire.PONG]) yield* server.say(frame)
      yield* server.say(Wire.PUBLISH("b", "2"))
      yield* ours.awaitTuple("b", "2")
      yield* ours.gossip.publish("c", "3")
      yield* server.awaitNews((news) => news.length === 3)
      assert.deepStrictEqual(server.news(), ["HELLO", publication("a", "1"), publication("c", "3")])
    })
  )

  it.live("answers a storm of INVALIDs with one HELLO and one replay, and loses nothing", () =>
    Effect.gen(function* () {
      const server = yield* rawServer(yield* place(scheme))
      const ours = yield* ourNode({ connect: [server.router.endpoint], publish: { a: "1", b: "2" } })
      yield* server.awaitNews((news) => news.length === 3)
      const connected = Effect.map(ours.gossip.status, ({ remotes }) => remotes[0]?.state === "Connected")
      yield* eventually(connected, (is) => is)
      const before = server.router.received.length
      yield* ours.gossip.publish("refused", "1")
      for (let n = 0; n < 100; n++) yield* server.say(Wire.INVALID)
      yield* server.awaitNews((news) => news.length >= 3 + 1 + 1 + 3)
      yield* Effect.sleep("400 millis")
      const news = server.news(before)
      const hello = news.indexOf("HELLO")
      assert.deepStrictEqual(
        news.filter((text) => text === "HELLO"),
        ["HELLO"]
      )
      assert.deepStrictEqual(
        news.slice(hello + 1).toSorted(),
        ["a=1", "b=2", "refused=1"].map((tuple) => `PUBLISH ${tuple}`)
      )
      assert.isAtMost(server.router.received.length - before, 20, "PINGs included")
      assert.isAtLeast((yield* ours.gossip.status).counters.invalidReceived, 100)
    })
  )

  it.live("says HELLO as the first frame again when the server comes back, whatever was published meanwhile", () =>
    Effect.gen(function* () {
      const first = yield* rawServer(yield* place(scheme))
      const where = first.router.endpoint
      const ours = yield* ourNode({ connect: [where], publish: { a: "1" } })
      yield* first.awaitNews((news) => news.length === 2)
      let expected = ["a=1"]
      let server = first
      for (const round of [1, 2]) {
        yield* server.router.close
        yield* ours.gossip.publish(`meanwhile ${round}`, "1")
        yield* Effect.sleep("100 millis")
        server = yield* rawServer(where)
        expected = [...expected, `meanwhile ${round}=1`]
        yield* server.awaitNews((news) => news.length >= 1 + expected.length)
        assert.strictEqual(server.router.texts()[0], "HELLO")
        const news = server.news()
        assert.deepStrictEqual(news[0], "HELLO")
        assert.deepStrictEqual(news.slice(1).toSorted(), expected.map((tuple) => `PUBLISH ${tuple}`).sort())
      }
      yield* server.say(Wire.PUBLISH("from the last", "1"))
      yield* ours.awaitTuple("from the last", "1")
    })
  )

  it.live("connects before anybody serves, and says HELLO first once somebody does", () =>
    Effect.gen(function* () {
      const where = yield* place(scheme)
      const ours = yield* ourNode({ connect: [where] })
      yield* ours.gossip.publish("a", "1")
      yield* Effect.sleep("150 millis")
      const server = yield* rawServer(where)
      yield* server.awaitNews((news) => news.length === 2)
      assert.deepStrictEqual(server.news(), ["HELLO", publication("a", "1")])
      assert.strictEqual(server.router.texts()[0], "HELLO")
    })
  )

  it.live("CONNECT twice is a no-op, disconnect ends it, and then it can be connected to again", () =>
    Effect.gen(function* () {
      const server = yield* rawServer(yield* place(scheme))
      const { endpoint } = server.router
      const ours = yield* ourNode({ connect: [endpoint, endpoint] })
      yield* ours.gossip.connect(endpoint)
      yield* server.awaitNews((news) => news.length === 1)
      yield* ours.gossip.publish("a", "1")
      yield* server.awaitNews((news) => news.length === 2)
      yield* ours.gossip.disconnect(endpoint)
      assert.deepStrictEqual((yield* ours.gossip.status).remotes, [])
      yield* ours.gossip.publish("b", "2")
      const ended = server.router.received.length
      yield* Effect.sleep("300 millis")
      assert.isAtMost(server.router.received.length, ended + 1, "not even PINGs")
      assert.deepStrictEqual(server.news(), ["HELLO", publication("a", "1")])
      assert.strictEqual((yield* Effect.flip(ours.gossip.disconnect(endpoint))).reason._tag, "NotConnected")
      yield* ours.gossip.connect(endpoint)
      yield* server.awaitNews((news) => news.length === 5)
      assert.strictEqual(server.news()[2], "HELLO")
    })
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// Time

describe("times", () => {
  // Each of these waits for most of its time
  const idle = { concurrent: true, timeout: 30_000 }

  it.live.each(schemes)(
    "of our server: without server/timeout a silent client stays a member for as long as it is connected (%s)",
    (scheme) =>
      Effect.gen(function* () {
        const ours = yield* serving(scheme)
        const client = yield* member(ours.endpoint)
        yield* client.expectNothing(1500)
        yield* ours.gossip.publish("a", "1")
        assert.strictEqual(yield* client.nextText(long), publication("a", "1"))
        yield* client.send(Wire.PUBLISH("b", "2"))
        yield* ours.awaitTuple("b", "2")
      }),
    idle
  )

  it.live(
    "of our server: server/timeout is kept to the letter: not sooner, not later, without a word",
    () =>
      Effect.gen(function* () {
        const ours = yield* serving("tcp", { serverTimeout: 300 })
        const members = Effect.map(ours.gossip.status, ({ listeners }) => listeners[0]!.members)
        const early = performance.now()
        const client = yield* member(ours.endpoint)
        const late = performance.now()
        yield* eventually(members, (count) => count === 0)
        const gone = performance.now()
        // It spoke last between `early` and `late`; clocks count in whole milliseconds, and a look may be late
        assert.isAbove(gone - early, 298)
        assert.isBelow(gone - late, 1000)
        yield* ours.gossip.publish("missed", "1")
        yield* client.expectNothing(50)
        assert.deepStrictEqual(yield* heard(client), [], "a PONG proves no membership")
        yield* client.send(Wire.PUBLISH("refused", "1"))
        assert.strictEqual(yield* client.nextText(long), "INVALID")
        assert.deepStrictEqual(yield* ours.holds, ["missed=1"])
        yield* client.send(Wire.HELLO)
        assert.deepStrictEqual(yield* heard(client), [publication("missed", "1")])
      }),
    idle
  )

  it.live(
    "of our server: any message counts as activity, and server/timeout 0 means never",
    () =>
      Effect.gen(function* () {
        const strict = yield* serving("tcp", { serverTimeout: 1000 })
        const lenient = yield* serving("tcp", { serverTimeout: 0 })
        const pinging = yield* member(strict.endpoint)
        const publishing = yield* member(strict.endpoint)
        const silent = yield* member(lenient.endpoint)
        for (let round = 0; round < 8; round++) {
          yield* Effect.sleep("150 millis")
          yield* pinging.send(Wire.PING)
          yield* publishing.send(Wire.PUBLISH("same", "1"))
        }
        yield* strict.gossip.publish("a", "1")
        yield* lenient.gossip.publish("a", "1")
        assert.include(yield* publishing.nextText(long), publication("a", "1"))
        while ((yield* pinging.nextText(long)) !== publication("a", "1"));
        assert.strictEqual(yield* silent.nextText(long), publication("a", "1"))
      }),
    idle
  )

  it.live(
    "of our server: SET server/timeout holds for the sessions that are there, both ways",
    () =>
      Effect.gen(function* () {
        const ours = yield* serving("tcp")
        const members = Effect.map(ours.gossip.status, ({ listeners }) => listeners[0]!.members)
        const client = yield* member(ours.endpoint)
        yield* ours.gossip.set("server/timeout", "100")
        yield* eventually(members, (count) => count === 0)
        yield* ours.gossip.set("server/timeout", "0")
        yield* client.send(Wire.HELLO)
        yield* heard(client)
        yield* client.expectNothing(500)
        assert.strictEqual(yield* members, 1)
      }),
    idle
  )

  it.live.each(schemes)(
    "of our client: PING well inside a second, always (%s)",
    (scheme) =>
      Effect.gen(function* () {
        const server = yield* rawServer(yield* place(scheme))
        yield* ourNode({ connect: [server.router.endpoint] })
        yield* server.awaitNews((news) => news.includes("HELLO"))
        let longest = 0
        const end = performance.now() + 1500
        for (let pings = server.pings(), since = performance.now(); performance.now() < end;) {
          yield* Effect.sleep("10 millis")
          if (server.pings() > pings) since = performance.now()
          pings = server.pings()
          longest = Math.max(longest, performance.now() - since)
        }
        assert.isBelow(longest, 1000)
        assert.isAtMost(server.pings(), 20, "and not all the time")
        assert.deepStrictEqual(server.news(), ["HELLO"])
      }),
    idle
  )

  it.live(
    "of our client: a server that never says PONG is told everything all the same, after INVALID too",
    () =>
      Effect.gen(function* () {
        const server = yield* rawServer(yield* place("tcp"), false)
        const connect = [server.router.endpoint]
        const ours = yield* ourNode({ connect, publish: { a: "1", b: "2" }, remoteTimeout: 400 })
        yield* server.awaitNews((news) => news.length === 3)
        for (let n = 0; n < 100; n++) yield* server.say(Wire.INVALID)
        yield* server.awaitNews((news) => news.length >= 6)
        yield* ours.gossip.publish("c", "3")
        yield* server.awaitNews((news) => news.includes(publication("c", "3")))
        yield* Effect.sleep("1500 millis")
        const hellos = server.news().filter((text) => text === "HELLO").length
        assert.isAtMost(hellos, 10, "no storm in return")
        const last = server.news().slice(server.news().lastIndexOf("HELLO") + 1)
        assert.deepStrictEqual(
          [...new Set(last)].sort(),
          ["a=1", "b=2", "c=3"].map((tuple) => `PUBLISH ${tuple}`)
        )
      }),
    idle
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// Broken frames

/** A linear congruential generator: the same octets on every run. */
const generator = (seed: number) => (below: number) => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * below)
}

const broken: ReadonlyArray<readonly [name: string, frames: ReadonlyArray<Buffer>]> = [
  ["an empty frame", [Buffer.alloc(0)]],
  ["one octet", [Buffer.from([0xaa])]],
  ["three octets", [Buffer.from("aaa001", "hex")]],
  ["the wrong signature", [Buffer.from("aaa10101", "hex")]],
  ["the signature turned round", [Buffer.from("a0aa0101", "hex")]],
  ["version 0", [Buffer.from("aaa00100", "hex")]],
  ["version 2", [Buffer.from("aaa00302", "hex")]],
  ["message 0", [Buffer.from("aaa00001", "hex")]],
  ["message 6", [Buffer.from("aaa00601", "hex")]],
  ["message 255", [Buffer.from("aaaff01", "hex")]],
  ["a PUBLISH without fields", [Buffer.from("aaa00201", "hex")]],
  ["a key beyond the frame", [Buffer.from("aaa00201ff6b", "hex")]],
  ["a value beyond the frame", [Buffer.from("aaa00201016b000000ff7600000000", "hex")]],
  ["a value of 4 GiB", [Buffer.from("aaa00201016bffffffff7600000000", "hex")]],
  ["a value of 2 GiB", [Buffer.from("aaa00201016b800000007600000000", "hex")]],
  ["a PUBLISH without ttl", [Wire.PUBLISH("k", "v").subarray(0, -4)]],
  ["a PUBLISH with half a ttl", [Wire.PUBLISH("k", "v").subarray(0, -2)]],
  ["two frames", [Wire.PING, Wire.PING]],
  ["HELLO behind an empty frame", [Buffer.alloc(0), Wire.HELLO]],
  ["a hundred frames", Array.from({ length: 100 }, () => Wire.HELLO)],
  ["10 MB of zeros", [Buffer.alloc(10_000_000)]],
  ["text", [Buffer.from("GET / HTTP/1.1\r\n\r\n")]]
]

/** While `run` goes on, every PING of an honest client must be answered. */
const answering = <A, E, R>(honest: RawDealer, run: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(run, Effect.forever(Effect.andThen(heard(honest), Effect.sleep("2 millis"))))

/** The same for a member, who must be told of what is published, too. */
const watched = <A, E, R>(ours: OurNode, run: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const honest = yield* member(ours.endpoint)
    const beat = Effect.andThen(ours.gossip.publish("beat", "1"), ours.gossip.publish("beat", "2"))
    const beating = Effect.raceFirst(run, Effect.forever(Effect.andThen(beat, Effect.sleep("2 millis"))))
    const result = yield* answering(honest, beating)
    yield* ours.gossip.publish("beat", "last")
    while ((yield* honest.nextText(long)) !== publication("beat", "last"));
    return result
  })

const malformedOf = (ours: OurNode) =>
  Effect.map(ours.gossip.status, ({ counters }) => Object.values(counters.malformed).reduce((sum, n) => sum + n, 0))

describe.each(schemes)("broken frames over %s", (scheme) => {
  it.live("cost their sender its session, and nobody else anything: our server", () =>
    Effect.gen(function* () {
      const ours = yield* serving(scheme, { publish: { a: "1" } })
      yield* watched(
        ours,
        Effect.gen(function* () {
          const client = yield* rawDealer(ours.endpoint)
          for (const [index, [name, frames]] of broken.entries()) {
            // As a stranger, then as a member
            yield* client.send(...frames)
            assert.strictEqual(yield* client.nextText(long), "INVALID", `${name}, said by a stranger`)
            yield* client.send(Wire.HELLO)
            assert.include(yield* heard(client), publication("a", "1"), name)
            yield* client.send(...frames)
            let answer = yield* client.nextText(long)
            while (answer.startsWith("PUBLISH beat=")) answer = yield* client.nextText(long)
            assert.strictEqual(answer, "INVALID", `${name}, said by a member`)
            assert.strictEqual(yield* malformedOf(ours), 2 * (index + 1), name)
          }
        })
      )
      assert.deepStrictEqual(yield* Effect.map(ours.holds, (all) => all.map((text) => text.split("=")[0])), [
        "a",
        "beat"
      ])
    })
  )

  it.live("are ignored by our client, and the connection goes on", () =>
    Effect.gen(function* () {
      const server = yield* rawServer(yield* place(scheme))
      const ours = yield* serving(scheme, { connect: [server.router.endpoint] })
      yield* server.awaitNews((news) => news.includes("HELLO"))
      const [id] = server.router.received[0]!
      yield* watched(
        ours,
        Effect.gen(function* () {
          for (const [name, frames] of broken) {
            yield* server.router.send(id!, ...frames)
            yield* server.router.send(id!, Wire.PUBLISH("still there", name))
            yield* ours.awaitTuple("still there", name)
          }
        })
      )
      assert.strictEqual(yield* malformedOf(ours), broken.length)
      const news = server.news().filter((text) => !text.startsWith("PUBLISH beat="))
      assert.deepStrictEqual(news, ["HELLO"])
    })
  )

  it.live("a thousand random ones harm nobody, on either side", () =>
    Effect.gen(function* () {
      const random = generator(20_240_229)
      const frame = (): Buffer => {
        const octets = Buffer.from(Array.from({ length: random(40) }, () => random(256)))
        // Half of them begin as a message does, a few of them are one
        if (random(2) === 0) Buffer.from([0xaa, 0xa0, 1 + random(6), 1]).copy(octets)
        return octets
      }
      const message = () => Array.from({ length: random(10) === 0 ? 1 + random(4) : 1 }, frame)
      const messages = Array.from({ length: 1000 }, message)
      const server = yield* rawServer(yield* place(scheme))
      const ours = yield* serving(scheme, { connect: [server.router.endpoint] })
      yield* server.awaitNews((news) => news.includes("HELLO"))
      const [id] = server.router.received[0]!
      yield* watched(
        ours,
        Effect.gen(function* () {
          const client = yield* rawDealer(ours.endpoint)
          for (const frames of messages) {
            yield* client.send(...frames)
            yield* server.router.send(id!, ...frames)
          }
          yield* server.router.send(id!, Wire.PUBLISH("the server", "is heard"))
          yield* ours.awaitTuple("the server", "is heard")
          // Whatever it is by now, one of two HELLOs makes it a member
          for (const last of [Wire.PONG, Wire.HELLO, Wire.PUBLISH("the client", "is heard")]) yield* client.send(last)
          yield* ours.awaitTuple("the client", "is heard")
        })
      )
      const { counters } = yield* ours.gossip.status
      assert.strictEqual(counters.defects, 0)
      assert.isAbove(yield* malformedOf(ours), 1000)
    })
  )

  it.live("nobody acts under another one's routing id: [PING][routing id][HELLO]", () =>
    Effect.gen(function* () {
      const ours = yield* serving(scheme)
      const victim = yield* rawDealer(ours.endpoint, { routingId: "victim" })
      assert.deepStrictEqual(yield* heard(victim), [])
      const stranger = yield* rawDealer(ours.endpoint, { routingId: "stranger" })
      yield* stranger.send(Wire.PING, "victim", Wire.HELLO)
      assert.strictEqual(yield* stranger.nextText(long), "INVALID")
      yield* stranger.expectNothing(20)
      yield* ours.gossip.publish("a", "1")
      assert.deepStrictEqual(yield* heard(victim), [], "still no member")
      yield* victim.send(Wire.HELLO)
      assert.deepStrictEqual(yield* heard(victim), [publication("a", "1")])
      yield* stranger.send(Wire.PING, "victim", Wire.INVALID)
      assert.strictEqual(yield* stranger.nextText(long), "INVALID")
      yield* ours.gossip.publish("b", "2")
      assert.deepStrictEqual(yield* heard(victim), [publication("b", "2")], "still a member")
    })
  )
})

describe("strangers on the port", () => {
  const say = (port: number, octets: Uint8Array, hangUp: boolean) =>
    Effect.callback<void>((resume) => {
      const socket = connectTcp(port, "127.0.0.1")
      const done = () => {
        socket.destroy()
        resume(Effect.void)
      }
      socket.on("error", done).on("close", done).resume()
      socket.on("connect", () => (hangUp ? socket.end(octets) : socket.write(octets, () => setTimeout(done, 20))))
      return Effect.sync(() => socket.destroy())
    })

  it.live("octets that are no ZeroMQ, half a greeting, silence: our server serves on", () =>
    Effect.gen(function* () {
      const ours = yield* serving("tcp")
      const port = yield* ours.gossip.port
      const random = generator(7)
      const greeting = Buffer.from("ff00000000000000017f03004e554c4c", "hex")
      const octets = [
        Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        Buffer.alloc(100_000, 0xff),
        Buffer.alloc(100_000),
        Wire.HELLO,
        greeting,
        Buffer.concat([greeting, Buffer.alloc(48)]),
        Buffer.concat([greeting, Buffer.alloc(48), Buffer.from("0429055245414459ffffffff", "hex")]),
        ...Array.from({ length: 20 }, () => Buffer.from(Array.from({ length: 1 + random(300) }, () => random(256))))
      ]
      yield* watched(
        ours,
        Effect.forEach(octets, (some) => Effect.andThen(say(port, some, true), say(port, some, false)), {
          concurrency: 4,
          discard: true
        })
      )
      yield* eventually(ours.gossip.status, ({ listeners }) => listeners[0]?.peers === 1)
    })
  )

  it.live("a server that speaks no ZeroMQ: our client says so, tries on, and joins once a node is there", () =>
    Effect.gen(function* () {
      const where = yield* place("tcp")
      const web = createServer((socket) => {
        socket.on("error", () => {})
        socket.end("HTTP/1.1 400 Bad Request\r\n\r\n", () => socket.destroy())
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => web.close()))
      yield* Effect.callback<void>((resume) => {
        web.listen(Number(where.split(":").at(-1)), "127.0.0.1", () => resume(Effect.void))
      })
      const other = yield* serving("tcp", { publish: { b: "2" } })
      const ours = yield* ourNode({ connect: [where, other.endpoint], publish: { a: "1" } })
      yield* eventually(ours.gossip.status, ({ remotes }) => remotes[0]?.error !== undefined)
      yield* ours.awaitTuple("b", "2")
      yield* Effect.callback<void>((resume) => void web.close(() => resume(Effect.void)))
      const server = yield* rawServer(where)
      yield* server.awaitNews((news) => news.length >= 3)
      assert.strictEqual(server.router.texts()[0], "HELLO")
    })
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// Peers that do not read

/** Octets in use once what is no longer needed is gone. */
const memory = (): number => {
  setFlagsFromString("--expose-gc")
  const collect = runInNewContext("gc") as () => void
  collect()
  collect()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** A raw socket that is connected, or bound, and not read: what it was sent stays in its pipe, or on its way. */
const lazy = <S extends Dealer | Router>(socket: S): Effect.Effect<S, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => Object.assign(socket, { linger: 0, receiveHighWaterMark: 10 })),
    () => Effect.sync(() => socket.close())
  )

describe("a peer that does not read", () => {
  const keys = 2000
  const values = Array.from({ length: 10 }, (_, round) => `${round}:`.padEnd(2048, "x"))

  /** Publishes 40 MB of which 4 MB live, while a stranger's PINGs are answered. */
  const burst = (ours: OurNode) =>
    Effect.gen(function* () {
      const before = memory()
      yield* answering(
        yield* rawDealer(ours.endpoint),
        Effect.forEach(values, (value) => ours.gossip.publishAll(numbered("key", keys, value)), { discard: true })
      )
      // The live ones, a full queue of ours, and what is between the sockets
      assert.isBelow(memory() - before, 20e6)
    })

  /** Reads until every key has had its newest value, and sees that none goes back to an older one. */
  const readAll = (receive: () => Promise<Array<Buffer>>) =>
    Effect.promise(async () => {
      const newest = new Map<string, string>()
      const wanted = values.at(-1)!
      for (let left = keys; left > 0;) {
        const message = said((await receive()).at(-1)!)
        if (message.type !== "PUBLISH") continue
        const [key, value] = [message.key.toString(), message.value.toString()]
        if (newest.get(key) === wanted) assert.strictEqual(value, wanted, `${key} goes back`)
        else if (value === wanted) left--
        newest.set(key, value)
      }
      assert.strictEqual(newest.size, keys)
    })

  it.live.each(schemes)(
    "as a client costs bounded memory, others are served, and it gets the newest of every tuple (%s)",
    (scheme) =>
      Effect.gen(function* () {
        const ours = yield* serving(scheme)
        const client = yield* lazy(new Dealer())
        client.connect(ours.endpoint)
        yield* Effect.promise(() => client.send(Wire.HELLO))
        yield* eventually(ours.gossip.status, ({ listeners }) => listeners[0]?.members === 1)
        yield* burst(ours)
        yield* readAll(() => client.receive())
      }),
    30_000
  )

  it.live.each(["tcp", "ipc"] as const)(
    "as a server costs bounded memory, others are served, and it gets the newest of every tuple (%s)",
    (scheme) =>
      Effect.gen(function* () {
        const where = yield* place(scheme)
        const server = yield* lazy(new Router())
        yield* Effect.promise(() => server.bind(where))
        const ours = yield* serving(scheme, { connect: [where], remoteTimeout: 300 })
        yield* eventually(ours.gossip.status, ({ remotes }) => remotes[0]?.state !== "Disconnected")
        yield* burst(ours)
        yield* readAll(() => server.receive())
      }),
    30_000
  )
})
