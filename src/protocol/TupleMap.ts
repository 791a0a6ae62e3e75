/**
 * The set of tuples that a node holds, and the only rule by which it changes. Plain and synchronous: whoever owns the
 * map changes it in place.
 *
 * Every change gets the next sequence number of this map. It is local, says nothing to other nodes, and answers two
 * questions: what did a peer not get yet, and did this change since we last agreed.
 *
 * Which of two values of a key is held is decided by their versions, so it does not matter in which order they come,
 * how often, or what came between: whoever has heard of both holds the same. A tuple of version 1 of the protocol has
 * none. One that is held already is an echo; one that is not is taken for news, and gets a version here.
 *
 * @since 0.1.0
 */
import type { Octets } from "./Octets.ts"
import type { Tuple } from "./Tuple.ts"
import * as Version from "./Version.ts"

/**
 * What is said of a key: that it has this value, for so many milliseconds from the time of its version on if it has a
 * `lifetime` other than 0, or that it is `deleted`; then the value of the tuple is empty. One that comes from version 1
 * of the protocol, or is said here for the first time, has no version yet.
 *
 * @since 0.1.0
 * @category models
 */
export interface Change {
  readonly tuple: Tuple
  readonly version?: Version.Version | undefined
  readonly lifetime?: number | undefined
  readonly deleted?: boolean | undefined
}

/**
 * What is held of a key, the sequence number of the change that brought it, and the link it came by: the number of a
 * remote or of a client, or {@link elsewhere}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly tuple: Tuple
  readonly version: Version.Version
  /** Milliseconds from the time of the version on; 0 where it does not end. */
  readonly lifetime: number
  /** A tombstone. */
  readonly deleted: boolean
  readonly sequence: number
  readonly link: number
}

/**
 * The link of what was published here.
 *
 * @since 0.1.0
 * @category models
 */
export const elsewhere = 0

/**
 * What a remote is known to have: everything up to the sequence number `synced`, and what it said itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface Known {
  readonly link: number
  readonly synced: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface TupleMap {
  /** In order of first arrival. */
  readonly entries: Map<Octets, Entry>
  /** The keys of the last changes, each in the place of its sequence number. */
  readonly recent: Array<Octets>
  /** Of the newest change; 0 in a new map. */
  sequence: number
  /** Of those who get a version here. */
  readonly origin: Octets
  /** The greatest version seen. */
  last: Version.Version | undefined
}

/**
 * How a change came: by which link and at which time of day, in milliseconds. Where `known` is given, its sender has not
 * heard our news yet.
 *
 * @since 0.1.0
 * @category models
 */
export interface Arrival {
  readonly link: number
  readonly now: number
  readonly known?: Known | undefined
}

/** How many changes {@link read} finds without a look at all that is held. */
const mostRecent = 2 ** 16

/**
 * - `Accepted`: the key was unknown or had another value; it is held now
 * - `Renewed`: the value is the one held, and its version is newer: only those who know versions need to be told
 * - `Duplicate`: held already; nothing changes and nobody needs to be told
 * - `Stale`: older than what is held, or said by a peer that had not seen our own, newer value yet; nothing changes
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome = "Accepted" | "Renewed" | "Duplicate" | "Stale"

/**
 * An empty map. `origin` must be that of no other map.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (origin: Octets = Version.nobody): TupleMap => ({
  entries: new Map(),
  recent: [],
  sequence: 0,
  origin,
  last: undefined
})

/**
 * Merges one tuple. One with a version is held unless what is held is newer. One without is news where the value is
 * another one, save where its sender has not heard our news: what it says of a key that we have news of is stale, as we
 * are about to tell it so.
 *
 * @since 0.1.0
 * @category merging
 */
export const merge = (map: TupleMap, change: Change, { known, link, now }: Arrival): Outcome => {
  const { deleted = false, lifetime = 0, tuple, version } = change
  const held = map.entries.get(tuple.keyOctets)
  const same = held?.tuple.valueOctets === tuple.valueOctets
  if (held !== undefined) {
    if (version === undefined) {
      if (same) return "Duplicate"
      if (known !== undefined && !isKnown(held, known)) return "Stale"
    } else {
      const order = Version.compare(version, held.version)
      if (order < 0) return "Stale"
      // One version has one value, unless somebody lies: then all hold the greater one.
      if (order === 0 && tuple.valueOctets <= held.tuple.valueOctets) return "Duplicate"
    }
  }
  const taken = version ?? Version.next(map.last, now, map.origin)
  if (map.last === undefined || Version.compare(taken, map.last) > 0) map.last = taken
  map.sequence += 1
  map.entries.set(tuple.keyOctets, { tuple, version: taken, lifetime, deleted, sequence: map.sequence, link })
  map.recent[map.sequence % mostRecent] = tuple.keyOctets
  return same ? "Renewed" : "Accepted"
}

/**
 * Which entries a {@link read} gives: those up to the sequence number `upTo`, of them those that a remote is not known
 * to have (`unknownTo`), or is (`knownTo`), save the keys in `except`.
 *
 * @since 0.1.0
 * @category reading
 */
export interface Range {
  readonly upTo: number
  readonly unknownTo?: Known
  readonly knownTo?: Known
  readonly except?: ReadonlySet<Octets>
  /**
   * With it, of the first `keys` what has changed behind `upTo` is not left out but given as it is now, save what came
   * by `link`; `changed` is told which change that was.
   */
  readonly whole?: {
    readonly keys: number
    readonly link: number
    readonly changed: (key: Octets, sequence: number) => void
  }
}

/**
 * The entries of a range, lazily: a reader that takes its time holds no copy, and skips what changed meanwhile, as it
 * will be told of that anyway. It ends where the map ended when reading began. In order of first arrival, save what is
 * unknown to a remote that missed little: that is found, and comes, by its changes.
 *
 * @since 0.1.0
 * @category reading
 */
export function* read(map: TupleMap, range: Range): Generator<Entry, void> {
  const { unknownTo, upTo } = range
  const last = Math.min(upTo, map.sequence)
  if (unknownTo === undefined || unknownTo.synced >= last) return yield* readAll(map, range)
  for (let sequence = unknownTo.synced + 1; sequence <= last; sequence++) {
    // Others may have taken the place of it by now.
    if (map.sequence - sequence >= mostRecent) {
      return yield* readAll(map, { ...range, unknownTo: { link: unknownTo.link, synced: sequence - 1 } })
    }
    const key = map.recent[sequence % mostRecent]
    const entry = key === undefined ? undefined : map.entries.get(key)
    if (entry?.sequence === sequence && isWanted(entry, range)) yield entry
  }
}

function* readAll(map: TupleMap, range: Range): Generator<Entry, void> {
  const { upTo, whole } = range
  let left = whole?.keys ?? map.entries.size
  for (const entry of map.entries.values()) {
    if (left-- === 0) return
    if (entry.sequence > upTo && whole !== undefined) {
      if (entry.link === whole.link) continue
      whole.changed(entry.tuple.keyOctets, entry.sequence)
      yield entry
    } else if (isWanted(entry, range)) yield entry
  }
}

const isWanted = (entry: Entry, { except, knownTo, unknownTo, upTo }: Range): boolean =>
  entry.sequence <= upTo &&
  (unknownTo === undefined || !isKnown(entry, unknownTo)) &&
  (knownTo === undefined || isKnown(entry, knownTo)) &&
  except?.has(entry.tuple.keyOctets) !== true

const isKnown = (entry: Entry, { link, synced }: Known): boolean => entry.sequence <= synced || entry.link === link
