/**
 * A configuration that the program gives, changed by SET and CONFIGURE; its files are in memory.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ConfigurationError } from "../protocol/Configuration.ts"
import * as Octets from "../protocol/Octets.ts"
import { GossipConfig } from "../services/GossipConfig.ts"
import * as NodeConfig from "./NodeConfig.ts"

/**
 * The defaults, save what is given. `files` are contents by path: CONFIGURE reads them, SAVE writes them, and to change
 * one is to change a file.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  given: NodeConfig.Given = {},
  files: Map<string, Octets.Octets> = new Map(),
  options: Omit<NodeConfig.Options, "given"> = {}
): Layer.Layer<GossipConfig, ConfigurationError> =>
  Layer.effect(GossipConfig, NodeConfig.make(inMemory(files), { ...options, given }))

const inMemory = (files: Map<string, Octets.Octets>): NodeConfig.Files => ({
  read: (path) =>
    Effect.suspend(() => {
      const octets = files.get(path)
      return octets === undefined
        ? Effect.fail({ detail: "no such file", code: "ENOENT" })
        : Effect.succeed(Octets.toBytes(octets))
    }),
  write: (path, octets) => Effect.sync(() => void files.set(path, Octets.from(octets))),
  stamp: (path) => Effect.sync(() => files.get(path) ?? "")
})
