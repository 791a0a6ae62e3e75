import { assert, describe, it } from "@effect/vitest"
import { digestOf, mostKeys, Told } from "../../src/protocol/Told.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"

const digest = (value: string) => digestOf(new Tuple("k", value))

/** Told the values of a text, one letter each; gives what it means that the peer says those of the other. */
const answers = (told: string, said: string, { echoes = true, sure = true } = {}) => {
  const memory = new Told()
  if (echoes) {
    memory.tell("echo", digest("1"), 0)
    memory.hear("echo", digest("1"), 0)
  }
  for (const value of told) memory.tell("k", digest(value), 0, sure)
  return Array.from(said, (value) => memory.hear("k", digest(value), 0))
}

describe("what a peer says", () => {
  it.each<readonly [told: string, said: string, ...meaning: ReadonlyArray<string>]>([
    ["", "a", "Unasked"],
    ["a", "a", "Echo"],
    ["a", "aa", "Echo", "Unasked"],
    ["abc", "abc", "EarlierEcho", "EarlierEcho", "Echo"],
    ["abc", "c", "Echo"],
    ["aba", "aba", "EarlierEcho", "EarlierEcho", "Echo"],
    ["a", "xa", "Crossed", "Echo"],
    ["a", "xyx", "Crossed", "CrossedAgain", "CrossedAgain"],
    ["ab", "axb", "EarlierEcho", "Crossed", "Echo"],
    ["ab", "bx", "Echo", "Unasked"],
    // It takes a value once
    ["aab", "ab", "EarlierEcho", "Echo"]
  ])("told '%s' it says '%s'", (told, said, ...meaning) => {
    assert.deepStrictEqual(answers(told, said), meaning)
  })

  it("one that never echoed may have heard what it was told, or not", () => {
    assert.deepStrictEqual(answers("a", "xa", { echoes: false }), ["Unasked", "Unasked"])
    assert.deepStrictEqual(answers("ab", "ax", { echoes: false }), ["EarlierEcho", "Crossed"])
  })

  it("one that may have held what it was told, too", () => {
    assert.deepStrictEqual(answers("a", "xa", { sure: false }), ["Unasked", "Unasked"])
    assert.deepStrictEqual(answers("a", "a", { sure: false }), ["Echo"])
  })

  it("what was told long ago got lost", () => {
    const memory = new Told()
    memory.tell("k", digest("a"), 0)
    memory.hear("k", digest("a"), 0)
    memory.tell("k", digest("b"), 0)
    assert.strictEqual(memory.hear("k", digest("x"), 5000), "Crossed")
    assert.strictEqual(memory.hear("k", digest("x"), 5001), "Unasked")
    assert.isTrue(memory.isEmpty)
  })
})

describe("bounds", () => {
  it("1024 keys, the ones told last; 64 of one that never echoed", () => {
    const memory = new Told()
    for (let n = 0; n < 2000; n++) memory.tell(`k${n}`, digest("a"), 0)
    assert.strictEqual(memory.size, 64)
    assert.strictEqual(memory.hear("k1935", digest("a"), 0), "Unasked")
    assert.strictEqual(memory.hear("k1936", digest("a"), 0), "Echo")
    for (let n = 0; n < 2000; n++) memory.tell(`k${n}`, digest("a"), 0)
    assert.strictEqual(memory.size, mostKeys)
  })

  it("16 values of a key: the echo of one that is not remembered any more is no news all the same", () => {
    const values = "abcdefghijklmnopqrst"
    const meaning = answers(values, values)
    assert.deepStrictEqual(meaning.slice(0, 4), ["Crossed", "CrossedAgain", "CrossedAgain", "CrossedAgain"])
    assert.deepStrictEqual(meaning.slice(4), [...Array.from({ length: 15 }, () => "EarlierEcho"), "Echo"])
  })

  it("what is acknowledged takes no room", () => {
    const memory = new Told()
    for (let n = 0; n < 100; n++) {
      memory.tell(`k${n}`, digest("a"), 0)
      memory.hear(`k${n}`, digest("a"), 0)
    }
    assert.isTrue(memory.isEmpty)
  })
})

describe("digests", () => {
  it("are those of the octets, and no two of 100,000 are the same", () => {
    const long = "x".repeat(2000)
    assert.strictEqual(digest(long), digest("x".repeat(2000)))
    const all = new Set<number>()
    for (let n = 0; n < 50_000; n++) all.add(digest(`${n}`)).add(digest(`value ${n} of a key`))
    assert.strictEqual(all.size, 100_000)
    for (let at = 0; at < 2000; at += 97) {
      assert.notStrictEqual(digest(`${long.slice(0, at)}y${long.slice(at + 1)}`), digest(long))
    }
    for (const one of all) assert.isTrue(Number.isSafeInteger(one))
  })
})
