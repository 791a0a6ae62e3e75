/**
 * Settings given by the program, changed by SET.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Settings from "../protocol/Settings.ts"
import { GossipConfig } from "../services/GossipConfig.ts"

/**
 * The defaults, save what is given.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (given: Partial<Settings.Settings> = {}): Layer.Layer<GossipConfig, Settings.SettingError> =>
  Layer.effect(
    GossipConfig,
    Effect.map(Effect.flatMap(Effect.fromResult(Settings.make(given)), SubscriptionRef.make), (ref) =>
      GossipConfig.of({
        get: SubscriptionRef.get(ref),
        set: (path, value) =>
          SubscriptionRef.updateEffect(ref, (current) => {
            const changed = Settings.set(current, path, value)
            return Result.isSuccess(changed) ? Effect.succeed(changed.success) : Effect.fail(changed.failure)
          }),
        changes: SubscriptionRef.changes(ref)
      })
    )
  )
