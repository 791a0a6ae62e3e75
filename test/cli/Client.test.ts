import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/cli/Client.ts"
import { byKey } from "../../src/cli/Selection.ts"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import { Transport } from "../../src/services/Transport.ts"
import { PING, type NodeOptions, start } from "../node/support.ts"

const endpoint = "tcp://10.0.0.1:5670"

const make = (options: NodeOptions = {}) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.make()
    const node = yield* start(network, "10.0.0.1", { endpoint, ...options })
    const client = Effect.provideService(Client.connect([endpoint]), Transport, MemoryTransport.make(network, "guest"))
    const list = Effect.flatMap(client, ({ select }) => select((tuple) => tuple))
    return { network, ...node, client, list: Effect.map(list, byKey) }
  })

const long = (n: number) => `${n} `.padEnd(2 ** 16, "v")

describe("a guest", () => {
  it.effect("proves that it reads, and need not wait for what is long", () =>
    Effect.gen(function* () {
      const { gossip, list, network } = yield* make({ flightOctets: 2 ** 20 })
      yield* gossip.publishAll(Array.from({ length: 32 }, (_, n) => [`k${n + 10}`, long(n)]))
      const values = (yield* list).map(({ tuple }) => tuple.value)
      assert.deepStrictEqual(
        values,
        Array.from({ length: 32 }, (_, n) => long(n))
      )
      assert.isAtLeast(yield* network.count({ from: "guest", id: PING }), 1)
    })
  )

  it.effect("is told how long a tuple lives, and not of those that are gone", () =>
    Effect.gen(function* () {
      const { gossip, list } = yield* make()
      yield* gossip.publishAll([["a", "for ever"], ["b", "deleted"]]) // prettier-ignore
      yield* gossip.publish("c", "short", { lifetime: 3000 })
      yield* gossip.publish("d", long(1), { lifetime: 30_000 })
      yield* gossip.unpublish("b")
      yield* TestClock.adjust(2000)
      const d = new Tuple("d", long(1))
      assert.deepStrictEqual(yield* list, [
        { tuple: new Tuple("a", "for ever") },
        { tuple: new Tuple("c", "short"), lifetime: 3000, remaining: 1000 },
        { tuple: d, lifetime: 30_000, remaining: 28_000 }
      ])
      yield* TestClock.adjust(1000)
      assert.deepInclude(yield* list, { tuple: d, lifetime: 30_000, remaining: 27_000 })
      assert.lengthOf(yield* list, 2)
    })
  )

  it.effect("publishes for as long as remains, and hears what was not taken", () =>
    Effect.gen(function* () {
      const { client, gossip, list } = yield* make({ tuples: 2 })
      const { publish } = yield* client
      const said = ["a", "b", "c"].map((key) => ({ tuple: new Tuple(key, "1"), lifetime: 3000, remaining: 500 }))
      const failed = yield* Effect.result(publish(said))
      assert.match(Result.getOrThrow(Result.flip(failed)).message, /did not take 1 of 3 tuples/)
      assert.deepStrictEqual((yield* list)[1], { tuple: new Tuple("b", "1"), lifetime: 500, remaining: 500 })
      yield* TestClock.adjust(500)
      assert.deepStrictEqual(yield* gossip.entries, [])
    })
  )
})
