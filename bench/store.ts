/**
 * `npm run bench:store`: what it costs a node to keep its tuples on the disk. In memory, synced each second, and at each
 * commit, in turns; and how long a node takes to start with many. `-- --directory D` for another disk.
 */
import { Context, Effect, Layer, Logger } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Gossip from "../src/Gossip.ts"

const { values } = parseArgs({
  options: { directory: { type: "string", default: tmpdir() }, rounds: { type: "string", default: "3" } }
})
const root = mkdtempSync(join(values.directory, "zgossip-bench-"))

type Node = Gossip.Gossip["Service"]

const withNode = <A, E>(options: Gossip.Options, run: (node: Node) => Effect.Effect<A, E>) =>
  Effect.scoped(
    Effect.flatMap(Layer.build(Gossip.layer(options)), (context) => run(Context.get(context, Gossip.Gossip)))
  ).pipe(Effect.provide(Logger.layer([])))

const keyOf = (n: number) => `service/${String(n).padStart(12, "0")}`
const valueOf = (n: number) => `value ${n}`.padEnd(44, "x")

/** Publishes a second, each of so many callers waiting for its own. */
const rate = (options: Gossip.Options, callers: number) =>
  withNode(options, (node) =>
    Effect.gen(function* () {
      let count = 0
      const start = performance.now()
      const caller = Effect.whileLoop({
        while: () => performance.now() - start < 2000,
        body: () => node.publish(keyOf(count % 20_000), valueOf(++count)),
        step: () => {}
      })
      yield* Effect.all(
        Array.from({ length: callers }, () => caller),
        { concurrency: "unbounded", discard: true }
      )
      return Math.round((count / (performance.now() - start)) * 1000)
    })
  )

const kinds: ReadonlyArray<readonly [name: string, options: () => Gossip.Options]> = [
  ["in memory", () => ({})],
  ["synced each second", () => ({ storeDirectory: mkdtempSync(join(root, "a")) })],
  ["synced at each commit", () => ({ storeDirectory: mkdtempSync(join(root, "b")), storeSync: 0 })]
]

const median = (numbers: ReadonlyArray<number>) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0

const main = Effect.gen(function* () {
  for (const callers of [1, 64]) {
    const rates = kinds.map((): Array<number> => [])
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [index, [, options]] of kinds.entries()) rates[index]?.push(yield* rate(options(), callers))
    }
    for (const [index, [name]] of kinds.entries()) {
      console.log(`${callers} at a time, ${name}: ${median(rates[index] ?? [])} publishes/s`)
    }
  }
  for (const size of [100_000, 1_000_000]) {
    const storeDirectory = mkdtempSync(join(root, "c"))
    const tuples = Array.from({ length: size }, (_, n) => [keyOf(n), valueOf(n)] as const)
    const fill = performance.now()
    const octets = yield* withNode({ storeDirectory }, (node) =>
      Effect.andThen(
        node.publishAll(tuples),
        Effect.map(node.status, ({ store }) => store?.octets ?? 0)
      )
    )
    const filled = performance.now() - fill
    const start = performance.now()
    const took = yield* withNode({ storeDirectory }, (node) =>
      Effect.map(node.status, ({ tuples }) => {
        if (tuples !== size) throw new Error(`${tuples} of ${size} were there`)
        return performance.now() - start
      })
    )
    const each = (octets / size).toFixed(0)
    console.log(
      `${size} tuples: published in ${filled.toFixed(0)} ms, ${each} octets each; started with them in ${took.toFixed(0)} ms`
    )
  }
})

await Effect.runPromise(main)
rmSync(root, { recursive: true })
