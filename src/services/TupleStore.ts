/**
 * Where a node keeps its tuples. Every implementation holds the live set in memory and answers from there at once; a
 * durable one writes it down as well.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Context from "effect/Context"
import type { Octets } from "../protocol/Octets.ts"
import type { Arrival, Change, Entry, Outcome, Range } from "../protocol/TupleMap.ts"

/**
 * How a store on the disk is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Disk {
  readonly directory: string
  /** Of its log. */
  readonly octets: number
  /** Why nothing is written, so that all that changes is in memory only; undefined where all is well. */
  readonly failure: string | undefined
  /** It was damaged when it was opened, and some of it is lost. */
  readonly isDamaged: boolean
}

/**
 * @since 0.1.0
 * @category services
 */
export class TupleStore extends Context.Service<
  TupleStore,
  {
    /** `TupleMap.merge`. Only the node's inbox fiber may call it. */
    readonly merge: (change: Change, arrival: Arrival) => Outcome
    /**
     * Makes what was merged as durable as this store promises. Called once for a batch of merges, before anybody is
     * told of them.
     */
    readonly commit: Effect.Effect<void>
    readonly get: (key: Octets) => Entry | undefined
    /** `TupleMap.read`: lazily, in order of first arrival, and with the tombstones: who tells others leaves them out. */
    readonly read: (range: Range) => Iterator<Entry, void>
    /** `TupleMap.expire` and `TupleMap.collect`. Only the node's inbox fiber may call them. */
    readonly expire: (clock: number, most: number) => ReadonlyArray<Entry>
    readonly collect: (now: number, retention: number, most: number) => ReadonlyArray<Entry>
    /** `TupleMap.forget`: so that the network can say whether there still is such a key. As above. */
    readonly forget: (key: Octets) => Entry | undefined
    /** Whether this node has set it, if only in a life before this one. */
    readonly isOwn: (entry: Entry) => boolean
    /** When this node, in the life before this one, heard of the network last; undefined where it has forgotten all. */
    readonly apart: number | undefined
    /** It hears of the network now: what `apart` is in the next life, give or take some minutes. */
    readonly heard: (time: number) => void
    /** When the next value ends, on the clock of entries, and when the oldest tombstone began, in milliseconds since 1970. */
    readonly nextEnd: () => number | undefined
    readonly oldestTombstone: () => number | undefined
    /** How many keys are held, with those of the tombstones. */
    readonly size: () => number
    readonly tombstones: () => number
    /** The sequence number of the newest change; 0 before the first. */
    readonly sequence: () => number
    /** Undefined for one that is in memory only. */
    readonly disk: () => Disk | undefined
  }
>()("effect-zgossip/services/TupleStore") {}
