/**
 * The tuples in memory, and each change of them on the disk before anybody is told of it: a node that starts again has
 * what was acknowledged, with its versions, whatever ended the one before.
 *
 * A version is never given twice. Its origin is drawn anew at each start, so it is another one even where the disk has
 * lost the last seconds, was full, or is a copy of somebody else's; nothing that is stored could promise that. What is
 * stored is the greatest version seen, so that what is set from now on is newer than all that was there, whatever the
 * time of day is. Of what was lost it is newer as it is of what any other node holds: by the time of day, or once it has
 * heard of it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Octets } from "../protocol/Octets.ts"
import { Tuple } from "../protocol/Tuple.ts"
import * as TupleMap from "../protocol/TupleMap.ts"
import * as Version from "../protocol/Version.ts"
import { TupleStore } from "../services/TupleStore.ts"
import type { FileError } from "./FileError.ts"
import type { DirectoryLocked } from "./DirectoryLock.ts"
import * as MemoryTupleStore from "./MemoryTupleStore.ts"
import type * as RecordFormat from "./RecordFormat.ts"
import * as RecordLog from "./RecordLog.ts"
import * as TupleRecord from "./TupleRecord.ts"

/**
 * `directory` is made where there is none. `sync` is after how many milliseconds, at most, what was committed is told
 * to reach the disk; 0: before the commit ends; 1000 unless it is given. The log is made anew when it is `spare` octets
 * longer than what is live; 4 MiB.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly directory: string
  readonly sync?: number
  readonly spare?: number
}

/**
 * Fails where the directory cannot be used. What happens to the disk from then on is said in the log and by `disk`: all
 * goes on in memory.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<TupleStore, DirectoryLocked | FileError> =>
  Layer.effect(
    TupleStore,
    Effect.gen(function* () {
      const { isDamaged, meta, records, resume } = yield* RecordLog.open({ ...options, isKnown: TupleRecord.isKnown })
      const map = TupleMap.make(yield* MemoryTupleStore.origin)
      const clock = yield* Clock.Clock
      /** What the time of day is ahead of the clock of entries. */
      const ahead = () => clock.currentTimeMillisUnsafe() - Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
      restore(map, records, clock.currentTimeMillisUnsafe(), ahead())
      const { heardAt, last, origins } = TupleRecord.decodeMeta(meta)
      // Not when it has changed last: it may have been alone, and have gone on by itself.
      const apart = heardAt ?? (last === undefined ? undefined : Version.setAt(last))
      let heard: Heard = { at: apart, writtenAt: apart, isDue: false }
      const own = new Set([map.origin, ...origins])
      if (last !== undefined && (map.last === undefined || Version.compare(last, map.last) > 0)) map.last = last
      const count = map.entries.size - map.tombstones.size
      yield* Effect.logInfo(`tuples are kept in ${options.directory}, and ${count} were there`)
      const log = yield* resume(() => recordsOf(map, map.entries.keys(), ahead()))

      const inMemory = MemoryTupleStore.of(map)
      /** The keys of what has changed since the last commit. */
      let changed = new Set<Octets>()
      const note = (entries: ReadonlyArray<TupleMap.Entry>) => {
        for (const { tuple } of entries) changed.add(tuple.keyOctets)
        return entries
      }
      return TupleStore.of({
        ...inMemory,
        merge: (change, arrival) => {
          const outcome = inMemory.merge(change, arrival)
          if (outcome !== "Duplicate" && outcome !== "Stale") changed.add(change.tuple.keyOctets)
          return outcome
        },
        isOwn: ({ version }) => own.has(version.origin),
        apart,
        heard: (time) => {
          const isDue = heard.isDue || Math.abs(time - (heard.writtenAt ?? 0)) >= heardApart
          heard = { ...heard, at: time, isDue }
        },
        forget: (key) => {
          changed.add(key)
          return inMemory.forget(key)
        },
        expire: (now, most) => note(inMemory.expire(now, most)),
        collect: (now, retention, most) => note(inMemory.collect(now, retention, most)),
        commit: Effect.suspend(() => {
          if (changed.size === 0 && !heard.isDue) return Effect.void
          heard = { at: heard.at, writtenAt: heard.at, isDue: false }
          const keys = changed
          changed = new Set()
          // The log has said why, and has all once it can be written again.
          return Effect.ignore(
            log.append(
              recordsOf(map, keys, ahead()),
              TupleRecord.encodeMeta({ last: map.last, origins: [...own], heardAt: heard.at })
            )
          )
        }),
        disk: () => ({
          directory: options.directory,
          octets: log.octets(),
          failure: log.failure()?.message,
          isDamaged
        })
      })
    })
  )

/** When the network was heard of last, as it is and as it is on the disk. */
interface Heard {
  readonly at: number | undefined
  readonly writtenAt: number | undefined
  readonly isDue: boolean
}

/** In milliseconds: how often that is written, if nothing else is. */
const heardApart = 600_000

/**
 * What was held comes back as if somebody said it now: nobody's news, and what had its time meanwhile is gone.
 * Tombstones that are too old by now are collected as all others.
 */
const restore = (map: TupleMap.TupleMap, records: ReadonlyMap<Octets, Octets>, now: number, ahead: number): void => {
  /** Most are of few: each is held once. */
  const origins = new Map<Octets, Octets>()
  for (const [key, record] of records) {
    const held = TupleRecord.decode(record)
    if (held === undefined) continue
    const { ends, value, version, ...more } = held
    const origin = origins.get(version.origin) ?? version.origin
    origins.set(origin, origin)
    const remaining = Number.isFinite(ends) ? ends - now : undefined
    const change = { tuple: new Tuple(key, value), version: { ...version, origin }, remaining, ...more }
    TupleMap.merge(map, change, { link: TupleMap.elsewhere, now, clock: now - ahead })
  }
}

/** A key that is held no longer has no record. */
function* recordsOf(
  map: TupleMap.TupleMap,
  keys: Iterable<Octets>,
  ahead: number
): Generator<RecordFormat.Entry, void> {
  for (const key of keys) {
    const entry = map.entries.get(key)
    const held =
      entry === undefined ? undefined : { ...entry, value: entry.tuple.valueOctets, ends: entry.endsAt + ahead }
    yield { key, record: held === undefined ? undefined : TupleRecord.encode(held) }
  }
}
