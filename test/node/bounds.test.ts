/**
 * Readers that do not read: the node stays responsive, what waits for them is bounded, and once they read again they
 * get every live tuple.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import { Wire } from "../interop/RawPeer.ts"
import { at, endpointOf, knows, pass, quiet, rawClient, settle, start, startAll, chain, link } from "./support.ts"

const { HELLO, PING } = Wire

const keys = 1000

/** The n-th of very many publishes over a thousand keys. */
const tuples = (from: number, count: number) =>
  Array.from({ length: count }, (_, n) => [`k${(from + n) % keys}`, `${from + n}`] as const)

/** The last value of every key, as `key=value`. */
const newest = (count: number) =>
  tuples(count - keys, keys)
    .map(([key, value]) => `${key}=${value}`)
    .sort()

/** A client that says HELLO and does not read until it is told to. */
const deafClient = (network: MemoryNetwork.MemoryNetwork["Service"], endpoint: string) =>
  Effect.gen(function* () {
    const connection = yield* MemoryTransport.make(network, "deaf").connect(endpointOf(endpoint))
    yield* connection.send([HELLO])
    const heard: Array<Uint8Array> = []
    return {
      heard,
      say: connection.send,
      read: connection.receive.pipe(
        Effect.tap((messages) => Effect.sync(() => messages.forEach((frames) => heard.push(...frames)))),
        Effect.forever,
        Effect.ignore,
        Effect.forkScoped
      )
    }
  })

const keyAndValue = (frame: Uint8Array): readonly [string, string] => {
  const octets = Buffer.from(frame)
  const end = 5 + octets.readUInt8(4)
  return [octets.toString("latin1", 5, end), octets.toString("latin1", end + 4, end + 4 + octets.readUInt32BE(end))]
}

describe("a burst of 60,000 publishes over 1000 keys", () => {
  it.effect(
    "with a subscriber, a client and a pipe that do not read: the others are answered in between",
    () =>
      Effect.gen(function* () {
        const count = 60_000
        const network = yield* MemoryNetwork.make()
        const node = yield* start(network, "node")
        const subscription = yield* node.gossip.subscribe
        const pipe = yield* node.gossip.pipe
        const deaf = yield* deafClient(network, node.endpoint)
        const prober = yield* rawClient(MemoryTransport.make(network, "prober"), node.endpoint)
        yield* settle(network)
        const memory = process.memoryUsage().heapUsed

        const publishing = yield* Effect.forkChild(
          Effect.gen(function* () {
            for (let from = 0; from < count; from += 20_000) yield* node.gossip.publishAll(tuples(from, 20_000))
          })
        )
        let answers = 0
        let slowest = 0
        while (publishing.pollUnsafe() === undefined) {
          const { counters } = yield* node.gossip.status
          yield* prober.say(PING)
          while (prober.take().length === 0) yield* Effect.yieldNow
          answers += 1
          slowest = Math.max(slowest, (yield* node.gossip.status).counters.accepted - counters.accepted)
        }
        yield* Fiber.join(publishing)
        assert.isAtLeast(answers, 20)
        assert.isAtMost(slowest, 50_000, "tuples worked off while a PING waited")

        const { counters, tuples: held } = yield* node.gossip.status
        assert.deepStrictEqual([held, counters.accepted, counters.repliesDropped], [keys, count, 0])
        // The network's own pipe holds 1000, the sender one chunk of 512: the node sent no more than that.
        const { inFlight, sent } = yield* network.status
        assert.isAtMost(sent, 2 * answers + 2 + 1000 + 512)
        assert.isAtMost(inFlight, 1000)
        assert.isAtMost(process.memoryUsage().heapUsed - memory, 256 * 2 ** 20)

        // What waited: a queue of 1000, and each key once.
        yield* node.gossip.publish("last", "1")
        const all = yield* subscription.pipe(
          Stream.takeUntil(({ key }) => key === "last"),
          Stream.runCollect
        )
        assert.isAtMost(all.length, 1000 + keys + 1)
        const latest = new Map(all.map(({ key, value }) => [key, value]))
        latest.delete("last")
        assert.deepStrictEqual(Array.from(latest, ([key, value]) => `${key}=${value}`).sort(), newest(count))

        yield* deaf.read
        yield* settle(network)
        assert.isAtMost(deaf.heard.length, 1000 + 512 + 1000 + keys + 1)
        const told = new Map(deaf.heard.map(keyAndValue))
        told.delete("last")
        assert.deepStrictEqual(Array.from(told, ([key, value]) => `${key}=${value}`).sort(), newest(count))

        const replies = new Map<string, string>()
        while (!replies.has("last")) {
          const strings = yield* pipe.receive
          replies.set(strings[1] ?? "", strings[2] ?? "")
        }
        replies.delete("last")
        assert.deepStrictEqual(Array.from(replies, ([key, value]) => `${key}=${value}`).sort(), newest(count))
      }),
    60_000
  )
})

describe("a peer that does not read", () => {
  it.effect("and asks without end: its replies are bounded, and nobody else is the worse for it", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const node = yield* start(network, "node")
      const deaf = yield* deafClient(network, node.endpoint)
      for (let n = 0; n < 20; n++) {
        yield* deaf.say(Array.from({ length: 1000 }, () => PING))
        yield* settle(network)
      }
      const prober = yield* rawClient(MemoryTransport.make(network, "prober"), node.endpoint)
      yield* prober.say(PING)
      yield* settle(network)
      assert.deepStrictEqual(prober.take(), ["PONG"])
      const { repliesDropped } = (yield* node.gossip.status).counters
      assert.isAtLeast(repliesDropped, 20_000 - 1000 - 512 - 2000)
      yield* deaf.read
      yield* settle(network)
      assert.strictEqual(deaf.heard.length, 20_000 - repliesDropped)
    })
  )

  it.effect("for a while, and has a queue of one tuple: each of its PINGs is answered all the same", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const node = yield* start(network, "node", { queueTuples: 1 })
      const client = yield* rawClient(MemoryTransport.make(network, "client"), node.endpoint)
      yield* client.say(HELLO, ...Array.from({ length: 100 }, () => PING))
      yield* settle(network)
      assert.deepStrictEqual(
        client.take(),
        Array.from({ length: 100 }, () => "PONG")
      )
    })
  )

  it.effect("and says HELLO over and over: the dumps that wait are bounded", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const node = yield* start(network, "node")
      yield* node.gossip.publishAll(tuples(0, keys))
      const deaf = yield* deafClient(network, node.endpoint)
      for (let n = 0; n < 20; n++) {
        yield* deaf.say(Array.from({ length: 1000 }, () => HELLO))
        yield* settle(network)
      }
      yield* node.gossip.publish("last", "1")
      yield* settle(network)
      yield* deaf.read
      yield* pass(network, 10)
      // The first dump was begun, a second one waited; beside them INVALIDs, so many as there is room for.
      assert.isAtMost(deaf.heard.length, 2 * keys + 1 + 1512 + 2000)
      assert.isAtMost((yield* network.status).inFlight, 0)
    })
  )

  it.effect("while it is a server of ours: the node goes on, and the server gets everything later", () =>
    Effect.gen(function* () {
      const count = 40_000
      const network = yield* MemoryNetwork.make()
      const nodes = yield* startAll(network, 3)
      yield* link(nodes, chain(3))
      yield* quiet(network)
      yield* network.stall("n1", "n0")
      yield* at(nodes, 1).gossip.publishAll(tuples(0, count))
      yield* pass(network, 5000)
      assert.deepStrictEqual(yield* knows(at(nodes, 2).gossip), newest(count))
      assert.isAtMost((yield* network.status).inFlight, 1000)
      yield* network.resume("n1", "n0")
      yield* quiet(network)
      assert.deepStrictEqual(yield* knows(at(nodes, 0).gossip), newest(count))
    })
  )

  it.effect("while a large dump is under way: the dump is made as it reads, and others are not held up", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const node = yield* start(network, "node")
      const value = "v".repeat(1000)
      yield* node.gossip.publishAll(Array.from({ length: 20_000 }, (_, n) => [`k${n}`, value] as const))
      const deaf = yield* deafClient(network, node.endpoint)
      yield* settle(network)
      assert.isAtMost((yield* network.status).sent, 1 + 1000 + 512)
      const client = yield* start(network, "client", { connect: [node.endpoint] })
      yield* quiet(network)
      assert.strictEqual((yield* client.gossip.status).tuples, 20_000)
      yield* deaf.read
      yield* settle(network)
      assert.strictEqual(deaf.heard.length, 20_000)
    })
  )
})
