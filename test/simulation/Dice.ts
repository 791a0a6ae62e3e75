/** Chance from a seed: the same numbers on every machine. The generator is mulberry32. */
export class Dice {
  #state: number

  /** Different numbers give different dice; the same ones the same. */
  constructor(...seeds: ReadonlyArray<number>) {
    let state = 0x9e3779b9
    for (const seed of seeds) state = Math.imul(state ^ (seed | 0), 0x85ebca6b) ^ ((state >>> 13) + 0x6d2b79f5)
    this.#state = state
  }

  /** From 0 up to 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  chance(of: number): boolean {
    return this.next() < of
  }

  pick<A>(all: ReadonlyArray<A>): A {
    const one = all[Math.floor(this.next() * all.length)]
    if (one === undefined) throw new Error("there is nothing to pick from")
    return one
  }
}
