/**
 * The tuples in memory, and nowhere else.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type { Octets } from "../protocol/Octets.ts"
import * as TupleMap from "../protocol/TupleMap.ts"
import * as Version from "../protocol/Version.ts"
import { TupleStore } from "../services/TupleStore.ts"

/**
 * The origin of one life of a node. Of 2^64: two of a thousand nodes that each start a million times have the same with
 * a chance of 1 in 40.
 *
 * @since 0.1.0
 * @category constructors
 */
export const origin: Effect.Effect<Octets> = Effect.map(
  Effect.all(Array.from({ length: Version.originLength }, () => Random.nextIntBetween(0, 256, { halfOpen: true }))),
  (octets) => String.fromCharCode(...octets)
)

/**
 * A store of a map, which nothing is written of.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (map: TupleMap.TupleMap): TupleStore["Service"] => ({
  merge: (change, arrival) => TupleMap.merge(map, change, arrival),
  commit: Effect.void,
  get: (key) => map.entries.get(key),
  read: (range) => TupleMap.read(map, range),
  expire: (now, most) => TupleMap.expire(map, now, most),
  collect: (now, retention, most) => TupleMap.collect(map, now, retention, most),
  forget: (key) => TupleMap.forget(map, key),
  isOwn: ({ version }) => version.origin === map.origin,
  apart: undefined,
  heard: () => {},
  nextEnd: () => map.ends.first?.time,
  oldestTombstone: () => map.tombstones.first?.time,
  size: () => map.entries.size,
  tombstones: () => map.tombstones.size,
  sequence: () => map.sequence,
  disk: () => undefined
})

/**
 * A store of its own for each use of the layer: two nodes never share one, however their layers are put together.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<TupleStore> = Layer.fresh(
  Layer.effect(
    TupleStore,
    Effect.map(origin, (origin) => of(TupleMap.make(origin)))
  )
)
