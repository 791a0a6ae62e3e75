interface Moment {
  readonly due: number
  readonly order: number
  readonly run: () => void
}

const before = (a: Moment, b: Moment): boolean => a.due < b.due || (a.due === b.due && a.order < b.order)

/** What happens when, in virtual milliseconds. Of what is due at the same time, the first that was asked for comes first. */
export class Timeline {
  now = 0
  readonly #heap: Array<Moment> = []
  #order = 0

  at(due: number, run: () => void): void {
    const moment = { due: Math.max(due, this.now), order: this.#order++, run }
    const heap = this.#heap
    let index = heap.length
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent]
      if (above === undefined || before(above, moment)) break
      heap[index] = above
      index = parent
    }
    heap[index] = moment
  }

  after(time: number, run: () => void): void {
    this.at(this.now + time, run)
  }

  /** Lets happen what is due up to then, as long as `goesOn` says so. */
  runUntil(end: number, goesOn: () => boolean): void {
    for (let next = this.#heap[0]; next !== undefined && next.due <= end; next = this.#heap[0]) {
      this.#pop()
      this.now = next.due
      next.run()
      if (!goesOn()) return
    }
    this.now = end
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let index = 0
    for (;;) {
      const [left, right] = [heap[2 * index + 1], heap[2 * index + 2]]
      if (left === undefined) break
      const down = right !== undefined && before(right, left) ? right : left
      if (!before(down, last)) break
      heap[index] = down
      index = 2 * index + (down === left ? 1 : 2)
    }
    heap[index] = last
  }
}
