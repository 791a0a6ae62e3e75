/** What a node takes at most: at each limit the answer is defined, counted and told, and everybody else is served. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Gossip from "../../src/Gossip.ts"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import * as Batch from "../../src/protocol/Batch.ts"
import * as Message from "../../src/protocol/Message.ts"
import * as Ranges from "../../src/protocol/Ranges.ts"
import * as Trailer from "../../src/protocol/Trailer.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import * as Version from "../../src/protocol/Version.ts"
import { show, Wire } from "../interop/RawPeer.ts"
import { build, capture, endpointOf, knows, pass, rawClient, settle, start } from "./support.ts"

/** A node with these limits, its log, and clients without manners. */
const limited = (options: Gossip.Options, around: MemoryNetwork.Options = {}) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.make(around)
    const log = capture()
    const gossip = yield* Effect.provide(
      build(Gossip.layerMemory(network, { host: "here", bind: ["inproc://here"], ...options })),
      log.layer
    )
    const client = (name: string) => rawClient(MemoryTransport.make(network, name), "inproc://here")
    const refused = Effect.map(gossip.status, ({ counters }) => counters.refused)
    return { network, gossip, client, refused, lines: log.lines }
  })

const failed = <A>(effect: Effect.Effect<A, Gossip.GossipError>) =>
  Effect.map(Effect.flip(effect), ({ message, reason }) => `${reason._tag} ${message}`)

describe("tuples", () => {
  it.effect("beyond their number new keys are refused, and changes are not", () =>
    Effect.gen(function* () {
      const { client, gossip, lines, network, refused } = yield* limited({ tuples: 2, publish: { a: "1", b: "1" } })
      assert.match(yield* failed(gossip.publish("c", "1")), /^LimitReached .*no room.*limits\/tuples$/)
      yield* gossip.publish("a", "2")
      const stranger = yield* client("stranger")
      yield* stranger.say(Wire.HELLO, Wire.PUBLISH("d", "1"), Wire.PUBLISH("b", "2"), Wire.PING)
      yield* settle(network)
      assert.deepStrictEqual(yield* knows(gossip), ["a=2", "b=2"])
      // It is not punished: what it told may be fine elsewhere
      assert.strictEqual(stranger.take().at(-1), "PONG")
      assert.deepInclude(yield* refused, { tuples: 2 })
      yield* gossip.set("limits/tuples", "3")
      yield* gossip.publish("c", "1")
      assert.deepStrictEqual(yield* knows(gossip), ["a=2", "b=2", "c=1"])
      assert.lengthOf(
        lines.filter((line) => line.includes("limits/tuples")),
        1
      )
    })
  )

  it.effect("beyond their octets what needs more room is refused, and what needs less is not", () =>
    Effect.gen(function* () {
      const { gossip, refused } = yield* limited({ octets: 20, publish: { a: "123456789", b: "12345678" } })
      assert.match(yield* failed(gossip.publish("c", "1")), /limits\/octets/)
      assert.match(yield* failed(gossip.publish("b", "1234567890")), /limits\/octets/)
      yield* gossip.publish("a", "1")
      yield* gossip.publish("c", "1234567")
      assert.deepStrictEqual(yield* knows(gossip), ["a=1", "b=12345678", "c=1234567"])
      assert.deepInclude(yield* refused, { octets: 2, tuples: 0 })
    })
  )

  it.effect("a value that is too long is refused, wherever it comes from; no subscriber sees it", () =>
    Effect.gen(function* () {
      const { gossip, network, refused } = yield* limited({ valueOctets: 3, connect: ["inproc://there"] })
      const there = yield* start(network, "there", { publish: { long: "1234", short: "123" } })
      assert.match(yield* failed(gossip.publish("a", "1234")), /limits\/value-octets/)
      assert.match(yield* failed(gossip.publishAll([["b", "1"], ["c", "1234"], ["d", "1"]])), /limits\/value-octets/) // prettier-ignore
      yield* pass(network, 5000)
      assert.deepStrictEqual(yield* knows(gossip), ["b=1", "short=123"])
      assert.deepStrictEqual(yield* knows(there.gossip), ["b=1", "long=1234", "short=123"])
      assert.isAtLeast((yield* refused).value, 3)
    })
  )

  it.effect("one that does not fit into a frame is refused where it is published, and where no socket refused it", () =>
    Effect.gen(function* () {
      const { client, gossip, network, refused } = yield* limited({ frameOctets: 1024, valueOctets: 5000 })
      // Between nodes of ours it has its version behind it.
      const fits = "x".repeat(1024 - Wire.PUBLISH("a", "").length - Version.trailerLength)
      assert.match(yield* failed(gossip.publish("a", `${fits}x`)), /^LimitReached .*frame, see limits\/frame-octets$/)
      yield* gossip.publish("a", fits)
      const stranger = yield* client("stranger")
      yield* stranger.say(Wire.HELLO, Wire.PUBLISH("b", `${fits}x`), Wire.PUBLISH("c", fits), Wire.PING)
      yield* settle(network)
      assert.deepStrictEqual(yield* knows(gossip), [`a=${fits}`, `c=${fits}`])
      assert.strictEqual(stranger.take().at(-1), "PONG")
      assert.deepInclude(yield* refused, { frame: 2, value: 0 })
    })
  )

  it.effect("a longer frame costs its sender the connection; one with a longer value does not, and is counted", () =>
    Effect.gen(function* () {
      const { gossip, network, refused } = yield* limited({ frameOctets: 2048, valueOctets: 1024 })
      const endpoint = yield* gossip.bind("tcp://127.0.0.1:0")
      const enter = (name: string) => rawClient(MemoryTransport.make(network, name), endpoint)
      const [honest, stranger] = [yield* enter("honest"), yield* enter("stranger")]
      const members = Effect.map(gossip.status, ({ listeners }) => listeners.at(-1)?.members)
      yield* honest.say(Wire.HELLO)
      yield* stranger.say(Wire.HELLO, Wire.PUBLISH("a", "x".repeat(1025)), Wire.PUBLISH("b", "1"), Wire.PING)
      yield* settle(network)
      assert.strictEqual(stranger.take().at(-1), "PONG")
      assert.deepInclude(yield* refused, { value: 1 })
      assert.strictEqual(yield* members, 2)
      yield* stranger.say(Wire.PUBLISH("c", "x".repeat(2 * Trailer.maxLength)))
      yield* settle(network)
      assert.strictEqual((yield* Effect.flip(stranger.say(Wire.PING))).reason._tag, "Lost")
      assert.strictEqual(yield* members, 1)
      yield* honest.say(Wire.PUBLISH("d", "1"), Wire.PING)
      yield* settle(network)
      assert.deepStrictEqual(honest.take(), ["PUBLISH b=1", "PONG"])
      assert.deepStrictEqual(yield* knows(gossip), ["b=1", "d=1"])
    })
  )

  it.effect("the pipe tells it", () =>
    Effect.gen(function* () {
      const { gossip } = yield* limited({ tuples: 0 })
      const pipe = yield* gossip.pipe
      yield* pipe.send(["PUBLISH", "a", "1"])
      const reply = yield* pipe.take
      assert.strictEqual(reply._tag === "Failed" ? reply.error.reason._tag : reply._tag, "LimitReached")
    })
  )
})

describe("clients", () => {
  it.effect("for a new one the oldest that never said HELLO goes; members stay", () =>
    Effect.gen(function* () {
      const { client, gossip, network, refused } = yield* limited({ clients: 3 })
      const member = yield* client("member")
      yield* member.say(Wire.HELLO)
      yield* settle(network)
      for (let n = 0; n < 100; n++) {
        const stranger = yield* client(`stranger ${n}`)
        yield* stranger.say(Wire.PING)
        yield* settle(network)
        assert.deepStrictEqual(stranger.take(), ["PONG"])
      }
      const honest = yield* client("honest")
      yield* honest.say(Wire.HELLO, Wire.PUBLISH("a", "1"), Wire.PING)
      yield* settle(network)
      assert.deepStrictEqual(honest.take(), ["PONG"])
      assert.deepStrictEqual(member.take(), ["PUBLISH a=1"])
      assert.deepInclude((yield* gossip.status).listeners[0], { peers: 3, members: 2 })
      assert.strictEqual((yield* refused).clients, 99)
    })
  )

  it.effect("those of a listener that was unbound take no place of others", () =>
    Effect.gen(function* () {
      const { client, gossip, network, refused } = yield* limited({ clients: 1 })
      const gone = yield* client("gone")
      yield* gone.say(Wire.PING)
      yield* settle(network)
      yield* gossip.unbind("inproc://here")
      yield* gossip.bind("inproc://here")
      yield* pass(network, 1000)
      for (const name of ["first", "second"]) {
        const stranger = yield* client(name)
        yield* stranger.say(Wire.PING)
        yield* settle(network)
        assert.deepStrictEqual(stranger.take(), ["PONG"])
        assert.deepInclude((yield* gossip.status).listeners[0], { peers: 1 })
      }
      assert.strictEqual((yield* refused).clients, 1)
    })
  )

  it.effect("where all are members a new one is not heard until one of them has left", () =>
    Effect.gen(function* () {
      const { client, gossip, network, refused } = yield* limited({ clients: 2 })
      const nodes = yield* Effect.forEach(["a", "b"], (name) =>
        start(network, name, { connect: ["inproc://here"], endpoint: "none" })
      )
      yield* pass(network, 1000)
      const late = yield* client("late")
      yield* late.say(Wire.HELLO, Wire.PING)
      yield* settle(network)
      assert.deepStrictEqual(late.take(), [])
      assert.strictEqual((yield* refused).clients, 2)
      yield* gossip.publish("k", "v")
      yield* settle(network)
      for (const node of nodes) assert.deepStrictEqual(node.seen, ["k=v"])
      yield* nodes[0]!.close
      yield* pass(network, 1000)
      yield* late.say(Wire.HELLO, Wire.PING)
      yield* settle(network)
      assert.deepStrictEqual(late.take(), ["PUBLISH k=v", "PONG"])
    })
  )

  it.effect("one that sends too much has to say HELLO again; others are not concerned", () =>
    Effect.gen(function* () {
      const { client, gossip, lines, network, refused } = yield* limited({ messagesPerSecond: 10 })
      const [fast, slow] = [yield* client("fast"), yield* client("slow")]
      yield* slow.say(Wire.HELLO)
      yield* fast.say(Wire.HELLO, ...Array.from({ length: 1000 }, (_, n) => Wire.PUBLISH(`k${n}`, "v")))
      yield* settle(network)
      assert.strictEqual((yield* gossip.status).tuples, 9)
      assert.strictEqual((yield* refused).rate, 991)
      assert.isAtMost(lines.filter((line) => line.includes("messages-per-second")).length, 4)
      yield* slow.say(Wire.PING)
      yield* settle(network)
      assert.strictEqual(slow.take().at(-1), "PONG")
      yield* pass(network, 1000)
      fast.take()
      yield* fast.say(Wire.HELLO, Wire.PING)
      yield* settle(network)
      assert.strictEqual(fast.take().at(-1), "PONG")
      assert.deepInclude((yield* gossip.status).listeners[0], { peers: 2, members: 2 })
    })
  )
})

/** A PING of a node of ours that carries this. */
const carried = (...sections: ReadonlyArray<Trailer.Section>) =>
  Message.encode({ ...Message.ping, trailer: Trailer.make(...sections) })

const batch = (prefix: string, count: number) =>
  carried({
    tag: Trailer.tags.entries,
    body: Batch.encode(Array.from({ length: count }, (_, n) => ({ tuple: new Tuple(`${prefix}${n}`, "v") })))
  })

describe("entries that come in one message", () => {
  it.effect("count as a message each", () =>
    Effect.gen(function* () {
      const { client, gossip, network, refused } = yield* limited({ messagesPerSecond: 100 })
      const fast = yield* client("fast")
      yield* fast.say(Message.encode(Message.greeting), batch("a", 98), batch("b", 100), batch("c", 1))
      yield* settle(network)
      assert.strictEqual((yield* gossip.status).tuples, 198)
      assert.strictEqual((yield* refused).rate, 1)
    })
  )

  it.effect("of many clients come in as slowly as messages, and nothing is lost", () =>
    Effect.gen(function* () {
      const { client, gossip, network } = yield* limited({ totalMessagesPerSecond: 100 })
      const fast = yield* client("fast")
      yield* fast.say(Message.encode(Message.greeting))
      for (let n = 0; n < 10; n++) yield* fast.say(batch(`${n}/`, 100))
      yield* pass(network, 3000)
      assert.isAtMost((yield* gossip.status).tuples, 600)
      yield* pass(network, 6000)
      assert.strictEqual((yield* gossip.status).tuples, 1000)
    })
  )

  it.effect("do not keep a node of ours away that has more of them: it goes on where it was", () =>
    Effect.gen(function* () {
      const { gossip, network } = yield* limited({ messagesPerSecond: 100 })
      const publish = Array.from({ length: 2000 }, (_, n) => [`k${n}`, "v"] as const)
      yield* start(network, "many", { connect: ["inproc://here"], publish })
      yield* pass(network, 30_000)
      assert.strictEqual((yield* gossip.status).tuples, 2000)
    })
  )

  it.effect("make frames that are longer than tuples may be, and do not end the connection", () =>
    Effect.gen(function* () {
      const { gossip, network } = yield* limited({ frameOctets: 1024 })
      const endpoint = yield* gossip.bind("tcp://127.0.0.1:0")
      const publish = Array.from({ length: 3000 }, (_, n) => [`k${n}`, "v"] as const)
      const many = yield* start(network, "many", { connect: [endpoint], publish, frameOctets: 1024 })
      yield* pass(network, 10_000)
      assert.strictEqual((yield* gossip.status).tuples, 3000)
      yield* gossip.publishAll(publish.map(([key]) => [`${key}x`, "v"] as const))
      yield* pass(network, 10_000)
      assert.strictEqual((yield* many.gossip.status).tuples, 6000)
    })
  )

  const short = Object.fromEntries(Array.from({ length: 900 }, (_, n) => [`c${n}`, "v"]))

  it.effect("and are wanted, are given once, and long ones as often as dumps", () =>
    Effect.gen(function* () {
      const { client, network } = yield* limited({ publish: { ...short, a: "v", b: "w".repeat(100_000) } })
      const greedy = yield* client("greedy")
      const wanted = (key: string) => carried({ tag: Trailer.tags.wanted, body: `\u0001${key}`.repeat(10_000) })
      yield* greedy.say(Message.encode(Message.hello))
      yield* settle(network)
      yield* greedy.say(Message.encode(Message.greeting), wanted("a"))
      yield* pass(network, 10_000)
      greedy.take()
      yield* greedy.say(wanted("a"))
      yield* settle(network)
      assert.lengthOf(greedy.take(), 1)
      for (let n = 0; n < 100; n++) {
        yield* greedy.say(wanted("b"))
        yield* settle(network)
      }
      assert.isBelow(greedy.take().length, 20)
      yield* pass(network, 10_000)
      // Who holds nothing is offered what there is.
      const none = { _tag: "Fingerprint", to: "c", count: 0, fingerprint: "0".repeat(16) } as const
      const body = Ranges.encode({ _tag: "Ranges", depth: 1, kept: 0, parts: [none] })
      for (let n = 0; n < 100; n++) {
        yield* greedy.say(carried({ tag: Trailer.tags.ranges, body }))
        yield* settle(network)
      }
      assert.isBelow(greedy.take().filter((frame) => frame.startsWith("PUBLISH")).length, 20)
    })
  )
})

describe("messages of all together", () => {
  const count = ({ gossip }: { readonly gossip: Gossip.Gossip["Service"] }) =>
    Effect.map(gossip.status, ({ tuples }) => tuples)

  it.effect("beyond so many a second are read later: nothing is lost, nobody is turned away", () =>
    Effect.gen(function* () {
      const node = yield* limited({ totalMessagesPerSecond: 1000 })
      const { client, gossip, lines, network, refused } = node
      const [fast, slow] = [yield* client("fast"), yield* client("slow")]
      const flood = Array.from({ length: 3999 }, (_, n) => Wire.PUBLISH(`k${n}`, "v"))
      yield* Effect.forkScoped(fast.say(Wire.HELLO, ...flood))
      yield* settle(network)
      assert.isAtMost(yield* count(node), 1000 + 50)
      yield* slow.say(Wire.PING)
      for (let seconds = 1; seconds <= 2; seconds++) {
        yield* pass(network, 1000)
        assert.isAtLeast(yield* count(node), 1000 * (seconds + 1) - 100)
        assert.isAtMost(yield* count(node), 1000 * (seconds + 1) + 50)
      }
      assert.deepStrictEqual(slow.take(), ["PONG"], "behind what was there before it, not behind all of the flood")
      yield* pass(network, 1100)
      assert.strictEqual(yield* count(node), 3999)
      const { counters } = yield* gossip.status
      assert.isAtLeast(counters.messagesDelayed, 2900)
      assert.isAtMost(counters.messagesDelayed, 3001)
      assert.strictEqual((yield* refused).rate, 0)
      assert.strictEqual(counters.invalidSent, 0)
      assert.lengthOf(
        lines.filter((line) => line.includes("limits/total-messages-per-second")),
        3
      )
    })
  )

  it.effect("a link that is flooded waits for its own turns: others have theirs in between", () =>
    Effect.gen(function* () {
      const node = yield* limited({ totalMessagesPerSecond: 1000, connect: ["inproc://there"] })
      const { client, gossip, network } = node
      const there = yield* start(network, "there")
      yield* gossip.bind("inproc://quiet")
      const [fast, quiet] = [
        yield* client("fast"),
        yield* rawClient(MemoryTransport.make(network, "quiet"), "inproc://quiet")
      ]
      yield* settle(network)
      const flood = Array.from({ length: 20_000 }, (_, n) => Wire.PUBLISH(`k${n % 100}`, `${n}`))
      yield* Effect.forkScoped(fast.say(Wire.HELLO, ...flood))
      yield* pass(network, 2000)
      for (let n = 0; n < 20; n++) {
        yield* quiet.say(Wire.PING)
        yield* there.gossip.publish("theirs", `${n}`)
        yield* pass(network, 200)
        assert.deepStrictEqual(quiet.take(), ["PONG"])
        assert.include(yield* knows(gossip), `theirs=${n}`)
      }
      yield* gossip.set("limits/total-messages-per-second", "0")
      yield* pass(network, 1000)
      assert.include(yield* knows(gossip), "k99=19999")
    })
  )
})

describe("what waits", () => {
  it.effect(
    "for a subscriber that does not read is so much; that it fell behind is counted, and it gets the newest",
    () =>
      Effect.gen(function* () {
        const { gossip } = yield* limited({ queueTuples: 10 })
        const fellBehind = Effect.map(gossip.status, ({ counters }) => counters.fellBehind)
        const news = yield* gossip.subscribe
        for (let n = 1; n <= 10; n++) yield* gossip.publish(`k${n % 4}`, `${n}`)
        assert.strictEqual(yield* fellBehind, 0)
        for (let n = 11; n <= 30; n++) yield* gossip.publish(`k${n % 4}`, `${n}`)
        assert.strictEqual(yield* fellBehind, 1)
        const seen = yield* Stream.runCollect(Stream.take(news, 14))
        const values = seen.map(({ value }) => Number(value))
        assert.deepStrictEqual(values, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 27, 28, 29, 30])
      })
  )

  it.effect.each([{ queueTuples: 10 }, { queueOctets: 500 }])("for a peer that does not read is so much: %j", (limit) =>
    Effect.gen(function* () {
      const { client, gossip, network } = yield* limited(limit, { highWaterMark: 10 })
      const deaf = yield* MemoryTransport.make(network, "deaf").connect(endpointOf("inproc://here"))
      yield* deaf.send([Wire.HELLO])
      const honest = yield* client("honest")
      yield* honest.say(Wire.HELLO)
      yield* settle(network)
      const fellBehind = Effect.map(gossip.status, ({ counters }) => counters.fellBehind)
      const heard: Array<string> = []
      for (let n = 0; n < 200; n++) {
        yield* gossip.publish("k", `${n}`)
        if (n % 5 === 4) yield* settle(network)
        heard.push(...honest.take())
      }
      assert.strictEqual(yield* fellBehind, 1, "the deaf one, once")
      assert.deepStrictEqual([heard.length, heard.at(-1)], [200, "PUBLISH k=199"])
      const read: Array<string> = []
      while (read.at(-1) !== "PUBLISH k=199") {
        for (const [frame] of yield* deaf.receive) read.push(show(Buffer.from(frame ?? [])))
        yield* settle(network)
      }
      assert.isBelow(read.length, 100)
    })
  )
})

/** A node of `count` tuples, and a client without manners. */
const dumping = (count: number, options: Gossip.Options = {}) =>
  Effect.gen(function* () {
    const publish = Array.from({ length: count }, (_, n) => [`k${n}`, "v"] as const)
    const { client, gossip, network } = yield* limited({ publish, ...options })
    const counters = Effect.map(gossip.status, ({ counters }) => counters)
    return { client: yield* client("client"), network, counters, gossip }
  })

const dumpsIn = (heard: ReadonlyArray<string>, count: number) =>
  heard.filter((line) => line.startsWith("PUBLISH")).length / count

describe("dumps", () => {
  it.effect("beyond so many a second wait, with what is behind them, and HELLOs are told one by all", () =>
    Effect.gen(function* () {
      const { client, counters, network } = yield* dumping(1000, { dumpsPerSecond: 2 })
      // Two of them: one is refused, and the next one is not
      for (let n = 0; n < 1000; n++) {
        yield* client.say(Wire.HELLO, Wire.HELLO)
        if (n % 100 === 0) yield* settle(network)
      }
      yield* client.say(Wire.HELLO, Wire.PING)
      yield* settle(network)
      const first = client.take()
      assert.strictEqual(dumpsIn(first, 1000), 2)
      assert.strictEqual(first.at(-1), "INVALID", "the PONG does not overtake the dump")
      assert.deepInclude(yield* counters, { dumpsDelayed: 1, dumpsMerged: 998, invalidSent: 1000 })
      yield* pass(network, 400)
      assert.deepStrictEqual(client.take(), [])
      yield* pass(network, 200)
      const second = client.take()
      assert.strictEqual(dumpsIn(second, 1000), 1)
      assert.strictEqual(second.at(-1), "PONG")
      yield* pass(network, 5000)
      assert.deepStrictEqual(client.take(), [])
    })
  )

  it.effect("come at that rate to one that asks all the time", () =>
    Effect.gen(function* () {
      const { client, network } = yield* dumping(1000)
      for (let n = 0; n < 1000; n++) {
        yield* client.say(Wire.HELLO, Wire.HELLO)
        yield* pass(network, 10)
      }
      const dumps = dumpsIn(client.take(), 1000)
      assert.isAtMost(dumps, 2 + 2 * 10)
      assert.isAtLeast(dumps, 2 * 10)
    })
  )

  it.effect("of few tuples count for less", () =>
    Effect.gen(function* () {
      const { client, network } = yield* dumping(10, { dumpsPerSecond: 1 })
      for (let n = 0; n < 300; n++) {
        yield* client.say(Wire.HELLO, Wire.HELLO)
        yield* settle(network)
      }
      assert.strictEqual(dumpsIn(client.take(), 10), 1, "one, and a hundredth of one for each")
      yield* pass(network, 1000)
      assert.strictEqual(dumpsIn(client.take(), 10), 1)
      for (let n = 0; n < 50; n++) {
        yield* pass(network, 20)
        yield* client.say(Wire.HELLO, Wire.HELLO, Wire.PING)
        yield* settle(network)
        assert.strictEqual(client.take().at(-1), "PONG")
      }
    })
  )

  it.effect("that were owed to a client that has left are nobody's; its successor has its own", () =>
    Effect.gen(function* () {
      const { client, gossip, network } = yield* dumping(1000, { clients: 1 })
      for (let n = 0; n < 4; n++) {
        yield* client.say(Wire.HELLO, Wire.PONG)
        yield* settle(network)
      }
      const next = yield* rawClient(MemoryTransport.make(network, "next"), "inproc://here")
      yield* next.say(Wire.HELLO, Wire.PING)
      yield* settle(network)
      assert.deepStrictEqual([dumpsIn(next.take(), 1000), dumpsIn(client.take(), 1000)], [1, 2])
      yield* pass(network, 5000)
      assert.deepStrictEqual(client.take(), [])
      assert.deepInclude((yield* gossip.status).listeners[0], { peers: 1, members: 1 })
    })
  )

  it.effect("are as many as are asked for where that is set; the setting takes effect at once", () =>
    Effect.gen(function* () {
      const { client, gossip, network } = yield* dumping(1000, { dumpsPerSecond: 1 })
      yield* client.say(Wire.HELLO, Wire.HELLO)
      yield* settle(network)
      yield* client.say(Wire.HELLO, Wire.PING)
      yield* settle(network)
      assert.strictEqual(dumpsIn(client.take(), 1000), 1)
      yield* gossip.set("limits/dumps-per-second", "0")
      yield* pass(network, 10)
      assert.strictEqual(dumpsIn(client.take(), 1000), 1)
      for (let n = 0; n < 20; n++) {
        yield* client.say(Wire.HELLO, Wire.HELLO, Wire.PING)
        yield* settle(network)
      }
      assert.strictEqual(dumpsIn(client.take(), 1000), 20)
    })
  )
})
