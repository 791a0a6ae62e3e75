/**
 * What a guest keeps of a node's tuples while it is told them: in PUBLISH, as all nodes tell all clients, or many
 * behind a PONG, as nodes of ours tell whom they take for one of theirs. Those say also what was deleted, and how long
 * the rest lives.
 *
 * @since 0.1.0
 */
import * as Batch from "../protocol/Batch.ts"
import type * as Message from "../protocol/Message.ts"
import type * as Octets from "../protocol/Octets.ts"
import * as Trailer from "../protocol/Trailer.ts"
import type { Tuple } from "../protocol/Tuple.ts"
import type { Change } from "../protocol/TupleMap.ts"

/**
 * What of a tuple is kept, if anything.
 *
 * @since 0.1.0
 * @category models
 */
export type Keep = (tuple: Tuple) => Tuple | undefined

/**
 * By their keys, in the order in which the node told them first. Those that end have a `lifetime`, and what was
 * `remaining` of it in the end; a node of version 1 does not tell.
 *
 * @since 0.1.0
 * @category models
 */
export type Tuples = ReadonlyMap<Octets.Octets, Message.Said>

/**
 * Those whose key begins so.
 *
 * @since 0.1.0
 * @category constructors
 */
export const beginning =
  (prefix: Octets.Octets): Keep =>
  (tuple) =>
    tuple.keyOctets.startsWith(prefix) ? tuple : undefined

/**
 * Sorted by the octets of the key.
 *
 * @since 0.1.0
 * @category getters
 */
export const byKey = (tuples: Tuples): ReadonlyArray<Message.Said> =>
  [...tuples.values()].sort((a, b) => (a.tuple.keyOctets < b.tuple.keyOctets ? -1 : 1))

/**
 * What a message tells of tuples; nothing where it is not well-formed.
 *
 * @since 0.1.0
 * @category getters
 */
export const changesIn = (message: Message.Message): ReadonlyArray<Change> | undefined => {
  if (message._tag === "Publish") return [message]
  const entries = message._tag === "Pong" ? Trailer.find(message.trailer, Trailer.tags.entries) : undefined
  return entries === undefined ? [] : Batch.decode(entries)
}

/**
 * The key has no value any more.
 *
 * @since 0.1.0
 * @category getters
 */
export const isGone = ({ deleted = false, lifetime = 0, remaining = lifetime }: Change): boolean =>
  deleted || (lifetime > 0 && remaining < 1)

/** Key and value, and what a tuple takes besides. */
const cost = (tuple: Tuple | undefined): number =>
  tuple === undefined ? 0 : tuple.keyOctets.length + tuple.valueOctets.length + 128

interface Kept {
  readonly tuple: Tuple
  readonly lifetime: number
  readonly endsAt: number
}

/**
 * @since 0.1.0
 * @category models
 */
export class Selection {
  readonly #keep: Keep
  readonly #kept = new Map<Octets.Octets, Kept>()
  #octets = 0

  constructor(keep: Keep) {
    this.#keep = keep
  }

  get size(): number {
    return this.#kept.size
  }

  /** About how much memory it takes. */
  get octets(): number {
    return this.#octets
  }

  /** `now` is in milliseconds. */
  hear(change: Change, now: number): void {
    const { lifetime = 0, remaining = lifetime } = change
    const { keyOctets } = change.tuple
    const tuple = isGone(change) ? undefined : this.#keep(change.tuple)
    this.#octets += cost(tuple) - cost(this.#kept.get(keyOctets)?.tuple)
    if (tuple === undefined) this.#kept.delete(keyOctets)
    else {
      const endsAt = lifetime === 0 ? Number.POSITIVE_INFINITY : now + remaining
      this.#kept.set(keyOctets, { tuple, lifetime, endsAt })
    }
  }

  /** Those that have not ended by now. */
  tuples(now: number): Tuples {
    const tuples = new Map<Octets.Octets, Message.Said>()
    for (const [key, { endsAt, lifetime, tuple }] of this.#kept) {
      const said = lifetime === 0 ? { tuple } : { tuple, lifetime, remaining: Math.floor(endsAt - now) }
      if (!isGone(said)) tuples.set(key, said)
    }
    return tuples
  }
}
