/**
 * A configuration from files, the environment and the program.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Stats } from "node:fs"
import { stat } from "node:fs/promises"
import type { ConfigurationError } from "../protocol/Configuration.ts"
import { GossipConfig } from "../services/GossipConfig.ts"
import { readFile, writeFileAtomically } from "./AtomicFile.ts"
import { FileError } from "./FileError.ts"
import * as NodeConfig from "./NodeConfig.ts"

/** Octets: more than any configuration has. While one is read the node does nothing else. */
const longest = 16 * 2 ** 20

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: NodeConfig.Options = {}): Layer.Layer<GossipConfig, ConfigurationError> =>
  Layer.effect(GossipConfig, NodeConfig.make(onDisk, options))

const onDisk: NodeConfig.Files = {
  read: (path) =>
    // Nobody can tell when a pipe has its next octet, or whether a device has a last one.
    Effect.andThen(
      refuse("read", path, (found) => !found.isFile() && !found.isDirectory(), "it is no regular file"),
      readFile(path, longest)
    ),
  write: (path, octets) =>
    Effect.andThen(
      refuse("write", path, (found) => found.isFIFO(), "it is a pipe"),
      writeFileAtomically(path, octets)
    ),
  stamp: (path) =>
    Effect.promise(() =>
      stat(path, { bigint: true }).then(
        // The last one changes also when only who may read it does.
        ({ ctimeNs, ino, mtimeNs, size }) => [ino, mtimeNs, size, ctimeNs].join(" "),
        () => ""
      )
    )
}

/** Fails where there is something of a kind that will not do. */
const refuse = (operation: "read" | "write", path: string, isWrong: (found: Stats) => boolean, detail: string) =>
  Effect.flatMap(
    Effect.promise(() => stat(path).catch(() => undefined)),
    (found) =>
      found !== undefined && isWrong(found) ? Effect.fail(new FileError({ operation, path, detail })) : Effect.void
  )
