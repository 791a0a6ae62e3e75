/**
 * The set of tuples that a node holds. Plain and synchronous: whoever owns the map changes it in place. By which rule,
 * has `Merge`.
 *
 * Every change gets the next sequence number of this map. It is local, says nothing to other nodes, and answers two
 * questions: what did a peer not get yet, and did this change since we last agreed.
 *
 * Tombstones, of keys that were deleted and of values that had their time, are forgotten after a while.
 *
 * @since 0.1.0
 */
import { Ends } from "./Ends.ts"
import { isKnown, type Known } from "./Known.ts"
import * as Merge from "./Merge.ts"
import { type Arrival, type Change, elsewhere, type Entry, type Outcome } from "./Merge.ts"
import type { Octets } from "./Octets.ts"
import * as Version from "./Version.ts"

export { isKnown, type Known } from "./Known.ts"
export { type Arrival, type Change, elsewhere, type Entry, isLive, type Outcome, remaining } from "./Merge.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface TupleMap {
  /** In order of first arrival. */
  readonly entries: Map<Octets, Entry>
  /** The keys of the last changes, each in the place of its sequence number. */
  readonly recent: Array<Octets>
  /** Of the values that end, see {@link expire}. */
  readonly ends: Ends
  /** Of the tombstones, see {@link collect}. */
  readonly tombstones: Ends
  /** Of the newest change; 0 in a new map. */
  sequence: number
  /** Of those who get a version here. */
  readonly origin: Octets
  /** The greatest version seen. */
  last: Version.Version | undefined
}

/** How many changes {@link read} finds without a look at all that is held. */
const mostRecent = 2 ** 16

/**
 * An empty map. `origin` must be that of no other map.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (origin: Octets = Version.nobody): TupleMap => ({
  entries: new Map(),
  recent: [],
  ends: new Ends(),
  tombstones: new Ends(),
  sequence: 0,
  origin,
  last: undefined
})

/**
 * Merges one change, as {@link Merge.merge} has it.
 *
 * @since 0.1.0
 * @category merging
 */
export const merge = (map: TupleMap, change: Change, arrival: Arrival): Outcome => {
  const key = change.tuple.keyOctets
  const held = map.entries.get(key)
  const sequence = map.sequence + 1
  // What is set over hearsay is later, though the clock of who heard it may be ahead of ours.
  const heard = held !== undefined && Version.isHearsay(held.version) ? Version.setAt(held.version) : 0
  const next = () => Version.next(map.last, Math.max(arrival.now, heard), map.origin)
  const { entry, outcome } = Merge.merge(held, change, arrival, sequence, next)
  if (entry === undefined) {
    // Whoever says something older does not have this, even if it came from there.
    if (outcome === "Stale" && change.version !== undefined && held?.link === arrival.link) {
      map.entries.set(key, { ...held, link: elsewhere })
    }
    return outcome
  }
  if (map.last === undefined || Version.compare(entry.version, map.last) > 0) map.last = entry.version
  map.sequence = sequence
  map.recent[sequence % mostRecent] = key
  hold(map, entry)
  return outcome
}

const hold = (map: TupleMap, entry: Entry): void => {
  const { deleted, endsAt, lifetime, tuple, version } = entry
  map.entries.set(tuple.keyOctets, entry)
  // Of the time of day, as nodes are to forget it together.
  if (deleted) map.tombstones.set(tuple.keyOctets, version.time + lifetime)
  else map.tombstones.delete(tuple.keyOctets)
  if (endsAt < Number.POSITIVE_INFINITY) map.ends.set(tuple.keyOctets, endsAt)
  else map.ends.delete(tuple.keyOctets)
}

/**
 * Lets values end whose time has come, `most` at a time, and gives them as they were. What is held of them keeps its
 * version, sequence number and link: other nodes find out by themselves, so this is no change of the map.
 *
 * @since 0.1.0
 * @category time
 */
export const expire = (map: TupleMap, clock: number, most: number): ReadonlyArray<Entry> => {
  const ended: Array<Entry> = []
  while (ended.length < most) {
    const end = map.ends.take(clock)
    if (end === undefined) break
    const entry = map.entries.get(end.key)
    if (entry === undefined) continue
    hold(map, Merge.ended(entry))
    ended.push(entry)
  }
  return ended
}

/**
 * Forgets tombstones that are older than `retention` milliseconds, `most` at a time, and gives them. Who was away for
 * longer may hold what they are about.
 *
 * @since 0.1.0
 * @category time
 */
export const collect = (map: TupleMap, now: number, retention: number, most: number): ReadonlyArray<Entry> => {
  const forgotten: Array<Entry> = []
  while (forgotten.length < most) {
    const end = map.tombstones.take(now - retention)
    if (end === undefined) break
    const entry = map.entries.get(end.key)
    if (entry === undefined) continue
    map.entries.delete(end.key)
    forgotten.push(entry)
  }
  return forgotten
}

/**
 * Forgets what is held of a key, and gives it. Who says it again is believed.
 *
 * @since 0.1.0
 * @category time
 */
export const forget = (map: TupleMap, key: Octets): Entry | undefined => {
  const held = map.entries.get(key)
  map.entries.delete(key)
  map.ends.delete(key)
  map.tombstones.delete(key)
  return held
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
 * will be told of that anyway, save what was only renewed. It ends where the map ended when reading began. In order of
 * first arrival, save what is unknown to a remote that missed little: that is found, and comes, by its changes.
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
    if (entry === undefined || !isWanted(entry, range)) continue
    // What was renewed has come already, where its value did.
    if (entry.since === sequence || (entry.sequence === sequence && entry.since <= unknownTo.synced)) yield entry
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
  // Not all who read are told of what was only renewed meanwhile.
  entry.since <= upTo &&
  (unknownTo === undefined || !isKnown(entry, unknownTo)) &&
  (knownTo === undefined || isKnown(entry, knownTo)) &&
  except?.has(entry.tuple.keyOctets) !== true
