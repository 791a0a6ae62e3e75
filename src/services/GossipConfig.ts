/**
 * The settings of a node as a value that can change while it runs.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import * as Context from "effect/Context"
import type { SettingError, Settings } from "../protocol/Settings.ts"

/**
 * @since 0.1.0
 * @category services
 */
export class GossipConfig extends Context.Service<
  GossipConfig,
  {
    readonly get: Effect.Effect<Settings>
    /** Changes one setting by its path; a path or value that is none changes nothing. */
    readonly set: (path: string, value: string) => Effect.Effect<void, SettingError>
    /** The settings now, then after each change. */
    readonly changes: Stream.Stream<Settings>
  }
>()("effect-zgossip/services/GossipConfig") {}
