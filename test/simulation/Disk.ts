/** What a node keeps as `FileTupleStore` does, in a log as it is on the disk, of which something may be torn off. */
import * as MemoryTupleStore from "../../src/layers/MemoryTupleStore.ts"
import * as RecordFormat from "../../src/layers/RecordFormat.ts"
import * as TupleRecord from "../../src/layers/TupleRecord.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import * as TupleMap from "../../src/protocol/TupleMap.ts"
import * as Version from "../../src/protocol/Version.ts"
import type { TupleStore } from "../../src/services/TupleStore.ts"
import type { Dice } from "./Dice.ts"
import type { Host } from "./Host.ts"

export type Store = TupleStore["Service"]

/** What is found there. */
export interface Disk {
  readonly entries: ReadonlyArray<TupleRecord.Held & { readonly tuple: Tuple }>
  readonly meta: TupleRecord.Meta
}

/** How often it is written when the network was heard of last, if nothing else is, in ms: as minutes are to days. */
const heardApart = 500

const contentOf = (log: Buffer): Disk => {
  const steps = RecordFormat.decoding(log.length, TupleRecord.isKnown)
  let step = steps.next()
  while (step.done !== true) {
    const { length, start } = step.value
    step = steps.next(log.subarray(start, start + length))
  }
  const { faults, meta, records } = step.value
  if (faults.length > 0) throw new Error(`a log that is but torn ${RecordFormat.describe(faults)}`)
  const entries = Array.from(records).flatMap(([key, record]) => {
    const held = TupleRecord.decode(record)
    return held === undefined ? [] : [{ ...held, tuple: new Tuple(key, held.value) }]
  })
  return { entries, meta: TupleRecord.decodeMeta(meta) }
}

const nothing: Disk = { entries: [], meta: TupleRecord.decodeMeta("") }

/** What a node holds, and what it knows of its earlier lives. */
export class Memory {
  readonly map: TupleMap.TupleMap
  readonly store: Store
  readonly #host: Host
  readonly #own: Set<string>
  /** What was written together, and when. */
  readonly #log: Array<{ readonly at: number; readonly octets: Buffer }> = []
  readonly #isKept: boolean
  #changed = new Set<string>()
  #heardAt: number | undefined
  #writtenAt = 0

  /** Where nobody will ask what is on the disk, nothing is written: `isKept` is false. */
  constructor(host: Host, origin: string, { entries, meta }: Disk = nothing, isKept = true) {
    const map = (this.map = TupleMap.make(origin))
    const { heardAt, last, origins } = meta
    const own = (this.#own = new Set([origin, ...origins]))
    this.#host = host
    const [now, clock] = [host.timeOfDay(), host.monotonic()]
    for (const { deleted, ends, lifetime, past, tuple, version } of entries) {
      const remaining = Number.isFinite(ends) ? ends - now : undefined
      const change = { tuple, version, lifetime, remaining, deleted, past }
      TupleMap.merge(map, change, { link: TupleMap.elsewhere, now, clock })
    }
    if (last !== undefined && (map.last === undefined || Version.compare(last, map.last) > 0)) map.last = last
    const apart = heardAt ?? last?.time
    this.#heardAt = apart
    const inMemory = MemoryTupleStore.of(map)
    const isOwn = ({ version }: TupleMap.Entry) => own.has(version.origin)
    const heard = (time: number) => void (this.#heardAt = time)
    this.#isKept = isKept
    if (!isKept) {
      this.store = { ...inMemory, apart, isOwn, heard }
      return
    }
    const note = (entries: ReadonlyArray<TupleMap.Entry>) => {
      for (const { tuple } of entries) this.#changed.add(tuple.keyOctets)
      return entries
    }
    this.store = {
      ...inMemory,
      merge: (change, arrival) => {
        const outcome = inMemory.merge(change, arrival)
        if (outcome !== "Duplicate" && outcome !== "Stale") this.#changed.add(change.tuple.keyOctets)
        return outcome
      },
      forget: (key) => {
        this.#changed.add(key)
        return inMemory.forget(key)
      },
      expire: (clock, most) => note(inMemory.expire(clock, most)),
      collect: (now, retention, most) => note(inMemory.collect(now, retention, most)),
      isOwn,
      apart,
      heard
    }
    this.#write(map.entries.keys(), Number.NEGATIVE_INFINITY)
  }

  /** Writes what has changed, ahead of anybody who is told of it. */
  commit(): void {
    if (!this.#isKept) return
    if (this.#changed.size === 0 && Math.abs((this.#heardAt ?? 0) - this.#writtenAt) < heardApart) return
    this.#write(this.#changed, this.#host.timeline.now)
    this.#changed = new Set()
  }

  /**
   * What is on the disk when the process ends, and has begun to write something more. Where the power fails, that of the
   * last `loses` ms has not reached it, or in part.
   */
  save(loses: number, dice: Dice): Disk {
    const reached = this.#log.filter(({ at }) => at <= this.#host.timeline.now - loses)
    const rest = loses === 0 ? this.#frame(this.map.entries.keys()) : this.#log.slice(reached.length)
    const torn = Buffer.concat(rest.map(({ octets }) => octets))
    const all = [RecordFormat.beginning, ...reached.map(({ octets }) => octets)]
    const most = loses === 0 ? Math.max(0, torn.length - 1) : torn.length
    return contentOf(Buffer.concat([...all, torn.subarray(0, dice.between(0, most))]))
  }

  #write(keys: Iterable<string>, at: number): void {
    this.#writtenAt = this.#heardAt ?? 0
    this.#log.push(...this.#frame(keys, at))
  }

  #frame(keys: Iterable<string>, at = 0) {
    const ahead = this.#host.timeOfDay() - this.#host.monotonic()
    const meta = TupleRecord.encodeMeta({ last: this.map.last, origins: [...this.#own], heardAt: this.#heardAt })
    const records = Array.from(keys, (key) => {
      const entry = this.map.entries.get(key)
      if (entry === undefined) return { key, record: undefined }
      const { endsAt, tuple } = entry
      return { key, record: TupleRecord.encode({ ...entry, value: tuple.valueOctets, ends: endsAt + ahead }) }
    })
    return Array.from(
      RecordFormat.encode(records, () => meta),
      (octets) => ({ at, octets: Buffer.from(octets) })
    )
  }
}
