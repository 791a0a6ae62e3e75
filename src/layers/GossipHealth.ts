/**
 * Whether a node lives, and whether it is ready for those who rely on it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Status } from "../services/Gossip.ts"
import { Gossip } from "../services/Gossip.ts"

/**
 * `live`: the node answers; if not, only a new one helps. `ready`: it also serves on all its endpoints, is connected to
 * all its remotes and has what they had to say; `reasons` tell what is missing, one line each.
 *
 * @since 0.1.0
 * @category models
 */
export interface Health {
  readonly live: boolean
  readonly ready: boolean
  readonly reasons: ReadonlyArray<string>
}

/**
 * How long a node may take to answer.
 *
 * @since 0.1.0
 * @category limits
 */
export const patience = "5 seconds"

/**
 * That of a node that has told its status.
 *
 * @since 0.1.0
 * @category health
 */
export const ofStatus = ({ lost, remotes }: Status): Health => {
  const reasons = [
    ...lost.map(({ endpoint, error }) => `${endpoint}: no longer served on, ${error}`),
    ...remotes
      .filter(({ state }) => state !== "Connected")
      .map(({ endpoint, error, state }) => `${endpoint}: ${error ?? state.toLowerCase()}`)
  ]
  return { live: true, ready: reasons.length === 0, reasons }
}

/**
 * @since 0.1.0
 * @category health
 */
export const health: Effect.Effect<Health, never, Gossip> = Effect.flatMap(Gossip, (gossip) =>
  gossip.status.pipe(
    Effect.map(ofStatus),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.succeed(dead(`no answer from the node within ${patience}`))
    }),
    Effect.catch(({ reason }) => Effect.succeed(dead(reason.detail)))
  )
)

const dead = (reason: string): Health => ({ live: false, ready: false, reasons: [reason] })
