import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Tuple from "../../src/protocol/Tuple.ts"
import * as arbitrary from "./arbitraries.ts"

describe("Tuple", () => {
  it("text stands for its UTF-8", () => {
    const tuple = Result.getOrThrow(Tuple.make("clé", "€"))
    assert.strictEqual(tuple.keyOctets, "cl\u00c3\u00a9")
    assert.strictEqual(tuple.key, "clé")
    assert.strictEqual(tuple.value, "€")
    assert.deepStrictEqual(tuple.keyBytes, new TextEncoder().encode("clé"))
    assert.deepStrictEqual(tuple.valueBytes, new TextEncoder().encode("€"))
  })

  it.prop("octets stay what they are", [arbitrary.bytes(255), arbitrary.bytes(600)], ([key, value]) => {
    const tuple = Result.getOrThrow(Tuple.make(key, value))
    assert.deepStrictEqual([tuple.keyBytes, tuple.valueBytes], [key, value])
  })

  it.each([
    ["", 0],
    ["k".repeat(255), 255],
    ["é".repeat(127), 254],
    [new Uint8Array(255), 255]
  ])("a key of at most 255 octets is taken: %#", (key, length) => {
    assert.strictEqual(Result.getOrThrow(Tuple.make(key, "")).keyOctets.length, length)
  })

  it.each([
    ["k".repeat(256), 256],
    ["é".repeat(128), 256],
    ["🌍".repeat(64), 256],
    [new Uint8Array(300), 300]
  ])("a longer one is refused, not cut: %#", (key, length) => {
    const error = Result.getOrThrow(Result.flip(Tuple.make(key, "value")))
    assert.include(error, { _tag: "TupleTooLong", field: "key", length, limit: 255 })
    assert.strictEqual(error.message, `the key has ${length} octets, the limit is 255`)
  })

  it("a value beyond the limit is refused", () => {
    // ASCII text is its own octets: no memory is taken for a second copy.
    const error = Result.getOrThrow(Result.flip(Tuple.make("key", "v".repeat(Tuple.maxValueLength + 1))))
    assert.include(error, { field: "value", length: Tuple.maxValueLength + 1, limit: Tuple.maxValueLength })
  })
})
