/**
 * What a watcher is told: all that is held at one moment, and then each change of it. Whoever does with a table what
 * these say holds what the node holds.
 *
 * @since 0.1.0
 */
import type { Octets } from "./Octets.ts"
import type { Tuple } from "./Tuple.ts"
import type * as TupleMap from "./TupleMap.ts"
import * as Version from "./Version.ts"

/**
 * Who set or deleted a value, and when: of two versions the greater one counts, see `Version.compare`. `origin` is that
 * of the version as hexadecimal text: the node, since it started.
 *
 * @since 0.1.0
 * @category models
 */
export interface Said {
  readonly version: Version.Version
  readonly origin: string
}

/**
 * A tuple that is held. `endsAt` is when it ends unless it is renewed, in milliseconds since 1970; `lifetime` is how
 * long after it was set that is, 0 where it does not end.
 *
 * @since 0.1.0
 * @category models
 */
export interface Held extends Said {
  readonly tuple: Tuple
  readonly endsAt: number | undefined
  readonly lifetime: number
}

/**
 * All that is held at one moment, in order of first arrival; `time` is that moment, in milliseconds since 1970. What was
 * told before does not count any more.
 *
 * @since 0.1.0
 * @category models
 */
export interface Snapshot {
  readonly _tag: "Snapshot"
  readonly entries: ReadonlyArray<Held>
  readonly time: number
}

/**
 * The key had no value, or another one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Put extends Held {
  readonly _tag: "Put"
}

/**
 * The value is the same, its version is newer, and it may have another end.
 *
 * @since 0.1.0
 * @category models
 */
export interface Renewed extends Held {
  readonly _tag: "Renewed"
}

/**
 * The key has no value any more; the tuple is the one that it had, the version that of the delete. Where others forgot
 * the delete before we heard of it there is none, and it is that of the value.
 *
 * @since 0.1.0
 * @category models
 */
export interface Deleted extends Said {
  readonly _tag: "Deleted"
  readonly tuple: Tuple
}

/**
 * The value had its time; the tuple is the one that there was, the version that of the value that ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface Expired extends Said {
  readonly _tag: "Expired"
  readonly tuple: Tuple
}

/**
 * @since 0.1.0
 * @category models
 */
export type Change = Put | Renewed | Deleted | Expired

/**
 * @since 0.1.0
 * @category models
 */
export type Watched = Snapshot | Change

/**
 * @since 0.1.0
 * @category constructors
 */
export const put = (entry: TupleMap.Entry, ahead: number): Put => ({ _tag: "Put", ...held(entry, ahead) })

/**
 * @since 0.1.0
 * @category constructors
 */
export const renewed = (entry: TupleMap.Entry, ahead: number): Renewed => ({
  _tag: "Renewed",
  ...held(entry, ahead)
})

/**
 * Of what was there before, and of what is held of it now.
 *
 * @since 0.1.0
 * @category constructors
 */
export const gone = (
  _tag: "Deleted" | "Expired",
  { tuple }: TupleMap.Entry,
  { version }: TupleMap.Entry
): Deleted | Expired => ({ _tag, tuple, version, origin: Version.originText(version) })

/**
 * The time of day is so much `ahead` of the clock of entries.
 *
 * @since 0.1.0
 * @category constructors
 */
export const held = ({ endsAt, lifetime, tuple, version }: TupleMap.Entry, ahead: number): Held => ({
  tuple,
  version,
  origin: Version.originText(version),
  endsAt: Number.isFinite(endsAt) ? endsAt + ahead : undefined,
  lifetime
})

/**
 * About how much an event costs while it waits; what a snapshot has is held anyway.
 *
 * @since 0.1.0
 * @category getters
 */
export const sizeOf = (event: Watched): number =>
  event._tag === "Snapshot" ? 1 : event.tuple.keyOctets.length + event.tuple.valueOctets.length

/**
 * Does with a table what an event says, and gives what has changed in it: of a snapshot what is not as the table had it.
 * What a snapshot does not have any more was deleted, or had its time if that is what the table says of it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const follow = (table: Map<Octets, Held>, event: Watched): ReadonlyArray<Change> => {
  switch (event._tag) {
    case "Snapshot":
      return followAll(table, event)
    case "Put":
    case "Renewed": {
      const { endsAt, lifetime, origin, tuple, version } = event
      table.set(tuple.keyOctets, { tuple, version, origin, endsAt, lifetime })
      return [event]
    }
    case "Deleted":
    case "Expired":
      table.delete(event.tuple.keyOctets)
      return [event]
  }
}

const followAll = (table: Map<Octets, Held>, { entries, time }: Snapshot): ReadonlyArray<Change> => {
  const changes: Array<Change> = []
  const left = new Map(table)
  table.clear()
  for (const held of entries) {
    const { keyOctets, valueOctets } = held.tuple
    const before = left.get(keyOctets)
    left.delete(keyOctets)
    table.set(keyOctets, held)
    if (before?.tuple.valueOctets !== valueOctets) changes.push({ _tag: "Put", ...held })
    else if (Version.compare(before.version, held.version) !== 0) changes.push({ _tag: "Renewed", ...held })
  }
  const gone = Array.from(left.values(), ({ endsAt, origin, tuple, version }): Change => ({
    _tag: endsAt !== undefined && endsAt <= time ? "Expired" : "Deleted",
    tuple,
    version,
    origin
  }))
  return [...gone, ...changes]
}
