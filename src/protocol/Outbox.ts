/**
 * What one reader has still to be given: a peer its frames, a subscriber its tuples. It never holds more than its
 * bounds and one key for each tuple of the map, however slow the reader, and it loses no tuple for good:
 *
 * - a queue, in order, up to `maxItems` items and `maxSize` octets;
 * - behind it the keys that found the queue full, each once, a changed one last. Their values are looked up when their
 *   turn comes, so the reader gets the newest and skips those in between.
 *
 * A reader that keeps up sees every change in order; one that does not sees a part of them, in order, and the last one
 * of every key.
 *
 * One side puts, one side takes; both are synchronous.
 *
 * @since 0.1.0
 */
import type { Octets } from "./Octets.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** How many items the queue holds; replies (see {@link Outbox.push}) may take as many again. */
  readonly maxItems: number
  /** How many octets the items in the queue may have; one item is always taken. */
  readonly maxSize: number
}

/**
 * @since 0.1.0
 * @category limits
 */
export const defaultLimits: Limits = { maxItems: 1000, maxSize: 1 << 20 }

/** An item that answers, and is never skipped. */
class Reply<A> {
  readonly item: A

  constructor(item: A) {
    this.item = item
  }
}

/** Items that are made when their turn comes. */
class Source<A> {
  readonly items: Iterator<A, void>

  constructor(items: Iterator<A, void>) {
    this.items = items
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export class Outbox<A> {
  #queue: Array<A | Reply<A> | Source<A> | undefined> = []
  #head = 0
  #size = 0
  #sources = 0
  /** Insertion order is sending order. */
  readonly #late = new Set<Octets>()
  /** One for as long as there are any: a new one would have to step over all that were deleted. */
  #lateKeys: Iterator<Octets> | undefined
  readonly #current: (key: Octets) => A | undefined
  readonly #sizeOf: (item: A) => number
  readonly #limits: Limits

  /**
   * `current` gives the newest item of a key, or nothing where there is none any more; `sizeOf` the octets of an item.
   */
  constructor(current: (key: Octets) => A | undefined, sizeOf: (item: A) => number, limits: Limits = defaultLimits) {
    this.#current = current
    this.#sizeOf = sizeOf
    this.#limits = limits
  }

  get isEmpty(): boolean {
    return this.#items === 0 && this.#late.size === 0
  }

  /** Keys that wait behind the queue: what is put now overtakes them. */
  get late(): number {
    return this.#late.size
  }

  /** How many {@link pour}s are not at their end. */
  get sources(): number {
    return this.#sources
  }

  get hasRoom(): boolean {
    return this.#items < this.#limits.maxItems && this.#size < this.#limits.maxSize
  }

  /** Whether {@link push} would take a reply. */
  get takesReplies(): boolean {
    return this.#items < 2 * this.#limits.maxItems
  }

  get #items(): number {
    return this.#queue.length - this.#head
  }

  /** Puts the news of a key. */
  put(key: Octets, item: A): void {
    if (this.#late.size === 0 && this.hasRoom) {
      this.#append(item)
    } else {
      this.#late.delete(key)
      this.#late.add(key)
    }
  }

  /** Puts a reply. False where a reader that asks and never reads has filled even the room kept for replies. */
  push(item: A): boolean {
    if (!this.takesReplies) return false
    this.#queue.push(new Reply(item))
    this.#size += this.#sizeOf(item)
    return true
  }

  /** Puts items that are made while they are taken. The caller bounds how many of these wait. */
  pour(items: Iterator<A, void>): void {
    this.#queue.push(new Source(items))
    this.#sources += 1
  }

  /** Drops what waits, save replies. */
  forget(): void {
    const replies = this.#queue.slice(this.#head).filter((item) => item instanceof Reply)
    this.clear()
    this.#queue = replies
    for (const { item } of replies) this.#size += this.#sizeOf(item)
  }

  clear(): void {
    this.#queue = []
    this.#head = 0
    this.#size = 0
    this.#sources = 0
    this.#late.clear()
    this.#lateKeys = undefined
  }

  /** Takes up to `maxItems` items, and no more once they have `maxSize` octets. */
  take(maxItems: number, maxSize: number): Array<A> {
    const taken: Array<A> = []
    let size = 0
    while (taken.length < maxItems && size < maxSize && !this.isEmpty) {
      const item = this.#items > 0 ? this.#takeQueued() : this.#takeLate()
      if (item === undefined) continue
      taken.push(item)
      size += this.#sizeOf(item)
    }
    return taken
  }

  #append(item: A): void {
    this.#queue.push(item)
    this.#size += this.#sizeOf(item)
  }

  #takeQueued(): A | undefined {
    const item = this.#queue[this.#head]
    if (item instanceof Source) {
      const next = item.items.next()
      if (next.done !== true) return next.value
      this.#sources -= 1
      this.#advance()
      return undefined
    }
    this.#advance()
    const taken = item instanceof Reply ? item.item : item
    if (taken !== undefined) this.#size -= this.#sizeOf(taken)
    return taken
  }

  #takeLate(): A | undefined {
    this.#lateKeys ??= this.#late.values()
    const { done, value } = this.#lateKeys.next()
    if (done === true) {
      this.#lateKeys = undefined
      return undefined
    }
    this.#late.delete(value)
    return this.#current(value)
  }

  /** Moves on. The room in the queue is given back now and then, the item at once. */
  #advance(): void {
    this.#queue[this.#head] = undefined
    this.#head += 1
    if (this.#head === this.#queue.length) {
      this.#queue = []
      this.#head = 0
    } else if (this.#head >= 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
  }
}
