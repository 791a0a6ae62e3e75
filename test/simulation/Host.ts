/** Machines, and what runs on them. */
import type { NodeSpec } from "./Scenario.ts"
import type { Timeline } from "./Timeline.ts"
import type { End, Wire } from "./Wire.ts"

/** What a node does, whoever made it. */
export interface Node {
  /** Somebody connects. */
  accept(wire: Wire): End
  /** False where it does not hold afterwards what was published. */
  publish(key: string, value: string, lifetime?: number): boolean
  /** Deletes a key; nodes of version 1 cannot. */
  delete(key: string): void
  /** The process is gone at once. */
  kill(): void
  /** It goes on after a pause. */
  wake(): void
  /** What it holds, key by key. */
  held(): ReadonlyMap<string, string>
  /** What is not as it should be in a network where all is well. */
  complaints(): ReadonlyArray<string>
}

/** When the runs begin. */
export const epoch = 1_750_000_000_000

/** A machine has clocks, which go on while its node is away. */
export class Host {
  readonly index: number
  readonly name: string
  readonly spec: NodeSpec
  readonly timeline: Timeline
  /** Undefined while it is away. */
  node: Node | undefined
  /** What its time of day is wrong by. */
  skew: number
  /** How often it was started. */
  starts = 0
  /** When its clock was set, or it was paused or went on, last. */
  disturbedAt = Number.NEGATIVE_INFINITY
  #pauses = 0
  #slept = 0
  #asleep: { readonly since: number; count: number } | undefined
  /** What waits until the pause is over. */
  #later: Array<() => void> = []

  constructor(index: number, name: string, spec: NodeSpec, timeline: Timeline) {
    this.index = index
    this.name = name
    this.spec = spec
    this.timeline = timeline
    this.skew = spec.skew
  }

  get isPaused(): boolean {
    return this.#pauses > 0
  }

  monotonic(): number {
    return (this.#asleep?.since ?? this.timeline.now) - this.#slept
  }

  timeOfDay(): number {
    return epoch + this.timeline.now + this.skew
  }

  /** When the monotonic clock says so, as far as can be told. */
  whenMonotonic(due: number): number {
    return due + this.#slept
  }

  setClock(by: number): void {
    this.skew += by
    this.disturbedAt = this.timeline.now
  }

  pause(sleeps: boolean): void {
    this.disturbedAt = this.timeline.now
    this.#pauses += 1
    if (!sleeps) return
    this.#asleep ??= { since: this.timeline.now, count: 0 }
    this.#asleep.count += 1
  }

  resume(sleeps: boolean): void {
    this.disturbedAt = this.timeline.now
    this.#pauses -= 1
    if (sleeps && this.#asleep !== undefined && --this.#asleep.count === 0) {
      this.#slept += this.timeline.now - this.#asleep.since
      this.#asleep = undefined
    }
    if (this.isPaused) return
    for (const run of this.#later.splice(0)) run()
    this.node?.wake()
  }

  /** Now, or when it is awake. */
  awake(run: () => void): void {
    if (this.isPaused) this.#later.push(run)
    else run()
  }
}
