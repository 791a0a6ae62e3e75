/**
 * Keys in the order of the times at which something ends: a heap, and the place of each key in it, so that a key whose
 * end moves, again and again, has one place all the while. Plain and synchronous.
 *
 * @since 0.1.0
 */
import type { Octets } from "./Octets.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface End {
  readonly key: Octets
  /** Milliseconds, on whichever clock. */
  readonly time: number
}

/**
 * @since 0.1.0
 * @category models
 */
export class Ends {
  /** None is earlier than the one at half its place. */
  readonly #heap: Array<End> = []
  readonly #places = new Map<Octets, number>()

  get size(): number {
    return this.#heap.length
  }

  /** One of the earliest. */
  get first(): End | undefined {
    return this.#heap[0]
  }

  /** The earliest, if it is no later than `until`; it is in here no longer. */
  take(until: number): End | undefined {
    const { first } = this
    if (first === undefined || first.time > until) return undefined
    this.delete(first.key)
    return first
  }

  /** A key has one end: this one from now on. */
  set(key: Octets, time: number): void {
    this.#settle(this.#places.get(key) ?? this.#heap.length, { key, time })
  }

  delete(key: Octets): void {
    const place = this.#places.get(key)
    if (place === undefined) return
    this.#places.delete(key)
    const last = this.#heap.pop()
    if (last !== undefined && last.key !== key) this.#settle(place, last)
  }

  /** Puts it where it belongs, from a place that is free for it. */
  #settle(place: number, end: End): void {
    let at = place
    for (; at > 0;) {
      const above = (at - 1) >> 1
      const parent = this.#heap[above]
      if (parent === undefined || parent.time <= end.time) break
      this.#put(at, parent)
      at = above
    }
    for (;;) {
      const [left, right] = [this.#heap[2 * at + 1], this.#heap[2 * at + 2]]
      const [child, below] =
        right !== undefined && left !== undefined && right.time < left.time ? [right, 2 * at + 2] : [left, 2 * at + 1]
      if (child === undefined || child.time >= end.time) break
      this.#put(at, child)
      at = below
    }
    this.#put(at, end)
  }

  #put(place: number, end: End): void {
    this.#heap[place] = end
    this.#places.set(end.key, place)
  }
}
