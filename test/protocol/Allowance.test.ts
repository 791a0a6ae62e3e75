import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import * as Allowance from "../../src/protocol/Allowance.ts"
import * as arbitrary from "./arbitraries.ts"

/** When each was taken, of those that ask again and again at these times. */
const taken = (times: ReadonlyArray<number>, perSecond: number): ReadonlyArray<number> => {
  let allowance = Allowance.whole
  return times.filter((now) => {
    if (now < Allowance.from(allowance, perSecond)) return false
    allowance = Allowance.take(allowance, now, perSecond)
    return true
  })
}

const every = (ms: number, until: number) => Array.from({ length: until / ms }, (_, n) => n * ms)

describe("an allowance", () => {
  it("gives so many at once, then one at a time", () => {
    assert.deepStrictEqual(taken(every(1, 2000), 2), [0, 1, 500, 1000, 1500])
    assert.deepStrictEqual(taken(every(1, 3001), 1), [0, 1000, 2000, 3000])
    assert.lengthOf(
      taken(
        Array.from({ length: 100 }, () => 7),
        10
      ),
      10
    )
  })

  it("is whole again after a second, and no more than that", () => {
    assert.deepStrictEqual(taken([0, 0, 0, 1000, 1000, 1000, 60_000, 60_000, 60_000], 2), [0, 0, 1000, 1000, 60_000, 60_000]) // prettier-ignore
  })

  it("of 0 per second is any number", () => {
    assert.lengthOf(taken(every(0.01, 10), 0), 1000)
  })

  it.prop(
    "lets no second have more than twice as many, nor a longer time more than its share and as many",
    [Arbitrary.array(arbitrary.integer(0, 300), { maxLength: 200 }), arbitrary.integer(1, 20)],
    ([steps, perSecond]) => {
      let now = 0
      const times = taken(
        steps.map((step) => (now += step)),
        perSecond
      )
      for (const [index, start] of times.entries()) {
        for (const [later, end] of times.entries()) {
          if (later < index) continue
          assert.isAtMost(later - index + 1, perSecond + ((end - start) * perSecond) / 1000 + 1e-6)
        }
      }
    }
  )
})
