/**
 * `zgossip status`
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Tuple } from "../protocol/Tuple.ts"
import type { Client } from "./Client.ts"
import { ask, Trouble } from "./Client.ts"
import { Failure } from "./Failure.ts"
import type { Globals } from "./Root.ts"
import { paint, printable, write } from "./Terminal.ts"
import { count, json, milliseconds, table } from "./Text.ts"

interface Seen {
  readonly endpoint: string
  readonly tuples: number
  readonly roundTrip: number
}

interface Unseen {
  readonly endpoint: string
  readonly trouble: Trouble
}

/** It speaks the protocol; of which make it is, it does not tell. */
const kind = "zgossip v1"

/**
 * @since 0.1.0
 * @category commands
 */
export const status = Effect.fnUntraced(function* (globals: Globals) {
  const { endpoints, format } = globals
  const nodes = yield* Effect.forEach(endpoints, (endpoint) => visit(globals, endpoint), { concurrency: "unbounded" })
  const lines =
    format === "json"
      ? nodes.map(toJson)
      : format === "table"
        ? toTable(nodes)
        : nodes.map((node) => toText(globals, node))
  yield* write(lines.map((line) => `${line}\n`).join(""))
  const troubles = nodes.flatMap((node) => ("trouble" in node ? [node.trouble] : []))
  const [first, ...others] = troubles
  if (first === undefined) return
  if (nodes.length === 1) return yield* first
  return yield* new Failure({
    kind: [first, ...others].some((trouble) => trouble.kind === "unreachable") ? "unreachable" : "protocol",
    message: `no node answers at ${troubles.length} of ${nodes.length} endpoints`
  })
})

const visit = ({ timeout }: Globals, endpoint: string): Effect.Effect<Seen | Unseen, Failure> =>
  ask({ endpoints: [endpoint], timeout }, measure).pipe(
    Effect.map((found): Seen | Unseen => ({ endpoint, ...found })),
    Effect.catchIf(
      (error) => error instanceof Trouble,
      (trouble) => Effect.succeed({ endpoint, trouble })
    )
  )

/** What else the machines do meanwhile makes a round trip longer; nothing makes it shorter. */
const pings = [1, 2, 3]

const measure = Effect.fnUntraced(function* ({ ping, select }: Client) {
  const tuples = yield* select(({ keyOctets }) => new Tuple(keyOctets, ""))
  const times = yield* Effect.forEach(pings, () => timed(ping))
  return { tuples: tuples.size, roundTrip: Math.min(...times) }
})

/**
 * How many milliseconds it takes.
 *
 * @since 0.1.0
 * @category getters
 */
export const timed = <E, R>(self: Effect.Effect<void, E, R>): Effect.Effect<number, E, R> =>
  Effect.gen(function* () {
    const start = yield* Clock.monotonicTimeNanos
    yield* self
    return Number((yield* Clock.monotonicTimeNanos) - start) / 1e6
  })

const toJson = (node: Seen | Unseen): string =>
  json(
    "trouble" in node
      ? { endpoint: node.endpoint, reachable: false, error: node.trouble.detail }
      : {
          endpoint: node.endpoint,
          reachable: true,
          kind,
          tuples: node.tuples,
          roundTripMs: milliseconds(node.roundTrip)
        }
  )

const toText = ({ color }: Globals, node: Seen | Unseen): string => {
  const [colour, what] =
    "trouble" in node
      ? (["red", printable(node.trouble.detail)] as const)
      : (["green", `${kind}, ${count(node.tuples, "tuple")}, ${milliseconds(node.roundTrip)} ms`] as const)
  return `${node.endpoint}  ${paint(colour, what, { color })}`
}

const toTable = (nodes: ReadonlyArray<Seen | Unseen>): ReadonlyArray<string> => {
  const rows = nodes.map((node) =>
    "trouble" in node
      ? [node.endpoint, "-", "-", "-", printable(node.trouble.detail)]
      : [node.endpoint, kind, `${node.tuples}`, `${milliseconds(node.roundTrip)} ms`, ""]
  )
  return [...table(["ENDPOINT", "KIND", "TUPLES", "ROUND TRIP", "ERROR"], rows, process.stdout.columns)]
}
