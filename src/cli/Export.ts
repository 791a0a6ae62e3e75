/**
 * `zgossip export [FILE]`
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Octets from "../protocol/Octets.ts"
import type { Said } from "../protocol/Message.ts"
import * as TupleZpl from "../protocol/TupleZpl.ts"
import * as Zpl from "../protocol/Zpl.ts"
import { ask } from "./Client.ts"
import { pathOf, writeTo } from "./Files.ts"
import type { Globals } from "./Root.ts"
import { beginning, byKey } from "./Selection.ts"
import { say } from "./Terminal.ts"
import { count, tupleJson } from "./Text.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Input {
  readonly file: Option.Option<string>
  readonly prefix: string
  readonly format: "ndjson" | "zpl"
}

/**
 * @since 0.1.0
 * @category commands
 */
export const exportTuples = Effect.fnUntraced(function* (globals: Globals, { file, format, prefix }: Input) {
  const path = yield* pathOf(file)
  const found = yield* ask(globals, ({ select }) => select(beginning(Octets.from(prefix))))
  const tuples = byKey(found)
  yield* writeTo(path, format === "zpl" ? [Octets.toBytes(Zpl.print(TupleZpl.toDocument(tuples)))] : lines(tuples))
  if (path !== undefined && !globals.quiet) yield* say(`${count(tuples.length, "tuple")} in ${path}`)
})

const lines = function* (tuples: ReadonlyArray<Said>): Generator<string> {
  for (const tuple of tuples) yield `${tupleJson(tuple)}\n`
}
