/**
 * Joins a network of CZMQ (or Zyre, or our own) nodes: shows what it knows, adds a tuple, and follows the news.
 *
 *     node examples/join-czmq.ts tcp://127.0.0.1:5670 [key value]
 *
 * Ends after 2 seconds without news. Any zgossip node will do at the other end: nothing is asked of it but ZGP v1.
 */
import { Effect, Stream } from "effect"
import { Gossip } from "../src/index.ts" // in your project: from "effect-zgossip"

const [endpoint = "tcp://127.0.0.1:5670", key, value = ""] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const gossip = yield* Gossip.Gossip
  const news = yield* gossip.subscribe
  yield* gossip.connect(endpoint)
  if (key !== undefined) yield* gossip.publish(key, value)
  yield* news.pipe(
    Stream.timeout("2 seconds"),
    Stream.runForEach((tuple) => Effect.sync(() => process.stdout.write(`${tuple.key} = ${tuple.value}\n`)))
  )
  const { remotes, tuples } = yield* gossip.status
  const [remote] = remotes
  process.stdout.write(`${tuples} tuples; ${endpoint}: ${remote?.error ?? remote?.state}\n`)
})

await Effect.runPromise(program.pipe(Effect.provide(Gossip.layer()), Effect.scoped))
