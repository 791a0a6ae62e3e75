/**
 * What was deleted is deleted at every node of ours, whoever comes late or back, and whatever nodes of version 1 still
 * say.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import * as Message from "../../src/protocol/Message.ts"
import { Wire } from "../interop/RawPeer.ts"
import {
  assertSame,
  assertSilent,
  at,
  chain,
  endpointOf,
  knows,
  link,
  type Network,
  pass,
  quiet,
  rawClient,
  ring,
  settle,
  start,
  startAll
} from "./support.ts"

const { HELLO, PUBLISH } = Wire
const retention = 120_000

describe("a delete", () => {
  it.effect.each([
    ["a chain", chain(6)],
    ["a ring", ring(6)]
  ] as const)("reaches every node of %s, and then all is silent", ([, edges]) =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ latency: 3 })
      const nodes = yield* startAll(network, 6)
      yield* link(nodes, edges)
      yield* at(nodes, 0).gossip.publish("k", "1")
      yield* at(nodes, 0).gossip.publish("other", "1")
      yield* quiet(network)
      assert.isTrue(yield* at(nodes, 3).gossip.unpublish("k"))
      yield* quiet(network)
      yield* assertSame(nodes, ["other=1"])
      yield* assertSilent(network, edges.length)
      yield* at(nodes, 5).gossip.publish("k", "1")
      yield* quiet(network)
      yield* assertSame(nodes, ["k=1", "other=1"])
    })
  )

  it.effect("while a node is cut off is there when it comes back, and what it has does not come back with it", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ latency: 3 })
      const nodes = yield* startAll(network, 4)
      yield* link(nodes, chain(4))
      yield* at(nodes, 0).gossip.publishAll(Array.from({ length: 200 }, (_, n) => [`${n}`, "v"] as const))
      yield* quiet(network)
      yield* network.partition(["n3"], ["n0", "n1", "n2"])
      for (let n = 0; n < 200; n += 2) yield* at(nodes, 1).gossip.unpublish(`${n}`)
      yield* pass(network, 1)
      yield* at(nodes, 3).gossip.unpublish("1")
      yield* at(nodes, 3).gossip.publish("2", "again, and later")
      yield* pass(network, 10_000)
      yield* network.heal
      yield* pass(network, 5000)
      yield* quiet(network)
      yield* assertSame(nodes)
      assert.strictEqual((yield* knows(at(nodes, 0).gossip)).length, 100)
      assert.include(yield* knows(at(nodes, 0).gossip), "2=again, and later")
    })
  )

  it.effect("is told to who comes late, and forgotten by all when it is old", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const first = yield* start(network, "first", { retention })
      yield* first.gossip.publish("k", "1")
      yield* first.gossip.unpublish("k")
      const late = yield* start(network, "late", { retention, connect: [first.endpoint] })
      yield* pass(network, 2000)
      for (const { gossip } of [first, late]) {
        assert.deepInclude(yield* gossip.status, { tuples: 0, tombstones: 1 })
      }
      yield* pass(network, retention + 60_000)
      for (const { gossip } of [first, late]) {
        assert.deepInclude(yield* gossip.status, { tuples: 0, tombstones: 0 })
      }
      yield* assertSilent(network, 1)
    })
  )

  it.effect("is not undone by a client of version 1, at whichever node, and its other values are news", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ latency: 1 })
      const nodes = yield* startAll(network, 3)
      yield* link(nodes, chain(3))
      const raw = yield* rawClient(MemoryTransport.make(network, "raw"), "inproc://n0")
      yield* raw.say(HELLO, PUBLISH("k", "1"), PUBLISH("k", "2"))
      yield* quiet(network)
      yield* assertSame(nodes, ["k=2"])
      yield* at(nodes, 2).gossip.unpublish("k")
      yield* quiet(network)
      const second = yield* rawClient(MemoryTransport.make(network, "raw2"), "inproc://n1")
      for (const who of [raw, second]) {
        for (const value of ["1", "2"]) {
          yield* who.say(HELLO, PUBLISH("k", value))
          yield* quiet(network)
          yield* assertSame(nodes, [])
        }
      }
      yield* second.say(HELLO, PUBLISH("k", "3"))
      yield* quiet(network)
      yield* assertSame(nodes, ["k=3"])
    })
  )

  it.effect(
    "is not undone by a new node that hears the old value from a node of version 1 first; what is new is kept",
    () =>
      Effect.gen(function* () {
        const network = yield* MemoryNetwork.make({ latency: 1 })
        const old = yield* start(network, "old")
        const long = "2".repeat(5000)
        yield* old.gossip.publishAll([
          ["deleted", "1"],
          ["changed", "1"],
          ["long", "1"],
          ["deleted and set", "1"]
        ])
        yield* old.gossip.publish("lease", "1", { lifetime: 60_000 })
        yield* pass(network, 100)
        yield* old.gossip.unpublish("deleted")
        yield* old.gossip.publish("changed", "2")
        yield* old.gossip.publish("long", long)
        yield* old.gossip.unpublish("deleted and set")
        yield* pass(network, 100)
        const fresh = yield* start(network, "fresh")
        const raw = yield* rawClient(MemoryTransport.make(network, "raw"), "inproc://fresh")
        const held = ["deleted", "changed", "long", "lease"].map((key) => PUBLISH(key, "1"))
        yield* raw.say(HELLO, ...held, PUBLISH("deleted and set", "2"), PUBLISH("own", "1"))
        yield* pass(network, 100)
        assert.lengthOf(yield* knows(fresh.gossip), 6)
        yield* fresh.gossip.connect(old.endpoint)
        yield* pass(network, 3000)
        yield* assertSame([old, fresh], ["changed=2", "deleted and set=2", "lease=1", `long=${long}`, "own=1"])
        yield* pass(network, 60_000)
        yield* assertSame([old, fresh], ["changed=2", "deleted and set=2", `long=${long}`, "own=1"])
      })
  )

  const apart = (network: Network, restAway: number) =>
    Effect.gen(function* () {
      const nodes = yield* startAll(network, 4, { retention })
      yield* link(nodes, chain(4))
      yield* at(nodes, 0).gossip.publishAll([
        ["deleted", "1"],
        ["kept", "1"]
      ])
      yield* at(nodes, 3).gossip.publish("own", "1")
      yield* quiet(network)
      yield* network.partition(["n3"], ["n0", "n1", "n2"])
      yield* pass(network, 1000)
      yield* at(nodes, 1).gossip.unpublish("deleted")
      yield* at(nodes, 2).gossip.unpublish("own")
      yield* at(nodes, 3).gossip.publish("meanwhile", "1")
      for (let quarter = 0; quarter < 4; quarter++) {
        // Who asks what is held has not been in the network either.
        const guest = yield* MemoryTransport.make(network, "guest").connect(endpointOf(at(nodes, 3).endpoint))
        yield* guest.send([Message.encode(Message.greeting), Message.encode(Message.ping)])
        yield* pass(network, restAway / 4)
      }
      yield* network.heal
      yield* pass(network, 10_000)
      yield* quiet(network)
      yield* assertSame(nodes)
      yield* assertSilent(network, 3)
      return yield* knows(at(nodes, 0).gossip)
    })

  it.effect(
    "does not come back with a node that was away until all others have forgotten it, as client and as server",
    () =>
      Effect.gen(function* () {
        const all = yield* apart(yield* MemoryNetwork.make({ latency: 1 }), 2 * retention)
        // What it has set itself it may offer, whoever has deleted it.
        assert.deepStrictEqual(all, ["kept=1", "meanwhile=1", "own=1"])
      })
  )

  it.effect("is no matter to what a node that was away heard meanwhile from one of version 1", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ latency: 1 })
      const nodes = yield* startAll(network, 3, { retention, maxDrift: 60_000 })
      yield* link(nodes, chain(3))
      const raw = yield* rawClient(MemoryTransport.make(network, "raw"), "inproc://n2")
      yield* raw.say(HELLO)
      yield* quiet(network)
      yield* network.partition(["n2"], ["n0", "n1"])
      yield* pass(network, 20_000)
      yield* raw.say(PUBLISH("heard", "1"))
      yield* pass(network, 200_000)
      yield* network.heal
      yield* pass(network, 10_000)
      yield* quiet(network)
      yield* assertSame(nodes, ["heard=1"])
    })
  )

  it.effect("is in force with a node that was away for less", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* apart(yield* MemoryNetwork.make({ latency: 1 }), retention / 2), [
        "kept=1",
        "meanwhile=1"
      ])
    })
  )

  it.effect("a node that starts anew does not make others forget, however long they have heard of nobody", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ latency: 1 })
      const first = yield* start(network, "first", { retention, publish: { k: "1" } })
      const second = yield* start(network, "second", {
        retention,
        connect: [first.endpoint],
        publish: { l: "1" }
      })
      yield* pass(network, 5000)
      yield* network.partition(["first"], ["second"])
      yield* pass(network, 3 * retention)
      const third = yield* start(network, "third", { retention, connect: [first.endpoint, second.endpoint] })
      yield* pass(network, 5000)
      yield* assertSame([first, second, third], ["k=1", "l=1"])
      yield* network.heal
      yield* pass(network, 5000)
      yield* assertSame([first, second, third], ["k=1", "l=1"])
    })
  )

  it.effect("of somebody who may not set the key is not taken", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ latency: 1 })
      const server = yield* start(network, "server", {
        endpoint: "none",
        publish: { "a/k": "1", "b/k": "1" },
        bind: [{ endpoint: "inproc://server", mayPublish: "a/" }]
      })
      const client = yield* start(network, "client", { connect: ["inproc://server"] })
      yield* quiet(network)
      assert.deepStrictEqual(yield* knows(client.gossip), ["a/k=1", "b/k=1"])
      yield* client.gossip.unpublish("a/k")
      yield* client.gossip.unpublish("b/k")
      yield* quiet(network)
      assert.deepStrictEqual(yield* knows(server.gossip), ["b/k=1"])
      assert.strictEqual((yield* server.gossip.status).counters.refused.rule, 1)
      yield* settle(network)
    })
  )
})
