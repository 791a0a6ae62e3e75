/**
 * `zgossip status`
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { NodeStatus } from "../protocol/NodeStatus.ts"
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
  /** What it tells of itself, if it does. */
  readonly told: NodeStatus | undefined
}

interface Unseen {
  readonly endpoint: string
  readonly trouble: Trouble
}

/** It speaks the protocol; of which make it is, it does not tell. */
const unknownKind = "zgossip v1"

/**
 * @since 0.1.0
 * @category commands
 */
export const status = Effect.fnUntraced(function* (globals: Globals, { ready }: { readonly ready: boolean }) {
  const { endpoints, format } = globals
  const nodes = yield* Effect.forEach(endpoints, (endpoint) => visit(globals, endpoint), { concurrency: "unbounded" })
  const lines =
    format === "json"
      ? nodes.map(toJson)
      : format === "table"
        ? toTable(nodes)
        : nodes.flatMap((node) => toText(globals, node))
  yield* write(lines.map((line) => `${line}\n`).join(""))
  const troubles = nodes.flatMap((node) => ("trouble" in node ? [node.trouble] : []))
  const [first, ...others] = troubles
  if (first !== undefined) {
    if (nodes.length === 1) return yield* first
    return yield* new Failure({
      kind: [first, ...others].some((trouble) => trouble.kind === "unreachable") ? "unreachable" : "protocol",
      message: `no node answers at ${troubles.length} of ${nodes.length} endpoints`
    })
  }
  const lacks = ready ? nodes.flatMap((node) => ("trouble" in node ? [] : lackOf(node))) : []
  if (lacks.length > 0) return yield* new Failure({ kind: "unreachable", message: `not ready: ${lacks.join("; ")}` })
})

/** What a node is not ready for, if so. */
const lackOf = ({ endpoint, told }: Seen): ReadonlyArray<string> => {
  if (told === undefined) return [`${endpoint} does not tell whether it is (CZMQ, or an older node)`]
  if (told.ready) return []
  const { all, connected } = remotesOf(told)
  if (told.lost > 0) return [`${endpoint} serves no longer on ${count(told.lost, "endpoint")}`]
  return [`${endpoint} is ${connected < all ? `connected to ${connected} of ${count(all, "remote")}` : "starting"}`]
}

const remotesOf = ({ remotes: { Connected, Disconnected, Joining } }: NodeStatus) => ({
  connected: Connected,
  all: Connected + Joining + Disconnected
})

const visit = ({ security, timeout }: Globals, endpoint: string): Effect.Effect<Seen | Unseen, Failure> =>
  ask({ endpoints: [endpoint], security, timeout }, measure).pipe(
    Effect.map((found): Seen | Unseen => ({ endpoint, ...found })),
    Effect.catchIf(
      (error) => error instanceof Trouble,
      (trouble) => Effect.succeed({ endpoint, trouble })
    )
  )

/** What else the machines do meanwhile makes a round trip longer; nothing makes it shorter. */
const pings = [1, 2, 3]

/** A node that does not say how many tuples it has is asked for all of them. */
const measure = Effect.fnUntraced(function* ({ ping, select, status }: Client) {
  const told = yield* status
  const tuples = told?.tuples ?? (yield* select(({ keyOctets }) => new Tuple(keyOctets, ""))).size
  const times = yield* Effect.forEach(pings, () => timed(ping))
  return { told, tuples, roundTrip: Math.min(...times) }
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

const toJson = (node: Seen | Unseen): string => {
  if ("trouble" in node) return json({ endpoint: node.endpoint, reachable: false, error: node.trouble.detail })
  const { endpoint, roundTrip, told, tuples } = node
  const { software, ...more } = told ?? { software: unknownKind, version: null, ready: null, counters: null }
  return json({ endpoint, reachable: true, kind: software, tuples, roundTripMs: milliseconds(roundTrip), ...more })
}

const kindOf = (told: NodeStatus | undefined): string =>
  told === undefined ? unknownKind : `${told.software} ${told.version}`

const toText = ({ color }: Globals, node: Seen | Unseen): ReadonlyArray<string> => {
  const line = (colour: "red" | "green", text: string) => `${node.endpoint}  ${paint(colour, text, { color })}`
  if ("trouble" in node) return [line("red", printable(node.trouble.detail))]
  const { roundTrip, told, tuples } = node
  const kind = told === undefined ? `${unknownKind} (CZMQ or an older node)` : kindOf(told)
  const first = line("green", `${kind}, ${count(tuples, "tuple")}, ${milliseconds(roundTrip)} ms`)
  return told === undefined ? [first] : [first, ...detailsOf(told).map((line) => `  ${line}`)]
}

const detailsOf = (told: NodeStatus): ReadonlyArray<string> => {
  const { aloneSeconds, counters, listeners, lost, members, peers, ready, store, uptimeSeconds } = told
  const { all, connected } = remotesOf(told)
  const links = [
    lost > 0 ? `${listeners} of ${count(listeners + lost, "listener")}` : count(listeners, "listener"),
    `${count(peers, "peer")} (${count(members, "member")})`,
    ...(all > 0 ? [`connected to ${connected} of ${count(all, "remote")}`] : [])
  ]
  const counts = Object.entries(counters).flatMap(([name, value]) => {
    const sum = typeof value === "number" ? value : Object.values(value).reduce((a, b) => a + b, 0)
    return sum > 0 ? [`${sum} ${name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`] : []
  })
  return [
    `${ready ? "ready" : "not ready"}, up ${age(uptimeSeconds)}, ${links.join(", ")}`,
    ...(aloneSeconds === undefined
      ? []
      : [`cut off from all its remotes for ${age(aloneSeconds)}: what it holds may be out of date`]),
    ...(store === undefined ? [] : [storeLine(store)]),
    ...(counts.length > 0 ? [`counted: ${counts.join(", ")}`] : [])
  ]
}

const storeLine = ({ damaged, failing, octets }: NonNullable<NodeStatus["store"]>): string =>
  (failing ? "cannot write to its disk: what changes is in memory only" : `on disk: ${count(octets, "octet")}`) +
  (damaged ? "; something there was damaged as it started" : "")

/** In the two largest units. */
const age = (seconds: number): string => {
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"]
  ] as const
  const first = parts.findIndex(([number]) => number > 0)
  const shown = first < 0 ? parts.slice(-1) : parts.slice(first, first + 2)
  return shown.map(([number, unit]) => `${number} ${unit}`).join(" ")
}

const toTable = (nodes: ReadonlyArray<Seen | Unseen>): ReadonlyArray<string> => {
  const rows = nodes.map((node) =>
    "trouble" in node
      ? [node.endpoint, "-", "-", "-", "-", printable(node.trouble.detail)]
      : [
          node.endpoint,
          kindOf(node.told),
          `${node.tuples}`,
          `${milliseconds(node.roundTrip)} ms`,
          readiness(node.told),
          ""
        ]
  )
  return [...table(["ENDPOINT", "KIND", "TUPLES", "ROUND TRIP", "READY", "ERROR"], rows, process.stdout.columns)]
}

const readiness = (told: NodeStatus | undefined): string => (told === undefined ? "-" : told.ready ? "yes" : "no")
