/**
 * The moving parts of the in-memory network: pipes that carry frames one way and links that delay or hold them. Plain
 * mutable structures without an Effect per frame: a network of 200 nodes has to run in a test. Who may talk to whom is
 * decided in `MemoryFabric`, what it means in `MemoryTransport`.
 *
 * @since 0.1.0
 */
import * as Message from "../protocol/Message.ts"
import { Waiter } from "./MemoryInbox.ts"
import type { Timeline } from "./MemoryTimeline.ts"

/**
 * The reading end of a pipe: `frame` for every arrival in order, then `end` exactly once, unless the reader itself
 * discarded the pipe.
 *
 * @since 0.1.0
 * @category internals
 */
export interface Sink {
  readonly frame: (frame: Uint8Array, pipe: Pipe) => void
  readonly end: () => void
}

/**
 * What happened to frames so far: every `sent` one is delivered, dropped (a cut, or a reader that left) or under way.
 *
 * @since 0.1.0
 * @category internals
 */
export interface Traffic {
  sent: number
  delivered: number
  dropped: number
}

/**
 * What all pipes of one network share.
 *
 * @since 0.1.0
 * @category internals
 */
export interface Medium {
  readonly timeline: Timeline
  readonly traffic: Traffic
  /** Frames that a pipe holds, under way and unread together, before a writer waits. */
  readonly highWaterMark: number
  readonly onFrame: ((from: string, to: string, frame: Uint8Array) => void) | undefined
}

/** The last thing in a pipe whose writer left. */
const end = Symbol("end")

interface Transit {
  readonly item: Uint8Array | typeof end
  readonly due: number
  readonly order: number
}

/**
 * One direction of one connection: bounded, in order. It holds its frames until `open` names link and reader, which
 * is how an inproc connection waits for a bind that comes later.
 *
 * @since 0.1.0
 * @category internals
 */
export class Pipe {
  /** Where the writer waits while the pipe is full. */
  readonly writer = new Waiter()
  private readonly medium: Medium
  private link: Link | undefined = undefined
  private sink: Sink | undefined = undefined
  private flight: Array<Transit> = []
  private head = 0
  private lastDue = 0
  private occupied = 0
  private scheduled = false
  private discarded = false

  constructor(medium: Medium) {
    this.medium = medium
  }

  get full(): boolean {
    return this.occupied >= this.medium.highWaterMark
  }

  open(link: Link, sink: Sink): void {
    this.link = link
    this.sink = sink
    link.pipes.add(this)
    this.release()
  }

  /** Takes messages from `offset` on while there is room, and gives the offset of the first one not taken. */
  write(messages: ReadonlyArray<Uint8Array>, offset: number): number {
    let index = offset
    for (let frame = messages[index]; frame !== undefined && !this.full; frame = messages[++index]) {
      this.medium.traffic.sent++
      this.occupied++
      if (this.discarded) this.medium.traffic.dropped++
      else this.depart(frame)
    }
    return index
  }

  /** The writer leaves: the reader's `end` follows the last frame. */
  end(): void {
    if (!this.discarded) this.depart(end)
  }

  /**
   * The reader leaves: what is under way is lost, and so is what the writer still sends. It makes no room any more, so
   * that a writer who waits does so until it learns that the connection ended.
   */
  discard(): void {
    if (this.discarded) return
    this.discarded = true
    this.link?.pipes.delete(this)
    for (; this.head < this.flight.length; this.head++) {
      if (this.flight[this.head]?.item !== end) this.medium.traffic.dropped++
    }
    this.flight = []
    this.head = 0
  }

  /** The pipe ends here: what is under way is lost, and the reader learns at once. */
  cut(): void {
    if (this.discarded) return
    this.discard()
    this.sink?.end()
  }

  /** The reader took one frame. */
  read(): void {
    if (this.discarded) return
    this.occupied--
    this.writer.wake()
  }

  /** Lets arrive what is due, and schedules the rest. */
  release(): void {
    const now = this.medium.timeline.now()
    for (let next = this.flight[this.head]; next !== undefined && next.due <= now; next = this.flight[this.head]) {
      if (!this.advance()) return
    }
    this.schedule()
  }

  /** The timeline has come to the first frame under way. */
  private readonly arrived = (): void => {
    this.scheduled = false
    if (this.advance()) this.schedule()
  }

  private depart(item: Uint8Array | typeof end): void {
    const { timeline } = this.medium
    const idle = this.head === this.flight.length
    const delay = this.link?.delay() ?? 0
    if (idle && delay === 0 && this.link !== undefined && !this.link.stalled) return this.arrive(item, this.link)
    // A shorter delay drawn later overtakes nothing in the same pipe.
    this.lastDue = Math.max(this.lastDue, timeline.now() + delay)
    this.flight.push({ item, due: this.lastDue, order: timeline.nextOrder() })
    this.schedule()
  }

  private schedule(): void {
    const next = this.flight[this.head]
    if (this.scheduled || next === undefined || this.link === undefined || this.link.stalled) return
    this.scheduled = true
    this.medium.timeline.add({ due: next.due, order: next.order, arrive: this.arrived })
  }

  private advance(): boolean {
    const next = this.flight[this.head]
    if (next === undefined || this.link === undefined || this.link.stalled) return false
    this.head++
    if (this.head === this.flight.length) {
      this.flight = []
      this.head = 0
    } else if (this.head === 1024) {
      this.flight.splice(0, this.head)
      this.head = 0
    }
    this.arrive(next.item, this.link)
    return true
  }

  private arrive(item: Uint8Array | typeof end, link: Link): void {
    if (item === end) {
      this.cut()
    } else {
      this.medium.traffic.delivered++
      link.count(item)
      this.medium.onFrame?.(link.from, link.to, item)
      this.sink?.frame(item, this)
    }
  }
}

/**
 * The way from one host to another: what it does to every frame of every pipe on it. The way back is another link.
 *
 * @since 0.1.0
 * @category internals
 */
export class Link {
  readonly from: string
  readonly to: string
  readonly pipes = new Set<Pipe>()
  /** Connects that wait for the link to flow. */
  readonly handshakes = new Set<Waiter>()
  /** Delivered frames by message id; 0 counts what has none, {@link cargo} the PINGs and PONGs that carry something. */
  readonly counts: Array<number> = [0, 0, 0, 0, 0, 0, 0]
  /** Of all delivered frames. */
  octets = 0
  /** Milliseconds; drawn per frame where the two differ. */
  min = 0
  max = 0
  /** No connection is possible. */
  severed = false
  /** Frames wait, as on a route that swallows packets while TCP keeps trying. */
  stalled = false
  private readonly random: () => number

  constructor(from: string, to: string, random: () => number) {
    this.from = from
    this.to = to
    this.random = random
  }

  delay(): number {
    return this.min === this.max ? this.min : this.min + this.random() * (this.max - this.min)
  }

  count(frame: Uint8Array): void {
    const id = frame[2] ?? 0
    const slot = Message.cargoOf(frame) !== undefined ? cargo : id < cargo ? id : 0
    this.counts[slot] = (this.counts[slot] ?? 0) + 1
    this.octets += frame.length
  }

  /** Ends the connections of this link, at both their ends if the caller does the same with the way back. */
  cut(): void {
    for (const pipe of this.pipes) pipe.cut()
    for (const waiter of this.handshakes) waiter.wake()
  }

  resume(): void {
    if (!this.stalled) return
    this.stalled = false
    for (const pipe of this.pipes) pipe.release()
    for (const waiter of this.handshakes) waiter.wake()
  }
}

/** The place of what nodes of ours carry to each other among the message ids. */
const cargo = 6
