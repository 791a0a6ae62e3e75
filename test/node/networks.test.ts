/**
 * Whole networks: every topology converges, tells everybody once, costs one flood without echoes, and falls silent.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import {
  assertSame,
  assertSeenOnce,
  assertSilent,
  flood,
  CARGO,
  published,
  at,
  chain,
  cost,
  link,
  mesh,
  type Edges,
  type Network,
  pass,
  publishEach,
  quiet,
  ring,
  star,
  start,
  startAll
} from "./support.ts"

/** Joins nodes that hold a tuple each, then publishes at each node, and looks at what it takes. */
const run = (network: Network, count: number, edges: Edges) =>
  Effect.gen(function* () {
    const nodes = yield* startAll(network, count)
    yield* publishEach(nodes, "old")
    yield* link(nodes, edges)
    yield* quiet(network)
    yield* assertSame(nodes, published(nodes, "old"))
    assertSeenOnce(nodes, published(nodes, "old"))
    for (const node of [at(nodes, 0), at(nodes, count >> 1), at(nodes, -1)]) {
      const frames = yield* cost(network, CARGO, node.gossip.publish(`new-${node.name}`, "1"))
      assert.strictEqual(frames, flood(count, edges.length), `batches of a tuple from ${node.name}`)
    }
    assert.strictEqual(yield* cost(network, CARGO, at(nodes, 0).gossip.publish(`new-n0`, "1")), 0, "no news")
    yield* publishEach(nodes, "all")
    yield* quiet(network)
    const all = [...published(nodes, "old"), ...published(nodes, "all")]
    const some = new Set([0, count >> 1, count - 1].map((n) => `new-n${n}=1`))
    yield* assertSame(nodes, [...all, ...some])
    assertSeenOnce(nodes, [...all, ...some])
    yield* assertSilent(network, edges.length)
    for (const { gossip } of nodes) {
      const { counters } = yield* gossip.status
      assert.deepInclude(counters, { invalidSent: 0, invalidReceived: 0, defects: 0, repliesDropped: 0 })
    }
    return nodes
  })

describe("topologies", () => {
  it.effect("a chain of 20: as many frames as links", () =>
    Effect.gen(function* () {
      assert.strictEqual(flood(20, chain(20).length), 19)
      yield* run(yield* MemoryNetwork.make(), 20, chain(20))
    })
  )

  it.effect("a star of 20: as many frames as links", () =>
    Effect.gen(function* () {
      assert.strictEqual(flood(20, star(20).length), 19)
      yield* run(yield* MemoryNetwork.make(), 20, star(20))
    })
  )

  it.effect("a ring of 30: 31 frames", () =>
    Effect.gen(function* () {
      assert.strictEqual(flood(30, ring(30).length), 31)
      yield* run(yield* MemoryNetwork.make(), 30, ring(30))
    })
  )

  it.effect("a full mesh of 10: 81 frames", () =>
    Effect.gen(function* () {
      assert.strictEqual(flood(10, mesh(10).length), 81)
      yield* run(yield* MemoryNetwork.make(), 10, mesh(10))
    })
  )

  it.effect.each([1])("a full mesh of 8 with latencies, seed %i", (seed) =>
    Effect.gen(function* () {
      yield* run(yield* MemoryNetwork.make({ seed, latency: { min: 1, max: 20 } }), 8, mesh(8))
    })
  )

  it.effect("a node connected to itself", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const node = yield* start(network, "n0", { publish: { old: "1" } })
      yield* node.gossip.connect(node.endpoint)
      yield* quiet(network)
      // It hears itself, as client and as server; neither is news.
      assert.isAtMost(yield* cost(network, CARGO, node.gossip.publish("new", "1")), 2)
      yield* assertSame([node], ["old=1", "new=1"])
      assertSeenOnce([node], ["old=1", "new=1"])
      yield* assertSilent(network, 1)
    })
  )

  it.effect("two nodes connected to each other: no ping-pong between the two links", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ latency: 1 })
      const nodes = yield* startAll(network, 2)
      yield* publishEach(nodes, "old")
      yield* link(nodes, [
        [0, 1],
        [1, 0]
      ])
      yield* quiet(network)
      assert.isAtMost(yield* cost(network, CARGO, at(nodes, 0).gossip.publish("new", "1")), flood(2, 2))
      yield* assertSame(nodes, [...published(nodes, "old"), "new=1"])
      assertSeenOnce(nodes, [...published(nodes, "old"), "new=1"])
      yield* assertSilent(network, 2)
    })
  )

  it.effect("a chain that is linked before anybody serves", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const nodes = yield* startAll(network, 5, { endpoint: "none" })
      yield* publishEach(nodes, "old")
      for (let n = 1; n < 5; n++) yield* at(nodes, n).gossip.connect(`inproc://n${n - 1}`)
      yield* pass(network, 10_000)
      for (const { gossip, name } of nodes) yield* gossip.bind(`inproc://${name}`)
      yield* quiet(network)
      yield* assertSame(nodes, published(nodes, "old"))
      assertSeenOnce(nodes, published(nodes, "old"))
    })
  )
})
