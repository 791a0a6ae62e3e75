/** Peers that do not read, and long values: what is under way to each is bounded in octets, and who reads gets them all. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import * as Message from "../../src/protocol/Message.ts"
import { Wire } from "../interop/RawPeer.ts"
import { endpointOf, knows, pass, PING, PONG, quiet, rawClient, rawServer, settle, start } from "./support.ts"

const KiB = 1024
const flightOctets = 4096 * KiB
/** A quarter of that, and one frame, and what is not long. */
const window = (1024 + 64 + 8) * KiB

const value = (n: number) => `${n} `.padEnd(64 * KiB, "v")
const keys = 4

const make = (options = {}) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.make()
    const node = yield* start(network, "here", { flightOctets, ...options })
    const deaf = (name: string, hello: Uint8Array = Wire.HELLO) =>
      Effect.gen(function* () {
        const connection = yield* MemoryTransport.make(network, name).connect(endpointOf("inproc://here"))
        yield* connection.send([hello])
        yield* settle(network)
        return connection
      })
    const publish = (from: number, count: number) =>
      Effect.gen(function* () {
        for (let n = from; n < from + count; n++) {
          yield* node.gossip.publish(`k${n % keys}`, value(n))
          yield* settle(network)
        }
      })
    const told = (to: string) => network.octets({ from: "here", to })
    const full = Effect.map(node.gossip.status, ({ counters }) => counters.windowsFull)
    return { network, node, deaf, publish, told, full }
  })

/** The last values of a hundred. */
const last = Array.from({ length: keys }, (_, n) => `k${n}=${value(96 + n)}`)

describe("a client that does not read", () => {
  it.effect("has one window under way, and PONGs; those beside it that read get everything", () =>
    Effect.gen(function* () {
      const { deaf, full, network, node, publish, told } = yield* make()
      const ours = yield* start(network, "ours", { connect: [node.endpoint], endpoint: "none" })
      const connection = yield* deaf("deaf")
      yield* pass(network, 1000)
      yield* publish(0, 100)
      assert.isAtMost(yield* told("deaf"), window)
      assert.isAtLeast(yield* told("deaf"), window / 2)
      assert.strictEqual(yield* full, 1)
      assert.lengthOf(ours.seen, 100)
      yield* connection.send([Wire.PING, Wire.PING])
      yield* settle(network)
      assert.strictEqual(yield* network.count({ from: "here", to: "deaf", id: PONG }), 2)
      // Neither INVALID and HELLO nor a dump gives it another one
      yield* connection.send([Wire.HELLO, Wire.HELLO, Wire.HELLO])
      yield* pass(network, 50)
      assert.isAtMost(yield* told("deaf"), window)
    })
  )

  it.effect("gives back what was under way to it when its connection ends", () =>
    Effect.gen(function* () {
      const { deaf, network, publish, told } = yield* make()
      for (const name of ["a", "b", "c", "d", "e", "f"]) {
        yield* Effect.scoped(Effect.andThen(deaf(name), publish(0, 30)))
        yield* settle(network)
        assert.isAtLeast(yield* told(name), 800 * KiB)
      }
    })
  )

  it.effect("and many of them leave something for who reads", () =>
    Effect.gen(function* () {
      const { deaf, network, node, publish, told } = yield* make()
      let sum = 0
      for (let n = 0; n < 12; n++) {
        yield* deaf(`deaf ${n}`)
        yield* publish(n * 20, 20)
      }
      for (let n = 0; n < 12; n++) sum += yield* told(`deaf ${n}`)
      assert.isAtMost(sum, flightOctets)
      const ours = yield* start(network, "ours", { connect: [node.endpoint], endpoint: "none" })
      yield* pass(network, 1000)
      yield* publish(300, 100)
      assert.include(ours.seen.at(-1), "k3=399 ")
      assert.isAtLeast(ours.seen.length, 100)
    })
  )
})

describe("proof that a peer has read", () => {
  it.effect("a client of ours says back a fence, and no HELLO stands for that", () =>
    Effect.gen(function* () {
      const { deaf, network, node, publish, told } = yield* make()
      const ours = yield* start(network, "ours", { connect: [node.endpoint], endpoint: "none" })
      const connection = yield* deaf("deaf", Message.encode(Message.greeting))
      yield* pass(network, 1000)
      yield* network.stall("ours", "here")
      yield* publish(0, 50)
      const before = yield* told("ours")
      assert.isAtMost(before, window)
      for (let n = 0; n < 20; n++) yield* connection.send([Message.encode(Message.greeting), Wire.PING])
      yield* pass(network, 2000)
      assert.isAtMost(yield* told("deaf"), window + 64 * KiB)
      yield* network.resume("ours", "here")
      yield* publish(50, 50)
      yield* pass(network, 1000)
      assert.deepStrictEqual(yield* knows(ours.gossip), last)
    })
  )

  it.effect("a server of ours does too, and its client stays what it is", () =>
    Effect.gen(function* () {
      const { network, node, publish, told } = yield* make()
      const there = yield* start(network, "there")
      yield* node.gossip.connect(there.endpoint)
      yield* quiet(network)
      yield* network.stall("there", "here")
      yield* publish(0, 50)
      assert.isAtMost(yield* told("there"), window)
      yield* pass(network, 2000)
      yield* network.resume("there", "here")
      yield* publish(50, 50)
      yield* quiet(network)
      assert.deepStrictEqual(yield* knows(there.gossip), last)
      const { counters, remotes } = yield* node.gossip.status
      assert.deepStrictEqual([remotes[0]?.state, counters.invalidReceived], ["Connected", 0])
    })
  )

  it.effect("a server of version 1 answers PINGs: in order, those of the machine and those between long frames", () =>
    Effect.gen(function* () {
      const { network, node, publish, told } = yield* make()
      const server = yield* rawServer(MemoryTransport.make(network, "there"), "inproc://there")
      yield* node.gossip.connect("inproc://there")
      yield* settle(network)
      let answered = 0
      const pings = network.count({ from: "here", to: "there", id: PING })
      const answer = Effect.gen(function* () {
        for (; answered < (yield* pings); answered++) yield* server.say(Wire.PONG)
        yield* settle(network)
      })
      yield* answer
      yield* answer
      yield* publish(0, 50)
      assert.isAtMost(yield* told("there"), window)
      for (let n = 0; n < 20; n++) yield* answer
      assert.isAbove(yield* told("there"), window)
      yield* publish(50, 50)
      for (let n = 0; n < 50; n++) yield* answer
      const heard = server.heard.filter((line) => line.startsWith("PUBLISH k"))
      assert.match(heard.at(-1) ?? "", /^PUBLISH k3=99 /)
      assert.strictEqual((yield* node.gossip.status).remotes[0]?.state, "Connected")
      assert.lengthOf(
        server.heard.filter((line) => line.startsWith("HELLO")),
        1
      )
    })
  )

  it.effect("a client of version 1 says back what is new to it", () =>
    Effect.gen(function* () {
      const { network, publish, told } = yield* make()
      const client = yield* rawClient(MemoryTransport.make(network, "client"), "inproc://here")
      yield* client.say(Wire.HELLO)
      yield* settle(network)
      yield* publish(0, 50)
      const before = yield* told("client")
      assert.isAtMost(before, window)
      yield* client.say(Wire.PUBLISH("k0", "x".repeat(64 * KiB)))
      yield* settle(network)
      assert.isAtMost(yield* told("client"), window, "this was never told")
      const newest = Math.floor(before / (64 * KiB)) - 1
      yield* client.say(Wire.PUBLISH(`k${newest % keys}`, value(newest), 7))
      yield* settle(network)
      assert.isAtLeast(yield* told("client"), before + 3 * 64 * KiB)
    })
  )

  it.effect("or gets a frame now and then", () =>
    Effect.gen(function* () {
      const { deaf, network, publish, told } = yield* make()
      yield* deaf("deaf")
      yield* publish(0, 50)
      const before = yield* told("deaf")
      yield* pass(network, 500)
      const after = yield* told("deaf")
      assert.isAbove(after, before)
      assert.isAtMost(after, before + 600 * KiB)
    })
  )

  it.effect("also in its dump, where nobody else says anything", () =>
    Effect.gen(function* () {
      const { deaf, network, node, told } = yield* make()
      for (let n = 0; n < 24; n++) yield* node.gossip.publish(`k${n}`, value(n))
      yield* deaf("deaf")
      const before = yield* told("deaf")
      assert.isAtMost(before, window)
      yield* pass(network, 1000)
      assert.isAtLeast(yield* told("deaf"), before + 256 * KiB)
    })
  )
})
