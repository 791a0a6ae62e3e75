/**
 * What one reader has still to be given: a peer its frames, a subscriber its tuples. It never holds more than its
 * bounds, however slow the reader, and it loses no tuple for good:
 *
 * - a queue, in order, up to `maxItems` items and `maxSize` octets;
 * - behind it the number of the first change that found the queue full. What changed from there on is looked up when its
 *   turn comes, so the reader gets the newest value of each key and skips those in between.
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
  /** How many items the queue holds. */
  readonly maxItems: number
  /** How many it holds together with replies, see {@link Outbox.push}; twice as many unless it is said. */
  readonly maxReplies?: number
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

/** Items that are made when their turn comes; none where there is nothing to be made of them any more. */
class Source<A> {
  items: Iterator<A, void> | undefined
  readonly isDump: boolean

  constructor(items: Iterator<A, void>, isDump: boolean) {
    this.items = items
    this.isDump = isDump
  }
}

/** A change that was put while a dump was being taken, which may give a newer value of its key. */
class Change<A> {
  readonly item: A
  readonly #key: Octets
  readonly #sequence: number
  readonly #given: ReadonlyMap<Octets, number>

  constructor(item: A, key: Octets, sequence: number, given: ReadonlyMap<Octets, number>) {
    this.item = item
    this.#key = key
    this.#sequence = sequence
    this.#given = given
  }

  /** The dump has given this value, or one that is newer: to give an older one now would undo it. */
  get isGiven(): boolean {
    return (this.#given.get(this.#key) ?? 0) >= this.#sequence
  }
}

type Queued<A> = A | Reply<A> | Source<A> | Change<A>

const isDropped = (item: unknown): boolean => item instanceof Source && item.items === undefined

/**
 * @since 0.1.0
 * @category models
 */
export class Outbox<A> {
  #queue: Array<Queued<A> | undefined> = []
  #head = 0
  #size = 0
  /** How many replies are in the queue. */
  #replies = 0
  /** The dump that has not begun. What is behind it waits for it. */
  #owed: Source<A> | undefined
  #permitted = false
  /** The last dump that is not at its end, and the changes after its HELLO that it gives. */
  #dump: Source<A> | undefined
  #given: Map<Octets, number> | undefined
  /** Sources in the queue that were dropped. */
  #dropped = 0
  #taken = 0
  /** The sequence number of the first change that is not in the queue. */
  #missed: number | undefined
  readonly #since: (sequence: number) => Iterator<A, void>
  readonly #sizeOf: (item: A) => number
  readonly #limits: Limits

  /**
   * `since` gives the items of what has changed behind a sequence number, in that order, while they are taken; `sizeOf`
   * the octets of an item.
   */
  constructor(
    since: (sequence: number) => Iterator<A, void>,
    sizeOf: (item: A) => number,
    limits: Limits = defaultLimits
  ) {
    this.#since = since
    this.#sizeOf = sizeOf
    this.#limits = limits
  }

  get isEmpty(): boolean {
    return this.#items === 0 && this.#missed === undefined
  }

  /** Whether there are changes that wait behind the queue: what is pushed now overtakes them. */
  get isBehind(): boolean {
    return this.#missed !== undefined
  }

  /** How many items were ever taken. */
  get taken(): number {
    return this.#taken
  }

  /** Whether there is a dump that has not begun. */
  get owes(): boolean {
    return this.#owed !== undefined
  }

  get hasRoom(): boolean {
    return this.#items < this.#limits.maxItems && this.#size < this.#limits.maxSize
  }

  /** Whether {@link push} would take a reply. */
  get takesReplies(): boolean {
    return this.#items < (this.#limits.maxReplies ?? 2 * this.#limits.maxItems)
  }

  get #items(): number {
    return this.#queue.length - this.#head - this.#dropped
  }

  /** Puts the change of this sequence number. False where it has to wait behind the queue. */
  put(sequence: number, item: A, key: Octets): boolean {
    if (this.#missed !== undefined) {
      // One that is told again is older than what was missed.
      this.#missed = Math.min(this.#missed, sequence)
      return false
    }
    if (!this.hasRoom) {
      this.#missed = sequence
      return false
    }
    this.#queue.push(this.#given === undefined ? item : new Change(item, key, sequence, this.#given))
    this.#size += this.#sizeOf(item)
    return true
  }

  /** Puts a reply. False where a reader that asks and never reads has filled even the room kept for replies. */
  push(item: A): boolean {
    if (!this.takesReplies) return false
    this.#queue.push(new Reply(item))
    this.#replies += 1
    this.#size += this.#sizeOf(item)
    return true
  }

  /** Puts items that are made while they are taken. The caller bounds how many of these wait. */
  pour(items: Iterator<A, void>): void {
    this.#queue.push(new Source(items, false))
  }

  /**
   * Puts a dump: items that are made while they are taken, of which no more than one waits. One that has not begun is
   * dropped, for this one has all of it; one that is being taken is first taken to its end. It does not begin, and
   * nothing behind it is taken, before {@link permit}.
   *
   * `dump` makes it: it gives each key that there is now, those that change meanwhile as they are when their turn comes,
   * and says which change that was. Who reads the dump to its end has every key.
   */
  owe(dump: (changed: (key: Octets, sequence: number) => void) => Iterator<A, void>): void {
    const given = new Map<Octets, number>()
    if (this.#owed === undefined) {
      this.#permitted = false
    } else {
      this.#owed.items = undefined
      this.#dropped += 1
    }
    // Somebody who asks and does not read: what was dropped must not pile up.
    if (this.#dropped >= this.#limits.maxItems) {
      this.#queue = this.#queue.slice(this.#head).filter((item) => !isDropped(item))
      this.#head = 0
      this.#dropped = 0
    }
    this.#owed = new Source(
      dump((key, sequence) => void given.set(key, sequence)),
      true
    )
    this.#dump = this.#owed
    this.#given = given
    this.#queue.push(this.#owed)
    this.#missed = undefined
  }

  /** Lets the dump that waits begin when its turn comes, or the one that takes its place by then. */
  permit(): void {
    this.#permitted = true
  }

  /** Drops what waits, save replies. */
  forget(): void {
    const replies = this.#queue.slice(this.#head).filter((item) => item instanceof Reply)
    this.clear()
    this.#queue = replies
    this.#replies = replies.length
    for (const { item } of replies) this.#size += this.#sizeOf(item)
  }

  clear(): void {
    this.#queue = []
    this.#head = 0
    this.#size = 0
    this.#replies = 0
    this.#owed = undefined
    this.#dump = undefined
    this.#given = undefined
    this.#dropped = 0
    this.#missed = undefined
  }

  /** Takes up to `maxItems` items, and no more once they have `maxSize` octets. */
  take(maxItems: number, maxSize: number): Array<A> {
    const taken: Array<A> = []
    let size = 0
    while (taken.length < maxItems && size < maxSize && !this.isEmpty && !this.#isHeld) {
      if (this.#items === 0) this.#catchUp()
      const item = this.#takeQueued()
      if (item === undefined) continue
      taken.push(item)
      size += this.#sizeOf(item)
    }
    this.#taken += taken.length
    return taken
  }

  /**
   * Takes up to so many replies and nothing else: those ahead of everything else, or also those that wait behind
   * changes. None overtakes a dump: its reader waits for the reply to know where it ends.
   */
  takeReplies(maxItems: number, overtake: boolean): Array<A> {
    const taken: Array<A> = []
    if (this.#replies === 0) return taken
    const kept: Array<Queued<A> | undefined> = []
    let at = this.#head
    for (; at < this.#queue.length && taken.length < maxItems; at++) {
      const item = this.#queue[at]
      if (item instanceof Reply) {
        taken.push(item.item)
        this.#size -= this.#sizeOf(item.item)
      } else if (!overtake || (item instanceof Source && item.isDump && item.items !== undefined)) break
      else kept.push(item)
    }
    this.#queue = [...kept, ...this.#queue.slice(at)]
    this.#head = 0
    this.#replies -= taken.length
    this.#taken += taken.length
    return taken
  }

  get #isHeld(): boolean {
    return this.#owed !== undefined && !this.#permitted && this.#queue[this.#head] === this.#owed
  }

  #takeQueued(): A | undefined {
    const item = this.#queue[this.#head]
    if (item instanceof Source) {
      if (item === this.#owed) this.#owed = undefined
      if (item.items === undefined) {
        this.#dropped -= 1
        this.#advance()
        return undefined
      }
      const next = item.items.next()
      if (next.done !== true) return next.value
      if (item === this.#dump) {
        this.#dump = undefined
        this.#given = undefined
      }
      this.#advance()
      return undefined
    }
    this.#advance()
    if (item instanceof Reply) this.#replies -= 1
    const taken = item instanceof Reply || item instanceof Change ? item.item : item
    if (taken !== undefined) this.#size -= this.#sizeOf(taken)
    return item instanceof Change && item.isGiven ? undefined : taken
  }

  /** What was missed has its turn; what changes from now on is put behind it. */
  #catchUp(): void {
    if (this.#missed === undefined) return
    this.pour(this.#since(this.#missed - 1))
    this.#missed = undefined
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
