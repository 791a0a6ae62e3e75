import { assert, describe, it } from "@effect/vitest"
import { setImmediate } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Arbitrary } from "effect"
import { Outbox, type Limits } from "../../src/protocol/Outbox.ts"
import * as arbitrary from "./arbitraries.ts"

/** What was put: the news of a key, or a reply, numbered as they come. An item has as many octets as `size` says. */
interface Item {
  readonly key: string
  readonly number: number
  readonly size: number
}

const limits: Limits = { maxItems: 4, maxSize: 100 }

class World {
  readonly newest = new Map<string, Item>()
  readonly outbox: Outbox<Item>
  #number = 0

  constructor(of: Limits = limits) {
    this.outbox = new Outbox<Item>(
      (number) => this.#since(number, this.#number),
      ({ size }) => size,
      of
    )
  }

  put(key: string, size = 1): Item {
    const item = { key, number: ++this.#number, size }
    this.newest.set(key, item)
    this.outbox.put(item.number, item, key)
    return item
  }

  push(name: string): boolean {
    return this.outbox.push({ key: name, number: ++this.#number, size: 1 })
  }

  /** All that there is now, made one by one as it is taken; what changes meanwhile is left out. */
  pour(): void {
    this.outbox.pour(this.#read(this.#number))
  }

  owe(): void {
    const upTo = this.#number
    this.outbox.owe((changed) => this.#dump(upTo, changed))
  }

  *#dump(upTo: number, changed: (key: string, number: number) => void): Generator<Item, void> {
    let left = this.newest.size
    for (const item of this.newest.values()) {
      if (left-- === 0) return
      if (item.number > upTo) changed(item.key, item.number)
      yield item
    }
  }

  *#read(upTo: number): Generator<Item, void> {
    for (const item of this.newest.values()) if (item.number <= upTo) yield item
  }

  *#since(number: number, upTo: number): Generator<Item, void> {
    const items = Array.from(this.newest.values()).toSorted((one, two) => one.number - two.number)
    for (const item of items) {
      if (item.number > number && item.number <= upTo && this.newest.get(item.key) === item) yield item
    }
  }

  take(items = 1000, size = Number.POSITIVE_INFINITY): string {
    return this.outbox
      .take(items, size)
      .map(({ key, number }) => `${key}${number}`)
      .join(" ")
  }
}

describe("a dump that is owed", () => {
  it("has every key at its end, also those that change meanwhile; nothing older comes behind what it gave", () => {
    const world = new World({ maxItems: 100, maxSize: 1000 })
    for (const key of ["a", "b", "c", "d"]) world.put(key)
    world.take()
    world.owe()
    world.push("PONG")
    world.outbox.permit()
    assert.strictEqual(world.take(1), "a1")
    for (const key of ["a", "c", "c", "d", "e"]) world.put(key)
    // a changed behind it; c and d are as they are now, and what they were meanwhile is not said any more
    assert.strictEqual(world.take(), "b2 c8 d9 PONG5 a6 e10")
    world.put("c")
    assert.strictEqual(world.take(), "c11")
  })

  it("waits for leave, and what is behind it waits for the dump", () => {
    const world = new World()
    world.put("a")
    world.owe()
    world.push("pong")
    assert.isTrue(world.outbox.owes)
    assert.strictEqual(world.take(), "a1")
    assert.strictEqual(world.take(), "")
    world.outbox.permit()
    assert.strictEqual(world.take(), "a1 pong2")
    assert.isFalse(world.outbox.owes)
    assert.isTrue(world.outbox.isEmpty)
    world.owe()
    assert.strictEqual(world.take(), "", "leave is for one")
  })

  it("is one: a later one takes its place and its leave, behind what came between", () => {
    const world = new World()
    world.put("a")
    world.take()
    world.owe()
    world.push("one")
    world.outbox.permit()
    world.put("b")
    world.owe()
    world.push("two")
    assert.strictEqual(world.take(), "one2 b3 a1 b3 two4")
  })

  it("does not cut one short that is being taken", () => {
    const world = new World()
    world.put("a")
    world.put("b")
    world.take()
    world.owe()
    world.outbox.permit()
    assert.strictEqual(world.take(1), "a1")
    assert.isFalse(world.outbox.owes)
    world.owe()
    assert.strictEqual(world.take(), "b2")
    world.outbox.permit()
    assert.strictEqual(world.take(), "a1 b2")
  })

  it("of whom asks and does not read, costs the same however often he asks, and takes no room of replies", () => {
    const world = new World()
    world.put("a")
    let pushed = 0
    for (let n = 0; n < 10_000; n++) {
      world.owe()
      if (world.push("pong")) pushed += 1
    }
    assert.strictEqual(pushed, 2 * limits.maxItems - 2, "beside them the tuple and the dump")
    world.outbox.permit()
    assert.match(world.take(), /^a1( pong\d+){6} a1$/)
    assert.isTrue(world.outbox.isEmpty)
  })

  it("is forgotten with the rest", () => {
    const world = new World()
    world.put("a")
    world.owe()
    world.push("pong")
    world.outbox.forget()
    assert.isFalse(world.outbox.owes)
    assert.strictEqual(world.take(), "pong2")
  })
})

describe("replies alone", () => {
  const takeReplies = (world: World, overtake: boolean, most = 1000) =>
    world.outbox
      .takeReplies(most, overtake)
      .map(({ key, number }) => `${key}${number}`)
      .join(" ")

  it("are those ahead of the rest, or also those behind changes; the rest stays in order", () => {
    for (const overtake of [false, true]) {
      const world = new World()
      world.push("p")
      world.put("a")
      world.push("q")
      world.put("b")
      world.push("r")
      assert.strictEqual(takeReplies(world, overtake), overtake ? "p1 q3 r5" : "p1")
      assert.strictEqual(takeReplies(world, overtake), "")
      assert.strictEqual(world.take(), overtake ? "a2 b4" : "a2 q3 b4 r5")
      assert.isTrue(world.outbox.isEmpty)
      assert.isTrue(world.outbox.hasRoom)
    }
  })

  it("are no more than asked for", () => {
    const world = new World()
    for (const name of ["p", "q", "r"]) world.push(name)
    assert.strictEqual(takeReplies(world, true, 2), "p1 q2")
    assert.strictEqual(world.take(), "r3")
  })

  it("do not overtake a dump that waits, nor one that has begun and was followed by another", () => {
    const world = new World()
    world.put("a")
    world.put("b")
    world.take()
    world.push("p")
    world.owe()
    world.push("q")
    assert.strictEqual(takeReplies(world, true), "p3")
    world.outbox.permit()
    assert.strictEqual(world.take(1), "a1")
    world.owe()
    assert.strictEqual(takeReplies(world, true), "")
    world.outbox.permit()
    assert.strictEqual(world.take(2), "b2 q4")
    assert.strictEqual(world.take(), "a1 b2")
  })
})

describe("order", () => {
  it("a reader that keeps up gets every change, in order", () => {
    const world = new World()
    for (const key of ["a", "a", "b"]) world.put(key)
    assert.strictEqual(world.take(), "a1 a2 b3")
    assert.isTrue(world.outbox.isEmpty)
    world.put("a")
    assert.strictEqual(world.take(), "a4")
  })

  it("a slow one gets the newest of the keys that found the queue full, a changed one last", () => {
    const world = new World()
    for (const key of ["a", "b", "c", "d", "x", "y", "a", "x"]) world.put(key)
    assert.isTrue(world.outbox.isBehind)
    assert.strictEqual(world.take(), "a1 b2 c3 d4 y6 a7 x8")
    assert.isTrue(world.outbox.isEmpty)
  })

  it("what changes while it catches up comes behind that, once", () => {
    const world = new World()
    for (const key of ["a", "b", "c", "d", "x", "y", "z"]) world.put(key)
    assert.strictEqual(world.take(5), "a1 b2 c3 d4 x5")
    assert.isFalse(world.outbox.isBehind)
    for (const key of ["z", "x"]) world.put(key)
    assert.strictEqual(world.take(), "y6 z8 x9")
  })

  it("a dump has what was missed", () => {
    const world = new World()
    for (const key of ["a", "b", "c", "d", "x"]) world.put(key)
    world.owe()
    world.outbox.permit()
    assert.strictEqual(world.take(), "a1 b2 c3 d4 a1 b2 c3 d4 x5")
  })

  it("nothing put overtakes a key that waits, though there is room again; a reply does", () => {
    const world = new World()
    for (const key of ["a", "b", "c", "d", "x"]) world.put(key)
    assert.strictEqual(world.take(3), "a1 b2 c3")
    assert.isTrue(world.outbox.hasRoom)
    world.put("y")
    world.push("PONG")
    assert.strictEqual(world.take(), "d4 PONG7 x5 y6")
  })

  it("a key that is gone when its turn comes is left out", () => {
    const world = new World()
    for (const key of ["a", "b", "c", "d", "x", "y"]) world.put(key)
    world.newest.delete("x")
    assert.strictEqual(world.take(), "a1 b2 c3 d4 y6")
  })

  it("replies keep their place between tuples and pours", () => {
    const world = new World()
    world.put("a")
    world.push("PING")
    world.pour()
    world.push("PONG")
    world.put("b")
    assert.strictEqual(world.take(2), "a1 PING2")
    assert.strictEqual(world.take(), "a1 PONG3 b4")
  })
})

describe("bounds", () => {
  it("octets: one item is always taken, then the queue is full", () => {
    const world = new World()
    world.put("a", 1000)
    assert.isFalse(world.outbox.hasRoom)
    world.put("b", 1)
    assert.isTrue(world.outbox.isBehind)
    assert.strictEqual(world.take(), "a1 b2")
    world.put("c", 99)
    world.put("d", 99)
    assert.isFalse(world.outbox.isBehind)
    world.put("e", 99)
    assert.isTrue(world.outbox.isBehind, "room again, for 99 and what goes beyond")
  })

  it("take: at most so many items, and no more once they have the octets", () => {
    const world = new World()
    for (const key of ["a", "b", "c", "d"]) world.put(key, 10)
    assert.strictEqual(world.take(0), "")
    assert.strictEqual(world.take(4, 0), "")
    assert.strictEqual(world.take(1, 1), "a1")
    assert.strictEqual(world.take(4, 11), "b2 c3")
    assert.strictEqual(world.take(4, 10), "d4")
    assert.strictEqual(world.take(), "")
  })

  it("replies are refused when they are twice as many as the queue may hold", () => {
    const world = new World()
    for (const key of ["a", "b", "c", "d"]) world.put(key)
    assert.deepStrictEqual(
      Array.from({ length: 6 }, () => world.push("PONG")),
      [true, true, true, true, false, false]
    )
    assert.strictEqual(world.take(), "a1 b2 c3 d4 PONG5 PONG6 PONG7 PONG8")
    assert.isTrue(world.push("PONG"))
  })

  it("replies have room of their own where it is said", () => {
    const world = new World({ ...limits, maxReplies: 10 })
    for (const key of ["a", "b", "c", "d"]) world.put(key)
    assert.strictEqual(Array.from({ length: 8 }, () => world.push("PONG")).filter(Boolean).length, 6)
  })

  it("forget drops what waits and what was poured; replies stay, in order, and count as before", () => {
    const world = new World()
    for (const name of ["PING", "PONG"]) {
      world.push(name)
      world.put(name.toLowerCase())
    }
    for (const key of ["a", "b"]) world.put(key)
    world.pour()
    world.outbox.forget()
    assert.isFalse(world.outbox.isBehind)
    world.put("c")
    assert.strictEqual(world.take(1), "PING1")
    world.put("d")
    assert.strictEqual(world.take(), "PONG3 c7 d8")
    assert.isTrue(world.outbox.isEmpty)
  })

  it("forget gives the octets back, save those of replies", () => {
    const world = new World({ maxItems: 1000, maxSize: 3 })
    world.put("a", 1000)
    world.outbox.forget()
    assert.isTrue(world.outbox.hasRoom)
    world.push("PONG")
    world.push("PONG")
    world.outbox.forget()
    assert.isTrue(world.outbox.hasRoom)
    world.push("PONG")
    world.outbox.forget()
    assert.isFalse(world.outbox.hasRoom)
    world.take()
    assert.isTrue(world.outbox.hasRoom)
  })

  it("clear forgets all", () => {
    const world = new World()
    for (const key of ["a", "b", "c", "d", "x"]) world.put(key, 60)
    world.pour()
    world.outbox.clear()
    assert.isTrue(world.outbox.isEmpty && world.outbox.hasRoom && !world.outbox.isBehind)
    assert.strictEqual(world.take(), "")
  })

  it("a pour drops nothing, however full the queue", () => {
    const world = new World()
    for (const key of ["a", "b", "c"]) world.put(key)
    world.push("PONG")
    world.put("x")
    world.pour()
    assert.strictEqual(world.take(), "a1 b2 c3 PONG4 a1 b2 c3 x5 x5")
  })
})

describe("memory", () => {
  setFlagsFromString("--expose-gc")
  const collect = runInNewContext("gc") as () => void

  /** How many of `count` items are still held, where the reader takes each after the next one was put. */
  const held = async (count: number, behind: number): Promise<number> => {
    const outbox = new Outbox<{ readonly octets: Uint8Array }>(
      () => [].values(),
      () => 1,
      { maxItems: 1e6, maxSize: 1e6 }
    )
    const items: Array<WeakRef<object>> = []
    for (let n = 0; n < count; n++) {
      const item = { octets: new Uint8Array(16) }
      items.push(new WeakRef(item))
      outbox.put(n, item, String(n))
      if (n >= behind) outbox.take(1, 1)
    }
    // What a WeakRef was made for lives until the end of its turn.
    await setImmediate()
    collect()
    const alive = items.filter((item) => item.deref() !== undefined).length
    assert.isFalse(outbox.isEmpty)
    return alive
  }

  it("what was taken is not held on to", async () => {
    assert.isAtMost(await held(3000, 10), 12)
  })
})

/** Keys of one letter, so that they meet; replies and pours now and then. */
const operations = Arbitrary.array(
  Arbitrary.all([
    arbitrary.oneOf("put", "put", "put", "put", "push", "pour", "forget", "take", "take"),
    arbitrary.integer(0, 9),
    arbitrary.integer(0, 120)
  ]),
  { maxLength: 120 }
)

it.prop(
  "whatever happens: order is kept, bounds hold, the last of every key arrives",
  [operations],
  ([operations]) => {
    const world = new World()
    const taken: Array<Item> = []
    let pours = 0
    const take = (items: number) => {
      const before = taken.length
      taken.push(...world.outbox.take(items, Number.POSITIVE_INFINITY))
      return taken.length - before
    }
    let refused = 0
    for (const [operation, number, size] of operations) {
      switch (operation) {
        case "put":
          world.put("abcdefghij".charAt(number), size)
          break
        case "push":
          if (!world.push("R")) refused += 1
          break
        case "pour":
          world.pour()
          pours += 1
          break
        case "forget":
          // Said anew by whoever forgets.
          world.outbox.forget()
          world.pour()
          pours += 1
          break
        case "take":
          take(number)
      }
    }
    // Never more than twice the queue, what was poured, and each key that was missed.
    const left = take(100_000)
    assert.isAtMost(left, 2 * limits.maxItems + pours * world.newest.size + world.newest.size)
    assert.isTrue(world.outbox.isEmpty)
    const last = new Map(taken.map((item) => [item.key, item.number]))
    last.delete("R")
    assert.deepStrictEqual(last, new Map(Array.from(world.newest, ([key, item]) => [key, item.number])))
    for (const key of [...world.newest.keys(), "R"]) {
      const numbers = taken.filter((item) => item.key === key).map((item) => item.number)
      assert.deepStrictEqual(
        numbers,
        numbers.toSorted((one, two) => one - two),
        `${key} never goes back`
      )
    }
    if (pours === 0) {
      const numbers = taken.filter((item) => item.key !== "R").map((item) => item.number)
      assert.deepStrictEqual(
        numbers,
        numbers.toSorted((one, two) => one - two),
        "a subsequence of what was put"
      )
    }
    const replies = operations.filter(([operation]) => operation === "push").length
    assert.strictEqual(taken.filter((item) => item.key === "R").length, replies - refused, "every reply")
  },
  { arbitrary: { runs: 200 } }
)
