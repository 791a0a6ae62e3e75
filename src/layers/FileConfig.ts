/**
 * A configuration from files, the environment and the program.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { readFile, stat } from "node:fs/promises"
import type { ConfigurationError } from "../protocol/Configuration.ts"
import * as Octets from "../protocol/Octets.ts"
import { GossipConfig } from "../services/GossipConfig.ts"
import { fileError, writeFileAtomically } from "./AtomicFile.ts"
import * as NodeConfig from "./NodeConfig.ts"

/** Larger than any configuration: what is named by mistake is not read into memory. */
const longest = 256 * 1024 * 1024

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: NodeConfig.Options = {}): Layer.Layer<GossipConfig, ConfigurationError> =>
  Layer.effect(GossipConfig, NodeConfig.make(onDisk, options))

const onDisk: NodeConfig.Files = {
  read: (path) =>
    Effect.tryPromise({
      try: async () => {
        const { size } = await stat(path)
        if (size > longest) throw new Error(`it has ${size} octets, no configuration has so many`)
        return Octets.from(await readFile(path))
      },
      catch: (cause) => fileError("read", path, cause)
    }),
  write: (path, octets) => writeFileAtomically(path, Octets.toBytes(octets)),
  stamp: (path) =>
    Effect.promise(() =>
      stat(path, { bigint: true }).then(
        ({ ino, mtimeNs, size }) => [ino, mtimeNs, size].join(" "),
        () => ""
      )
    )
}
