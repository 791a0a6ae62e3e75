/**
 * What a node counts, and what it has to say: lines for the log, which is written once a batch of inputs was worked off.
 *
 * @since 0.1.0
 */
import type { Counters } from "../services/Gossip.ts"
import type { About, Link as Peer } from "./GossipLink.ts"
import { aboutOf, nameOf } from "./GossipLink.ts"

/**
 * `about` whom it is, where it is about one peer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Line {
  readonly level: "Info" | "Warn" | "Error"
  readonly text: string
  readonly about: About | undefined
}

type Link = Parameters<typeof aboutOf>[0]

/** The counters, while they count. */
type Mutable<T> = { -readonly [K in keyof T]: T[K] extends number ? T[K] : Mutable<T[K]> }

/**
 * @since 0.1.0
 * @category models
 */
export class Journal {
  /** Whether to trace. */
  verbose = false
  readonly counters: Mutable<Counters> = {
    accepted: 0,
    duplicates: 0,
    renewed: 0,
    deleted: 0,
    expired: 0,
    forgotten: 0,
    held: 0,
    stale: 0,
    damped: 0,
    invalidSent: 0,
    invalidReceived: 0,
    repliesDropped: 0,
    fellBehind: 0,
    windowsFull: 0,
    messagesDelayed: 0,
    dumpsDelayed: 0,
    dumpsMerged: 0,
    defects: 0,
    malformed: { Frames: 0, Short: 0, Signature: 0, Version: 0, Id: 0, Length: 0 },
    malformedTrailers: { Short: 0, Version: 0, Length: 0, Checksum: 0, Section: 0 },
    refused: { value: 0, frame: 0, tuples: 0, octets: 0, clients: 0, rate: 0, admission: 0, rule: 0 }
  }
  #lines: Array<Line> = []
  readonly #storms = new WeakMap<Link, number>()

  /** A line of the trace; not made up unless somebody reads it. */
  trace(line: () => string, link?: Link): void {
    if (this.verbose) this.#add("Info", line(), link)
  }

  /** What a message did to the state of a session or of a remote. */
  step(link: Peer, before: string, { _tag }: { readonly _tag: string }, after: string): void {
    this.trace(() => `${nameOf(link)}: ${before} + ${_tag.toUpperCase()} -> ${after}`, link)
  }

  /** A fault of ours. */
  defect(what: string, defect: unknown, link?: Link): void {
    this.counters.defects += 1
    this.#add("Error", `${what}: a defect, and what brought it out is dropped: ${String(defect)}`, link)
  }

  /** Something was refused because of a limit: the first time, the tenth, the hundredth and so on it is told. */
  refuse(limit: keyof Counters["refused"], what: () => string, link?: Link): void {
    const count = (this.counters.refused[limit] += 1)
    if (!/^10*$/.test(String(count))) return
    const times = count === 1 ? "" : `, the ${count}th time`
    this.#add("Warn", `${what()}, see ${pathOf[limit]}${times}`, link)
  }

  /** So many messages have to wait for their turn; told as often as a refusal. */
  delay(messages: number): void {
    const before = this.counters.messagesDelayed
    const count = (this.counters.messagesDelayed = before + messages)
    if (before > 0 && String(before).length === String(count).length) return
    this.#add("Warn", `${count} messages had to wait so far, see limits/total-messages-per-second`, undefined)
  }

  /** A tuple comes from the future; told as often as a refusal. */
  hold(ahead: number, link: Link | undefined): void {
    const count = (this.counters.held += 1)
    if (count > 1 && !/^10+$/.test(String(count))) return
    const whose = `${count} tuples held back so far, the last one is ${Math.round(ahead / 1000)} s ahead of our clock`
    this.#add("Warn", `${whose}, see clock/max-drift`, link)
  }

  /** A peer says values of one key again and again, whatever it is told; told of each peer as often as a refusal. */
  storm(link: Peer): void {
    const count = (this.#storms.get(link) ?? 0) + 1
    this.#storms.set(link, count)
    if (!/^10*$/.test(String(count))) return
    const times = count === 1 ? "" : `, seen ${count} times`
    const what = "says several values of one key in turn without end, which are not passed on"
    this.#add("Warn", `${nameOf(link)} ${what}: are two nodes of CZMQ linked directly?${times}`, link)
  }

  /** Somebody was not let in there; a line of those who guard the doors. */
  turnAway(endpoint: string, line: string | undefined): void {
    this.counters.refused.admission += 1
    if (line !== undefined) this.#lines.push({ level: "Warn", text: line, about: { endpoint } })
  }

  #add(level: Line["level"], text: string, link: Link | undefined): void {
    this.#lines.push({ level, text, about: link === undefined ? undefined : aboutOf(link) })
  }

  /** The lines since the last call. */
  take(): ReadonlyArray<Line> {
    const lines = this.#lines
    if (lines.length > 0) this.#lines = []
    return lines
  }

  snapshot(): Counters {
    return structuredClone(this.counters)
  }
}

/**
 * The settings of the limits.
 *
 * @since 0.1.0
 * @category limits
 */
export const pathOf = {
  value: "limits/value-octets",
  frame: "limits/frame-octets",
  tuples: "limits/tuples",
  octets: "limits/octets",
  clients: "limits/clients",
  rate: "limits/messages-per-second",
  admission: "zgossip/security",
  rule: "zgossip/security/may-publish"
} as const satisfies Record<keyof Counters["refused"], string>
