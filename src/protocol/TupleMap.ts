/**
 * The set of tuples that a node holds, and the only rule by which it changes. Plain and synchronous: whoever owns the
 * map changes it in place.
 *
 * Every change gets the next sequence number of this map. It is local, says nothing to other nodes, and answers two
 * questions: what did a peer not get yet, and did this change since we last agreed.
 *
 * Which of two values of a key is held is decided by their versions, so it does not matter in which order they come,
 * how often, or what came between: whoever has heard of both holds the same. A tuple of version 1 of the protocol has
 * none. One that is held already is an echo; one that is not is news, save where
 * `Hearsay` says otherwise, and gets a version here: where nothing is known of the key, the least.
 *
 * That a key was deleted is held like a value, with a version, or an older value would come back. A value with a lifetime
 * ends at the same time everywhere, by the time of its version: from then on it is deleted, under the version that it
 * has, and nobody has to be told. Both are forgotten after a while.
 *
 * @since 0.1.0
 */
import { Ends } from "./Ends.ts"
import { isKnown, type Known } from "./Known.ts"
import type { Octets } from "./Octets.ts"
import * as Past from "./Past.ts"
import { Tuple } from "./Tuple.ts"
import * as Version from "./Version.ts"

export { isKnown, type Known } from "./Known.ts"

/**
 * What is said of a key: that it has this value, for so many milliseconds from the moment on when it was set if it has a
 * `lifetime` other than 0, or that it is `deleted`; then the value of the tuple is empty, and one with a lifetime had its
 * time. `remaining` is how much of the lifetime is left as it is said: clocks may differ by more than all of it. Without
 * that it counts from the time of the version.
 *
 * What is said here for the first time has no version yet, and a lifetime, if only 0: somebody means it now. What has
 * neither comes from version 1 of the protocol, and may be something old that is said again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Change {
  readonly tuple: Tuple
  readonly version?: Version.Version | undefined
  readonly lifetime?: number | undefined
  readonly remaining?: number | undefined
  readonly deleted?: boolean | undefined
  /** The values that the key had before. */
  readonly past?: Past.Past | undefined
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
  /** In milliseconds; 0 where it does not end. */
  readonly lifetime: number
  /** When it ends, on a clock of our own that is never set; infinity where it does not, or is a tombstone. */
  readonly endsAt: number
  /** A tombstone: the key was deleted, or its value had its time. The value of the tuple is empty. */
  readonly deleted: boolean
  /** The values that the key had before, of a tombstone also the one that is gone. */
  readonly past: Past.Past
  readonly sequence: number
  /** Of the change that brought the value: those that came later have but renewed it. */
  readonly since: number
  readonly link: number
}

/**
 * What somebody can be told of: a value that has not ended.
 *
 * @since 0.1.0
 * @category getters
 */
export const isLive = (entry: Entry, clock: number): boolean => !entry.deleted && clock < entry.endsAt

/**
 * How much of its lifetime is left.
 *
 * @since 0.1.0
 * @category getters
 */
export const remaining = ({ endsAt, lifetime }: Entry, clock: number): number =>
  Math.min(lifetime, Math.max(0, endsAt - clock))

/**
 * The link of what was published here.
 *
 * @since 0.1.0
 * @category models
 */
export const elsewhere = 0

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

/**
 * How a change came: by which link, at which time of day, in milliseconds, and on the `clock` of {@link Entry.endsAt},
 * which is the time of day unless it is given. Where `known` is given, its sender has not heard our news yet. `retention`
 * is that of {@link collect}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Arrival {
  readonly link: number
  readonly now: number
  readonly clock?: number
  readonly known?: Known | undefined
  readonly retention?: number | undefined
}

/** How many changes {@link read} finds without a look at all that is held. */
const mostRecent = 2 ** 16

/**
 * - `Accepted`: the key had no value or another one; it is held now
 * - `Deleted`: the key had a value, and has none any more
 * - `Renewed`: what is to be seen of the key is the same, and its version is newer: only those who know versions need to
 *   be told
 * - `Duplicate`: held already; nothing changes and nobody needs to be told
 * - `Stale`: older than what is held or was forgotten, or said by a peer that cannot know better; nothing changes
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome = "Accepted" | "Deleted" | "Renewed" | "Duplicate" | "Stale"

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
 * Merges one change. One with a version is held unless what is held is newer. One without is news where the value is
 * another one, save where its sender has not heard our news: what it says of a key that we have news of is stale, as we
 * are about to tell it so; and save where the sender may be one that was never told that this value is gone.
 *
 * @since 0.1.0
 * @category merging
 */
export const merge = (map: TupleMap, change: Change, arrival: Arrival): Outcome => {
  const { clock = arrival.now, link, now } = arrival
  const { keyOctets, valueOctets } = change.tuple
  const held = map.entries.get(keyOctets)
  const answer =
    change.version === undefined ? hear(held, change, arrival) : compare(held, change, change.version, arrival)
  if (answer !== undefined) {
    // Whoever says something older does not have this, even if it came from there.
    if (answer === "Stale" && change.version !== undefined && held?.link === link) {
      map.entries.set(keyOctets, { ...held, link: elsewhere })
    }
    return answer
  }
  const unheard = held === undefined && change.lifetime === undefined
  const version =
    change.version ??
    (unheard ? Version.hearsay(now, Past.digest(valueOctets)) : Version.next(map.last, now, map.origin))
  if (map.last === undefined || Version.compare(version, map.last) > 0) map.last = version
  const [left, lifetime] = [leftOf(change, version, arrival), change.lifetime ?? 0]
  const deleted = left <= 0
  const before = held !== undefined && isLive(held, clock) ? held : undefined
  const same = !deleted && before?.tuple.valueOctets === valueOctets
  let past = held === undefined ? Past.none : same ? held.past : pastOf(held)
  if (change.past !== undefined) past = Past.join(past, change.past)
  if (deleted && change.deleted !== true) past = Past.add(past, valueOctets)
  const tuple = deleted ? nothing(change.tuple) : change.tuple
  map.sequence += 1
  const endsAt = deleted ? Number.POSITIVE_INFINITY : clock + left
  const since = held !== undefined && same ? held.since : map.sequence
  hold(map, { tuple, version, lifetime, endsAt, deleted, past, sequence: map.sequence, since, link })
  map.recent[map.sequence % mostRecent] = keyOctets
  if (deleted) return before === undefined ? "Renewed" : "Deleted"
  return same ? "Renewed" : "Accepted"
}

/** The answer to what has no version, unless it is news. */
const hear = (
  held: Entry | undefined,
  { deleted = false, lifetime, tuple }: Change,
  { known, now, clock = now }: Arrival
): Outcome | undefined => {
  if (held === undefined || !isLive(held, clock)) {
    if (deleted) return "Duplicate"
    return held !== undefined && lifetime === undefined && isLeftOver(held, tuple) ? "Stale" : undefined
  }
  if (!deleted && tuple.valueOctets === held.tuple.valueOctets) {
    // To say it again means something only where it is to end at another time, or nobody meant it yet.
    if (lifetime === undefined || (lifetime === 0 && held.lifetime === 0 && !Version.isHearsay(held.version))) {
      return "Duplicate"
    }
  }
  return known !== undefined && !isKnown(held, known) ? "Stale" : undefined
}

/** What is gone, said by somebody who cannot be told so. */
const isLeftOver = (tombstone: Entry, { valueOctets }: Tuple): boolean => Past.has(pastOf(tombstone), valueOctets)

/** The answer to what has a version, unless it is newer. */
const compare = (
  held: Entry | undefined,
  change: Change,
  version: Version.Version,
  arrival: Arrival
): Outcome | undefined => {
  const { now, clock = now, retention = Number.POSITIVE_INFINITY } = arrival
  const [deleted, lifetime] = [leftOf(change, version, arrival) <= 0, change.lifetime ?? 0]
  // It was collected here, or would be at once; to take it in again would send it round for ever.
  if (held === undefined) return deleted && version.time + lifetime + retention <= now ? "Stale" : undefined
  const order = Version.compare(version, held.version)
  if (order !== 0) return order < 0 ? "Stale" : undefined
  // One version says one thing, unless somebody lies: then all hold the same, whenever they hear of it. What lives longer
  // is greater, so that it does not matter whether the other has ended yet; then a tombstone, then the greater value.
  const gone = !isLive(held, clock)
  const longer = (lifetime || Number.POSITIVE_INFINITY) - (held.lifetime || Number.POSITIVE_INFINITY) || 0
  const greater = !deleted && change.tuple.valueOctets > held.tuple.valueOctets
  return longer > 0 || (longer === 0 && (gone === deleted ? greater : deleted)) ? undefined : "Duplicate"
}

/** For how many milliseconds it is still to be held; 0 or less where it is over. */
const leftOf = (change: Change, version: Version.Version, { now }: Arrival): number => {
  const { deleted = false, lifetime = 0, remaining } = change
  if (deleted) return 0
  if (lifetime === 0) return Number.POSITIVE_INFINITY
  if (remaining !== undefined) return Math.min(lifetime, remaining)
  return change.version === undefined ? lifetime : Math.min(lifetime, version.time + lifetime - now)
}

/** With the value that goes. */
const pastOf = ({ deleted, past, tuple }: Entry): Past.Past => (deleted ? past : Past.add(past, tuple.valueOctets))

const nothing = ({ keyOctets }: Tuple): Tuple => new Tuple(keyOctets, "")

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
    const endsAt = Number.POSITIVE_INFINITY
    hold(map, { ...entry, tuple: nothing(entry.tuple), endsAt, deleted: true, past: pastOf(entry) })
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
 * will be told of that anyway, save what was only renewed. It ends where the map ended when reading began. In order of first arrival, save what is
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
