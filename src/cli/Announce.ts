/**
 * `zgossip announce KEY VALUE`: a tuple that is there as long as this process is.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Tuple from "../protocol/Tuple.ts"
import { usage } from "./Failure.ts"
import { join } from "./Member.ts"
import { lifetimeOf } from "./Publish.ts"
import type { Globals } from "./Root.ts"

/**
 * @since 0.1.0
 * @category commands
 */
export const announce = Effect.fnUntraced(function* (
  globals: Globals,
  input: { readonly key: string; readonly value: string; readonly lifetime: string }
) {
  const { keyBytes, valueBytes } = yield* Effect.mapError(
    Effect.fromResult(Tuple.make(input.key, input.value)),
    ({ message }) => usage(message)
  )
  const lifetime = yield* lifetimeOf(input.lifetime)
  const { drained, endpoint, gossip } = yield* join(globals)
  const name = JSON.stringify(input.key)
  const how = yield* Effect.gen(function* () {
    const { ended } = yield* gossip.announce(keyBytes, valueBytes, { lifetime })
    yield* drained
    yield* Effect.logInfo(`${name} is announced on ${endpoint}`)
    return yield* ended
  }).pipe(Effect.scoped)
  return yield* usage(`somebody else has ${how === "Deleted" ? "deleted" : "set"} ${name}: it is announced no longer`)
}, Effect.scoped)
