/**
 * What one peer of version 1 was told and has not acknowledged. Such a peer takes what it is told last, whatever it is,
 * and passes each value that it takes on to all its links, also to the one that told it: so its echo says that it holds
 * the value now, and what it says before the echo it said without having heard.
 *
 * For 1024 keys; 64 as long as the peer has never echoed anything, for those who echo nothing would fill it. One more
 * takes the place of the one that waits longest, of which it is not known any more what waits: what the peer says of
 * that key is taken for news.
 *
 * @since 0.1.0
 */
import type { Octets } from "./Octets.ts"
import type { Tuple } from "./Tuple.ts"

/**
 * @since 0.1.0
 * @category limits
 */
export const mostKeys = 1024
const mostKeysAtFirst = 64

/** Values of one key that wait; one more takes the place of the oldest. */
const mostValues = 16

/** In milliseconds: what was told so long ago, and nothing newer of its key, got lost. */
const patience = 5000

/**
 * Instead of values, of which several may be long. Two have the same by chance once in 2^53.
 *
 * @since 0.1.0
 * @category models
 */
export type Digest = number

const long = 1024
const known = new WeakMap<Tuple, Digest>()

/**
 * @since 0.1.0
 * @category getters
 */
export const digestOf = (tuple: Tuple): Digest => {
  if (tuple.valueOctets.length < long) return digest(tuple.valueOctets)
  const found = known.get(tuple) ?? digest(tuple.valueOctets)
  known.set(tuple, found)
  return found
}

/** Two sums that multiply and mix, of 32 and of 21 bits. */
const digest = (octets: Octets): Digest => {
  let one = 0x811c9dc5
  let two = octets.length
  for (let at = 0; at < octets.length; at++) {
    const octet = octets.charCodeAt(at)
    one = Math.imul(one ^ octet, 0x01000193)
    two = Math.imul(two ^ octet, 0x5bd1e995)
    two ^= two >>> 15
  }
  return (one >>> 0) * 2 ** 21 + (two >>> 11)
}

/**
 * What it means that the peer says a value:
 *
 * - `Unasked`: nothing that it was told is under way
 * - `Echo`: it holds what it was told last
 * - `EarlierEcho`: it holds something that it was told, and is about to take something newer
 * - `Crossed`: it said this before it heard what it was told last, which it is about to take; `CrossedAgain`: the same,
 *   and not for the first time since then
 *
 * @since 0.1.0
 * @category models
 */
export type Answer = "Unasked" | "Echo" | "EarlierEcho" | "Crossed" | "CrossedAgain"

interface Waiting {
  /** The oldest first. */
  readonly digests: Array<Digest>
  at: number
  crossed: boolean
  /** It held something else. */
  readonly sure: boolean
}

/**
 * @since 0.1.0
 * @category models
 */
export class Told {
  readonly #waiting = new Map<Octets, Waiting>()
  #echoes = false

  get isEmpty(): boolean {
    return this.#waiting.size === 0
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#waiting.size
  }

  /** The peer is told a value. Where it may hold that already, and echo nothing, it is not `sure` to take it. */
  tell(key: Octets, digest: Digest, now: number, sure = true): void {
    const waiting = this.#waiting.get(key)
    if (waiting === undefined) {
      if (this.#waiting.size >= (this.#echoes ? mostKeys : mostKeysAtFirst)) {
        for (const oldest of this.#waiting.keys()) {
          this.#waiting.delete(oldest)
          break
        }
      }
      this.#waiting.set(key, { digests: [digest], at: now, crossed: false, sure })
      return
    }
    waiting.at = now
    // It takes a value once, and echoes it once.
    if (waiting.digests.at(-1) === digest) return
    waiting.crossed = false
    waiting.digests.push(digest)
    if (waiting.digests.length > mostValues) waiting.digests.shift()
  }

  /** The peer says a value. */
  hear(key: Octets, digest: Digest, now: number): Answer {
    const waiting = this.#waiting.get(key)
    if (waiting === undefined) return "Unasked"
    const at = waiting.digests.indexOf(digest)
    if (at < 0) {
      if (this.#echoes && waiting.sure && now - waiting.at <= patience) {
        if (waiting.crossed) return "CrossedAgain"
        waiting.crossed = true
        return "Crossed"
      }
      // It may have heard it or not.
      this.#waiting.delete(key)
      return "Unasked"
    }
    this.#echoes = true
    waiting.digests.splice(0, at + 1)
    if (waiting.digests.length > 0) return "EarlierEcho"
    this.#waiting.delete(key)
    return "Echo"
  }

  /** It takes something else than what it was told of this key. */
  forget(key: Octets): void {
    this.#waiting.delete(key)
  }

  /** A connection or a session begins. Who is there may be somebody else. */
  clear(): void {
    this.#waiting.clear()
    this.#echoes = false
  }
}
