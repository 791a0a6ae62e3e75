import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import { Tuple } from "../../src/protocol/Tuple.ts"
import * as TupleMap from "../../src/protocol/TupleMap.ts"
import * as arbitrary from "./arbitraries.ts"

const all = (map: TupleMap.TupleMap): TupleMap.Range => ({ upTo: map.sequence })
const pairs = (entries: Iterable<TupleMap.Entry>) =>
  Array.from(entries, ({ tuple: { key, value } }) => `${key}=${value}`)

/** A tuple of version 1 of the protocol, by a link. */
const merge = (map: TupleMap.TupleMap, tuple: Tuple, link = TupleMap.elsewhere, known?: TupleMap.Known) =>
  TupleMap.merge(map, { tuple }, { link, known, now: 0 })

/** Of "a=1 b=2@1", merged one after the other; `@1` came by link 1. */
const of = (text: string): TupleMap.TupleMap => {
  const map = TupleMap.make()
  for (const said of text.split(" ")) {
    const [pair = "", link = "0"] = said.split("@")
    merge(map, tuple(pair), Number(link))
  }
  return map
}
const tuple = (pair: string): Tuple => new Tuple(pair.split("=")[0] ?? "", pair.split("=")[1] ?? "")

describe("merge", () => {
  it.each<readonly [held: string, said: string, synced: number | undefined, outcome: TupleMap.Outcome, now: string]>([
    ["a=1", "b=1", undefined, "Accepted", "a=1 b=1"],
    ["a=1", "a=2", undefined, "Accepted", "a=2"],
    ["a=1", "a=1", undefined, "Duplicate", "a=1"],
    ["a=1 b=1", "a=", undefined, "Accepted", "a= b=1"],
    // Remote 1 has not seen our a, which was the second change.
    ["b=1 a=1", "a=2", 0, "Stale", "b=1 a=1"],
    ["b=1 a=1", "a=2", 1, "Stale", "b=1 a=1"],
    ["b=1 a=1", "a=2", 2, "Accepted", "b=1 a=2"],
    ["b=1 a=1", "a=2", 3, "Accepted", "b=1 a=2"],
    ["b=1 a=1", "a=1", 0, "Duplicate", "b=1 a=1"],
    ["b=1 a=1", "c=1", 0, "Accepted", "b=1 a=1 c=1"],
    // It has what it said itself, however new; not what another remote said.
    ["b=1 a=1@1", "a=2", 0, "Accepted", "b=1 a=2"],
    ["b=1 a=1@2", "a=2", 0, "Stale", "b=1 a=1"],
    // Published here since, or said again by another remote.
    ["a=1@1 a=2", "a=3", 0, "Stale", "a=2"],
    ["a=1@1 a=2@2", "a=3", 1, "Stale", "a=2"]
  ])("%s, then %s from remote 1 which saw up to %s: %s", (held, said, synced, outcome, now) => {
    const map = of(held)
    const before = map.sequence
    const known = synced === undefined ? undefined : { link: 1, synced }
    assert.strictEqual(merge(map, tuple(said), 1, known), outcome)
    assert.deepStrictEqual(pairs(TupleMap.read(map, all(map))), now.split(" "))
    assert.strictEqual(map.sequence, outcome === "Accepted" ? before + 1 : before)
    if (outcome === "Accepted") {
      const { link, sequence } = map.entries.get(tuple(said).keyOctets) ?? {}
      assert.deepStrictEqual({ link, sequence }, { link: 1, sequence: map.sequence })
    }
  })

  it("who says an older value has not got the newer one, even if that came from there", () => {
    const map = TupleMap.make()
    const say = (value: string, time: number, link: number) =>
      TupleMap.merge(
        map,
        { tuple: new Tuple("a", value), version: { time, counter: 0, origin: "origin--" } },
        { link, now: 0 }
      )
    const isKnownTo = (link: number) =>
      Array.from(TupleMap.read(map, { upTo: map.sequence, unknownTo: { link, synced: 0 } })).length === 0
    say("2", 2, 1)
    assert.strictEqual(say("1", 1, 2), "Stale")
    assert.isTrue(isKnownTo(1), "another link said the older one")
    assert.strictEqual(say("1", 1, 1), "Stale")
    assert.isFalse(isKnownTo(1))
    assert.deepStrictEqual(pairs(TupleMap.read(map, all(map))), ["a=2"])
  })

  it("a duplicate leaves the link by which the value came", () => {
    const map = of("a=1@1 b=1")
    merge(map, tuple("a=1"))
    merge(map, tuple("b=1"), 1)
    assert.deepStrictEqual(
      Array.from(map.entries.values(), ({ link }) => link),
      [1, TupleMap.elsewhere]
    )
  })

  it("knows keys by their octets", () => {
    const map = TupleMap.make()
    for (const key of ["", "\0", "\0\0", "a", "a\0", "\u00ff"]) merge(map, new Tuple(key, key))
    assert.strictEqual(map.entries.size, 6)
  })

  const said = Arbitrary.array(Arbitrary.all([arbitrary.oneOf("a", "b", "c"), arbitrary.integer(0, 3)]), {
    maxLength: 30
  })
  it.prop("is the last value of each key, each change with the next number", [said], ([said]) => {
    const map = TupleMap.make()
    const model = new Map<string, string>()
    let changes = 0
    for (const [key, number] of said) {
      const value = String(number)
      const outcome = merge(map, new Tuple(key, value))
      assert.strictEqual(outcome, model.get(key) === value ? "Duplicate" : "Accepted")
      if (outcome === "Accepted") changes += 1
      model.set(key, value)
    }
    assert.strictEqual(map.sequence, changes)
    assert.deepStrictEqual(
      pairs(TupleMap.read(map, all(map))),
      Array.from(model, ([key, value]) => `${key}=${value}`)
    )
  })
})

describe("read", () => {
  it.each<readonly [range: TupleMap.Range, read: string]>([
    // c is change 3, a was changed again by change 4; b and c came by remote 1.
    [{ upTo: 4 }, "a b c"],
    [{ upTo: 3 }, "b c"],
    [{ upTo: 0 }, ""],
    [{ upTo: 4, unknownTo: { link: 1, synced: 0 } }, "a"],
    [{ upTo: 4, unknownTo: { link: 1, synced: 4 } }, ""],
    [{ upTo: 4, unknownTo: { link: 2, synced: 2 } }, "c a"],
    [{ upTo: Number.POSITIVE_INFINITY, unknownTo: { link: 2, synced: 1 } }, "b c a"],
    [{ upTo: 4, unknownTo: { link: 2, synced: 9 } }, ""],
    [{ upTo: 4, unknownTo: { link: 2, synced: 1 }, except: new Set(["c"]) }, "b a"],
    [{ upTo: 3, unknownTo: { link: 2, synced: 2 } }, "c"],
    [{ upTo: 4, knownTo: { link: 1, synced: 0 } }, "b c"],
    [{ upTo: 4, knownTo: { link: 1, synced: 4 } }, "a b c"],
    [{ upTo: 4, knownTo: { link: 2, synced: 2 } }, "b"],
    [{ upTo: 2, knownTo: { link: 1, synced: 0 } }, "b"],
    [{ upTo: 4, except: new Set(["b", "x"]) }, "a c"],
    [{ upTo: 4, knownTo: { link: 1, synced: 0 }, except: new Set(["b"]) }, "c"]
  ])("%o: %s", (range, read) => {
    const map = of("a=1 b=2@1 c=3@1 a=4")
    assert.strictEqual(Array.from(TupleMap.read(map, range), ({ tuple: { key } }) => key).join(" "), read)
  })

  it("skips what changes and ignores what comes while it is read", () => {
    const map = of("a=1 b=2 c=3")
    const reader = TupleMap.read(map, all(map))
    assert.strictEqual(reader.next().value?.tuple.key, "a")
    merge(map, tuple("a=9"))
    merge(map, tuple("b=9"))
    merge(map, tuple("d=9"))
    assert.deepStrictEqual(pairs(reader), ["c=3"])
  })

  it.each([
    ["by its changes", { link: 9, synced: 0 }],
    ["all of it", { link: 9, synced: 99 }]
  ])("gives what is but renewed while it is read, once, with its new version: %s", (_, unknownTo) => {
    const map = TupleMap.make()
    const say = (key: string, time: number) =>
      TupleMap.merge(
        map,
        { tuple: new Tuple(key, "1"), version: { time, counter: 0, origin: "origin--" } },
        { link: 1, now: 0 }
      )
    for (const key of ["a", "b", "c", "d"]) say(key, 1)
    assert.strictEqual(say("d", 2), "Renewed")
    const reader = TupleMap.read(map, unknownTo.synced === 0 ? { ...all(map), unknownTo } : all(map))
    assert.strictEqual(reader.next().value?.tuple.key, "a")
    for (const key of ["b", "d", "a"]) assert.strictEqual(say(key, 3), "Renewed")
    assert.deepStrictEqual(
      Array.from(reader, ({ tuple: { key }, version: { time } }) => `${key}${time}`),
      ["b3", "c1", "d3"]
    )
  })

  it("finds what a remote missed, be it a little or more than is remembered, and however slowly it reads", () => {
    const map = of("old=1")
    const many = 70_000
    const change = (from: number, to: number) => {
      for (let n = from; n < to; n++) merge(map, new Tuple(`k${n % 40_000}`, String(n)))
    }
    change(0, 100)
    const slow = TupleMap.read(map, { upTo: map.sequence, unknownTo: { link: 9, synced: 1 } })
    assert.strictEqual(slow.next().value?.tuple.key, "k0")
    change(100, many)
    const since = (synced: number) =>
      Array.from(
        TupleMap.read(map, { upTo: map.sequence, unknownTo: { link: 9, synced } }),
        ({ tuple: { key } }) => key
      )
    assert.lengthOf(since(map.sequence - 10), 10)
    assert.deepStrictEqual(since(map.sequence - 2), [`k${(many - 2) % 40_000}`, `k${(many - 1) % 40_000}`])
    assert.lengthOf(since(map.sequence - 65_535), 40_000)
    assert.lengthOf(since(map.sequence - 65_537), 40_000)
    assert.lengthOf(since(0), 40_001)
    // Of the hundred it was to read some were changed again; those that were not are there.
    const rest = Array.from(slow, ({ tuple: { key } }) => key)
    assert.deepStrictEqual(rest, [])
    const second = of("a=1 b=2 c=3")
    const reader = TupleMap.read(second, { upTo: 3, unknownTo: { link: 9, synced: 0 } })
    assert.strictEqual(reader.next().value?.tuple.key, "a")
    for (let n = 0; n < 70_000; n++) merge(second, new Tuple("other", String(n)))
    assert.deepStrictEqual(pairs(reader), ["b=2", "c=3"])
  })

  it("takes `except` as it is when a key's turn comes", () => {
    const map = of("a=1 b=2 c=3")
    const except = new Set<string>()
    const reader = TupleMap.read(map, { ...all(map), except })
    assert.strictEqual(reader.next().value?.tuple.key, "a")
    except.add("b")
    assert.deepStrictEqual(pairs(reader), ["c=3"])
  })

  it("ends, even if each tuple read brings a new one", () => {
    const map = of("a=1 b=2 c=3")
    const reader = TupleMap.read(map, { upTo: Number.POSITIVE_INFINITY })
    let read = 0
    for (const {
      tuple: { key }
    } of reader) {
      merge(map, tuple(`${key}${++read}=1`))
      assert.isAtMost(read, 3)
    }
    assert.strictEqual(read, 3)
  })
})
