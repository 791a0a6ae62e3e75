/**
 * Two nodes of ours that meet again: what it costs to find out where they differ, in octets of frames.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import type { GossipError } from "../../src/services/Gossip.ts"
import { assertSame, CARGO, HELLO, knows, type Network, pass, PUBLISH, quiet, start } from "./support.ts"

const many = 50_000

const two = (tuples: number) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.make({ latency: 1 })
    const publish = Array.from({ length: tuples }, (_, n) => [`service/${n}`, `tcp://10.0.0.1:${n}`] as const)
    const server = yield* start(network, "server", { publish })
    const client = yield* start(network, "client", { connect: [server.endpoint] })
    yield* quiet(network)
    assert.strictEqual((yield* client.gossip.status).tuples, tuples)
    return { network, server, client }
  })

/** Octets each way, and how many messages that are no heartbeat, until all is quiet after a cut. */
const rejoin = (network: Network, meanwhile: Effect.Effect<unknown, GossipError>) =>
  Effect.gen(function* () {
    yield* network.partition(["client"], ["server"], "cut")
    yield* Effect.orDie(meanwhile)
    yield* pass(network, 100)
    const read = Effect.all([
      network.octets({ from: "client" }),
      network.octets({ from: "server" }),
      network.count({ id: CARGO }),
      network.count({ id: PUBLISH })
    ])
    const before = yield* read
    yield* network.heal
    const hellos = yield* network.count({ id: HELLO })
    for (let waited = 0; (yield* network.count({ id: HELLO })) === hellos && waited < 5000; waited += 20) {
      yield* pass(network, 20)
    }
    yield* pass(network, 200)
    const after = yield* read
    return {
      up: after[0] - before[0],
      down: after[1] - before[1],
      carried: after[2] - before[2],
      published: after[3] - before[3]
    }
  })

describe("a client that comes back", () => {
  it.effect("with what the server has, however much: less than 200 octets each way", () =>
    Effect.gen(function* () {
      const { network } = yield* two(100_000)
      const cost = yield* rejoin(network, Effect.void)
      assert.isBelow(cost.up, 200)
      assert.isBelow(cost.down, 200)
      assert.deepInclude(cost, { carried: 0, published: 0 })
    })
  )

  it.effect("with one change on each side: both are found for less than 8 KiB and 6 round trips", () =>
    Effect.gen(function* () {
      const { client, network, server } = yield* two(many)
      const cost = yield* rejoin(
        network,
        Effect.andThen(client.gossip.publish("service/7", "here"), server.gossip.publish("service/30000", "there"))
      )
      assert.isBelow(cost.up + cost.down, 8192)
      assert.isAtMost(cost.carried, 12)
      assert.strictEqual(cost.published, 0)
      for (const { gossip } of [client, server]) {
        assert.includeMembers(Array.from(yield* knows(gossip)), ["service/7=here", "service/30000=there"])
      }
    })
  )

  it.effect("with hundreds of changes on both sides: for their sake alone", () =>
    Effect.gen(function* () {
      const { client, network, server } = yield* two(20_000)
      const changed = (offset: number, value: string) =>
        Array.from({ length: 300 }, (_, n) => [`service/${(n * 61 + offset) % 20_000}`, value] as const)
      const cost = yield* rejoin(
        network,
        Effect.andThen(client.gossip.publishAll(changed(0, "here")), server.gossip.publishAll(changed(7, "there")))
      )
      yield* quiet(network)
      yield* assertSame([client, server])
      // 600 changes of about 50 octets each; all of it would be a million.
      assert.isBelow(cost.up + cost.down, 200_000)
    })
  )
})
