/**
 * What to make of a tuple without a version, which says nothing of when it was set: it comes from a node of version 1.
 * It is the echo of what that node was told, or something that it will not hold for long, or news. What arrives behind
 * something else on one link was said later, and is the newer of the two. Where links form a cycle that is not enough,
 * see `Chase`.
 *
 * Of a key of which nothing is known it may also be what was superseded or deleted long ago. So it gets a version that
 * is less than all others; and where something takes its place that was set before, by somebody who did not know of it,
 * it {@link prevails}.
 *
 * @since 0.1.0
 */
import { Chase, type Resolution } from "./Chase.ts"
import type { Octets } from "./Octets.ts"
import { digestOf, type Told } from "./Told.ts"
import type { Tuple } from "./Tuple.ts"
import type { Change, Entry } from "./TupleMap.ts"
import * as Past from "./Past.ts"
import * as Version from "./Version.ts"

/**
 * A value that was held may come back so often within so many milliseconds, until the key is damped.
 *
 * @since 0.1.0
 * @category limits
 */
export const comebacks = { most: 8, window: 4000 } as const

/**
 * Keys whose last values are remembered, and for how many milliseconds. One more takes the place of the one that has
 * not changed for the longest time: if its values chase each other, they start to be counted anew.
 *
 * @since 0.1.0
 * @category limits
 */
export const memory = { keys: 4096, time: 10_000 } as const

/** In milliseconds: the order of keys by their last changes is as good as that. */
const moved = 100

/**
 * Who says it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Source {
  /** Its number in the tuple map. */
  readonly link: number
  readonly told: Told
}

/**
 * - `Echo`: held already
 * - `News`: to be merged
 * - `Stale`: superseded by what is held, which is on its way to that peer
 * - `Answer`: superseded, and the peer is to be told what is held
 * - `Damped`: one of several that chase each other; it counts when the key is resolved
 *
 * @since 0.1.0
 * @category models
 */
export type Verdict = "Echo" | "News" | "Stale" | "Answer" | "Damped"

/**
 * @since 0.1.0
 * @category models
 */
export class Hearsay<L extends Source> {
  /** Those that have not changed for the longest time first. */
  readonly #chases = new Map<Octets, Chase<L>>()
  readonly #damped = new Map<Octets, Chase<L>>()

  /** How many keys are remembered. */
  get size(): number {
    return this.#chases.size
  }

  /** A tuple without version comes, of a key that is held. */
  hear(held: Entry, tuple: Tuple, from: L, now: number): Verdict {
    const key = tuple.keyOctets
    const chase = this.#chases.get(key)
    const same = held.tuple.valueOctets === tuple.valueOctets
    if (same && chase === undefined && from.told.isEmpty) return "Echo"
    const digest = digestOf(tuple)
    const answer = from.told.hear(key, digest, now)
    if (same) {
      chase?.agree(from)
      return "Echo"
    }
    // CZMQ cuts values at a NUL. To insist on them would not help.
    if (held.tuple.valueOctets.startsWith(`${tuple.valueOctets}\0`)) {
      from.told.forget(key)
      return "News"
    }
    switch (answer) {
      case "EarlierEcho":
      case "CrossedAgain":
        return "Stale"
      // Not because it had to be said again; but if it was not on its way after all, nobody else would say it.
      case "Crossed":
        return "Answer"
      case "Echo":
        if (held.link !== from.link) return "Answer"
        break
      case "Unasked": // news, unless the values chase each other
    }
    const heeded = chase?.hear(from, tuple, { digest, heldBy: held.link, now, ...comebacks })
    if (chase === undefined || heeded === undefined) return "News"
    if (heeded === "Damped") this.#damped.set(key, chase)
    return heeded === "Copy" ? "Answer" : heeded
  }

  /**
   * Another value of a key is held now. What only nodes of ours say needs no memory: `bare` is what came without
   * version. `newer`: it is no part of a chase. `timeOfDay` is what the version of the old one is to be compared with.
   */
  changed(
    { link, tuple, version }: Entry,
    { bare, newer }: { readonly bare: boolean; readonly newer: boolean },
    now: number,
    timeOfDay: number
  ): void {
    const key = tuple.keyOctets
    const known = this.#chases.get(key)
    if (known === undefined && !bare) return
    const age = timeOfDay - Version.setAt(version)
    const chase = known ?? new Chase<L>(age < 0 ? Number.NEGATIVE_INFINITY : now - age)
    chase.superseded(digestOf(tuple), link, newer, now)
    if (now - chase.placedAt < moved) return
    chase.placedAt = now
    this.#chases.delete(key)
    this.#chases.set(key, chase)
    for (const [oldest, { changedAt, isDamped }] of this.#chases) {
      if (this.#chases.size <= memory.keys && (isDamped || now - changedAt < memory.time)) break
      this.#chases.delete(oldest)
      this.#damped.delete(oldest)
    }
  }

  /** Peers that are known to hold this value, and need not be told. */
  agreeing(tuple: Tuple): ReadonlySet<L> | undefined {
    return this.#damped.get(tuple.keyOctets)?.agreeing(tuple)
  }

  /** When to call {@link resolve}. */
  deadline(): number {
    let due = Number.POSITIVE_INFINITY
    for (const { deadline } of this.#damped.values()) due = Math.min(due, deadline)
    return due
  }

  /** Calls `settle` with each key that is due, and with what came of it; `get` gives what is held. */
  resolve(
    now: number,
    get: (key: Octets) => Entry | undefined,
    settle: (key: Octets, resolution: Resolution<L>) => void
  ): void {
    for (const [key, chase] of this.#damped) {
      if (chase.deadline > now) continue
      const held = get(key)
      const resolution = held === undefined ? undefined : chase.resolve(held.tuple, now)
      if (!chase.isDamped || resolution === undefined) this.#damped.delete(key)
      if (resolution !== undefined) settle(key, resolution)
    }
  }
}

/**
 * Whether this, which is held, is to be set anew when `change` takes its place. Where it is not told what the key had
 * before, as of long values, it is not: somebody may well have known of it.
 *
 * @since 0.1.0
 * @category getters
 */
export const prevails = ({ tuple, version }: Entry, change: Change): boolean =>
  Version.isHearsay(version) &&
  change.version !== undefined &&
  !Version.isHearsay(change.version) &&
  change.version.time < Version.setAt(version) &&
  // It may be the same, which has had its time.
  change.tuple.valueOctets !== tuple.valueOctets &&
  change.past !== undefined &&
  !Past.has(change.past, tuple.valueOctets)
