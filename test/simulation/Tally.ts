/** What came of many runs. */
import type { Outcome } from "./World.ts"

interface Failure {
  readonly seed: number
  readonly kinds: ReadonlyArray<string>
}

/** The kinds of what was violated: what stands ahead of the colon. */
export const kindsOf = (violations: ReadonlyArray<string>): ReadonlyArray<string> =>
  Array.from(new Set(violations.map((violation) => violation.split(":", 1)[0] ?? "")))

export class Tally {
  seeds = 0
  frames = 0
  news = 0
  /** The longest time until all was well, in virtual ms. */
  settled = 0
  failed: Array<Failure> = []

  /** Of what another process has counted. */
  static from(plain: unknown): Tally {
    return Object.assign(new Tally(), plain)
  }

  add(seed: number, { frames, news, settled, violations }: Outcome): void {
    this.seeds += 1
    this.frames += frames
    this.news += news
    this.settled = Math.max(this.settled, settled)
    if (violations.length > 0) this.failed.push({ seed, kinds: kindsOf(violations) })
  }

  merge(other: Tally): void {
    this.seeds += other.seeds
    this.frames += other.frames
    this.news += other.news
    this.settled = Math.max(this.settled, other.settled)
    this.failed.push(...other.failed)
  }

  line(milliseconds: number): string {
    const seconds = milliseconds / 1000
    return (
      `${this.seeds} seeds in ${seconds.toFixed(1)} s, ${(this.seeds / seconds).toFixed(0)} a second, ` +
      `${this.frames} messages, ${this.news} of them no heartbeats, ` +
      `quiet ${this.settled.toFixed(0)} ms after the last fault at the latest, ${this.failed.length} failed`
    )
  }

  kindLines(): ReadonlyArray<string> {
    const kinds = new Set(this.failed.flatMap(({ kinds }) => kinds))
    return Array.from(kinds, (kind) => {
      const seeds = this.failed.filter(({ kinds }) => kinds.includes(kind)).map(({ seed }) => seed)
      return `  ${kind}: ${seeds.length} seeds, ${seeds.slice(0, 20).join(" ")}${seeds.length > 20 ? " ..." : ""}`
    })
  }
}
