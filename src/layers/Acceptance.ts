/**
 * What becomes of a tuple that somebody said: refused by a limit, held back because it comes from the future, merged,
 * and told to those who are to know; and what time makes of those that are held. Only the engine calls it.
 *
 * @since 0.1.0
 */
import type { Resolution } from "../protocol/Chase.ts"
import { Future } from "../protocol/Future.ts"
import { Hearsay, prevails } from "../protocol/Hearsay.ts"
import type { Octets } from "../protocol/Octets.ts"
import { digestOf } from "../protocol/Told.ts"
import { Tuple } from "../protocol/Tuple.ts"
import * as TupleMap from "../protocol/TupleMap.ts"
import * as Version from "../protocol/Version.ts"
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
  readonly #node: Pick<GossipEngine, "journal" | "now" | "settings">
  readonly #store: TupleStore["Service"]
  readonly #quota: Quota
  readonly #exchange: Pick<Exchange, "note">
  readonly #tellings: Tellings
  readonly #timeOfDay: () => number
  readonly #future = new Future()
  readonly #hearsay = new Hearsay<Link>()
  #lookedAt = 0

  constructor(
    node: Pick<GossipEngine, "journal" | "now" | "settings">,
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
    const held = this.#store.get(tuple.keyOctets)
    const refusal = this.#quota.refuses(change, held?.tuple, this.#store.size(), settings)
    if (refusal !== undefined) {
      const from = origin === undefined ? "" : ` from ${nameOf(origin)}`
      journal.refuse(refusal, () => `refused a tuple${from} of ${tuple.valueOctets.length} octets`, origin)
      return refusal
    }
    if (version !== undefined) {
      const ahead = Version.setAt(version) - this.#timeOfDay()
      // What is older than what is held harms nobody, and who said it may have to be told.
      const isOlder = held !== undefined && Version.compare(version, held.version) < 0
      if (ahead > settings.maxDrift && !isOlder) {
        if (this.#future.hold({ ...change, version }, this.#node.now)) journal.hold(ahead, origin)
        return undefined
      }
    } else if (change.lifetime === undefined && origin !== undefined && held?.deleted === false) {
      if (!this.#isNews(held, tuple, origin, known)) return undefined
    }
    this.#merge(change, held, origin, { known, newer: true })
    return undefined
  }

  /** Whether a tuple without version is to be merged. */
  #isNews(held: TupleMap.Entry, tuple: Tuple, origin: Link, known: TupleMap.Known | undefined): boolean {
    const { now } = this.#node
    const { counters } = this.#node.journal
    if (known !== undefined && !TupleMap.isKnown(held, known)) {
      // It has not heard our news, and is about to be told.
      origin.told.hear(tuple.keyOctets, digestOf(tuple), now)
      return true
    }
    const verdict = this.#hearsay.hear(held, tuple, origin, now)
    if (verdict === "Echo") counters.duplicates += 1
    else if (verdict === "Damped") counters.damped += 1
    else if (verdict !== "News") counters.stale += 1
    if (verdict === "Answer") this.#tellings.tell(origin, held)
    return verdict === "News"
  }

  /**
   * `held` is what is held of the key. `newer`: the change is no part of a chase. Those who `agree` hold it already, so
   * they are not told.
   */
  #merge(
    change: TupleMap.Change,
    held: TupleMap.Entry | undefined,
    origin: Link | undefined,
    {
      agree = this.#hearsay.agreeing(change.tuple),
      known,
      newer
    }: {
      readonly agree?: ReadonlySet<Link> | undefined
      readonly known?: TupleMap.Known | undefined
      readonly newer: boolean
    }
  ): void {
    const { tuple, version } = change
    const { journal, now, settings } = this.#node
    const arrival = {
      known,
      link: origin?.link ?? TupleMap.elsewhere,
      now: this.#timeOfDay(),
      clock: this.#node.now,
      retention: settings.retention
    }
    const outcome = this.#store.merge(change, arrival)
    const entry = this.#store.get(tuple.keyOctets)
    // A tombstone of what was forgotten here.
    if (entry === undefined) return void (journal.counters.stale += 1)
    switch (outcome) {
      case "Duplicate":
        journal.counters.duplicates += 1
        return
      case "Stale":
        journal.counters.stale += 1
        // A server that lost ours would never ask. A client has all from the dump, and would buy long values with short ones.
        if (version !== undefined && origin !== undefined && !("served" in origin)) this.#tellings.tell(origin, entry)
        return
      case "Renewed":
        journal.counters.renewed += 1
        break
      case "Deleted":
        journal.counters.deleted += 1
        break
      case "Accepted":
        journal.counters.accepted += 1
    }
    this.#exchange.note(tuple.keyOctets)
    this.#quota.took(entry.tuple, held?.tuple)
    if (outcome !== "Renewed" && held?.deleted === false) {
      this.#hearsay.changed(held, { bare: version === undefined, newer }, now, arrival.now)
    }
    if (held !== undefined && outcome === "Deleted") {
      this.#tellings.tellGone(entry.lifetime > 0 ? "Expired" : "Deleted", held, entry)
    } else if (held?.deleted === false && !TupleMap.isLive(held, arrival.clock)) {
      // It had its time, and this came before the tick that would have seen to it.
      journal.counters.expired += 1
      this.#tellings.tellGone("Expired", held, held)
    }
    this.#tellings.tellAll(entry, origin, outcome, agree)
    if (outcome !== "Renewed" && held !== undefined && prevails(held, change)) {
      this.accept({ tuple: held.tuple, lifetime: 0 }, undefined)
    }
  }

  /** Deletes what is held of a key; says whether there was anything. */
  remove(key: Octets): boolean {
    const held = this.#store.get(key)
    if (held === undefined || !TupleMap.isLive(held, this.#node.now)) return false
    this.accept({ tuple: new Tuple(key, ""), deleted: true }, undefined)
    return true
  }

  /** The network has forgotten it while we were away. */
  forget(key: Octets): void {
    const held = this.#store.forget(key)
    if (held === undefined) return
    this.#node.journal.counters.forgotten += 1
    this.#exchange.note(key)
    this.#quota.took(undefined, held.tuple)
    if (!held.deleted) this.#tellings.tellGone("Deleted", held, held)
  }

  /** Lets end what has its time, forgets what is long gone, settles what chased each other, takes what was held back. */
  tick(now: number): void {
    const { journal, settings } = this.#node
    const time = this.#timeOfDay()
    for (const entry of this.#store.expire(now, mostAtOnce)) {
      journal.counters.expired += 1
      this.#quota.took(this.#store.get(entry.tuple.keyOctets)?.tuple, entry.tuple)
      this.#tellings.tellGone("Expired", entry, entry)
    }
    for (const { tuple } of this.#store.collect(time, settings.retention, mostAtOnce)) {
      journal.counters.forgotten += 1
      this.#exchange.note(tuple.keyOctets)
      this.#quota.took(undefined, tuple)
    }
    this.#hearsay.resolve(
      now,
      (key) => this.#store.get(key),
      (key, resolution) => this.#settle(key, resolution)
    )
    if (this.#future.isEmpty || now - this.#lookedAt < look) return
    this.#lookedAt = now
    for (const held of this.#future.take(time + settings.maxDrift, now)) this.accept(held, undefined)
  }

  /** When to look again, on the clock of {@link tick}. */
  deadline(now: number): number {
    const time = this.#timeOfDay()
    const within = (end: number | undefined, most: number) =>
      end === undefined ? Number.POSITIVE_INFINITY : now + Math.min(most, Math.max(0, end - time))
    const oldest = this.#store.oldestTombstone()
    return Math.min(
      this.#hearsay.deadline(),
      this.#future.isEmpty ? Number.POSITIVE_INFINITY : this.#lookedAt + look,
      Math.max(now, this.#store.nextEnd() ?? Number.POSITIVE_INFINITY),
      within(oldest === undefined ? undefined : oldest + this.#node.settings.retention, collection)
    )
  }

  /** Those who said something else are told: that brings an end, and would not if it was said to those who go on and on. */
  #settle(key: Octets, { agree, storms, tell, winner }: Resolution<Link>): void {
    for (const link of storms) this.#node.journal.storm(link)
    const held = this.#store.get(key)
    if (held === undefined) return
    if (winner !== undefined) this.#merge({ tuple: winner.tuple }, held, winner.from, { newer: false, agree })
    else for (const link of tell) this.#tellings.tell(link, held)
  }
}
