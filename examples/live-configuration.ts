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

/** Follows the setting until it is "debug", and tells the network what it does. */
const worker = (name: string, node: Layer.Layer<Gossip.Gossip, Gossip.GossipError>) =>
  Effect.gen(function* () {
    const gossip = yield* Gossip.Gossip
    const level = yield* setting("log/level", "info")
    yield* SubscriptionRef.changes(level).pipe(
      Stream.tap((value) => Effect.sync(() => process.stdout.write(`${name} logs at ${value}\n`))),
      Stream.tap((value) => gossip.publish(`worker/${name}/level`, value)),
      Stream.runDrain
    )
  }).pipe(Effect.provide(node), Effect.scoped)

/** Waits until all three are there, changes the setting for all of them, and waits until they have followed. */
const operator = Effect.gen(function* () {
  const gossip = yield* Gossip.Gossip
  const news = yield* gossip.subscribe
  yield* gossip.connect("inproc://three")
  yield* news.pipe(
    Stream.filter(({ key }) => key.startsWith("worker/")),
    Stream.zipWithIndex,
    Stream.tap(([, index]) => (index === 2 ? gossip.publish("log/level", "debug") : Effect.void)),
    Stream.take(6),
    Stream.runDrain
  )
}).pipe(Effect.provide(Gossip.layer()), Effect.scoped)

// A chain of three nodes: the change enters at the far end.
await Effect.runPromise(
  Effect.raceFirst(
    operator,
    Effect.all(
      [
        worker("one", Gossip.layer({ bind: ["inproc://one"] })),
        worker("two", Gossip.layer({ bind: ["inproc://two"], connect: ["inproc://one"] })),
        worker("three", Gossip.layer({ bind: ["inproc://three"], connect: ["inproc://two"] }))
      ],
      { concurrency: "unbounded" }
    )
  )
)
