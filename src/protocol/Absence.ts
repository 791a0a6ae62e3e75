/**
 * Whether a node was away from its network for so long that what it holds may have been deleted there and forgotten:
 * then it takes the network's word for it, save for what it has set itself, or learnt since.
 *
 * Who has been there all the time is one that has been up since before the other went away, or that agreed with such a
 * one since. Nobody else's word counts: a network that was down as a whole, and starts again from its disks, keeps what
 * it has, and so it does when a new node joins.
 *
 * Times are those of day, in milliseconds.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 * @category models
 */
export class Absence {
  /** When we heard of the network last, as long as we do not know that we are back. */
  #apart: number | undefined
  #heardAt: number | undefined
  #since: number

  /** `apart`: when this node, which starts now, heard of the network last, if it did before. */
  constructor(now: number, apart: number | undefined) {
    this.#since = now
    this.#heardAt = apart
  }

  /** Since when we have been there: not for long, where we are about to come back after more than `retention`. */
  sinceAt(now: number, retention: number): number {
    return this.#heardAt !== undefined && now - this.#heardAt > retention ? now : this.#since
  }

  /** Whether we do not know yet that we are back. */
  get isAway(): boolean {
    return this.#apart !== undefined
  }

  /** A node of ours is heard, after which nothing may be older than `retention`. */
  hear(now: number, retention: number): void {
    if (this.#heardAt !== undefined && now - this.#heardAt > retention) {
      this.#apart ??= this.#heardAt
      this.#since = now
    }
    this.#heardAt = now
  }

  /**
   * Where the word of a node counts that has been there `since`: the time up to which what we have is to be forgotten
   * if that node does not have it.
   */
  doubtedUpTo(since: number): number | undefined {
    return this.#apart !== undefined && since <= this.#apart ? this.#apart : undefined
  }

  /** We hold the same as a node that has been there `since`. */
  agree(since: number): void {
    if (this.#apart !== undefined && since > this.#apart) return
    this.#apart = undefined
    this.#since = Math.min(this.#since, since)
  }
}
