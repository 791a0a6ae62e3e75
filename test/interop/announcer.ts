/** A small program: it serves and connects where it is told, announces something, and has a lot to say at its end. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer } from "effect"
import * as Gossip from "../../src/Gossip.ts"
import { Patience } from "../../src/layers/LastWords.ts"
import { numbered } from "./OurNode.ts"

const [bind = "", connect = ""] = process.argv.slice(2)

const presence = Effect.gen(function* () {
  const gossip = yield* Gossip.Gossip
  yield* gossip.announce("me", "here", { lifetime: "1 hour" })
  yield* Effect.addFinalizer(() => Effect.ignore(gossip.publishAll(numbered("last", 12, "v".repeat(2 ** 21)))))
})

Layer.effectDiscard(presence).pipe(
  Layer.provide(Gossip.layer({ bind: [bind], connect: [connect] })),
  // A busy machine takes its time.
  Layer.provide(Layer.succeed(Patience, 10_000)),
  Layer.launch,
  NodeRuntime.runMain
)
