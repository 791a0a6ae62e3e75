/**
 * `zgossip serve`: a node in the foreground. What it delivers goes to standard output, what it has to say to standard
 * error.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as FileConfig from "../layers/FileConfig.ts"
import * as GossipNode from "../layers/GossipNode.ts"
import * as MemoryTupleStore from "../layers/MemoryTupleStore.ts"
import * as ZmqTransport from "../layers/ZmqTransport.ts"
import * as Endpoint from "../protocol/Endpoint.ts"
import type { Status } from "../services/Gossip.ts"
import type { NodeFlags } from "./NodeFlags.ts"
import { optionsOf } from "./NodeFlags.ts"
import type { Globals } from "./Root.ts"
import { write } from "./Terminal.ts"
import { tupleLine } from "./Text.ts"

/** There is nothing yet that keeps strangers out. */
const warnIfOpen = ({ listeners }: Status): Effect.Effect<void> => {
  const open = listeners.map(({ endpoint }) => endpoint).filter(isOpen)
  return open.length === 0
    ? Effect.void
    : Effect.logWarning(
        `whoever reaches ${open.join(", ")} can read and change every tuple: bind to addresses that only friends reach`
      )
}

const isOpen = (endpoint: string): boolean => {
  const parsed = Endpoint.parseBind(endpoint)
  return (
    Result.isSuccess(parsed) &&
    parsed.success._tag === "Tcp" &&
    !/^(?:127\.[\d.]+|localhost|::1|lo)$/.test(parsed.success.host)
  )
}

/**
 * @since 0.1.0
 * @category commands
 */
export const serve = Effect.fnUntraced(function* (globals: Globals, flags: NodeFlags) {
  const options = yield* optionsOf(flags)
  yield* Effect.gen(function* () {
    const { gossip, start } = yield* GossipNode.make
    const deliveries = yield* gossip.subscribe
    yield* start
    yield* Effect.flatMap(gossip.status, warnIfOpen)
    yield* Stream.runForEachArray(deliveries, (tuples) =>
      write(tuples.map((tuple) => tupleLine(globals, tuple)).join(""))
    ).pipe(
      // Others need this node whoever reads what it prints.
      Effect.catchTag("Closed", () =>
        Effect.andThen(
          Effect.logWarning("standard output was closed: deliveries are not printed any more"),
          Stream.runDrain(deliveries)
        )
      )
    )
  }).pipe(
    Effect.scoped,
    Effect.provide(Layer.mergeAll(ZmqTransport.layer, MemoryTupleStore.layer, FileConfig.layer(options)))
  )
})
