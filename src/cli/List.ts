/**
 * `zgossip list [PREFIX]`
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Octets from "../protocol/Octets.ts"
import type { Said } from "../protocol/Message.ts"
import * as TupleJson from "../protocol/TupleJson.ts"
import { ask } from "./Client.ts"
import { usage } from "./Failure.ts"
import { writeTo } from "./Files.ts"
import type { Globals } from "./Root.ts"
import { beginning, byKey } from "./Selection.ts"
import { paint, printable } from "./Terminal.ts"
import { json, table, tupleJson } from "./Text.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Input {
  readonly prefix: Option.Option<string>
  readonly keysOnly: boolean
  readonly raw: boolean
}

/**
 * @since 0.1.0
 * @category commands
 */
export const list = Effect.fnUntraced(function* (globals: Globals, input: Input) {
  const { format } = globals
  if (input.raw && format !== "text") return yield* usage(`--raw and --output ${format} contradict each other`)
  const prefix = Octets.from(Option.getOrElse(input.prefix, () => ""))
  const tuples = yield* ask(globals, ({ select }) => select(beginning(prefix)))
  yield* writeTo(undefined, lines(globals, input, byKey(tuples)))
})

const lines = ({ color, format }: Globals, { keysOnly, raw }: Input, tuples: ReadonlyArray<Said>) => {
  if (format === "json") return array(tuples, keysOnly ? keyJson : tupleJson)
  if (format === "table") {
    const rows = tuples.map(({ tuple: { key, value } }) =>
      keysOnly ? [printable(key)] : [printable(key), printable(value)]
    )
    // In a file or a pipe a line has no width.
    return map(table(keysOnly ? ["KEY"] : ["KEY", "VALUE"], rows, process.stdout.columns), (line) => `${line}\n`)
  }
  if (raw) {
    return map(tuples, ({ tuple: { keyOctets, valueOctets } }) =>
      Octets.toBytes(keysOnly ? `${keyOctets}\n` : `${keyOctets} = ${valueOctets}\n`)
    )
  }
  return map(tuples, ({ tuple: { key, value } }) => {
    const shown = paint("cyan", printable(key), { color })
    return keysOnly ? `${shown}\n` : `${shown} = ${printable(value)}\n`
  })
}

const keyJson = ({ tuple: { keyOctets } }: Said): string => {
  const { key, ...base64 } = TupleJson.field("key", keyOctets)
  return json(key ?? base64)
}

/** An array with an element on each line. */
const array = function* (tuples: ReadonlyArray<Said>, element: (said: Said) => string): Generator<string> {
  let before = "["
  for (const tuple of tuples) {
    yield `${before}${element(tuple)}`
    before = ",\n "
  }
  yield tuples.length === 0 ? "[]\n" : "]\n"
}

/** One after the other, while they are written. */
const map = function* <A, B>(items: Iterable<A>, change: (item: A) => B): Generator<B> {
  for (const item of items) yield change(item)
}
