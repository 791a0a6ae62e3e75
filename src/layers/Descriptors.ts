/**
 * File descriptors of this process. Where none is left, nobody new can connect and no connection of ours can be made;
 * those that are there go on. libzmq says nothing of it, so we do.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { closeSync, openSync } from "node:fs"
import { devNull } from "node:os"

/** How often it is looked at. A look takes some 10 us. */
const interval = "1 second"

/**
 * Takes so many descriptors and gives them back, or throws EMFILE or ENFILE.
 *
 * @since 0.1.0
 * @category descriptors
 */
export const probe = (count: number): void => {
  const spare: Array<number> = []
  try {
    while (spare.length < count) spare.push(openSync(devNull, "r"))
  } finally {
    for (const descriptor of spare) closeSync(descriptor)
  }
}

/**
 * Tells the log when none is left, and when some are free again.
 *
 * @since 0.1.0
 * @category descriptors
 */
export const watch: Effect.Effect<never> = Effect.suspend(() => {
  let exhausted = false
  const look = Effect.suspend(() => {
    const before = exhausted
    try {
      probe(1)
      exhausted = false
    } catch {
      exhausted = true
    }
    if (exhausted === before) return Effect.void
    return exhausted
      ? Effect.logWarning("no file descriptors left, nobody new can connect until some are free, see ulimit -n")
      : Effect.logInfo("file descriptors are free again")
  })
  return Effect.forever(Effect.andThen(look, Effect.sleep(interval)))
})
