/** One connection: two lanes of frames, each in order, that end when the connection does. */
import type { Timeline } from "./Timeline.ts"

/** One of the two who are connected. */
export interface End {
  receive(frames: ReadonlyArray<Uint8Array>): void
  /** There is room again for what is to be sent. */
  roomy(): void
  /** The connection is over. */
  ended(): void
}

/** One direction of a link, over all its connections. */
export interface Way {
  /** Nothing gets through. */
  isStalled(): boolean
  latency(): number
  /** Tells of a frame that arrives, and of how many are lost. */
  arrives(frame: Uint8Array, sentAt: number): void
  loses(count: number): void
  /** Gives what arrives in its place, or nothing where it does not. */
  carry(frame: Uint8Array): Uint8Array | undefined
  /** What is said to a frame that has arrived, besides what its reader says. */
  answer(frame: Uint8Array): Uint8Array | undefined
}

/** Frames that are under way; more wait with their sender. */
const capacity = 16

/** One direction of one connection. */
export class Lane {
  readonly #timeline: Timeline
  readonly #way: Way
  #queue: Array<{ readonly frame: Uint8Array; readonly sentAt: number; readonly due: number }> = []
  #last = 0
  #armed = false
  #closing = false
  #done = false
  source: End | undefined
  target: End | undefined
  opposite: Lane | undefined

  constructor(timeline: Timeline, way: Way) {
    this.#timeline = timeline
    this.#way = way
  }

  get room(): number {
    return this.#closing ? 0 : Math.max(0, capacity - this.#queue.length)
  }

  get isDone(): boolean {
    return this.#done
  }

  push(frame: Uint8Array): void {
    if (this.#closing) return
    const { now } = this.#timeline
    this.#last = Math.max(this.#last, now + this.#way.latency())
    this.#queue.push({ frame, sentAt: now, due: this.#last })
    this.arm()
  }

  /** Goes on, if it can. */
  arm(): void {
    const next = this.#queue[0]
    if (this.#armed || this.#done || this.#way.isStalled() || (next === undefined && !this.#closing)) return
    this.#armed = true
    this.#timeline.at(next?.due ?? this.#last, () => this.#deliver())
  }

  /** Nothing more is taken. Who is at the other end hears of it behind what is under way, if that is not lost. */
  end(loses: boolean): void {
    if (this.#closing) return
    if (loses && this.#queue.length > 0) {
      this.#way.loses(this.#queue.length)
      this.#queue = []
    }
    this.#closing = true
    this.#last = Math.max(loses ? 0 : this.#last, this.#timeline.now + this.#way.latency())
    this.arm()
  }

  #deliver(): void {
    this.#armed = false
    if (this.#way.isStalled()) return
    const frames: Array<Uint8Array> = []
    let due = 0
    for (let next = this.#queue[0]; next !== undefined && next.due <= this.#timeline.now; next = this.#queue[0]) {
      this.#queue.shift()
      due = next.due
      const frame = this.#way.carry(next.frame)
      if (frame === undefined) continue
      this.#way.arrives(frame, next.sentAt)
      frames.push(frame)
    }
    if (frames.length > 0) this.target?.receive(frames)
    for (const frame of frames) {
      const answer = this.#way.answer(frame)
      if (answer !== undefined) this.opposite?.push(answer)
    }
    if (due > 0 && !this.#closing) this.source?.roomy()
    if (this.#closing && this.#queue.length === 0 && this.#last <= this.#timeline.now) {
      this.#done = true
      this.target?.ended()
    } else this.arm()
  }
}

export class Wire {
  readonly there: Lane
  readonly back: Lane

  constructor(timeline: Timeline, there: Way, back: Way) {
    this.there = new Lane(timeline, there)
    this.back = new Lane(timeline, back)
    this.there.opposite = this.back
    this.back.opposite = this.there
  }

  /** `client` connected, `server` was connected to. */
  join(client: End, server: End): void {
    this.there.source = this.back.target = client
    this.there.target = this.back.source = server
  }

  end(loses: boolean): void {
    this.there.end(loses)
    this.back.end(loses)
  }

  /** Both ends have heard that it is over. */
  get isDone(): boolean {
    return this.there.isDone && this.back.isDone
  }
}
