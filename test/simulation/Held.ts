/**
 * What comes from further ahead of the clock of a node than `clock/max-drift`: never held before the clock is there, and
 * then at once, without a word from anybody else, who may be gone by then.
 */
import * as Batch from "../../src/protocol/Batch.ts"
import * as Message from "../../src/protocol/Message.ts"
import * as Trailer from "../../src/protocol/Trailer.ts"
import type * as TupleMap from "../../src/protocol/TupleMap.ts"
import * as Version from "../../src/protocol/Version.ts"
import type { Host, Node } from "./Host.ts"
import { showVersion } from "./Trace.ts"

/** In ms: how often a node looks at what it holds back, and what is too little to speak of. */
const [look, little] = [1000, 50]

export type Versioned = TupleMap.Change & { readonly version: Version.Version }

/** What a frame says that has a version. */
export const versionedIn = (frame: Uint8Array): ReadonlyArray<Versioned> => {
  const message = Message.decode([frame])
  const changes =
    message._tag === "Publish"
      ? [Message.saidOf(message)]
      : "trailer" in message
        ? (Batch.decode(Trailer.find(message.trailer, Trailer.tags.entries) ?? "") ?? [])
        : []
  return changes.flatMap((change) => (change.version === undefined ? [] : [{ ...change, version: change.version }]))
}

/** A node as it is here. */
export interface Holder extends Node {
  readonly map: TupleMap.TupleMap
  /** How often its status says that something was held back. */
  readonly heldBack: number
}

/** Something that a node has heard, and when its value ends on the monotonic clock of that. */
interface Early extends Versioned {
  readonly endsAt: number
}

export class Held {
  readonly #maxDrift: number
  readonly #underWay: number
  readonly #say: (violation: string) => void
  /** Of each key the newest. */
  readonly #early = new Map<Holder, Map<string, Early>>()

  /** `underWay` is for how many ms longer a word may be under way on one way than on another. */
  constructor(maxDrift: number, underWay: number, say: (violation: string) => void) {
    this.#maxDrift = maxDrift
    this.#underWay = underWay
    this.#say = say
  }

  #aheadOf(host: Host, { time }: Version.Version): number {
    return time - host.timeOfDay() - this.#maxDrift
  }

  /** It becomes part of what a node holds. */
  taken(host: Host, { tuple, version }: TupleMap.Change): void {
    if (version === undefined || this.#aheadOf(host, version) <= 0) return
    this.#say(`too early: ${host.name} takes ${tuple.key} ${showVersion(version)}, from beyond clock/max-drift`)
  }

  /** A peer has said it to a node. */
  heard(host: Host, node: Holder, change: Versioned): void {
    const ahead = this.#aheadOf(host, change.version)
    const early = this.#early.get(node) ?? new Map<string, Early>()
    const { key } = change.tuple
    const before = early.get(key)
    if (ahead <= 0 || (before !== undefined && Version.compare(before.version, change.version) >= 0)) return
    const entry = node.map.entries.get(key)
    // Older than what it holds: there is nothing to hold back.
    if (entry !== undefined && Version.compare(change.version, entry.version) < 0) return
    const { deleted = false, lifetime = 0, remaining = lifetime } = change
    const endsAt = deleted || lifetime === 0 ? Number.POSITIVE_INFINITY : host.monotonic() + remaining
    const one = { ...change, endsAt }
    this.#early.set(node, early.set(key, one))
    host.timeline.after(ahead + look + little, () => this.#check(host, node, one))
  }

  /** What a node holds back of a key. */
  of(node: Holder, key: string): Versioned | undefined {
    return this.#early.get(node)?.get(key)
  }

  #check(host: Host, node: Holder, one: Early): void {
    const early = this.#early.get(node)
    const { deleted = false, endsAt, lifetime = 0, tuple, version } = one
    if (host.node !== node || early?.get(tuple.key) !== one) return
    const wait = Math.max(
      this.#aheadOf(host, version) + look,
      host.disturbedAt + look - host.timeline.now,
      host.isPaused ? look : 0
    )
    if (wait > 0) return host.timeline.after(wait + little, () => this.#check(host, node, one))
    early.delete(tuple.key)
    const what = `${tuple.key} ${showVersion(version)}`
    if (node.heldBack === 0) this.#say(`not counted: ${host.name} does not say that it held back ${what}`)
    const entry = node.map.entries.get(tuple.key)
    const order = entry === undefined ? -1 : Version.compare(entry.version, version)
    if (order < 0 && (entry !== undefined || !(deleted || lifetime > 0))) {
      this.#say(`not held: ${host.name} has heard ${what}, its clock is there, and it does not hold it`)
    }
    const late = host.monotonic() - endsAt
    // It may have come again, later than it ends here: what is left of a lifetime does not tell how long it was under way.
    if (order === 0 && entry?.deleted === false && late > little + this.#underWay) {
      this.#say(`too long: ${what} lives at ${host.name} ${late.toFixed(0)} ms after its end`)
    }
  }
}
