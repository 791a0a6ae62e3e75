/**
 * `zgossip publish KEY [VALUE]`
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tuple from "../protocol/Tuple.ts"
import { ask } from "./Client.ts"
import { type Failure, usage } from "./Failure.ts"
import { read } from "./Files.ts"
import type { Globals } from "./Root.ts"
import { parseTime } from "./Root.ts"

/**
 * @since 0.1.0
 * @category commands
 */
export const publish = Effect.fnUntraced(function* (
  globals: Globals,
  {
    key,
    lifetime,
    value
  }: {
    readonly key: string
    readonly lifetime: Option.Option<string>
    readonly value: Option.Option<string>
  }
) {
  const milliseconds = Option.isSome(lifetime) ? yield* lifetimeOf(lifetime.value) : 0
  // Before somebody has typed a value.
  yield* make(key, "")
  const tuple = yield* make(key, Option.isSome(value) ? value.value : yield* fromInput)
  yield* ask(globals, ({ publish }) => publish([{ tuple, lifetime: milliseconds }]))
})

/**
 * In milliseconds.
 *
 * @since 0.1.0
 * @category parsing
 */
export const lifetimeOf = (text: string): Effect.Effect<number, Failure> => {
  const milliseconds = parseTime(text, longest)
  return milliseconds === undefined
    ? Effect.fail(usage(`--lifetime ${JSON.stringify(text)} is no time: write 500ms, 30s, 5m, 2h or 7d`))
    : Effect.succeed(milliseconds)
}

/** A year. */
const longest = 366 * 86_400_000

const make = (key: string, value: string | Uint8Array) =>
  Effect.mapError(Effect.fromResult(Tuple.make(key, value)), ({ message }) => usage(message))

/** Somebody at a terminal has forgotten the value rather than wants to type one up to Ctrl-D. */
const fromInput = Effect.suspend(() =>
  process.stdin.isTTY
    ? Effect.fail(usage('the value is missing: write zgossip publish KEY VALUE ("" for an empty one), or pipe it in'))
    : read(undefined, Tuple.maxValueLength)
)
