/**
 * What becomes of a tuple that somebody said: refused by a limit, held back because it comes from the future, merged, and
 * told to those who are to know; and what time makes of those that are held. Only the engine calls it.
 *
 * @since 0.1.0
 */
import { Future } from "../protocol/Future.ts"
import type { Octets } from "../protocol/Octets.ts"
import { Tuple } from "../protocol/Tuple.ts"
import * as TupleMap from "../protocol/TupleMap.ts"
import type { TupleStore } from "../services/TupleStore.ts"
import type { Exchange } from "./Exchange.ts"
import type { GossipEngine } from "./GossipEngine.ts"
import type { Link } from "./GossipLink.ts"
import { nameOf } from "./GossipLink.ts"
import type { Quota, Refusal } from "./Quota.ts"
import type { Tellings } from "./Tellings.ts"

/** How often what is held back, or ends, is looked at, in ms: the time of day may be set meanwhile. */
const look = 1000

/** The same for tombstones. */
const collection = 60_000

/** How much ends, and how much is forgotten, before others get a turn. */
const mostAtOnce = 1000

/**
 * @since 0.1.0
 * @category models
 */
export class Acceptance {
  readonly #node: Pick<GossipEngine, "journal" | "settings">
  readonly #store: TupleStore["Service"]
  readonly #quota: Quota
  readonly #exchange: Pick<Exchange, "forget" | "note">
  readonly #tellings: Tellings
  readonly #timeOfDay: () => number
  readonly #future = new Future()
  #lookedAt = 0

  constructor(
    node: Pick<GossipEngine, "journal" | "settings">,
    store: TupleStore["Service"],
    quota: Quota,
    exchange: Pick<Exchange, "forget" | "note">,
    tellings: Tellings,
    timeOfDay: () => number
  ) {
    this.#node = node
    this.#store = store
    this.#quota = quota
    this.#exchange = exchange
    this.#tellings = tellings
    this.#timeOfDay = timeOfDay
  }

  /** Merges a change, and tells everybody but its origin if it is new. Gives the limit that does not let it. */
  accept(change: TupleMap.Change, origin: Link | undefined, known?: TupleMap.Known): Refusal | undefined {
    const { tuple, version } = change
    const { journal, settings } = this.#node
    const key = tuple.keyOctets
    const before = this.#store.get(key)
    const old = before?.tuple
    const refusal = this.#quota.refuses(change, old, this.#store.size(), settings)
    if (refusal !== undefined) {
      const from = origin === undefined ? "" : ` from ${nameOf(origin)}`
      journal.refuse(refusal, () => `refused a tuple${from} of ${tuple.valueOctets.length} octets`, origin)
      return refusal
    }
    const now = this.#timeOfDay()
    if (version !== undefined && version.time > now + settings.maxDrift) {
      if (this.#future.hold({ ...change, version })) journal.hold(version.time - now, origin)
      return undefined
    }
    const link = origin?.link ?? TupleMap.elsewhere
    const outcome = this.#store.merge(change, { known, link, now, retention: settings.retention })
    const entry = this.#store.get(key)
    // A tombstone of what was forgotten here.
    if (entry === undefined) return void (journal.counters.stale += 1)
    switch (outcome) {
      case "Duplicate":
        journal.counters.duplicates += 1
        return undefined
      case "Stale":
        journal.counters.stale += 1
        // A server that lost ours would never ask. A client has all from the dump, and would buy long values with short ones.
        if (version !== undefined && origin !== undefined && !("served" in origin)) this.#tellings.tell(origin, entry)
        return undefined
      case "Renewed":
        journal.counters.renewed += 1
        break
      case "Deleted":
        journal.counters.deleted += 1
        break
      case "Accepted":
        journal.counters.accepted += 1
    }
    this.#exchange.note(entry)
    this.#quota.took(entry.tuple, old)
    if (outcome === "Deleted" && before !== undefined) this.#tellings.tellGone(before, "was deleted")
    this.#tellings.tellAll(entry, origin, outcome)
    return undefined
  }

  /** Deletes what is held of a key; says whether there was anything. */
  remove(key: Octets): boolean {
    const held = this.#store.get(key)
    if (held === undefined || !TupleMap.isLive(held, this.#timeOfDay())) return false
    this.accept({ tuple: new Tuple(key, ""), deleted: true }, undefined)
    return true
  }

  /** Lets end what has its time, forgets what is long gone, and accepts what is not too far ahead any more. */
  tick(now: number): void {
    const { journal, settings } = this.#node
    const time = this.#timeOfDay()
    for (const entry of this.#store.expire(time, mostAtOnce)) {
      journal.counters.expired += 1
      this.#quota.took(this.#store.get(entry.tuple.keyOctets)?.tuple, entry.tuple)
      this.#tellings.tellGone(entry, "had its time")
    }
    for (const { tuple } of this.#store.collect(time, settings.retention, mostAtOnce)) {
      journal.counters.forgotten += 1
      this.#exchange.forget(tuple.keyOctets)
      this.#quota.took(undefined, tuple)
    }
    if (this.#future.isEmpty || now - this.#lookedAt < look) return
    this.#lookedAt = now
    for (const held of this.#future.take(time + settings.maxDrift)) this.accept(held, undefined)
  }

  /** When to look again, on the clock of {@link tick}. */
  deadline(now: number): number {
    const time = this.#timeOfDay()
    const within = (end: number | undefined, most: number) =>
      end === undefined ? Number.POSITIVE_INFINITY : now + Math.min(most, Math.max(0, end - time))
    const oldest = this.#store.oldestTombstone()
    return Math.min(
      this.#future.isEmpty ? Number.POSITIVE_INFINITY : this.#lookedAt + look,
      within(this.#store.nextEnd(), look),
      within(oldest === undefined ? undefined : oldest + this.#node.settings.retention, collection)
    )
  }
}
