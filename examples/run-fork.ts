/**
 * A node as the whole program: launched with `Effect.runFork`, stopped by interrupting its fiber.
 *
 *     node examples/run-fork.ts
 *
 * A real program would use `NodeRuntime.runMain` of @effect/platform-node, which also turns SIGINT and SIGTERM into
 * that interruption.
 */
import { Deferred, Effect, Fiber, Stream } from "effect"
import { Gossip } from "../src/index.ts" // in your project: from "effect-zgossip"

const printed = Deferred.makeUnsafe<void>()

const node = Effect.gen(function* () {
  const gossip = yield* Gossip.Gossip
  const news = yield* gossip.subscribe
  yield* gossip.publish("started", "yes")
  yield* Stream.runForEach(news, (tuple) =>
    Effect.andThen(
      Effect.sync(() => process.stdout.write(`${tuple.key} = ${tuple.value}\n`)),
      Deferred.succeed(printed, undefined)
    )
  )
}).pipe(
  Effect.onInterrupt(() => Effect.sync(() => process.stdout.write("stopped\n"))),
  Effect.provide(Gossip.layer({ bind: ["tcp://127.0.0.1:*"] })),
  Effect.scoped
)

const fiber = Effect.runFork(node)

Effect.runFork(Effect.andThen(Deferred.await(printed), Fiber.interrupt(fiber)))
