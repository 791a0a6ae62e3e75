/**
 * The self-test of the original, zgossip_test in zgossip.c, line for line in spirit.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Gossip from "../../src/Gossip.ts"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import { selfTest } from "./selftest.ts"
import { pass } from "./support.ts"

describe("the original's self-test", () => {
  it.effect("in memory", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      yield* selfTest({
        node: () => Gossip.layerMemory(network),
        transport: MemoryTransport.layer(network),
        pass: (milliseconds) => pass(network, milliseconds)
      })
      assert.deepInclude(yield* network.status, { listeners: 0, connections: 0 })
    })
  )

  it.effect("in memory, with latency", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ latency: { min: 1, max: 3 } })
      yield* selfTest({
        node: () => Layer.fresh(Gossip.layerMemory(network)),
        transport: MemoryTransport.layer(network),
        pass: (milliseconds) => pass(network, milliseconds)
      })
    })
  )
})
