import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import { readFileSync } from "node:fs"
import * as Ranges from "../../src/protocol/Ranges.ts"
import * as Reconcile from "../../src/protocol/Reconcile.ts"
import * as Summary from "../../src/protocol/Summary.ts"
import { generator } from "../node/support.ts"
import * as arbitrary from "./arbitraries.ts"
import { fromHex, toHex } from "./arbitraries.ts"
import { type Cost, hear, keyOf, newer, newerIn, numbered, round, sideOf, stampOf, summaryOf } from "./Sets.ts"

const octetsOf = (hex: string): string => Buffer.from(fromHex(hex)).toString("latin1")
const hexOf = (octets: string | undefined): string =>
  octets === undefined ? "none" : toHex(Buffer.from(octets, "latin1"))

/** A round in which nothing changes meanwhile finds each difference once, on one side or the other. */
const assertFound = (one: Summary.Summary, other: Summary.Summary, length?: number): Cost => {
  const [first, second] = [sideOf(one), sideOf(other)]
  const cost = round(first, second, length)
  const sorted = (...keys: ReadonlyArray<ReadonlyArray<string>>) => keys.flat().sort()
  assert.deepStrictEqual(sorted(first.wants, second.offers), newerIn(other, one))
  assert.deepStrictEqual(sorted(second.wants, first.offers), newerIn(one, other))
  assert.deepStrictEqual([first.state, second.state], [Reconcile.idle, Reconcile.idle])
  assert.isAtMost(cost.longest, length ?? Reconcile.defaultLength)
  return cost
}

describe("golden messages", () => {
  const two: ReadonlyArray<readonly [string, string]> = [
    ["a/1", "\x01"],
    ["a/2", "\x02"]
  ]
  const nine = Array.from({ length: 9 }, (_, n) => [`key/${n}`, "\x01"] as const)
  const opened = "01 00 81 00 00 00 02 A9 51 04 23 37 BF 0F DF 14 77 AA 29 D5 89 8E C6"
  const openedByNobody = "01 00 81 00 00 00 00 DE 47 C9 B2 7E B8 D3 00 DB B5 F2 C3 53 E6 32 C3"
  const told = "02 00 82 00 00 00 02 00 03 61 2F 31 01 01 02 01 32 01 02"
  const toldOne = "03 00 00 00 05 6B 65 79 2F 33 02 00 00 00 03 05 00 01 01 04 01 34 01 02 04 01 35 01 01 04 01 36"
  const parts =
    "02 00 01 00 00 00 03 14 AC 4D CC 64 E5 86 A2 FC 6A 3F CC 65 21 48 F7 00 05 6B 65 79 2F 33 " +
    "01 00 00 00 03 C7 F8 1F 9D CD 1B 97 F6 5F CD 21 A1 A9 EC 68 9B 04 01 36 " +
    "81 00 00 00 03 77 2E AA 2E A9 C1 0B C9 05 54 81 D7 E8 7D D6 D2"

  it.each<readonly [name: string, held: ReadonlyArray<readonly [string, string]>, heard: string, said: string]>([
    ["the same", two, opened, "00 00"],
    ["a few entries", two, "01 00 81 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00", told],
    ["none", [], opened, "02 00 82 00 00 00 00"],
    ["to none", two, openedByNobody, "00 00"],
    ["parts", nine, opened, parts],
    ["one part of three", nine.map(([key], n) => [key, n === 4 ? "\x02" : "\x01"]), parts, toldOne],
    ["what was told", nine, "03 00 00 00 05 6B 65 79 2F 33 82 00 00 00 00", "00 00"],
    ["the end", nine, "00 00", "none"],
    ["the end of what was not cut", nine, "00 07", "00 00"],
    ["as deep as may be", nine, `18${opened.slice(2)}`, "00 00"]
  ])("%s", (_, held, heard, said) => {
    assert.strictEqual(hexOf(hear(sideOf(summaryOf(held)), octetsOf(heard))), said)
  })

  it("are those of the document", () => {
    const text = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8").replaceAll(/\s+/g, " ")
    for (const hex of [opened, openedByNobody, told, parts, toldOne]) assert.include(text, hex)
  })

  it("open a round", () => {
    assert.strictEqual(hexOf(Ranges.encode(Reconcile.open(summaryOf(two)))), opened)
    assert.strictEqual(hexOf(Ranges.encode(Reconcile.open(summaryOf([])))), openedByNobody)
  })
})

describe("a round", () => {
  const key = Arbitrary.array(arbitrary.oneOf("a", "b", "\0", "\xff", "ab".repeat(120)), { maxLength: 6 }).pipe(
    Arbitrary.map((octets) => octets.join("").slice(0, 255))
  )
  const entries = Arbitrary.array(Arbitrary.all([key, arbitrary.octets(2)]), { maxLength: 60 })

  it.prop(
    "finds the difference of any two sets",
    [entries, entries, entries],
    ([both, one, other]) => {
      assertFound(summaryOf([...both, ...one]), summaryOf([...both, ...other]))
    },
    { arbitrary: { runs: 200 } }
  )

  it.each([1, 2, 3, 4])("finds the difference of many, in short messages, seed %d", (seed) => {
    const random = generator(seed)
    const [share, lost, count] = [random() ** 3, random() ** 3, 500 + random() * 3000]
    const prefix = seed % 2 === 0 ? "" : "service/".repeat(29)
    const set = () =>
      summaryOf(
        Array.from(
          numbered(0, count),
          ([key, stamp]) => [prefix + key, random() < share ? stampOf(Math.floor(random() * 9)) : stamp] as const
        ).filter(() => random() >= lost)
      )
    const cost = assertFound(set(), set(), Reconcile.leastLength)
    assert.isAtMost(cost.mostKept, 5)
  })

  it("costs little", () => {
    const count = 20_000
    const all = Array.from(numbered(0, count))
    const [one, other, none] = [summaryOf(all), summaryOf(all), summaryOf([])]
    const changed = (changes: number): Cost => {
      const entries = all.filter((_, n) => changes > 0 && n % (count / changes) === 0)
      for (const [n, [key]] of entries.entries()) Summary.set(n % 2 === 0 ? one : other, key, newer)
      const [first, second] = [sideOf(one), sideOf(other)]
      const cost = round(first, second)
      const found = [...first.wants, ...first.offers, ...second.wants, ...second.offers]
      assert.deepStrictEqual(found.sort(), entries.map(([key]) => key).sort())
      for (const [n, [key, stamp]] of entries.entries()) Summary.set(n % 2 === 0 ? one : other, key, stamp)
      return cost
    }
    const costs: ReadonlyArray<readonly [name: string, cost: Cost, octets: number, messages: number]> = [
      ["equal", changed(0), 25, 2],
      ["1 changed", changed(1), 2000, 8],
      ["10 changed", changed(10), 15_000, 8],
      ["1000 changed", changed(1000), 450_000, 35],
      ["one is empty", round(sideOf(one), sideOf(none)), 32, 3],
      ["the other is empty", round(sideOf(none), sideOf(one)), 25, 2]
    ]
    for (const [name, cost, octets, messages] of costs) {
      assert.isAtMost(cost.octets, octets, name)
      assert.isAtMost(cost.messages, messages, name)
    }
  })

  it("of sets that have nothing in common costs what it is to name all keys once", () => {
    const cost = assertFound(summaryOf(numbered(0, 5000)), summaryOf(numbered(5000, 10_000)))
    assert.isAtMost(cost.octets / 5000, 50)
  })

  it("ends while everything changes, and the next one finds what was missed", () => {
    const random = generator(7)
    const [one, other] = [summaryOf(numbered(0, 3000)), summaryOf(numbered(2000, 5000))]
    const change = () => {
      for (let n = 0; n < 100; n++) {
        const key = keyOf(Math.floor(random() * 6000))
        if (random() < 0.5) Summary.remove(random() < 0.5 ? one : other, key)
        else Summary.set(random() < 0.5 ? one : other, key, stampOf(Math.floor(random() * 9)))
      }
    }
    const [first, second] = [sideOf(one), sideOf(other)]
    assert.isAtMost(round(first, second, Reconcile.leastLength, change).messages, 200)
    assert.deepStrictEqual([first.state, second.state], [Reconcile.idle, Reconcile.idle])
    assertFound(one, other)
  })
})

describe("one entry among a million", () => {
  it("that one side has newer is found for less than 8 KiB and 6 round trips", () => {
    const count = 1_000_000
    const key = (n: number) => `service/${String(n).padStart(7, "0")}`
    const [old, newer] = ["\u0001".repeat(16), "\u0002".repeat(16)]
    // What is measured does not depend on the hash, and the one of the wire takes four seconds for so many.
    const summary = Summary.make((octets) =>
      String.fromCharCode(...(octets.length < 25 ? octets : octets.subarray(9)).subarray(0, 16))
    )
    for (let n = 0; n < count; n++) Summary.set(summary, key(n), old)
    // One set is enough: the two sides take turns, and differ in one key.
    const changed = key(717_171)
    const sides = [sideOf(summary), sideOf(summary)] as const
    const turn = (side: 0 | 1) => Summary.set(summary, changed, side === 0 ? old : newer)
    turn(0)
    const octets = [0, 0]
    let messages = 0
    for (let said: string | undefined = Ranges.encode(Reconcile.open(summary)); said !== undefined; messages++) {
      const by: 0 | 1 = messages % 2 === 0 ? 0 : 1
      octets[by] = (octets[by] ?? 0) + said.length
      const to = by === 0 ? 1 : 0
      turn(to)
      said = hear(sides[to], said)
    }
    assert.deepStrictEqual([...sides[0].wants, ...sides[1].offers], [changed])
    assert.isBelow(octets[0] ?? 0, 8192)
    assert.isBelow(octets[1] ?? 0, 8192)
    assert.isAtMost(messages, 12)
  }, 60_000)
})

describe("a peer that lies", () => {
  const summary = summaryOf(numbered(0, 20_000))
  const fingerprint = "x".repeat(16)

  const random = generator(3)
  const below = (limit: number) => Math.floor(random() * limit)
  /** As many ranges as fit, none of which is right. */
  const lies = (depth: number, kept: number): Ranges.Ranges => {
    const bounds = Array.from({ length: 1000 }, (_, n) => String.fromCharCode(n >> 2, (n & 3) << 6))
    const parts = bounds.slice(1).map((to) => ({ _tag: "Fingerprint", to, count: 1, fingerprint }) as const)
    return { _tag: "Ranges", depth, kept, parts }
  }

  it("gets an answer in bounds for each message, and takes no more memory the longer it goes on", () => {
    const side = sideOf(summary)
    for (let message = 0; message < 60; message++) {
      const depth = message < 30 ? message : below(256)
      const said = hear(side, Ranges.encode(lies(depth, below(256))), 0)
      assert.isAtMost(said?.length ?? 0, Reconcile.leastLength)
      assert.isAtMost(said?.charCodeAt(0) ?? 0, Reconcile.deepest)
      assert.isAtMost(side.state.kept.length, Reconcile.mostKept)
      for (const { parts } of side.state.kept) assert.isAtMost(parts.length, 1000)
    }
  })

  it("that claims to have kept something is let go on, message for message", () => {
    const side = sideOf(summary)
    for (let message = 0; message < 10; message++) assert.strictEqual(hear(side, "\0\xff"), "\0\0")
  })

  it("is not told again what was kept for a round before", () => {
    const side = sideOf(summary)
    hear(side, Ranges.encode(lies(1, 0)))
    assert.lengthOf(side.state.kept, 1)
    assert.strictEqual(hear(side, Ranges.encode(Reconcile.open(summary))), "\0\0")
    assert.deepStrictEqual(side.state, Reconcile.idle)
  })
})
