/**
 * What of one peer is under way: long frames that were taken for sending and are not known to be read. A transport
 * bounds the messages that wait in it, however long they are; this bounds their octets. Who reads proves it, and gets
 * more; who does not has what one window holds, and no more.
 *
 * Proofs:
 *
 * - the answer to a fence. To one of ours that is a section which is said back, see Trailer; to a server of version 1 a
 *   PING, which it answers in order, so that PONGs are told apart by the order of PINGs: those of the machine prove as much.
 * - an echo: what is new to it a client of version 1 says back. It costs the same octets.
 * - memory: a frame that nobody holds in this process has left it. Others may hold the same one for long, so now and then
 *   one is copied for this peer alone.
 *
 * A peer of version 1 that has nothing of that to show, as memory may be looked through late, gets a frame now and then
 * from {@link Pool.trickle}.
 *
 * @since 0.1.0
 */
import type { Charge, Pool } from "./FlightPool.ts"
import { isLong } from "./FlightPool.ts"
import * as Message from "./Message.ts"
import type { Octets } from "./Octets.ts"
import * as Trailer from "./Trailer.ts"

/**
 * How a peer can be asked whether it has read: by sections, by PINGs, not at all.
 *
 * @since 0.1.0
 * @category models
 */
export type Means = "sections" | "pings" | "none"

/**
 * Octets under way to one peer at most, beside one frame.
 *
 * @since 0.1.0
 * @category limits
 */
export const most: { readonly [means in Means]: number } = { sections: 2 ** 24, pings: 2 ** 24, none: 2 ** 26 }

/** Fences that are remembered, and copies. Only the last one needs an answer. */
const mostFences = 8

/** PINGs in a row: whose they are, and the number of the last long frame before them. */
interface Pings {
  readonly fence: boolean
  readonly upTo: number
  count: number
}

/** The number of a long frame that was copied for this peer. */
interface Copy {
  readonly charge: Charge
  readonly upTo: number
}

/** What is read by then, says who says this back. */
interface Fence {
  readonly token: Octets
  readonly upTo: number
}

/**
 * @since 0.1.0
 * @category models
 */
export class Flight {
  /** Who is told that there is room, or something to be said. */
  reader: { wake(): void } | undefined
  readonly #pool: Pool
  readonly #carrier: Message.Trailable
  #means: () => Means
  readonly #token: () => Octets
  #charges: Array<Charge | undefined> = []
  #head = 0
  /** Long frames that were ever taken, and those that are not under way any more: the oldest. */
  #taken = 0
  #octets = 0
  /** Octets since the last fence. */
  #unfenced = 0
  #asks = false
  #fences: Array<Fence> = []
  #pings: Array<Pings> = []
  #copies: Array<Copy> = []
  #hasProved = false
  #answer: Octets | undefined
  #isFull = false

  /** Fences are behind the `carrier`, and `token` makes what they say: nobody can guess it. */
  constructor(pool: Pool, carrier: Message.Trailable, means: () => Means, token: () => Octets) {
    this.#pool = pool
    this.#carrier = carrier
    this.#means = means
    this.#token = token
  }

  /** Somebody else is at the other end of the connection, or has another way to show what it has read. */
  set means(means: () => Means) {
    this.#means = means
  }

  get octets(): number {
    return this.#octets
  }

  /** It has shown before that it reads. */
  get hasProved(): boolean {
    return this.#hasProved
  }

  /** It waits for proof, and has nothing of its own to ask for it. */
  get isHelpless(): boolean {
    return this.#isFull && this.#means() !== "sections"
  }

  /** Replies may overtake what waits: nobody takes them for proof that it was read. */
  get overtakes(): boolean {
    return this.#means() === "none"
  }

  /** Octets that may still be taken, none where it is negative or 0. There is always room for one frame. */
  get room(): number {
    return this.#octets === 0 ? Math.max(1, this.#most) : this.#most - this.#octets
  }

  get #most(): number {
    return this.#pool.share(most[this.#means()])
  }

  /** Something waits, and there is no room or there is. Says whether that is news. */
  note(full: boolean): boolean {
    const news = full && !this.#isFull
    this.#isFull = full
    if (full) this.#pool.waiting.add(this)
    else this.#pool.waiting.delete(this)
    return news
  }

  /** The frames as they go out: with what the peer has asked ahead of them, and a fence behind them. */
  dispatch(frames: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> {
    const taken = frames.map((frame) => this.#take(frame))
    const fence = this.#fence()
    const answer = this.#answer
    if (fence === undefined && answer === undefined) return taken
    this.#answer = undefined
    return [
      ...(answer === undefined ? [] : [this.#carry({ tag: Trailer.tags.fenced, body: answer })]),
      ...taken,
      ...(fence === undefined ? [] : [fence])
    ]
  }

  #take(frame: Uint8Array): Uint8Array {
    if (isLong(frame)) return this.#hold(frame)
    if (frame[Message.idAt] === Message.ids.hello) this.greet()
    else if (
      frame[Message.idAt] === Message.ids.ping &&
      this.#means() === "pings" &&
      Message.cargoOf(frame) === undefined
    )
      this.#ping(false)
    return frame
  }

  #hold(frame: Uint8Array): Uint8Array {
    const means = this.#means()
    this.#unfenced += frame.length
    const copied = means === "none" && this.#unfenced >= this.#most / 4
    const held = copied ? Buffer.from(frame) : frame
    const charge = this.#pool.take(held, means === "none")
    this.#charges.push(charge)
    this.#taken += 1
    this.#octets += charge.octets
    if (copied) {
      this.#unfenced = 0
      if (this.#copies.length === mostFences) this.#copies.shift()
      this.#copies.push({ charge, upTo: this.#taken })
    }
    return held
  }

  #ping(fence: boolean): void {
    const last = this.#pings.at(-1)
    if (last?.fence === fence && last.upTo === this.#taken) last.count += 1
    else this.#pings.push({ fence, upTo: this.#taken, count: 1 })
  }

  #fence(): Uint8Array | undefined {
    const means = this.#means()
    if (this.#unfenced === 0 || this.#octets === 0 || means === "none") return undefined
    const awaited = means === "sections" ? this.#fences.length > 0 : this.#pings.some(({ fence }) => fence)
    if (awaited && !this.#asks && this.#unfenced < this.#most / 4) return undefined
    this.#unfenced = 0
    this.#asks = false
    if (means === "pings") {
      this.#ping(true)
      return Message.encode(Message.ping)
    }
    const token = this.#token()
    if (this.#fences.length === mostFences) this.#fences.shift()
    this.#fences.push({ token, upTo: this.#taken })
    return this.#carry({ tag: Trailer.tags.fence, body: token })
  }

  #carry(section: Trailer.Section): Uint8Array {
    return Message.encode({ ...this.#carrier, trailer: Trailer.make(section) })
  }

  /** A HELLO: what was asked before may have been said to somebody who did not know how to answer. */
  greet(): void {
    this.#unfenced = this.#octets
    this.#asks = true
  }

  /** The peer asks whether we have read so far. Only the last such question is answered. */
  ask(token: Octets): void {
    this.#answer = token
  }

  /** The peer says back what a fence said. */
  fenced(token: Octets): void {
    const index = this.#fences.findIndex((fence) => fence.token === token)
    const fence = this.#fences[index]
    if (fence === undefined) return
    this.#fences.splice(0, index + 1)
    this.#free(fence.upTo)
  }

  /** A PONG that carries nothing. Says whether it answers a PING that nobody knows of but this. */
  pong(): boolean {
    const first = this.#pings[0]
    if (first === undefined) return false
    first.count -= 1
    if (first.count === 0) this.#pings.shift()
    this.#free(first.upTo)
    return first.fence
  }

  /** A frame came. Where it is an echo of one that is under way, that was read, and all before it. */
  echo(frame: Uint8Array): void {
    if (!isLong(frame) || this.#octets === 0 || this.#means() !== "none") return
    for (let at = this.#head; at < this.#charges.length; at++) {
      if (this.#charges[at]?.isEcho(frame) === true) return this.#prove(this.#freed + at - this.#head + 1)
    }
  }

  /** Frees what was read, because a copy behind it is not in memory any more. Says whether that is anything. */
  sweep(): boolean {
    const before = this.#octets
    for (let gone = this.#copies.length; gone > 0; gone--) {
      const copy = this.#copies[gone - 1]
      if (copy?.charge.isGone !== true) continue
      this.#copies.splice(0, gone)
      this.#prove(copy.upTo)
      break
    }
    return this.#octets < before
  }

  /** Lets the oldest frame pass for read, and gives its octets. The pool goes on to count it. */
  pass(): number {
    const charge = this.#charges[this.#head]
    if (charge === undefined) return 0
    this.#pool.lose(charge)
    this.#drop(charge)
    return charge.octets
  }

  /** The connection has ended, and all that was under way with it. */
  clear(): void {
    this.#free(this.#taken)
    this.#fences = []
    this.#pings = []
    this.#copies = []
    this.#hasProved = false
    this.#unfenced = 0
    this.#asks = false
    this.#answer = undefined
    this.note(false)
  }

  #prove(upTo: number): void {
    this.#hasProved = true
    this.#free(upTo)
  }

  get #freed(): number {
    return this.#taken - (this.#charges.length - this.#head)
  }

  #free(upTo: number): void {
    while (this.#freed < upTo) {
      const charge = this.#charges[this.#head]
      if (charge === undefined) return
      this.#pool.give(charge)
      this.#drop(charge)
    }
  }

  #drop(charge: Charge): void {
    this.#octets -= charge.octets
    this.#charges[this.#head] = undefined
    this.#head += 1
    if (this.#head === this.#charges.length) {
      this.#charges = []
      this.#head = 0
    } else if (this.#head >= 1024 && this.#head * 2 > this.#charges.length) {
      this.#charges = this.#charges.slice(this.#head)
      this.#head = 0
    }
  }
}
