/**
 * What becomes of a tuple that somebody said: refused by a limit, held back because it comes from the future, merged, and
 * told to those who are to know. Only the engine calls it.
 *
 * @since 0.1.0
 */
import { Future } from "../protocol/Future.ts"
import * as TupleMap from "../protocol/TupleMap.ts"
import type { TupleStore } from "../services/TupleStore.ts"
import type { Exchange } from "./Exchange.ts"
import type { GossipEngine } from "./GossipEngine.ts"
import type { Link } from "./GossipLink.ts"
import { nameOf } from "./GossipLink.ts"
import type { Quota, Refusal } from "./Quota.ts"
import type { Tellings } from "./Tellings.ts"

/** How often what is held back is looked at, in ms: the time of day may be set meanwhile. */
const look = 1000

/**
 * @since 0.1.0
 * @category models
 */
export class Acceptance {
  readonly #node: Pick<GossipEngine, "journal" | "settings">
  readonly #store: TupleStore["Service"]
  readonly #quota: Quota
  readonly #exchange: Pick<Exchange, "note">
  readonly #tellings: Tellings
  readonly #timeOfDay: () => number
  readonly #future = new Future()
  #lookedAt = 0

  constructor(
    node: Pick<GossipEngine, "journal" | "settings">,
    store: TupleStore["Service"],
    quota: Quota,
    exchange: Pick<Exchange, "note">,
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
    const old = this.#store.get(key)?.tuple
    const refusal = this.#quota.refuses(tuple, old, this.#store.size(), settings)
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
    this.#tellings.tellAll(entry, origin, outcome)
    return undefined
  }

  /** Accepts what is not too far ahead any more. */
  tick(now: number): void {
    if (this.#future.isEmpty || now - this.#lookedAt < look) return
    this.#lookedAt = now
    const until = this.#timeOfDay() + this.#node.settings.maxDrift
    for (const held of this.#future.take(until)) this.accept(held, undefined)
  }

  /** When to look again, on the clock of {@link tick}. */
  deadline(): number {
    return this.#future.isEmpty ? Number.POSITIVE_INFINITY : this.#lookedAt + look
  }
}
