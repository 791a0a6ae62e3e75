/** A link of the scenario, over all connections that are made there, and who makes them. */
import { Dice } from "./Dice.ts"
import type { Host } from "./Host.ts"
import type { LinkSpec } from "./Scenario.ts"
import type { Timeline } from "./Timeline.ts"
import { type End, type Way, Wire } from "./Wire.ts"

/** Who is told what the wire carries. */
export interface Tap {
  arrives(from: Host, to: Host, frame: Uint8Array, sentAt: number): void
  loses(from: Host, to: Host, count: number): void
  links(from: Host, to: Host, isUp: boolean): void
  /** Gives what arrives in the place of a frame, or nothing where it does not. */
  carry(from: Host, to: Host, frame: Uint8Array): Uint8Array | undefined
  /** What is said to a frame that has arrived, besides what its reader says. */
  answer(from: Host, to: Host, frame: Uint8Array): Uint8Array | undefined
}

class OneWay implements Way {
  stalls = 0
  readonly #route: Route
  readonly #from: Host
  readonly #to: Host

  constructor(route: Route, from: Host, to: Host) {
    this.#route = route
    this.#from = from
    this.#to = to
  }

  isStalled(): boolean {
    return this.stalls > 0 || this.#to.isPaused
  }

  latency(): number {
    return this.#route.latency()
  }

  arrives(frame: Uint8Array, sentAt: number): void {
    this.#route.tap.arrives(this.#from, this.#to, frame, sentAt)
  }

  loses(count: number): void {
    this.#route.tap.loses(this.#from, this.#to, count)
  }

  carry(frame: Uint8Array): Uint8Array | undefined {
    return this.#route.tap.carry(this.#from, this.#to, frame)
  }

  answer(frame: Uint8Array): Uint8Array | undefined {
    return this.#route.tap.answer(this.#from, this.#to, frame)
  }
}

export class Route {
  readonly from: Host
  readonly to: Host
  readonly there: OneWay
  readonly back: OneWay
  readonly timeline: Timeline
  readonly tap: Tap
  readonly dice: Dice
  /** How many faults keep anybody from connecting. */
  severed = 0
  /** What messages take more than usual. */
  extra = 0
  /** The connections of which somebody may still hear. */
  wires: Array<Wire> = []
  readonly #spec: LinkSpec

  constructor(spec: LinkSpec, from: Host, to: Host, timeline: Timeline, tap: Tap, seed: number) {
    this.#spec = spec
    this.from = from
    this.to = to
    this.timeline = timeline
    this.tap = tap
    this.dice = new Dice(seed, 2, from.index, to.index)
    this.there = new OneWay(this, from, to)
    this.back = new OneWay(this, to, from)
  }

  latency(): number {
    return this.extra + this.dice.between(...this.#spec.latency)
  }

  /** A connection, if there is somebody to take it. */
  open(client: End): Wire | undefined {
    const server = this.to.node
    if (this.severed > 0 || server === undefined) return undefined
    const wire = new Wire(this.timeline, this.there, this.back)
    wire.join(client, server.accept(wire))
    this.wires = [...this.wires.filter(({ isDone }) => !isDone), wire]
    this.tap.links(this.from, this.to, true)
    return wire
  }

  cut(loses: boolean): void {
    const wire = this.wires.at(-1)
    if (wire === undefined) return
    this.tap.links(this.from, this.to, false)
    wire.end(loses)
  }

  /** What waited because of a stall or a pause goes on. */
  resume(): void {
    for (const { back, there } of this.wires) {
      there.arm()
      back.arm()
    }
  }
}

/** In ms: how long a connection may take, and how often it is looked whether it can be made. */
const [handshakeTimeout, look] = [5000, 50]
/** What was up for longer than this, in ms, was well. */
const healthy = 2000

/** When to try again, after so many attempts, or after a connection that was well. */
export interface Patience {
  readonly after: (tries: number, dice: Dice) => number
  readonly afterHealthy: number
}

/** Connects, and connects again. */
export class Dialer implements End {
  wire: Wire | undefined
  readonly route: Route
  readonly #owner: { up(): void; down(): void; receive(frames: ReadonlyArray<Uint8Array>): void; roomy(): void }
  readonly #patience: Patience
  #tries = 0
  #upAt = 0
  #stopped = false

  constructor(
    route: Route,
    patience: Patience,
    owner: { up(): void; down(): void; receive(frames: ReadonlyArray<Uint8Array>): void; roomy(): void }
  ) {
    this.route = route
    this.#patience = patience
    this.#owner = owner
  }

  dial(): void {
    const { route } = this
    route.timeline.after(2 * route.latency(), () => this.#attempt(route.timeline.now + handshakeTimeout))
  }

  stop(): void {
    this.#stopped = true
  }

  /** Ends the connection from this side. */
  giveUp(): void {
    if (this.wire === undefined) return
    this.wire.end(true)
    this.#lost()
  }

  receive(frames: ReadonlyArray<Uint8Array>): void {
    if (!this.#stopped && this.wire !== undefined) this.#owner.receive(frames)
  }

  roomy(): void {
    if (!this.#stopped && this.wire !== undefined) this.#owner.roomy()
  }

  ended(): void {
    if (!this.#stopped && this.wire !== undefined) this.#lost()
  }

  #attempt(deadline: number): void {
    const { route } = this
    if (this.#stopped) return
    const waits = route.from.isPaused || route.there.isStalled() || route.back.isStalled()
    if (waits && (route.from.isPaused || route.timeline.now < deadline)) {
      return route.timeline.after(look, () => this.#attempt(deadline))
    }
    // Of an earlier one nothing is to be heard any more.
    const client: End = {
      receive: (frames) => this.wire === wire && this.receive(frames),
      roomy: () => this.wire === wire && this.roomy(),
      ended: () => this.wire === wire && this.ended()
    }
    const wire = waits ? undefined : route.open(client)
    if (wire === undefined) return this.#again(this.#patience.after(this.#tries++, route.dice))
    this.wire = wire
    this.#upAt = route.timeline.now
    this.#owner.up()
  }

  #lost(): void {
    const { route } = this
    this.wire = undefined
    this.#owner.down()
    const wasHealthy = route.timeline.now - this.#upAt > healthy
    if (wasHealthy) this.#tries = 0
    this.#again(wasHealthy ? this.#patience.afterHealthy : this.#patience.after(this.#tries++, route.dice))
  }

  #again(time: number): void {
    this.route.timeline.after(time, () => this.dial())
  }
}
