/**
 * When things arrive on the in-memory network.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * Something under way: due at a time in milliseconds; of two due at once the lower order arrives first.
 *
 * @since 0.1.0
 * @category internals
 */
export interface Departure {
  readonly due: number
  readonly order: number
  readonly arrive: () => void
}

/** Milliseconds below which a sleep may end early, as durations are cut to whole nanoseconds: due all the same. */
const resolution = 0.001

const before = (a: Departure, b: Departure): boolean => a.due < b.due || (a.due === b.due && a.order < b.order)

/**
 * All that is under way, by the time it is due and then by the order it was sent in, so that a seed fixes the order of
 * all deliveries. A binary heap with one entry per pipe, and one fiber that sleeps until the first is due; none while
 * nothing is under way.
 *
 * @since 0.1.0
 * @category internals
 */
export class Timeline {
  private readonly clock: Clock.Clock
  private readonly run: (loop: Effect.Effect<void>) => void
  private readonly heap: Array<Departure> = []
  private order = 0
  private armed = Infinity

  /** `run` starts the sleeping fiber in place of the one before, and owns it. */
  constructor(clock: Clock.Clock, run: (loop: Effect.Effect<void>) => void) {
    this.clock = clock
    this.run = run
  }

  /** Milliseconds of the network's clock. */
  now(): number {
    return this.clock.currentTimeMillisUnsafe()
  }

  nextOrder(): number {
    return this.order++
  }

  add(departure: Departure): void {
    let index = this.heap.push(departure) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = this.heap[parent]
      if (above === undefined || !before(departure, above)) break
      this.heap[index] = above
      index = parent
    }
    this.heap[index] = departure
    if (departure.due < this.armed) {
      this.armed = departure.due
      this.run(this.loop)
    }
  }

  private readonly loop: Effect.Effect<void> = Effect.suspend(() => this.advance()).pipe(
    Effect.flatMap((more) => (more ? this.loop : Effect.void))
  )

  private advance(): Effect.Effect<boolean> {
    // Deliveries add departures: none of them may start a second fiber meanwhile.
    this.armed = -Infinity
    const now = this.now() + resolution
    let next = this.heap[0]
    for (; next !== undefined && next.due <= now; next = this.heap[0]) {
      this.pop()
      next.arrive()
    }
    this.armed = next?.due ?? Infinity
    if (next === undefined) return Effect.succeed(false)
    return Effect.as(this.clock.sleep(Duration.millis(next.due - this.now())), true)
  }

  private pop(): void {
    const last = this.heap.pop()
    if (last === undefined || this.heap.length === 0) return
    let index = 0
    for (;;) {
      const left = this.heap[2 * index + 1]
      const right = this.heap[2 * index + 2]
      if (left === undefined) break
      const down = right !== undefined && before(right, left) ? right : left
      if (!before(down, last)) break
      this.heap[index] = down
      index = 2 * index + (down === left ? 1 : 2)
    }
    this.heap[index] = last
  }
}
