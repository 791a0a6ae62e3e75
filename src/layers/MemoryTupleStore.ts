/**
 * The tuples in memory, and nowhere else.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TupleMap from "../protocol/TupleMap.ts"
import { TupleStore } from "../services/TupleStore.ts"

/**
 * A store of its own for each use of the layer: two nodes never share one, however their layers are put together.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<TupleStore> = Layer.fresh(
  Layer.sync(TupleStore, () => {
    const map = TupleMap.make()
    return TupleStore.of({
      merge: (tuple, link, known) => TupleMap.merge(map, tuple, link, known),
      commit: Effect.void,
      get: (key) => map.entries.get(key)?.tuple,
      read: (range) => TupleMap.read(map, range),
      size: () => map.entries.size,
      sequence: () => map.sequence
    })
  })
)
