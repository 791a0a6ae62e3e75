/**
 * The store that the configuration says as a node starts: on the disk where it names a directory, else in memory.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { GossipError } from "../services/Gossip.ts"
import { GossipConfig } from "../services/GossipConfig.ts"
import type { DirectoryLocked } from "./DirectoryLock.ts"
import type { FileError } from "./FileError.ts"
import type { TupleStore } from "../services/TupleStore.ts"
import * as FileTupleStore from "./FileTupleStore.ts"
import * as MemoryTupleStore from "./MemoryTupleStore.ts"

/**
 * A store of its own for each use of the layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<TupleStore, GossipError, GossipConfig> = Layer.fresh(
  Layer.unwrap(
    Effect.gen(function* () {
      const { settings } = yield* (yield* GossipConfig).get
      const { storeDirectory: directory, storeSync: sync } = settings
      return directory === undefined || directory === ""
        ? MemoryTupleStore.layer
        : Layer.effectContext(Effect.mapError(Layer.build(FileTupleStore.layer({ directory, sync })), unavailable))
    })
  )
)

const unavailable = ({ _tag, message }: DirectoryLocked | FileError): GossipError => {
  const detail = _tag === "FileError" ? `${message}; ${advice}` : message
  return new GossipError({ operation: "keep tuples on the disk", reason: { _tag: "StoreUnavailable", detail } })
}

const advice = "let --store (store/directory) name a directory that this user may make and write in"
