/**
 * `zgossip unpublish KEY...`: a node that joins, deletes and leaves. Only a node knows which version is the newest.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Tuple from "../protocol/Tuple.ts"
import { ask, within } from "./Client.ts"
import { Failure, usage } from "./Failure.ts"
import { join } from "./Member.ts"
import type { Globals } from "./Root.ts"

/** That it connects is of no interest, unless one wants to know more. */
const quietly = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(References.MinimumLogLevel, (level) =>
    level === "Info" ? Effect.provideService(self, References.MinimumLogLevel, "Warn") : self
  )

/**
 * @since 0.1.0
 * @category commands
 */
export const unpublish = Effect.fnUntraced(
  function* (globals: Globals, { keys }: { readonly keys: ReadonlyArray<string> }) {
    const wanted = yield* Effect.forEach(new Set(keys), (key) =>
      Effect.mapError(Effect.fromResult(Tuple.make(key, "")), ({ message }) => usage(message))
    )
    const { drained, endpoint, gossip } = yield* join(globals)
    const missing: Array<string> = []
    for (const { key, keyBytes } of wanted) if (!(yield* gossip.unpublish(keyBytes))) missing.push(JSON.stringify(key))
    yield* drained
    yield* within(globals.timeout, [endpoint])(gone({ ...globals, endpoints: [endpoint] }, wanted))
    if (missing.length > 0) {
      return yield* new Failure({
        kind: "noSuchKey",
        message: `${endpoint} has no key ${missing.join(", ")}; zgossip list shows them`
      })
    }
  },
  Effect.scoped,
  quietly
)

/** The node may have a rule against it, and says nothing then. */
const gone = Effect.fnUntraced(function* (globals: Globals, wanted: ReadonlyArray<Tuple.Tuple>) {
  const keys = new Set(wanted.map(({ keyOctets }) => keyOctets))
  const left = yield* ask(globals, ({ select }) => select((tuple) => (keys.has(tuple.keyOctets) ? tuple : undefined)))
  if (left.size === 0) return
  const which = Array.from(left.values(), ({ tuple }) => JSON.stringify(tuple.key)).join(", ")
  return yield* usage(
    `${globals.endpoints[0]} still has ${which}: it may not let us delete that, or somebody sets it again`
  )
})
