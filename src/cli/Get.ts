/**
 * `zgossip get KEY`
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Tuple from "../protocol/Tuple.ts"
import { ask } from "./Client.ts"
import { Failure, usage } from "./Failure.ts"
import type { Globals } from "./Root.ts"
import { count, tupleJson } from "./Text.ts"
import { printable, write } from "./Terminal.ts"

/**
 * @since 0.1.0
 * @category commands
 */
export const get = Effect.fnUntraced(function* (
  globals: Globals,
  { key, raw }: { readonly key: string; readonly raw: boolean }
) {
  const { format } = globals
  if (raw && format !== "text") return yield* usage(`--raw and --output ${format} contradict each other`)
  const { keyOctets } = yield* Effect.mapError(Effect.fromResult(Tuple.make(key, "")), ({ message }) => usage(message))
  const [tuples, endpoint, told] = yield* ask(globals, ({ endpoint, select, told }) =>
    Effect.map(
      select((tuple) => (tuple.keyOctets === keyOctets ? tuple : undefined)),
      (tuples) => [tuples, endpoint, told()] as const
    )
  )
  const said = tuples.get(keyOctets)
  if (said === undefined) {
    return yield* new Failure({
      kind: "noSuchKey",
      message: `${endpoint} has no key ${JSON.stringify(key)} among its ${count(told, "tuple")}; zgossip list shows them`
    })
  }
  const { tuple } = said
  if (raw) return yield* write(tuple.valueBytes)
  if (format === "json") return yield* write(`${tupleJson(said)}\n`)
  // A terminal obeys what a program has to get as it is.
  const text = process.stdout.isTTY ? printable(tuple.value) : tuple.valueBytes
  yield* write(Buffer.concat([Buffer.from(text), Buffer.from("\n")]))
})
