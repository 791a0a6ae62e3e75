import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Octets from "../../src/protocol/Octets.ts"
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

describe("Octets", () => {
  it.each([
    ["", ""],
    ["key", "key"],
    ["\u007f", "\u007f"],
    ["\u0080", "\u00c2\u0080"],
    ["é", "\u00c3\u00a9"],
    ["€", "\u00e2\u0082\u00ac"],
    ["🌍", "\u00f0\u009f\u008c\u008d"],
    ["a\u0000b", "a\u0000b"],
    ["\ud800", "\u00ef\u00bf\u00bd"]
  ])("text %j is the octets of its UTF-8", (text, octets) => {
    assert.strictEqual(Octets.from(text), octets)
    assert.strictEqual(Octets.toText(octets), text.toWellFormed())
  })

  it.prop("text comes back, but for lone surrogates", [arbitrary.text], ([text]) => {
    const octets = Octets.from(text)
    assert.strictEqual(Octets.toText(octets), text.toWellFormed())
    assert.deepStrictEqual(Octets.toBytes(octets), new TextEncoder().encode(text))
  })

  it.prop("bytes come back", [arbitrary.bytes(300)], ([bytes]) => {
    assert.deepStrictEqual(Octets.toBytes(Octets.from(bytes)), bytes)
    assert.strictEqual(Octets.from(bytes), String.fromCharCode(...bytes))
  })

  it.prop("order is that of memcmp", [arbitrary.bytes(4), arbitrary.bytes(4)], ([one, two]) => {
    const order = Buffer.compare(one, two)
    assert.strictEqual(Octets.from(one) < Octets.from(two), order < 0)
    assert.strictEqual(Octets.from(one) === Octets.from(two), order === 0)
  })

  it("what is not UTF-8 is shown as U+FFFD", () => {
    assert.strictEqual(Octets.toText("a\u00ffb"), "a\ufffdb")
  })

  it("is a copy: neither way shares memory", () => {
    const bytes = Uint8Array.of(1, 2, 3)
    const octets = Octets.from(bytes)
    bytes[0] = 9
    assert.strictEqual(octets, "\u0001\u0002\u0003")
    Octets.toBytes(octets)[0] = 9
    assert.deepStrictEqual(Octets.toBytes(octets), Uint8Array.of(1, 2, 3))
  })

  it("reads a view, not what lies around it", () => {
    const around = Uint8Array.of(7, 1, 2, 3, 7)
    assert.strictEqual(Octets.from(around.subarray(1, 4)), "\u0001\u0002\u0003")
    assert.strictEqual(Octets.from(Buffer.from(around.buffer, 1, 3)), "\u0001\u0002\u0003")
    assert.strictEqual(Octets.slice(around.subarray(1), 1, 3), "\u0002\u0003")
  })
})
