/**
 * How much a node holds, and whether there is room for more.
 *
 * @since 0.1.0
 */
import * as Message from "../protocol/Message.ts"
import type { Settings } from "../protocol/Settings.ts"
import type { Tuple } from "../protocol/Tuple.ts"
import type { Change, Entry } from "../protocol/TupleMap.ts"

/**
 * Which limit a tuple would break.
 *
 * @since 0.1.0
 * @category models
 */
export type Refusal = "value" | "frame" | "tuples" | "octets"

/**
 * @since 0.1.0
 * @category models
 */
export class Quota {
  /** Octets of all keys and values held. Tombstones have keys, and each is one of the tuples that may be held. */
  #octets = 0

  constructor(held: Iterable<Entry>) {
    for (const { tuple } of held) this.#octets += octetsOf(tuple)
  }

  /** Those of all keys and values held. */
  get octets(): number {
    return this.#octets
  }

  /** A tuple that takes the place of another one, or of none, among `size`. One that needs no more room always may. */
  refuses({ lifetime, tuple }: Change, old: Tuple | undefined, size: number, settings: Settings): Refusal | undefined {
    if (tuple.valueOctets.length > settings.valueOctets) return "value"
    if (Message.publishLength(tuple, lifetime) > settings.frameOctets) return "frame"
    if (old === undefined && size >= settings.tuples) return "tuples"
    const more = octetsOf(tuple) - octetsOf(old)
    return more > 0 && this.#octets + more > settings.octets ? "octets" : undefined
  }

  /** What is held now of a key, and what was held of it. */
  took(tuple: Tuple | undefined, old: Tuple | undefined): void {
    this.#octets += octetsOf(tuple) - octetsOf(old)
  }
}

const octetsOf = (tuple: Tuple | undefined): number =>
  tuple === undefined ? 0 : tuple.keyOctets.length + tuple.valueOctets.length
