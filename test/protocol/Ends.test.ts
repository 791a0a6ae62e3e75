import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import { Ends } from "../../src/protocol/Ends.ts"
import * as Past from "../../src/protocol/Past.ts"
import * as arbitrary from "./arbitraries.ts"

describe("Ends", () => {
  const acts = Arbitrary.array(
    Arbitrary.all([
      arbitrary.oneOf("set", "set", "delete", "take"),
      arbitrary.integer(0, 12),
      arbitrary.integer(0, 30)
    ]),
    { maxLength: 60 }
  )
  it.prop("are those of a map, looked through for the earliest", [acts], ([acts]) => {
    const ends = new Ends()
    const model = new Map<string, number>()
    const least = () => Math.min(...model.values())
    for (const [act, key, time] of acts) {
      if (act === "set") {
        ends.set(`k${key}`, time)
        model.set(`k${key}`, time)
      } else if (act === "delete") {
        ends.delete(`k${key}`)
        model.delete(`k${key}`)
      } else {
        const taken = ends.take(time)
        assert.strictEqual(taken?.time, least() <= time ? least() : undefined)
        if (taken !== undefined) {
          assert.strictEqual(model.get(taken.key), taken.time)
          model.delete(taken.key)
        }
      }
      assert.strictEqual(ends.size, model.size)
      assert.strictEqual(ends.first?.time ?? Number.POSITIVE_INFINITY, least())
    }
    const rest = Array.from({ length: ends.size }, () => ends.take(Number.POSITIVE_INFINITY)?.time)
    assert.deepStrictEqual(
      rest,
      Array.from(model.values()).toSorted((a, b) => a - b)
    )
  })
})

describe("Past", () => {
  it.each([
    ["", 0],
    // The check value of CRC-32C, exclusive-or 9.
    ["123456789", 0xe3069283 ^ 9],
    ["\u00ff\0", 0x52825353]
  ])("the number of %o", (value, digest) => {
    assert.strictEqual(Past.digest(value), digest >>> 0)
  })

  it("that of a long value is made of its ends and its length", () => {
    const long = (middle: string) => "a".repeat(2 ** 15) + middle + "b".repeat(2 ** 15)
    assert.strictEqual(Past.digest(long("x")), (Past.digest(long("")) ^ (2 ** 16) ^ (2 ** 16 + 1)) >>> 0)
    assert.notStrictEqual(Past.digest(long("x")), Past.digest(long("xy")))
    assert.notStrictEqual(Past.digest(long("x")), Past.digest(`${long("x").slice(0, -1)}c`))
  })

  it.each<readonly [past: string, value: string, now: string]>([
    ["", "a", "a"],
    ["abcd", "e", "bcde"],
    ["abcd", "b", "acdb"],
    ["abc", "c", "abc"]
  ])("%s, then %s: %s", (past, value, now) => {
    const digests = (values: string) => Array.from(values, Past.digest)
    assert.deepStrictEqual(Past.add(digests(past), value), digests(now))
    assert.isTrue(Past.has(digests(now), value))
    assert.isFalse(Past.has(digests(now), "x"))
  })

  it("two of them are the last of both", () => {
    assert.deepStrictEqual(Past.join([1, 2, 3], [2, 9, 8]), [1, 3, 2, 9, 8].slice(-Past.most))
    assert.deepStrictEqual(Past.join([1], [1, 2, 3, 4, 5, 6]), [3, 4, 5, 6])
    assert.deepStrictEqual(Past.join([1], []), [1])
  })
})
