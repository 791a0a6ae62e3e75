/**
 * Configuration that changes while the program runs, everywhere at once.
 *
 *     node examples/live-configuration.ts
 *
 * Three workers follow one setting. An operator, connected to any node of the network, changes it.
 */
import type { Layer } from "effect"
import { Effect, Stream, SubscriptionRef } from "effect"
import { Gossip } from "../src/index.ts" // in your project: from "effect-zgossip"

/** A setting as a value that follows the network; `initial` until the network says otherwise. */
const setting = Effect.fn("setting")(function* (key: string, initial: string) {
  const gossip = yield* Gossip.Gossip
  const ref = yield* SubscriptionRef.make(initial)
  const news = yield* gossip.subscribe
  yield* news.pipe(
    Stream.filter((tuple) => tuple.key === key),
    Stream.runForEach((tuple) => SubscriptionRef.set(ref, tuple.value)),
    Effect.forkScoped
  )
  return ref
})

const worker = (name: string, node: Layer.Layer<Gossip.Gossip, Gossip.GossipError>) =>
  Effect.gen(function* () {
    const level = yield* setting("log/level", "info")
    yield* SubscriptionRef.changes(level).pipe(
      Stream.tap((value) => Effect.sync(() => process.stdout.write(`${name} logs at ${value}\n`))),
      Stream.takeUntil((value) => value === "debug"),
      Stream.runDrain
    )
  }).pipe(Effect.provide(node), Effect.scoped)

const operator = Effect.gen(function* () {
  const gossip = yield* Gossip.Gossip
  yield* Effect.sleep("300 millis")
  yield* gossip.publish("log/level", "debug")
  yield* Effect.sleep("300 millis")
}).pipe(Effect.provide(Gossip.layer({ connect: ["inproc://three"] })))

// A chain of three nodes: the change enters at the far end.
await Effect.runPromise(
  Effect.all(
    [
      worker("one", Gossip.layer({ bind: ["inproc://one"] })),
      worker("two", Gossip.layer({ bind: ["inproc://two"], connect: ["inproc://one"] })),
      worker("three", Gossip.layer({ bind: ["inproc://three"], connect: ["inproc://two"] })),
      operator
    ],
    { concurrency: "unbounded", discard: true }
  )
)
