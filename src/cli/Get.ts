/**
 * `zgossip get KEY`
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as ZmqTransport from "../layers/ZmqTransport.ts"
import * as Octets from "../protocol/Octets.ts"
import { connect, within } from "./Client.ts"
import { Failure } from "./Failure.ts"
import type { Globals } from "./Root.ts"
import { tupleJson } from "./Text.ts"
import { printable, write } from "./Terminal.ts"

/**
 * @since 0.1.0
 * @category commands
 */
export const get = Effect.fnUntraced(
  function* ({ endpoints, format, timeout }: Globals, { key, raw }: { readonly key: string; readonly raw: boolean }) {
    const client = connect(endpoints)
    const tuples = yield* Effect.flatMap(client, ({ snapshot }) => snapshot).pipe(within(timeout, endpoints))
    const tuple = tuples.get(Octets.from(key))
    if (tuple === undefined) {
      return yield* new Failure({
        kind: "noSuchKey",
        message: `no key ${JSON.stringify(key)} among the ${tuples.size} tuples; zgossip list shows them`
      })
    }
    if (raw) return yield* write(tuple.valueBytes)
    if (format === "json") return yield* write(`${tupleJson(tuple)}\n`)
    // A terminal obeys what a program has to get as it is.
    const text = process.stdout.isTTY ? printable(tuple.value) : tuple.valueBytes
    yield* write(Buffer.concat([Buffer.from(text), Buffer.from("\n")]))
  },
  Effect.scoped,
  Effect.provide(ZmqTransport.layer)
)
