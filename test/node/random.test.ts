/**
 * Networks drawn at random: who links to whom, when, how long each frame is under way, and who publishes meanwhile. A
 * seed that fails fails again: `ZGOSSIP_SEED=107 ZGOSSIP_SEEDS=1` runs that one alone.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import {
  assertSame,
  generator,
  randomEdges,
  assertSeenOnce,
  assertSilent,
  at,
  cost,
  flood,
  link,
  pass,
  CARGO,
  publishEach,
  published,
  quiet,
  startAll
} from "./support.ts"

describe("random networks", () => {
  /** One node publishes at a time, then all at once, while links of other nodes are still being made. */
  const converge = (seed: number, count: number, more: number, latency: MemoryNetwork.Options["latency"]) =>
    Effect.gen(function* () {
      const random = generator(seed)
      const network = yield* MemoryNetwork.make({ seed, latency: latency ?? 0 })
      const edges = randomEdges(count, more, random)
      const nodes = yield* startAll(network, count)
      const early = nodes.filter((_, n) => n % Math.ceil(count / 60) === 0)
      for (const edge of edges) {
        yield* link(nodes, [edge])
        if (random() < 0.1) yield* pass(network, Math.floor(random() * 50))
        if (random() < 0.2) {
          yield* publishEach([at(early, Math.floor(random() * early.length))], "early")
        }
      }
      yield* publishEach(early, "early")
      yield* quiet(network)
      const late = nodes.filter((_, n) => n % Math.ceil(count / 40) === 0)
      const frames = yield* cost(network, CARGO, publishEach(late, "late"))
      // What is under way at once may share a batch.
      assert.isAtMost(frames, late.length * flood(count, edges.length))
      const all = [...published(early, "early"), ...published(late, "late")]
      yield* assertSame(nodes, all)
      assertSeenOnce(nodes, all)
      yield* assertSilent(network, edges.length, 4)
    })

  it.effect.each([1])("30 nodes, seed %i", (seed) => {
    const random = generator(seed)
    return converge(seed, 30, 12, () => 1 + Math.floor(random() * 30))
  })

  const first = Number(process.env["ZGOSSIP_SEED"] ?? 100)
  const seeds = Array.from({ length: Number(process.env["ZGOSSIP_SEEDS"] ?? 1) }, (_, n) => first + n)
  it.effect.each(seeds)("20 nodes, seed %i", (seed) => converge(seed, 20, seed % 12, { min: 0, max: 30 }))
})
