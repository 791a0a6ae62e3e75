/** What a node answers to those who ask for its status over the wire, and what it counts of trailers. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import type * as Gossip from "../../src/Gossip.ts"
import { GossipEngine } from "../../src/layers/GossipEngine.ts"
import type { Served } from "../../src/layers/GossipLink.ts"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import * as MemoryTupleStore from "../../src/layers/MemoryTupleStore.ts"
import * as Message from "../../src/protocol/Message.ts"
import * as NodeStatus from "../../src/protocol/NodeStatus.ts"
import * as Settings from "../../src/protocol/Settings.ts"
import { TupleStore } from "../../src/services/TupleStore.ts"
import { Wire } from "../interop/RawPeer.ts"
import { at, endpointOf, pass, rawServer, settle, start } from "./support.ts"

const ASK = Wire.hex("AA A0 03 01  85 5A 47 58 01 00 00 00 12 01 00 00 00 00 98 A5 58 90")

/** A node, and clients that hear frames. */
const subject = (options: Gossip.Options = {}) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.make()
    const { endpoint, gossip } = yield* start(network, "secret-host", options)
    let clients = 0
    const connect = Effect.gen(function* () {
      const connection = yield* MemoryTransport.make(network, `client${++clients}`).connect(endpointOf(endpoint))
      const heard: Array<Uint8Array> = []
      yield* connection.receive.pipe(
        Effect.tap((messages) => Effect.sync(() => heard.push(...messages.flat()))),
        Effect.forever,
        Effect.ignore,
        Effect.forkScoped({ startImmediately: true })
      )
      /** Says it, and gives what came back. */
      return (...frames: ReadonlyArray<Uint8Array>) =>
        Effect.gen(function* () {
          heard.length = 0
          yield* connection.send(frames)
          yield* settle(network)
          return [...heard]
        })
    })
    return { network, gossip, connect }
  })

const statusOf = (frames: ReadonlyArray<Uint8Array>): NodeStatus.NodeStatus => {
  const message = Message.decode(frames.slice(-1))
  const status = message._tag === "Pong" ? NodeStatus.decode(message.trailer) : undefined
  return status ?? assert.fail(`no status in ${frames.map((frame) => Buffer.from(frame).toString("hex")).join()}`)
}

const none = { Connected: 0, Joining: 0, Disconnected: 0 }

describe("a PING that asks for the status", () => {
  it.effect("is answered with a PONG that tells it, to members and to others, in numbers", () =>
    Effect.gen(function* () {
      const { connect, gossip, network } = yield* subject({ publish: { "secret-key": "secret-value" } })
      const [member, guest] = [yield* connect, yield* connect]
      yield* member(Wire.HELLO, Wire.PUBLISH("secret-key", "secret-value"), Wire.PUBLISH("a", "1"), Buffer.from("bad"))
      yield* member(Wire.HELLO)
      yield* pass(network, 61_500)
      const frames = yield* guest(ASK)
      assert.strictEqual(frames.length, 1)
      assert.isAtMost(at(frames, 0).length, NodeStatus.maxLength)
      const { counters } = yield* gossip.status
      assert.deepStrictEqual(statusOf(frames), {
        software: NodeStatus.software,
        version: NodeStatus.version,
        uptimeSeconds: 61,
        ready: true,
        tuples: 2,
        tombstones: 0,
        listeners: 1,
        lost: 0,
        peers: 2,
        members: 1,
        remotes: none,
        counters: { ...counters }
      })
      assert.deepInclude(counters, { accepted: 2, duplicates: 1 })
      assert.notInclude(Buffer.from(at(frames, 0)).toString(), "secret")
      assert.strictEqual(statusOf(yield* member(ASK)).members, 1, "it is a member still")
    })
  )

  it.effect("is answered once a second to each client, and with a bare PONG otherwise", () =>
    Effect.gen(function* () {
      const { connect, network } = yield* subject()
      const [one, two] = [yield* connect, yield* connect]
      const lengths = (frames: ReadonlyArray<Uint8Array>) =>
        frames.map(({ length }) => (length === 4 ? "bare" : "full"))
      assert.deepStrictEqual(lengths(yield* one(ASK, ASK, Wire.PING)), ["full", "bare", "bare"])
      assert.deepStrictEqual(lengths(yield* two(ASK, ASK)), ["full", "bare"])
      yield* pass(network, 999)
      assert.deepStrictEqual(yield* one(ASK), [Wire.PONG])
      yield* pass(network, 1)
      assert.deepStrictEqual(lengths(yield* one(ASK, ASK)), ["full", "bare"])
    })
  )

  it.effect("is answered to many at a time with what one was told", () =>
    Effect.gen(function* () {
      const { connect, gossip, network } = yield* subject()
      const [one, two, three] = [yield* connect, yield* connect, yield* connect]
      assert.strictEqual(statusOf(yield* one(ASK)).tuples, 0)
      yield* gossip.publish("a", "1")
      assert.strictEqual(statusOf(yield* two(ASK)).tuples, 0)
      yield* pass(network, 100)
      assert.strictEqual(statusOf(yield* three(ASK)).tuples, 1)
    })
  )

  it.effect("says that the node is not ready while a remote is missing", () =>
    Effect.gen(function* () {
      const { connect, gossip, network } = yield* subject()
      yield* gossip.connect("tcp://127.0.0.1:5670")
      yield* pass(network, 100)
      const waiting = statusOf(yield* (yield* connect)(ASK))
      assert.deepInclude(waiting, { ready: false, remotes: { ...none, Disconnected: 1 } })
      const remote = yield* rawServer(MemoryTransport.make(network, "remote"), "tcp://127.0.0.1:5670")
      yield* pass(network, 2000)
      const joining = statusOf(yield* (yield* connect)(ASK))
      assert.deepInclude(joining, { ready: false, remotes: { ...none, Joining: 1 } })
      yield* remote.say(Wire.PONG)
      yield* pass(network, 1000)
      const ready = statusOf(yield* (yield* connect)(ASK))
      assert.deepInclude(ready, { ready: true, remotes: { ...none, Connected: 1 } })
    })
  )
})

describe("a node that is cut off from its remotes", () => {
  it.effect("says for how long, where one was there and nobody else is; what has a lifetime ends all the same", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const client = yield* start(network, "client", { connect: ["inproc://server"] })
      const aloneFor = Effect.map(client.gossip.status, (status) => status.aloneFor)
      yield* pass(network, 1000)
      assert.strictEqual(yield* aloneFor, undefined, "it was not there yet")
      const server = yield* start(network, "server")
      yield* pass(network, 5000)
      yield* server.gossip.publish("lease", "1", { lifetime: 30_000 })
      yield* pass(network, 1000)
      assert.strictEqual(yield* aloneFor, undefined)
      yield* network.partition(["server"], ["client"])
      yield* pass(network, 40_000)
      assert.strictEqual(yield* aloneFor, 40_000)
      for (const { gossip } of [server, client]) assert.strictEqual((yield* gossip.status).tuples, 0)
      assert.strictEqual((yield* server.gossip.status).aloneFor, undefined, "it cannot know")

      const guest = yield* MemoryTransport.make(network, "guest").connect(endpointOf(client.endpoint))
      const heard = yield* Effect.forkScoped(guest.receive, { startImmediately: true })
      yield* guest.send([ASK])
      yield* settle(network)
      assert.strictEqual(statusOf((yield* Fiber.join(heard)).flat()).aloneSeconds, 40)
      yield* guest.send([Wire.HELLO])
      yield* settle(network)
      assert.strictEqual(yield* aloneFor, undefined, "somebody else is there")

      yield* network.heal
      yield* pass(network, 5000)
      assert.strictEqual(yield* aloneFor, undefined)
      yield* client.gossip.disconnect(server.endpoint)
      yield* pass(network, 5000)
      assert.strictEqual(yield* aloneFor, undefined, "it has none")
    })
  )
})

describe("a node that is starting", () => {
  it.effect(
    "has bound already, and is not ready before all of its configuration is done, nor with a listener lost",
    () =>
      Effect.gen(function* () {
        const engine = new GossipEngine(yield* TupleStore, Settings.defaults, () => 0, "secret")
        const clients: Served["clients"] = new Map()
        const no = () => {}
        const served = {
          endpoint: "inproc://here",
          rules: { publish: undefined, read: undefined },
          clients,
          dumping: undefined,
          arrived: no,
          left: no
        }
        engine.serve(served)
        const ask = (peer: string, now: number) => {
          engine.receivePeers(served, [{ _tag: "Received", peer, frames: [ASK] }], now)
          const taken = clients.get(peer)?.mailbox.outbox.take(10, 10_000) ?? []
          return statusOf(taken.filter((item) => item instanceof Uint8Array))
        }
        assert.deepInclude(ask("early", 5000), { ready: false, uptimeSeconds: 0 })
        engine.startedAt = 6000
        assert.deepInclude(ask("late", 9999), { ready: true, lost: 0, uptimeSeconds: 3 })
        engine.lost.set("inproc://there", "it is in use")
        assert.deepInclude(ask("later", 20_000), { ready: false, lost: 1 })
      }).pipe(Effect.provide(MemoryTupleStore.layer))
  )
})

describe("a broken trailer", () => {
  it.effect("is counted by its reason, and the message in front of it counts, from clients and from remotes", () =>
    Effect.gen(function* () {
      const { connect, gossip, network } = yield* subject()
      const client = yield* connect
      const broken = Buffer.concat([Wire.PING, ASK.subarray(4, -1)])
      const worse = Buffer.concat([Wire.PUBLISH("a", "1"), Wire.hex("85 5A 47 58 02")])
      assert.deepStrictEqual(yield* client(broken), [Wire.PONG])
      assert.deepStrictEqual(yield* client(Wire.HELLO, worse, Wire.PING), [Wire.PONG])
      const remote = yield* rawServer(MemoryTransport.make(network, "remote"), "inproc://remote")
      yield* gossip.connect("inproc://remote")
      yield* pass(network, 100)
      yield* remote.say(Buffer.concat([Wire.PONG, ASK.subarray(4, 8)]))
      yield* pass(network, 100)
      const { counters, remotes, tuples } = yield* gossip.status
      assert.deepStrictEqual(counters.malformedTrailers, { Short: 1, Version: 1, Length: 1, Checksum: 0, Section: 0 })
      assert.strictEqual(tuples, 1)
      assert.strictEqual(remotes[0]?.state, "Connected")
      assert.strictEqual(counters.invalidSent, 0)
    })
  )
})
