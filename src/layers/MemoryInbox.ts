/**
 * Where the fibers of the in-memory network wait, and what they find there.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"

/**
 * The place where one fiber waits for a state to change.
 *
 * A wake-up only schedules the waiting fiber, through its own dispatcher. It never runs it on the waker's stack: a
 * flood over a chain of nodes would recurse, and a half-done write would be seen. And the `TestClock` counts the
 * tasks of a dispatcher, so that one `adjust` runs all that follows from a delivery.
 *
 * @since 0.1.0
 * @category internals
 */
export class Waiter {
  private pending: (() => void) | undefined = undefined

  /** Waits for a wake-up, unless `ready` holds at the moment of parking. A second fiber here is a bug, and dies. */
  until(ready: () => boolean): Effect.Effect<void> {
    return Effect.withFiber((fiber) =>
      Effect.callback<void>((resume) => {
        // The fiber may have yielded since its caller looked: without this look the wake-up in between is lost.
        if (ready()) return resume(Effect.void)
        if (this.pending !== undefined) return resume(Effect.die(new Error("one caller at a time, see Transport")))
        const wake = () => fiber.currentDispatcher.scheduleTask(() => resume(Effect.void), 0)
        this.pending = wake
        return Effect.sync(() => {
          if (this.pending === wake) this.pending = undefined
        })
      })
    )
  }

  wake(): void {
    const wake = this.pending
    this.pending = undefined
    wake?.()
  }
}

/**
 * Where an item came from, to be told when it was taken.
 *
 * @since 0.1.0
 * @category internals
 */
export interface Source {
  readonly read: () => void
}

/**
 * What has arrived and was not read yet. Its bound is the high-water marks of the pipes that feed it: a pipe's room
 * comes back when its item is taken.
 *
 * @since 0.1.0
 * @category internals
 */
export class Inbox<A> {
  readonly waiter = new Waiter()
  private items: Array<A> = []
  private sources: Array<Source | undefined> = []

  get size(): number {
    return this.items.length
  }

  push(item: A, source?: Source): void {
    this.items.push(item)
    this.sources.push(source)
    this.waiter.wake()
  }

  /** Gives the oldest items, at most `limit`, and their room back to the pipes. */
  take(limit: number): ReadonlyArray<A> {
    const sources = this.sources.length <= limit ? this.sources : this.sources.splice(0, limit)
    const items = this.items.length <= limit ? this.items : this.items.splice(0, limit)
    if (sources === this.sources) this.clear()
    for (const source of sources) source?.read()
    return items
  }

  clear(): void {
    this.items = []
    this.sources = []
  }
}
