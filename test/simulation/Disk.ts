/** What a node has kept, as `FileTupleStore` does: read and written in one go, and never in pieces. */
import * as MemoryTupleStore from "../../src/layers/MemoryTupleStore.ts"
import * as TupleMap from "../../src/protocol/TupleMap.ts"
import type * as Version from "../../src/protocol/Version.ts"
import type { TupleStore } from "../../src/services/TupleStore.ts"
import type { Host } from "./Host.ts"

export type Store = TupleStore["Service"]

export interface Disk {
  readonly entries: ReadonlyArray<TupleMap.Entry>
  /** What the time of day was ahead of the clock of entries. */
  readonly ahead: number
  readonly last: Version.Version | undefined
  /** Of all lives of the node. */
  readonly origins: ReadonlySet<string>
  readonly heardAt: number | undefined
}

const aheadAt = (host: Host): number => host.timeOfDay() - host.monotonic()

/** What a node holds, and what it knows of its earlier lives. */
export class Memory {
  readonly map: TupleMap.TupleMap
  readonly store: Store
  readonly #origins: ReadonlySet<string>
  #heardAt: number | undefined

  constructor(host: Host, origin: string, disk: Disk | undefined) {
    const map = (this.map = TupleMap.make(origin))
    const own = (this.#origins = new Set([origin, ...(disk?.origins ?? [])]))
    const [now, clock] = [host.timeOfDay(), host.monotonic()]
    for (const { deleted, endsAt, lifetime, past, tuple, version } of disk?.entries ?? []) {
      const remaining = Number.isFinite(endsAt) ? endsAt + (disk?.ahead ?? 0) - now : undefined
      const change = { tuple, version, lifetime, remaining, deleted, past }
      TupleMap.merge(map, change, { link: TupleMap.elsewhere, now, clock })
    }
    if (disk?.last !== undefined) map.last = disk.last
    const apart = disk?.heardAt ?? disk?.last?.time
    this.#heardAt = apart
    this.store = {
      ...MemoryTupleStore.of(map),
      isOwn: ({ version }) => own.has(version.origin),
      apart,
      heard: (time) => void (this.#heardAt = time)
    }
  }

  save(host: Host): Disk {
    return {
      entries: Array.from(this.map.entries.values()),
      ahead: aheadAt(host),
      last: this.map.last,
      origins: this.#origins,
      heardAt: this.#heardAt
    }
  }
}
