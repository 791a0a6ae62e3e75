import { Clock, Duration, Effect } from "effect"

/** The clock of one machine: the test's, behind by what it slept, and a time of day that can be set. */
export class Machine {
  readonly clock: Clock.Clock
  /** What the time of day is wrong by. */
  wrong = 0
  #slept = 0
  #asleepSince: number | undefined

  constructor(outside: Clock.Clock) {
    const elapsed = () => this.#asleepSince ?? outside.currentTimeMillisUnsafe()
    const monotonic = () => elapsed() - this.#slept
    const timeOfDay = () => outside.currentTimeMillisUnsafe() + this.wrong
    const nanos = (milliseconds: number) => BigInt(Math.round(milliseconds)) * 1_000_000n
    // A timer of a machine that sleeps goes off late.
    const until = (due: number): Effect.Effect<void> =>
      Effect.suspend(() =>
        this.#asleepSince === undefined && monotonic() >= due
          ? Effect.void
          : Effect.andThen(outside.sleep(Duration.millis(Math.max(10, due - monotonic()))), until(due))
      )
    this.clock = {
      currentTimeMillisUnsafe: timeOfDay,
      currentTimeMillis: Effect.sync(timeOfDay),
      currentTimeNanosUnsafe: () => nanos(timeOfDay()),
      currentTimeNanos: Effect.sync(() => nanos(timeOfDay())),
      monotonicTimeNanosUnsafe: () => nanos(monotonic()),
      monotonicTimeNanos: Effect.sync(() => nanos(monotonic())),
      sleep: (duration) => Effect.suspend(() => until(monotonic() + Duration.toMillis(duration)))
    }
    this.sleep = Effect.sync(() => void (this.#asleepSince = outside.currentTimeMillisUnsafe()))
    this.wake = Effect.sync(() => {
      this.#slept += outside.currentTimeMillisUnsafe() - elapsed()
      this.#asleepSince = undefined
    })
  }

  get asleep(): boolean {
    return this.#asleepSince !== undefined
  }

  readonly sleep: Effect.Effect<void>
  readonly wake: Effect.Effect<void>

  static readonly make = Effect.map(Clock.Clock, (outside) => new Machine(outside))
}
