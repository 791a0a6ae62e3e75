/**
 * `zgossip import [FILE]`
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { Said } from "../protocol/Message.ts"
import * as TupleJson from "../protocol/TupleJson.ts"
import * as TupleZpl from "../protocol/TupleZpl.ts"
import * as Zpl from "../protocol/Zpl.ts"
import { ask } from "./Client.ts"
import { usage } from "./Failure.ts"
import { pathOf, read } from "./Files.ts"
import type { Globals } from "./Root.ts"
import { isGone } from "./Selection.ts"
import { say } from "./Terminal.ts"
import { count } from "./Text.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Input {
  readonly file: Option.Option<string>
  readonly format: "auto" | "ndjson" | "zpl"
}

/** 500 MiB: what is read becomes one string, and those have a limit. */
const mostOctets = 500 * 2 ** 20

/**
 * @since 0.1.0
 * @category commands
 */
export const importTuples = Effect.fnUntraced(function* (globals: Globals, { file, format }: Input) {
  const path = yield* pathOf(file)
  if (Option.isNone(file) && process.stdin.isTTY) {
    return yield* usage("there is nothing to import: name a FILE, pipe it in, or write - to type it")
  }
  const octets = yield* read(path, mostOctets)
  const tuples = yield* Effect.mapError(Effect.fromResult(parse(octets, format)), ({ message }) =>
    usage(`${path ?? "standard input"}, ${message}; nothing was published`)
  )
  const live = tuples.filter((said) => !isGone(said))
  yield* ask(globals, ({ publish }) => publish(live))
  const over = tuples.length - live.length
  if (!globals.quiet)
    yield* say(`${count(live.length, "tuple")}${over === 0 ? "" : `, and ${over} that had their time`}`)
})

const parse = (
  octets: Buffer,
  format: Input["format"]
): Result.Result<ReadonlyArray<Said>, TupleJson.TupleJsonError | Zpl.ZplError> =>
  format === "ndjson" || (format === "auto" && looksLikeJson(octets))
    ? TupleJson.parse(octets)
    : Result.flatMap(Zpl.parse(octets), fromDocument)

/** Any file of settings is ZPL; one that was meant to hold tuples says so. */
const fromDocument = (document: Zpl.Document) => {
  const [first] = document.items
  return first === undefined || document.items.some(({ name }) => name === "zgossip")
    ? TupleZpl.fromDocument(document)
    : Result.fail(new Zpl.ZplError({ line: first.line ?? 1, column: 1, detail: "there is no section zgossip" }))
}

/** No name of ZPL begins so. A byte order mark may stand in front. */
const looksLikeJson = (octets: Buffer): boolean => {
  const first = octets.findIndex((octet) => !" \t\r\n\u00ef\u00bb\u00bf".includes(String.fromCharCode(octet)))
  return first < 0 || octets[first] === 0x7b || octets[first] === 0x5b
}
