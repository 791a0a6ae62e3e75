import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import * as Summary from "../../src/protocol/Summary.ts"
import { generator } from "../node/support.ts"
import * as arbitrary from "./arbitraries.ts"
import { toHex } from "./arbitraries.ts"
import { keyOf, numbered, sha256, stampOf, summaryOf } from "./Sets.ts"

const { everything } = Summary

const hex = (octets: string): string => toHex(Buffer.from(octets, "latin1"))

/** As the documents say it, word for word. */
const expected = (entries: ReadonlyArray<readonly [key: string, stamp: string]>): Summary.Fingerprint => {
  let sum = 0n
  for (const [key, stamp] of entries) {
    const text = Buffer.from(String.fromCharCode(key.length) + key + stamp, "latin1")
    sum += BigInt(`0x${Buffer.from(sha256(text), "latin1").toString("hex").slice(0, 32)}`)
  }
  const final = Buffer.alloc(20)
  final.write((sum % 2n ** 128n).toString(16).padStart(32, "0"), 0, "hex")
  final.writeUInt32BE(entries.length, 16)
  return { count: entries.length, fingerprint: sha256(final).slice(0, 16) }
}

const inRange = (model: ReadonlyMap<string, string>, { from, to }: Summary.Range) =>
  Array.from(model)
    .filter(([key]) => key >= from && (to === undefined || key < to))
    .sort(([a], [b]) => (a < b ? -1 : 1))

describe("fingerprint", () => {
  it("is what it is", () => {
    const of = (...entries: ReadonlyArray<readonly [string, string]>) =>
      hex(Summary.fingerprint(summaryOf(entries), everything).fingerprint)
    assert.strictEqual(of(), "DE 47 C9 B2 7E B8 D3 00 DB B5 F2 C3 53 E6 32 C3")
    assert.strictEqual(of(["a/2", "\x02"], ["a/1", "\x01"]), "A9 51 04 23 37 BF 0F DF 14 77 AA 29 D5 89 8E C6")
  })

  it("tells keys from stamps", () => {
    const sets: ReadonlyArray<ReadonlyArray<readonly [string, string]>> = [
      [["ab", "c"]],
      [["a", "bc"]],
      [["", "abc"]],
      [["abc", ""]],
      [
        ["a", "1"],
        ["b", "2"]
      ],
      [
        ["a", "2"],
        ["b", "1"]
      ]
    ]
    const all = sets.map((entries) => Summary.fingerprint(summaryOf(entries), everything).fingerprint)
    assert.strictEqual(new Set(all).size, sets.length)
  })

  it("of a range that is empty or turned round is that of nothing", () => {
    const summary = summaryOf(numbered(0, 1000))
    for (const range of [
      { from: "m", to: "m" },
      { from: "z", to: "a" },
      { from: "\xff".repeat(30), to: undefined }
    ]) {
      assert.deepStrictEqual(Summary.fingerprint(summary, range), expected([]))
    }
  })
})

/** Whether all answers are those of the model. */
const assertSame = (
  summary: Summary.Summary,
  model: ReadonlyMap<string, string>,
  ranges: ReadonlyArray<Summary.Range>
) => {
  assert.strictEqual(summary.size, model.size)
  for (const range of [everything, ...ranges]) {
    const entries = inRange(model, range)
    assert.deepStrictEqual(
      Array.from(Summary.entries(summary, range), ({ key, stamp }) => [key, stamp] as const),
      entries
    )
    assert.deepStrictEqual(Summary.fingerprint(summary, range), expected(entries))
  }
  for (const [rank, [key, stamp]] of inRange(model, everything).entries()) {
    assert.deepStrictEqual(Summary.find(summary, key), { rank, stamp })
    assert.strictEqual(Summary.find(summary, Summary.after(key)).rank, rank + 1)
    assert.deepStrictEqual(Summary.entryAt(summary, rank), { key, stamp })
  }
  assert.isUndefined(Summary.entryAt(summary, model.size))
}

describe("changes", () => {
  const key = Arbitrary.array(arbitrary.oneOf("a", "b", "\0", "\xff"), { maxLength: 4 }).pipe(
    Arbitrary.map((octets) => octets.join(""))
  )
  it.prop(
    "are those of a map",
    [Arbitrary.array(Arbitrary.all([key, arbitrary.integer(0, 3)]), { maxLength: 100 }), key, key],
    ([changes, from, to]) => {
      const [summary, model] = [Summary.make(sha256), new Map<string, string>()]
      for (const [key, change] of changes) {
        if (change === 0) assert.strictEqual(Summary.remove(summary, key), model.delete(key))
        else {
          Summary.set(summary, key, "x".repeat(change))
          model.set(key, "x".repeat(change))
        }
      }
      assertSame(summary, model, [
        { from, to },
        { from, to: undefined }
      ])
    },
    { arbitrary: { runs: 100 } }
  )

  it.each([1])("are those of a map, many of them, seed %d", (seed) => {
    const random = generator(seed)
    const below = (limit: number) => Math.floor(random() * limit)
    const [summary, model] = [Summary.make(sha256), new Map<string, string>()]
    // It grows, is emptied nearly and grows again, in a part of the keys at a time.
    for (const [count, most, removes] of [
      [3000, 2000, 0.1],
      [3000, 1000, 0.9],
      [8000, 2000, 0.95],
      [1000, 2000, 0.3],
      [12_000, 2000, 0.99],
      [100, 10, 0.5]
    ] as const) {
      for (let change = 0; change < count; change++) {
        const key = keyOf(below(most))
        if (random() < removes) assert.strictEqual(Summary.remove(summary, key), model.delete(key))
        else {
          const stamp = stampOf(below(9))
          Summary.set(summary, key, stamp)
          model.set(key, stamp)
        }
      }
      const ranges = Array.from({ length: 5 }, () => ({ from: keyOf(below(most)), to: keyOf(below(most)) }))
      assertSame(summary, model, ranges)
    }
  })

  it.each([
    ["ascending", (n: number) => n],
    ["descending", (n: number) => 20_000 - n]
  ])("%s, and all gone again", (_, at) => {
    const [summary, model] = [Summary.make(sha256), new Map<string, string>()]
    const key = (n: number) => String(at(n)).padStart(9, "0")
    for (let n = 0; n < 20_000; n++) {
      Summary.set(summary, key(n), "")
      model.set(key(n), "")
    }
    assert.deepStrictEqual(Summary.fingerprint(summary, everything), expected([...model]))
    for (let n = 0; n < 20_000; n++) {
      if (n === 19_900) assertSame(summary, model, [])
      Summary.remove(summary, key(n))
      model.delete(key(n))
    }
    assertSame(summary, model, [])
  })

  it("in a branch that lost its first leaf, got a lesser key than any left, and was joined with the one before", () => {
    const key = (n: number) => String(n).padStart(5, "0")
    const numbers = Array.from({ length: 5000 }, (_, n) => n)
    const summary = summaryOf(numbers.map((n) => [key(n), ""]))
    // In this order each leaf has 32 entries, and each branch 32 leaves.
    for (let n = 1024; n < 1056; n++) Summary.remove(summary, key(n))
    Summary.set(summary, key(1030), "again")
    for (const n of numbers) {
      if (n === 1030 || n % 50 === 0) continue
      Summary.remove(summary, key(n))
      assert.strictEqual(Summary.find(summary, key(1030)).stamp, "again", `without ${n}`)
    }
    const left = numbers.filter((n) => n % 50 === 0 && (n < 1024 || n > 1055)).map((n) => [key(n), ""] as const)
    assertSame(summary, new Map([...left, [key(1030), "again"]]), [])
  })

  it("are seen by who reads meanwhile, where it has not been yet", () => {
    const summary = summaryOf([
      ["a", "1"],
      ["c", "1"],
      ["e", "1"]
    ])
    const read: Array<string> = []
    for (const { key, stamp } of Summary.entries(summary, { from: "a", to: "f" })) {
      read.push(key + stamp)
      if (key !== "a") continue
      Summary.remove(summary, "a")
      Summary.remove(summary, "c")
      for (const key of ["0", "b", "e", "f"]) Summary.set(summary, key, "2")
    }
    assert.deepStrictEqual(read, ["a1", "b2", "e2"])
  })
})
