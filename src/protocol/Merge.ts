/**
 * The only rule by which what a node holds changes: {@link merge}. It looks at what is held of one key and at what is
 * said of it, and at nothing else. Where it takes hearsay away, `Hearsay` says whether that is to be set anew, as a
 * change of its own.
 *
 * Which of two values of a key is held is decided by their versions, so it does not matter in which order they come,
 * how often, or what came between: whoever has heard of both holds the same. A tuple of version 1 of the protocol has
 * none. One that is held already is an echo; one that is not is news, save where
 * `Hearsay` says otherwise, and gets a version here: where nothing is known of the key, the least.
 *
 * That a key was deleted is held like a value, with a version, or an older value would come back. A value with a
 * lifetime ends at the same time everywhere: from then on it is deleted, under the version that it has, and nobody has
 * to be told.
 *
 * @since 0.1.0
 */
import { isKnown, type Known } from "./Known.ts"
import * as Past from "./Past.ts"
import { Tuple } from "./Tuple.ts"
import * as Version from "./Version.ts"

/**
 * What is said of a key: that it has this value, for so many milliseconds from the moment on when it was set if it has
 * a `lifetime` other than 0, or that it is `deleted`; then the value of the tuple is empty, and one with a lifetime had
 * its time. `remaining` is how much of the lifetime is left as it is said: clocks may differ by more than all of it.
 * Without that it counts from the time of the version.
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
 * How a change came: by which link, at which time of day, in milliseconds, and on the `clock` of {@link Entry.endsAt},
 * which is the time of day unless it is given. Where `known` is given, its sender has not heard our news yet.
 * `retention` is for how long tombstones are kept.
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
export type Outcome = Changed | Unchanged

type Changed = "Accepted" | "Deleted" | "Renewed"
type Unchanged = "Duplicate" | "Stale"

/**
 * What becomes of a change, and what is held from now on, where that is something else.
 *
 * @since 0.1.0
 * @category models
 */
export type Merged =
  { readonly outcome: Unchanged; readonly entry?: undefined } | { readonly outcome: Changed; readonly entry: Entry }

/**
 * What comes of a change of a key. One with a version is held unless what is held is newer. One without is news where
 * the value is another one, save where its sender has not heard our news: what it says of a key that we have news of is
 * stale, as we are about to tell it so; and save where the sender may be one that was never told that this value is
 * gone.
 *
 * `sequence` is the number of the change if it is one, and `next` gives the version of what is set here.
 *
 * @since 0.1.0
 * @category merging
 */
export const merge = (
  held: Entry | undefined,
  change: Change,
  arrival: Arrival,
  sequence: number,
  next: () => Version.Version
): Merged => {
  const { clock = arrival.now, link, now } = arrival
  const { valueOctets } = change.tuple
  const answer =
    change.version === undefined ? hear(held, change, arrival) : compare(held, change, change.version, arrival)
  if (answer !== undefined) return { outcome: answer }
  const unheard = held === undefined && change.lifetime === undefined
  const version = change.version ?? (unheard ? Version.hearsay(now, Past.digest(valueOctets)) : next())
  const [left, lifetime] = [leftOf(change, version, arrival), change.lifetime ?? 0]
  const deleted = left <= 0
  const before = held !== undefined && isLive(held, clock) ? held : undefined
  const same = !deleted && before?.tuple.valueOctets === valueOctets
  let past = held === undefined ? Past.none : same ? held.past : pastOf(held)
  if (change.past !== undefined) past = Past.join(past, change.past)
  if (deleted && change.deleted !== true) past = Past.add(past, valueOctets)
  // Those of version 1 that are linked with us have this one, whatever others know of.
  if (deleted && before !== undefined) past = Past.add(past, before.tuple.valueOctets)
  const tuple = deleted ? nothing(change.tuple) : change.tuple
  const endsAt = deleted ? Number.POSITIVE_INFINITY : clock + left
  const since = held !== undefined && same ? held.since : sequence
  const outcome = same || (deleted && before === undefined) ? "Renewed" : deleted ? "Deleted" : "Accepted"
  return { outcome, entry: { tuple, version, lifetime, endsAt, deleted, past, sequence, since, link } }
}

/**
 * A value whose time has come, as it is held from then on: under the same version, sequence number and link, as other
 * nodes find out by themselves.
 *
 * @since 0.1.0
 * @category merging
 */
export const ended = (entry: Entry): Entry => ({
  ...entry,
  tuple: nothing(entry.tuple),
  endsAt: Number.POSITIVE_INFINITY,
  deleted: true,
  past: pastOf(entry)
})

/** The answer to what has no version, unless it is news. */
const hear = (
  held: Entry | undefined,
  { deleted = false, lifetime, tuple }: Change,
  { known, now, clock = now }: Arrival
): Unchanged | undefined => {
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
): Unchanged | undefined => {
  const { now, clock = now, retention = Number.POSITIVE_INFINITY } = arrival
  const [deleted, lifetime] = [leftOf(change, version, arrival) <= 0, change.lifetime ?? 0]
  // Who says this lies.
  if (Version.isHearsay(version) && (deleted || lifetime > 0)) return "Stale"
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
