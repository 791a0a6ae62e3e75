import { assert, describe, it } from "@effect/vitest"
import { Future, mostHeld, mostOctets } from "../../src/protocol/Future.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import { hearsay, nobody } from "../../src/protocol/Version.ts"

const held = (key: string, time: number, value = String(time)) => ({
  tuple: new Tuple(key, value),
  version: { time, counter: 0, origin: nobody }
})
const values = (future: Future, until: number) =>
  future.take(until, 0).map(({ tuple }) => `${tuple.key}=${tuple.value}`)

describe("Future", () => {
  it("gives what is due, once, and of each key the newest", () => {
    const future = new Future()
    for (const one of [held("a", 5), held("b", 9), held("a", 7), held("a", 6), held("a", 7, "other")])
      future.hold(one, 0)
    assert.deepStrictEqual(values(future, 6), [])
    assert.deepStrictEqual(values(future, 7), ["a=7"])
    assert.deepStrictEqual(values(future, 8), [])
    assert.isFalse(future.isEmpty)
    assert.deepStrictEqual(values(future, 9), ["b=9"])
    assert.isTrue(future.isEmpty)
  })

  it("holds hearsay by the time when it was heard", () => {
    const future = new Future()
    future.hold({ tuple: new Tuple("a", "1"), version: hearsay(7, 0) }, 0)
    assert.deepStrictEqual(values(future, 6), [])
    assert.deepStrictEqual(values(future, 7), ["a=1"])
  })

  it("holds so many and no more; those held can still be replaced", () => {
    const future = new Future()
    for (let n = 0; n <= mostHeld; n++) future.hold(held(`k${n}`, 5), 0)
    future.hold(held("k0", 6), 0)
    const given = values(future, 10)
    assert.lengthOf(given, mostHeld)
    assert.strictEqual(given[0], "k0=6")
    assert.notInclude(given, `k${mostHeld}=5`)
  })

  it("holds so many octets and no more, and has room again when they are taken", () => {
    const future = new Future()
    const long = (key: string, time: number) => held(key, time, "x".repeat(mostOctets / 2 - 1))
    for (const one of [long("a", 5), long("b", 6), held("c", 6), long("a", 7)]) future.hold(one, 0)
    assert.deepStrictEqual(
      future.take(6, 0).map(({ tuple }) => tuple.key),
      ["b"]
    )
    future.hold(held("c", 8), 0)
    assert.deepStrictEqual(
      future.take(9, 0).map(({ tuple }) => tuple.key),
      ["a", "c"]
    )
  })
  it("gives of a lifetime what is left of it", () => {
    const future = new Future()
    const ends = { ...held("a", 5), lifetime: 100, remaining: 90 }
    future.hold(ends, 1000)
    future.hold({ ...ends, tuple: new Tuple("b", "5") }, 1040)
    future.hold({ ...ends, tuple: new Tuple("c", "5") }, 0)
    assert.deepStrictEqual(
      future.take(5, 1060).map(({ lifetime, remaining }) => [lifetime, remaining]),
      [
        [100, 30],
        [100, 70],
        [100, 0]
      ]
    )
  })
})
