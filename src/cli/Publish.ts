/**
 * `zgossip publish KEY [VALUE]`
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tuple from "../protocol/Tuple.ts"
import { ask } from "./Client.ts"
import { usage } from "./Failure.ts"
import { read } from "./Files.ts"
import type { Globals } from "./Root.ts"

/**
 * @since 0.1.0
 * @category commands
 */
export const publish = Effect.fnUntraced(function* (
  globals: Globals,
  { key, value }: { readonly key: string; readonly value: Option.Option<string> }
) {
  // Before somebody has typed a value.
  yield* make(key, "")
  const tuple = yield* make(key, Option.isSome(value) ? value.value : yield* fromInput)
  yield* ask(globals, ({ publish }) => publish([tuple]))
})

const make = (key: string, value: string | Uint8Array) =>
  Effect.mapError(Effect.fromResult(Tuple.make(key, value)), ({ message }) => usage(message))

/** Somebody at a terminal has forgotten the value rather than wants to type one up to Ctrl-D. */
const fromInput = Effect.suspend(() =>
  process.stdin.isTTY
    ? Effect.fail(usage('the value is missing: write zgossip publish KEY VALUE ("" for an empty one), or pipe it in'))
    : read(undefined, Tuple.maxValueLength)
)
