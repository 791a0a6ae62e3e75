/**
 * Tuples whose versions are further ahead of our clock than clocks may differ. To take one would carry our own versions
 * along, and to drop it would lose it: it is held until our clock is there. Of each key the newest. Lifetimes go on
 * meanwhile.
 *
 * @since 0.1.0
 */
import type { Octets } from "./Octets.ts"
import type { Change } from "./TupleMap.ts"
import * as Version from "./Version.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Held extends Change {
  readonly version: Version.Version
}

/**
 * How many are held, and how many octets their keys and values have. What is more is not: who said it says it again when
 * it connects again.
 *
 * @since 0.1.0
 * @category limits
 */
export const mostHeld = 10_000
export const mostOctets: number = 2 ** 24

const octetsOf = (held: Held | undefined): number =>
  held === undefined ? 0 : held.tuple.keyOctets.length + held.tuple.valueOctets.length

/**
 * @since 0.1.0
 * @category models
 */
export class Future {
  readonly #held = new Map<Octets, Held & { readonly since: number }>()
  #octets = 0

  get isEmpty(): boolean {
    return this.#held.size === 0
  }

  /** Whether it is held now, and was not. `clock` is one that is never set. */
  hold(one: Held, clock: number): boolean {
    const before = this.#held.get(one.tuple.keyOctets)
    const order = before === undefined ? 1 : Version.compare(one.version, before.version)
    const octets = this.#octets + octetsOf(one) - octetsOf(before)
    const fits = (before !== undefined || this.#held.size < mostHeld) && octets <= mostOctets
    if (order > 0 && fits) {
      this.#octets = octets
      this.#held.set(one.tuple.keyOctets, { ...one, since: clock })
    }
    return order > 0 && fits
  }

  /** Those up to this time, which are held no longer. */
  take(until: number, clock: number): ReadonlyArray<Held> {
    const due = Array.from(this.#held.values()).filter(({ version }) => Version.setAt(version) <= until)
    for (const one of due) {
      this.#held.delete(one.tuple.keyOctets)
      this.#octets -= octetsOf(one)
    }
    return due.map(({ since, ...one }) => {
      const { remaining } = one
      return remaining === undefined ? one : { ...one, remaining: Math.max(0, remaining - (clock - since)) }
    })
  }
}
