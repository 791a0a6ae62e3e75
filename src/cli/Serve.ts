/**
 * `zgossip serve`: a node in the foreground. What it delivers goes to standard output, what it has to say to standard
 * error.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Gossip from "../Gossip.ts"
import * as Octets from "../protocol/Octets.ts"
import type { Tuple } from "../protocol/Tuple.ts"
import type { Failure } from "./Failure.ts"
import { usage } from "./Failure.ts"
import type { Globals } from "./Root.ts"
import { defaultEndpoint } from "./Root.ts"
import { paint, printable, write } from "./Terminal.ts"
import { tupleJson } from "./Text.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Flags {
  readonly bind: ReadonlyArray<string>
  readonly connect: ReadonlyArray<string>
  readonly publish: ReadonlyArray<string>
  readonly verbose: boolean
}

/**
 * @since 0.1.0
 * @category commands
 */
export const serve = Effect.fnUntraced(function* (globals: Globals, { bind, connect, publish, verbose }: Flags) {
  const tuples = yield* Effect.forEach(publish, parseTuple)
  const node = Effect.gen(function* () {
    const gossip = yield* Gossip.Gossip
    const deliveries = yield* gossip.subscribe
    yield* Effect.forEach(bind.length === 0 ? [defaultEndpoint] : bind, gossip.bind, { discard: true })
    yield* Effect.forEach(connect, gossip.connect, { discard: true })
    yield* gossip.publishAll(tuples)
    yield* Stream.runForEachArray(deliveries, (tuples) => write(tuples.map((tuple) => line(globals, tuple)).join("")))
  })
  yield* Effect.provide(node, Gossip.layer({ verbose }))
}, Effect.scoped)

const parseTuple = (text: string): Effect.Effect<readonly [string, string], Failure> => {
  const equals = text.indexOf("=")
  return equals < 0
    ? Effect.fail(usage(`--publish ${JSON.stringify(text)} has no value: write --publish key=value`))
    : Effect.succeed([text.slice(0, equals), text.slice(equals + 1)])
}

/** How many octets of a value are shown. */
const shownOctets = 1000

const line = ({ color, format }: Globals, tuple: Tuple): string => {
  if (format === "json") return `${tupleJson(tuple)}\n`
  const { key, valueOctets } = tuple
  const shown = printable(Octets.toText(valueOctets.slice(0, shownOctets)))
  const rest = valueOctets.length > shownOctets ? ` ... (${valueOctets.length} octets)` : ""
  return `${paint("cyan", printable(key), { color })} = ${shown}${rest}\n`
}
