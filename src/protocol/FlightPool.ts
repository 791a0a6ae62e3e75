/**
 * What all peers of a node have under way together, in octets of long frames, see Flight. A frame that waits for many of
 * them is one frame in memory, and counts once.
 *
 * Each may have a part of what is free, as in a switch with one memory for all ports: the more there are that do not
 * read, the less each of them gets, and something is always left for those who do.
 *
 * @since 0.1.0
 */
import type { Flight } from "./Flight.ts"

/** Octets of a frame that is not long: so many of those are no harm, as there are at most as many as the transport takes. */
const short = 4096

/** A share is what is free divided by this. */
const part = 4

/** Octets that pass for read in a second, of all who have no way to show it. */
const perSecond = 2 ** 20

/** Of the room, what those get by that who have never shown it. */
const unproved = 7 / 8

/** How often they are looked after, in ms. */
const look = 50

/**
 * @since 0.1.0
 * @category predicates
 */
export const isLong = (frame: Uint8Array): boolean => frame.length > short

/** Octets of a frame that an echo must have in common with it: at its head, where its key is, in its middle, at its end. */
const sampled = { head: 300, other: 64 }

/** What a PUBLISH ends with: CZMQ puts there what it likes. */
const ttl = 4

const sampleOf = (frame: Uint8Array): string => {
  const middle = frame.length >> 1
  const end = frame.length - ttl
  const parts = [frame.subarray(0, sampled.head), frame.subarray(middle, middle + sampled.other), frame.subarray(end - sampled.other, end)] // prettier-ignore
  return Buffer.concat(parts).toString("latin1")
}

/**
 * One long frame, for all to whom it is under way. It does not hold the frame.
 *
 * @since 0.1.0
 * @category models
 */
export class Charge {
  readonly octets: number
  holders = 0
  readonly #frame: WeakRef<Uint8Array>
  #sample: string | undefined

  constructor(frame: Uint8Array) {
    this.octets = frame.length
    this.#frame = new WeakRef(frame)
  }

  /** Nobody in this process has the frame any more. */
  get isGone(): boolean {
    return this.#frame.deref() === undefined
  }

  sample(frame: Uint8Array): void {
    this.#sample ??= sampleOf(frame)
  }

  isEcho(frame: Uint8Array): boolean {
    return frame.length === this.octets && sampleOf(frame) === this.#sample
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export class Pool {
  /** Those who wait for room. */
  readonly waiting = new Set<Flight>()
  readonly #budget: () => number
  readonly #charges = new WeakMap<Uint8Array, Charge>()
  /** Those that passed for read, and may be in memory still. */
  #lost: Array<Charge> = []
  #used = 0
  #trickledTo = 0

  /** `budget` is how many octets may be under way. */
  constructor(budget: () => number) {
    this.#budget = budget
  }

  get used(): number {
    return this.#used
  }

  /** How many octets one may have under way who is to have `most` of them at most. */
  share(most: number): number {
    return Math.max(0, Math.min(most, Math.floor((this.#budget() - this.#used) / part)))
  }

  /** One more peer is sent this frame; `sampled` where it may come back as an echo. */
  take(frame: Uint8Array, sampled: boolean): Charge {
    let charge = this.#charges.get(frame)
    if (charge === undefined) {
      charge = new Charge(frame)
      this.#charges.set(frame, charge)
    }
    if (sampled) charge.sample(frame)
    if (charge.holders === 0) this.#used += charge.octets
    charge.holders += 1
    return charge
  }

  /** One peer less has it under way. */
  give(charge: Charge): void {
    charge.holders -= 1
    if (charge.holders === 0) this.#used -= charge.octets
  }

  /** Nobody knows whether it is under way: it counts for as long as it is in memory. */
  lose(charge: Charge): void {
    this.#lost.push(charge)
  }

  /**
   * Looks after those who have no way to show that they read: what has left the memory was read, and of the rest so much
   * passes for read in a second, as long as there is room for it: in turn, but first of those who have shown that they
   * read, and for them the last room is kept. Gives those who have room now.
   */
  trickle(now: number): ReadonlyArray<Flight> {
    const helped: Array<Flight> = []
    this.#lost = this.#lost.filter((charge) => {
      if (charge.isGone) this.give(charge)
      return !charge.isGone
    })
    const helpless = Array.from(this.waiting).filter(({ isHelpless }) => isHelpless)
    for (const flight of helpless.toSorted((a, b) => Number(b.hasProved) - Number(a.hasProved))) {
      const room = flight.hasProved ? this.#budget() : this.#budget() * unproved
      if (!flight.sweep() && now >= this.#trickledTo && this.#used < room) {
        this.#trickledTo = now + (flight.pass() * 1000) / perSecond
        // Those who wait take turns.
        this.waiting.delete(flight)
        this.waiting.add(flight)
      }
      if (flight.room > 0) helped.push(flight)
    }
    return helped
  }

  /** When to look again, in ms. */
  deadline(now: number): number {
    for (const flight of this.waiting) if (flight.isHelpless) return now + look
    return Number.POSITIVE_INFINITY
  }
}
