/**
 * Whether a machine was suspended: it stops the clock that is never set, and sets the time of day when it wakes. Then
 * that has gained on the other. So it has where somebody set it; what that costs is one needless HELLO to servers of
 * version 1.
 *
 * @since 0.1.0
 */

/** Parts of the timeout. With messages that are late, less than all of it is enough for a server to forget us. */
const parts = 10

/**
 * @since 0.1.0
 * @category models
 */
export class Sleep {
  /** What the time of day is ahead of the other clock, in milliseconds. */
  #ahead: number

  constructor(timeOfDay: number, now: number) {
    this.#ahead = timeOfDay - now
  }

  /** Since the last call, or the start; `timeout` is that of the servers. */
  hasBeen(timeOfDay: number, now: number, timeout: number): boolean {
    const before = this.#ahead
    this.#ahead = timeOfDay - now
    return this.#ahead - before > timeout / parts
  }
}
