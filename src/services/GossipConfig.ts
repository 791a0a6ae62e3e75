/**
 * The configuration of a node as a value that can change while it runs. It says what should be; making it so is the
 * node's work.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Configuration, ConfigurationError } from "../protocol/Configuration.ts"

/**
 * @since 0.1.0
 * @category services
 */
export class GossipConfig extends Context.Service<
  GossipConfig,
  {
    readonly get: Effect.Effect<Configuration>
    /** The configuration now, then after each change. */
    readonly changes: Stream.Stream<Configuration>
    readonly replace: (configuration: Configuration) => Effect.Effect<void>
    /** What it would be with this value at this path, see `Settings`. Changes nothing. */
    readonly withValue: (path: string, value: string) => Effect.Effect<Configuration, ConfigurationError>
    /** What it would be with this file, and without the values that were set one by one. Changes nothing. */
    readonly withFile: (path: string) => Effect.Effect<Configuration, ConfigurationError>
    /** The same, with those values. */
    readonly withFileAgain: (path: string) => Effect.Effect<Configuration, ConfigurationError>
    /** Writes the configuration to a file, as a whole or not at all, with the comments of the file it came from. */
    readonly save: (path: string) => Effect.Effect<void, ConfigurationError>
    /** Something that is another text once the file was changed; empty where there is none. */
    readonly stamp: (path: string) => Effect.Effect<string>
  }
>()("effect-zgossip/services/GossipConfig") {}
