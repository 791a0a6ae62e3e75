/**
 * What a node says to raw peers, frame for frame: the frames are written by hand and carried by the transport alone.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import type * as Gossip from "../../src/Gossip.ts"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import * as Message from "../../src/protocol/Message.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import { nobody } from "../../src/protocol/Version.ts"
import { Wire } from "../interop/RawPeer.ts"
import { at, knows, pass, rawClient, rawServer, settle, start } from "./support.ts"

const { HELLO, INVALID, PING, PONG, PUBLISH } = Wire

/** A node that serves, and raw clients of it. */
const server = (options: Gossip.Options = {}, network?: MemoryNetwork.Options) =>
  Effect.gen(function* () {
    const net = yield* MemoryNetwork.make(network)
    const node = yield* start(net, "server", options)
    let clients = 0
    const connect = Effect.suspend(() => rawClient(MemoryTransport.make(net, `client${++clients}`), node.endpoint))
    /** Says it, and gives what came back. */
    const ask = (client: Effect.Success<typeof connect>, ...frames: ReadonlyArray<Uint8Array>) =>
      Effect.gen(function* () {
        client.take()
        yield* client.say(...frames)
        yield* settle(net)
        return client.take()
      })
    const counters = Effect.map(node.gossip.status, ({ counters }) => counters)
    return { network: net, node, gossip: node.gossip, connect, ask, counters }
  })

describe("as a server", () => {
  it.effect("HELLO: every tuple, then nothing; PING: PONG, one each", () =>
    Effect.gen(function* () {
      const { ask, connect } = yield* server({ publish: { a: "1", b: "2" } })
      const client = yield* connect
      assert.deepStrictEqual(yield* ask(client, HELLO), ["PUBLISH a=1", "PUBLISH b=2"])
      assert.deepStrictEqual(yield* ask(client, PING, PING, PING), ["PONG", "PONG", "PONG"])
      const empty = yield* server()
      assert.deepStrictEqual(yield* empty.ask(yield* empty.connect, HELLO), [])
    })
  )

  it.effect("the dump comes before the PONG to a PING right behind the HELLO, however long it is", () =>
    Effect.gen(function* () {
      const { ask, connect, gossip } = yield* server({}, { highWaterMark: 100 })
      yield* gossip.publishAll(Array.from({ length: 3000 }, (_, n) => [`k${n}`, "v"] as const))
      const heard = yield* ask(yield* connect, HELLO, PING)
      assert.deepStrictEqual(heard, [...Array.from({ length: 3000 }, (_, n) => `PUBLISH k${n}=v`), "PONG"])
    })
  )

  it.effect("tells the others, and never the sender", () =>
    Effect.gen(function* () {
      const { ask, connect, node } = yield* server()
      const [sender, other] = [yield* connect, yield* connect]
      yield* ask(other, HELLO)
      assert.deepStrictEqual(yield* ask(sender, HELLO, PUBLISH("a", "1"), PUBLISH("a", "2"), PING), ["PONG"])
      assert.deepStrictEqual(other.take(), ["PUBLISH a=1", "PUBLISH a=2"])
      assert.deepStrictEqual(node.seen, ["a=1", "a=2"])
      assert.deepStrictEqual(yield* ask(sender, PUBLISH("a", "2"), PING), ["PONG"])
      assert.deepStrictEqual(other.take(), [], "the same value is no news")
    })
  )

  it.effect("says nothing of new tuples to a client that only said PING", () =>
    Effect.gen(function* () {
      const { ask, connect, gossip, network } = yield* server()
      const client = yield* connect
      assert.deepStrictEqual(yield* ask(client, PING), ["PONG"])
      yield* gossip.publish("a", "1")
      yield* settle(network)
      assert.deepStrictEqual(client.take(), [])
      const { listeners } = yield* gossip.status
      assert.deepStrictEqual(listeners, [{ endpoint: "inproc://server", peers: 1, members: 0 }])
    })
  )

  it.effect("PUBLISH, PONG and INVALID before HELLO: INVALID, and nothing is stored", () =>
    Effect.gen(function* () {
      const { ask, connect, gossip, node } = yield* server()
      const client = yield* connect
      for (const frame of [PUBLISH("a", "1"), PONG, INVALID]) {
        assert.deepStrictEqual(yield* ask(client, frame), ["INVALID"])
      }
      assert.deepStrictEqual(yield* knows(gossip), [])
      assert.deepStrictEqual(node.seen, [])
      assert.deepStrictEqual(yield* ask(client, HELLO, PUBLISH("a", "1"), PING), ["PONG"])
      assert.deepStrictEqual(yield* knows(gossip), ["a=1"])
    })
  )

  it.effect("a second HELLO: INVALID, and the session is over; the third gives the whole dump again", () =>
    Effect.gen(function* () {
      const { ask, connect, gossip, network } = yield* server({ publish: { a: "1", b: "2" } })
      const client = yield* connect
      yield* ask(client, HELLO)
      assert.deepStrictEqual(yield* ask(client, HELLO), ["INVALID"])
      yield* gossip.publish("c", "3")
      yield* settle(network)
      assert.deepStrictEqual(client.take(), [], "no member any more")
      assert.deepStrictEqual(yield* ask(client, HELLO), ["PUBLISH a=1", "PUBLISH b=2", "PUBLISH c=3"])
      for (const frame of [PONG, INVALID]) {
        assert.deepStrictEqual(yield* ask(client, frame, PUBLISH("d", "4")), ["INVALID", "INVALID"])
        assert.strictEqual((yield* ask(client, HELLO)).length, 3)
      }
    })
  )

  it.effect("a tuple comes once, in the dump or behind it", () =>
    Effect.gen(function* () {
      const { connect, gossip, network } = yield* server({ publish: { a: "1" } }, { latency: 5 })
      const client = yield* connect
      yield* client.say(HELLO)
      for (let n = 0; n < 20; n++) {
        yield* gossip.publish(`k${n}`, "v")
        yield* pass(network, 1)
      }
      yield* client.say(PING)
      yield* pass(network, 100)
      assert.deepStrictEqual(client.take(), [
        "PUBLISH a=1",
        ...Array.from({ length: 20 }, (_, n) => `PUBLISH k${n}=v`),
        "PONG"
      ])
    })
  )

  it.effect("a value that changes while the dump is under way arrives, and arrives last", () =>
    Effect.gen(function* () {
      const { connect, gossip, network } = yield* server({}, { highWaterMark: 10, latency: 1 })
      yield* gossip.publishAll(Array.from({ length: 2000 }, (_, n) => [`k${n}`, "old"] as const))
      const client = yield* connect
      yield* client.say(HELLO)
      yield* pass(network, 20)
      assert.isBelow(client.heard.length, 1000, "the dump is under way")
      yield* gossip.publishAll(Array.from({ length: 2000 }, (_, n) => [`k${n}`, "new"] as const))
      yield* pass(network, 2000)
      yield* client.say(PING)
      yield* pass(network, 100)
      const newest = new Map(client.heard.map((line) => line.split("=") as [string, string]))
      assert.strictEqual(newest.size, 2001)
      for (let n = 0; n < 2000; n++) assert.strictEqual(newest.get(`PUBLISH k${n}`), "new")
      assert.isAtMost(client.heard.length, 4001)
    })
  )

  it.effect("octets behind the last field, and any ttl, are taken, and not passed on", () =>
    Effect.gen(function* () {
      const { ask, connect } = yield* server()
      const other = yield* connect
      yield* ask(other, HELLO)
      const rest = Buffer.from("more")
      const frames = [Buffer.concat([HELLO, rest]), Buffer.concat([PUBLISH("a", "1", 5000), rest])]
      assert.deepStrictEqual(yield* ask(yield* connect, ...frames, Buffer.concat([PING, rest])), ["PONG"])
      assert.deepStrictEqual(other.take(), ["PUBLISH a=1"])
    })
  )

  it.effect("malformed frames are counted, answered INVALID, and harm no other client", () =>
    Effect.gen(function* () {
      const { ask, connect, counters, gossip } = yield* server()
      const [bystander, stranger] = [yield* connect, yield* connect]
      yield* ask(bystander, HELLO)
      const broken = {
        Short: ["", "aa", "aaa001", "aaa00201", "aaa0020103", "aaa00201016b000000", "aaa00201016b0000000176000000"],
        Signature: ["00000101", "ffff0101"],
        Version: ["aaa00100", "aaa00102", "aaa002ff"],
        Id: ["aaa00001", "aaa00601", "aaa0ff01"],
        Length: ["aaa00201016bffffffff76"]
      }
      for (const [reason, frames] of Object.entries(broken)) {
        for (const frame of frames) {
          assert.deepStrictEqual(yield* ask(stranger, Wire.hex(frame)), ["INVALID"], `${reason} ${frame}`)
          yield* ask(stranger, HELLO)
          assert.deepStrictEqual(yield* ask(stranger, Wire.hex(frame), PING), ["INVALID", "PONG"])
        }
      }
      const { defects, malformed } = yield* counters
      assert.deepStrictEqual(
        { defects, ...malformed },
        { defects: 0, Frames: 0, Short: 14, Signature: 4, Version: 6, Id: 6, Length: 2 }
      )
      yield* gossip.publish("a", "1")
      assert.deepStrictEqual(yield* ask(bystander, PING), ["PUBLISH a=1", "PONG"])
    })
  )
})

describe("server/timeout", () => {
  const member = (options: Gossip.Options) =>
    Effect.gen(function* () {
      const subject = yield* server(options)
      const client = yield* subject.connect
      yield* client.say(HELLO)
      yield* settle(subject.network)
      const members = Effect.map(subject.gossip.status, ({ listeners }) => at(listeners, 0).members)
      return { ...subject, client, members }
    })

  it.effect("is honoured to the millisecond, and nothing is sent when it ends a session", () =>
    Effect.gen(function* () {
      const { ask, client, members, network } = yield* member({ serverTimeout: 100 })
      yield* pass(network, 99)
      assert.strictEqual(yield* members, 1)
      yield* pass(network, 1)
      assert.strictEqual(yield* members, 0)
      assert.deepStrictEqual(client.take(), [])
      assert.deepStrictEqual(yield* ask(client, PING, PUBLISH("a", "1")), ["PONG", "INVALID"])
      yield* ask(client, HELLO)
      assert.strictEqual(yield* members, 1)
    })
  )

  it.effect("any message counts", () =>
    Effect.gen(function* () {
      const { client, members, network } = yield* member({ serverTimeout: 100 })
      for (const frame of [PING, PUBLISH("a", "1"), PUBLISH("a", "1"), PING]) {
        yield* pass(network, 99)
        yield* client.say(frame)
      }
      yield* pass(network, 99)
      assert.strictEqual(yield* members, 1)
      yield* pass(network, 1)
      assert.strictEqual(yield* members, 0)
    })
  )

  it.effect("what the server itself says does not count", () =>
    Effect.gen(function* () {
      const { gossip, members, network } = yield* member({ serverTimeout: 100 })
      yield* pass(network, 60)
      yield* gossip.publish("a", "1")
      yield* pass(network, 40)
      assert.strictEqual(yield* members, 0)
    })
  )

  it.effect("each client has its own", () =>
    Effect.gen(function* () {
      const { connect, members, network } = yield* member({ serverTimeout: 100 })
      yield* pass(network, 50)
      yield* (yield* connect).say(HELLO)
      yield* pass(network, 50)
      assert.strictEqual(yield* members, 1)
      yield* pass(network, 49)
      assert.strictEqual(yield* members, 1)
      yield* pass(network, 1)
      assert.strictEqual(yield* members, 0)
    })
  )

  it.effect.each([{}, { serverTimeout: 0 }])("%o never ends a session", (options) =>
    Effect.gen(function* () {
      const { ask, client, gossip, members, network } = yield* member(options)
      yield* pass(network, 30 * 24 * 3600 * 1000)
      assert.strictEqual(yield* members, 1)
      yield* gossip.publish("a", "1")
      assert.deepStrictEqual(yield* ask(client, PING), ["PUBLISH a=1", "PONG"])
    })
  )

  it.effect("SET applies at once, to sessions that live already", () =>
    Effect.gen(function* () {
      const { ask, client, gossip, members, network } = yield* member({})
      yield* pass(network, 10_000)
      yield* ask(client, PING)
      yield* pass(network, 50)
      yield* gossip.set("server/timeout", "100")
      yield* pass(network, 49)
      assert.strictEqual(yield* members, 1)
      yield* pass(network, 1)
      assert.strictEqual(yield* members, 0, "counted from the last message")
      yield* ask(client, HELLO)
      yield* gossip.set("server/timeout", "5000")
      yield* pass(network, 4999)
      assert.strictEqual(yield* members, 1)
      yield* gossip.set("server/timeout", "0")
      yield* pass(network, 100_000)
      assert.strictEqual(yield* members, 1)
      yield* gossip.set("server/timeout", "1000")
      yield* settle(network)
      assert.strictEqual(yield* members, 0, "long overdue")
    })
  )

  it.effect("ends with the connection where it is not set", () =>
    Effect.gen(function* () {
      const { gossip, network } = yield* server()
      const scope = yield* Scope.make()
      const client = yield* rawClient(MemoryTransport.make(network, "client"), "inproc://server").pipe(
        Scope.provide(scope)
      )
      yield* client.say(HELLO)
      yield* settle(network)
      yield* Scope.close(scope, Exit.void)
      yield* settle(network)
      assert.deepStrictEqual((yield* gossip.status).listeners, [{ endpoint: "inproc://server", peers: 0, members: 0 }])
    })
  )

  it.effect.each([20, 100, 1000])("our own clients stay members of a server that waits %i ms", (serverTimeout) =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ latency: 1 })
      const server = yield* start(network, "server", { serverTimeout })
      const client = yield* start(network, "client", { connect: [server.endpoint], remoteTimeout: serverTimeout })
      for (let n = 0; n < 100; n++) {
        yield* pass(network, 7)
        if (n > 2) assert.strictEqual(at((yield* server.gossip.status).listeners, 0).members, 1)
      }
      assert.strictEqual((yield* client.gossip.status).counters.invalidReceived, 0)
    })
  )

  it.effect("a client that reckons with a longer one loses nothing: it is told INVALID, and says it all again", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ latency: 1 })
      const server = yield* start(network, "server", { serverTimeout: 100, publish: { there: "1" } })
      const client = yield* start(network, "client", { connect: [server.endpoint], publish: { here: "1" } })
      yield* pass(network, 200)
      for (let n = 0; n < 10; n++) {
        yield* client.gossip.publish(`k${n}`, "1")
        yield* pass(network, 700)
      }
      const all = ["here=1", "there=1", ...Array.from({ length: 10 }, (_, n) => `k${n}=1`)].sort()
      assert.deepStrictEqual(yield* knows(server.gossip), all)
      assert.deepStrictEqual(server.seen.toSorted(), all)
      assert.isAtLeast((yield* client.gossip.status).counters.invalidReceived, 1)
    })
  )

  it.effect("a client that says older values again and again is not told the newer one each time", () =>
    Effect.gen(function* () {
      const { ask, connect, gossip } = yield* server({ publish: { key: "new" } })
      const client = yield* connect
      yield* ask(client, HELLO)
      const old = Message.encode(Message.publish(new Tuple("key", "old"), { time: 0, counter: 0, origin: nobody }))
      assert.deepStrictEqual(yield* ask(client, old, old, old, PING), ["PONG"])
      assert.strictEqual((yield* gossip.status).counters.stale, 3)
    })
  )
})

describe("as a client", () => {
  const client = (options: Gossip.Options = {}) =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const raw = yield* rawServer(MemoryTransport.make(network, "server"), "inproc://server")
      const node = yield* start(network, "client", { connect: ["inproc://server"], ...options })
      yield* settle(network)
      yield* raw.say(PONG)
      yield* settle(network)
      return { network, raw, node, gossip: node.gossip }
    })

  const count = (lines: ReadonlyArray<string>, what: string) => lines.filter((line) => line === what).length

  it.effect("HELLO is the first frame, then every tuple, each once", () =>
    Effect.gen(function* () {
      const { raw } = yield* client({ publish: { a: "1", b: "2" } })
      const heard = raw.take()
      assert.strictEqual(heard[0], "HELLO")
      assert.deepStrictEqual(
        heard.filter((line) => line !== "PING"),
        ["HELLO", "PUBLISH a=1", "PUBLISH b=2"]
      )
    })
  )

  it.effect("connect twice is a no-op: one HELLO, one connection", () =>
    Effect.gen(function* () {
      const { gossip, network, raw } = yield* client()
      yield* gossip.connect("inproc://server")
      yield* gossip.connect("inproc://server")
      yield* pass(network, 10_000)
      assert.strictEqual(count(raw.heard, "HELLO"), 1)
      assert.strictEqual((yield* network.status).connections, 1)
    })
  )

  it.effect("says PING well inside the timeout, also to a server that never answers", () =>
    Effect.gen(function* () {
      const { network, raw } = yield* client()
      for (let n = 0; n < 50; n++) {
        raw.take()
        yield* pass(network, 500)
        assert.isAtLeast(count(raw.take(), "PING"), 1)
      }
      assert.strictEqual(count(raw.heard, "HELLO"), 1)
    })
  )

  it.effect.each([true, false])(
    "a server that says an older value is told the newer one; while it is asked out of doubt (%s), behind its dump",
    (doubt) =>
      Effect.gen(function* () {
        const { network, raw } = yield* client({ publish: { key: "new" } })
        const heard: Array<string> = []
        const answer = Effect.suspend(() => {
          const lines = raw.take()
          heard.push(...lines)
          return raw.say(...lines.filter((line) => line === "PING").map(() => PONG))
        })
        const live = (ms: number) =>
          Effect.gen(function* () {
            for (let n = 0; n < ms; n += 50) yield* Effect.andThen(answer, pass(network, 50))
          })
        yield* live(2000)
        // Longer than the timeout: it may have been forgotten.
        if (doubt) yield* pass(network, 3000)
        while (doubt && count(heard, "HELLO") < 2) yield* Effect.andThen(answer, pass(network, 50))
        heard.length = 0
        const old = { time: 0, counter: 0, origin: nobody }
        yield* raw.say(Message.encode(Message.publish(new Tuple("key", "old"), old)))
        yield* live(2000)
        assert.deepStrictEqual([...new Set(heard.filter((line) => line.startsWith("PUBLISH")))], ["PUBLISH key=new"])
      })
  )

  it.effect("takes tuples, and passes them on to everybody but their server", () =>
    Effect.gen(function* () {
      const { network, node, raw } = yield* client()
      const second = yield* rawServer(MemoryTransport.make(network, "second"), "inproc://second")
      yield* node.gossip.connect("inproc://second")
      yield* settle(network)
      yield* second.say(PONG)
      yield* settle(network)
      raw.take()
      second.take()
      yield* raw.say(PONG, PUBLISH("a", "1", 77), PUBLISH("a", "1"), PUBLISH("b", "2"))
      yield* settle(network)
      assert.deepStrictEqual(node.seen, ["a=1", "b=2"])
      assert.deepStrictEqual(raw.take(), [])
      assert.deepStrictEqual(second.take(), ["PUBLISH a=1", "PUBLISH b=2"])
    })
  )

  it.effect("ignores HELLO, PING and malformed frames of a server, and counts the latter", () =>
    Effect.gen(function* () {
      const { gossip, network, raw } = yield* client()
      yield* raw.say(PONG, PONG)
      yield* settle(network)
      raw.take()
      yield* raw.say(HELLO, PING, Wire.hex("00"), Wire.hex("aaa00601"), PUBLISH("a", "1"))
      yield* settle(network)
      assert.deepStrictEqual(raw.take(), [])
      assert.deepStrictEqual(yield* knows(gossip), ["a=1"])
      const { malformed } = (yield* gossip.status).counters
      assert.deepInclude(malformed, { Short: 1, Id: 1 })
    })
  )

  it.effect("a storm of INVALID: one HELLO and one replay, and nothing is lost", () =>
    Effect.gen(function* () {
      const { gossip, network, raw } = yield* client({ publish: { a: "1", b: "2" } })
      yield* raw.say(PONG, PONG)
      yield* settle(network)
      const before = raw.heard.length
      // What was published here is answered INVALID, frame for frame, as a server does that forgot us.
      yield* gossip.publishAll(Array.from({ length: 100 }, (_, n) => [`k${n}`, "v"] as const))
      yield* settle(network)
      yield* raw.say(...Array.from({ length: 100 }, () => INVALID))
      yield* settle(network)
      assert.strictEqual(count(raw.heard.slice(before), "HELLO"), 1)
      assert.strictEqual((yield* gossip.status).counters.invalidReceived, 100)

      // The server answers every PING so far, those ahead of HELLO and behind it: HELLO was not refused.
      for (let round = 0, answered = 2; round < 5; round++) {
        const pings = count(raw.heard, "PING") - answered
        answered += pings
        yield* raw.say(...Array.from({ length: pings }, () => PONG))
        yield* settle(network)
      }
      const said = raw.heard.slice(raw.heard.indexOf("HELLO", before))
      for (let n = 0; n < 100; n++) assert.strictEqual(count(said, `PUBLISH k${n}=v`), 1, `k${n} is said again, once`)
      assert.strictEqual(count(said, "HELLO"), 1)
    })
  )

  it.effect("a server that answers INVALID to everything is asked again at the pace of PINGs, not of its answers", () =>
    Effect.gen(function* () {
      const { gossip, network, raw } = yield* client({ publish: { a: "1" } })
      for (let n = 0; n < 100; n++) {
        yield* raw.say(...Array.from({ length: 50 }, () => INVALID))
        yield* pass(network, 100)
      }
      assert.isAtMost(count(raw.heard, "HELLO"), 3 + 10_000 / 250)
      assert.isAtMost(raw.heard.length, 6 * (3 + 10_000 / 250))
      assert.deepStrictEqual(yield* knows(gossip), ["a=1"])
    })
  )

  it.effect("HELLO is the first frame of every connection", () =>
    Effect.gen(function* () {
      const { gossip, network, raw } = yield* client()
      for (let n = 0; n < 5; n++) {
        yield* network.cut("client", "server")
        yield* gossip.publish(`k${n}`, "v")
        yield* pass(network, 1000)
        yield* raw.say(PONG)
        yield* settle(network)
        const heard = raw.take()
        const connection = heard.slice(heard.indexOf("gone") + 1)
        assert.strictEqual(connection[0], "HELLO")
        assert.include(connection, `PUBLISH k${n}=v`)
      }
    })
  )
})
