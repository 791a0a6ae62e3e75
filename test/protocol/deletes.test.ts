/** What is deleted, and what has its time: the merge rule with tombstones and lifetimes. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import * as Past from "../../src/protocol/Past.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import * as TupleMap from "../../src/protocol/TupleMap.ts"
import * as Version from "../../src/protocol/Version.ts"
import * as arbitrary from "./arbitraries.ts"

const version = (time: number, counter = 0, by = "a"): Version.Version => ({ time, counter, origin: by.padEnd(8, "-") })

/** "k=v" or "k" deleted, "@" its version, "+" its lifetime, "<" what it had before: `k=v@5+10`, `k@7<a,b`. */
const change = (text: string): TupleMap.Change => {
  const [, key = "", value, time, lifetime, past] =
    /^(\w)(?:=(\w*))?(?:@(\d+))?(?:\+(\d+))?(?:<([\w,]+))?$/.exec(text) ?? assert.fail(text)
  return {
    tuple: new Tuple(key, value ?? ""),
    version: time === undefined ? undefined : version(Number(time)),
    lifetime: lifetime === undefined ? undefined : Number(lifetime),
    ...(value === undefined && { deleted: true }),
    ...(past !== undefined && { past: past.split(",").map(Past.digest) })
  }
}
const merge = (map: TupleMap.TupleMap, text: string, now = 100, more: Partial<TupleMap.Arrival> = {}) =>
  TupleMap.merge(map, change(text), { link: 1, now, ...more })
const mapOf = (texts: string, now = 100) => {
  const map = TupleMap.make("me------")
  for (const text of texts.split(" ").filter(Boolean)) merge(map, text, now)
  return map
}
/** As it is to be seen at this time, dead ones as `k!`. */
const seen = (map: TupleMap.TupleMap, now = 100): string =>
  Array.from(map.entries.values(), (entry) =>
    TupleMap.isLive(entry, now) ? `${entry.tuple.key}=${entry.tuple.value}` : `${entry.tuple.key}!`
  ).join(" ")

describe("merge", () => {
  it.each<readonly [held: string, said: string, outcome: TupleMap.Outcome, seen: string]>([
    // The greater version wins.
    ["k=a@5", "k@6", "Deleted", "k!"],
    ["k=a@5", "k@4", "Stale", "k=a"],
    ["k@5", "k=a@4", "Stale", "k!"],
    ["k@5", "k=a@6", "Accepted", "k=a"],
    ["k@5", "k@6", "Renewed", "k!"],
    ["k@5", "k@5", "Duplicate", "k!"],
    ["", "k@5", "Renewed", "k!"],
    // One version says one thing: what lives longer, then a tombstone, then the greater value.
    ["k=a@5", "k@5", "Deleted", "k!"],
    ["k@5", "k=a@5", "Duplicate", "k!"],
    ["k=a@99+9", "k=b@99+8", "Duplicate", "k=a"],
    ["k=b@99+8", "k=a@99+9", "Accepted", "k=a"],
    ["k=b@99+8", "k=a@99", "Accepted", "k=a"],
    ["k=b@99+8", "k@99+8", "Deleted", "k!"],
    ["k=b@99+8", "k@99+7", "Duplicate", "k=b"],
    ["k@99+8", "k=b@99+8", "Duplicate", "k!"],
    // Lifetimes, at 100.
    ["", "k=a@90+10", "Renewed", "k!"],
    ["", "k=a@90+11", "Accepted", "k=a"],
    ["k=a@80", "k=a@90+10", "Deleted", "k!"],
    ["k=a@90+10", "k=a@90+10", "Duplicate", "k!"],
    ["k=a@90+10", "k=a@91+10", "Accepted", "k=a"],
    ["k=a@90+20", "k=a@91+20", "Renewed", "k=a"],
    ["k=a@90+20", "k=a@91", "Renewed", "k=a"],
    // Said here, and meant now.
    ["k=a@90", "k=a+0", "Duplicate", "k=a"],
    ["k=a@90+20", "k=a+0", "Renewed", "k=a"],
    ["k=a@90", "k=a+5", "Renewed", "k=a"],
    ["k@90<a", "k=a+0", "Accepted", "k=a"],
    ["k=a@90", "k", "Deleted", "k!"],
    ["k@90", "k", "Duplicate", "k!"],
    ["k=a@90+10", "k", "Duplicate", "k!"],
    ["", "k", "Duplicate", ""],
    // Of version 1, perhaps by somebody who does not know better.
    ["k=a@90+20", "k=a", "Duplicate", "k=a"],
    ["k=a@90+20", "k=b", "Accepted", "k=b"],
    ["k=a@90 k@91", "k=a", "Stale", "k!"],
    ["k=a@90 k@91", "k=b", "Accepted", "k=b"],
    ["k=a@80+10", "k=a", "Stale", "k!"],
    ["k@90<a,b", "k=a", "Stale", "k!"],
    ["k@90<a,b", "k=c", "Accepted", "k=c"],
    // Of which nothing was known, and nobody knows how old it is.
    ["k=a", "k=b@1", "Accepted", "k=b"],
    ["k=a", "k@1", "Deleted", "k!"],
    ["k=a@1", "k=b", "Accepted", "k=b"],
    ["k=a", "k=a", "Duplicate", "k=a"],
    ["k=a", "k=a+0", "Renewed", "k=a"],
    ["k=a k=a+0", "k=b@1", "Stale", "k=a"],
    // Nobody honest deletes so, or gives it a lifetime.
    ["k=a", "k@0", "Stale", "k=a"],
    ["k=a", "k=b@0+9", "Stale", "k=a"],
    ["k=a@80 k@81 k=b@82 k=c@83 k@84", "k=a", "Stale", "k!"],
    ["k=a@80 k=b@81 k=c@82 k=d@83 k=e@84 k@85", "k=a", "Accepted", "k=a"]
  ])("%s, then %s: %s", (held, said, outcome, now) => {
    const map = mapOf(held)
    const before = map.sequence
    assert.strictEqual(merge(map, said), outcome)
    assert.strictEqual(seen(map), now)
    assert.strictEqual(map.sequence - before, outcome === "Duplicate" || outcome === "Stale" ? 0 : 1)
    for (const { deleted, tuple } of map.entries.values()) if (deleted) assert.strictEqual(tuple.value, "")
  })

  it("what is said again by who has not heard of a delete is stale, and what is new is not", () => {
    const known = { link: 1, synced: 0 }
    assert.strictEqual(merge(mapOf("k=a@5"), "k=b", 100, { known, link: 2 }), "Accepted")
    const map = mapOf("k=a@5 k@6")
    assert.strictEqual(merge(map, "k=a", 100, { known: { ...known, link: 2 }, link: 2 }), "Stale")
    // It cannot be told of the delete: to refuse it once would be to refuse it for good.
    assert.strictEqual(merge(map, "k=b", 100, { known: { ...known, link: 2 }, link: 2 }), "Accepted")
  })

  it("keeps what a key had: its last values, those of a tombstone, and not twice", () => {
    const past = (texts: string) => mapOf(texts).entries.get("k")?.past
    const digests = (values: string) => Array.from(values, Past.digest)
    assert.deepStrictEqual(past("k=a@1"), [])
    assert.deepStrictEqual(past("k=a@1 k=a@2 k=b@3"), digests("a"))
    assert.deepStrictEqual(past("k=a@1 k=b@2 k=a@3"), digests("ab"))
    assert.deepStrictEqual(past("k=a@1 k=b@2 k@3"), digests("ab"))
    assert.deepStrictEqual(past("k=a@1 k@3<x,a"), digests("xa"))
    // The one that goes here, whatever others know of: peers of version 1 have it.
    assert.deepStrictEqual(past("k=a@1 k@3<w,x,y,z"), digests("xyza"))
    assert.deepStrictEqual(past("k=a@90+10"), digests("a"))
    assert.deepStrictEqual(past("k=1@1 k=2@2 k=3@3 k=4@4 k=5@5 k@6"), digests("2345"))
  })
})

it("what is set over hearsay is later than it was heard, by whichever clock", () => {
  const map = mapOf("")
  merge(map, "k=a", 100)
  merge(map, "k=b+0", 90)
  assert.deepInclude(map.entries.get("k")?.version, { time: 100, counter: 0 })
})

describe("time", () => {
  it("lets values end, the earliest first and so many at a time, and changes nothing else", () => {
    const map = mapOf("a=1@90+30 b=2@90+20 c=3@90 d=4@90+20")
    const before = Array.from(map.entries.values(), ({ link, sequence, version }) => ({ link, sequence, version }))
    const keys = (entries: ReadonlyArray<TupleMap.Entry>) => entries.map(({ tuple }) => `${tuple.key}=${tuple.value}`)
    assert.deepStrictEqual(TupleMap.expire(map, 109, 9), [])
    assert.strictEqual(seen(map, 109), "a=1 b=2 c=3 d=4")
    assert.strictEqual(seen(map, 110), "a=1 b! c=3 d!")
    assert.lengthOf(TupleMap.expire(map, 110, 1), 1)
    assert.lengthOf(TupleMap.expire(map, 110, 1), 1)
    assert.lengthOf(TupleMap.expire(map, 110, 1), 0)
    assert.deepStrictEqual(keys(TupleMap.expire(map, 1000, 9)), ["a=1"])
    assert.strictEqual(map.tombstones.size, 3)
    assert.strictEqual(map.ends.size, 0)
    assert.strictEqual(seen(map, 0), "a! b! c=3 d!")
    assert.deepStrictEqual(
      Array.from(map.entries.values(), ({ link, sequence, version }) => ({ link, sequence, version })),
      before
    )
    // It is known as what it is by who still has it, and by those of version 1.
    assert.strictEqual(merge(map, "a=1@90+30", 100), "Duplicate")
    assert.strictEqual(merge(map, "a=1", 200), "Stale")
  })

  it("a renewal moves the end", () => {
    const map = mapOf("k=a@90+20")
    assert.strictEqual(merge(map, "k=a@100+20"), "Renewed")
    assert.lengthOf(TupleMap.expire(map, 119, 9), 0)
    assert.lengthOf(TupleMap.expire(map, 120, 9), 1)
  })

  it("what gets another value, or is deleted, does not end", () => {
    const map = mapOf("k=a@90+20 k=b@91 l=a@90+20 l@91")
    assert.lengthOf(TupleMap.expire(map, 1000, 9), 0)
    assert.strictEqual(seen(map, 1000), "k=b l!")
  })

  it("forgets tombstones after the retention, and does not take them in again", () => {
    const map = mapOf("a@90 b=1@80+15 c=3@1 d=4@90+10000 e@99 d@100")
    assert.lengthOf(TupleMap.collect(map, 139, 50, 9), 0)
    assert.lengthOf(TupleMap.collect(map, 150, 50, 1), 1)
    assert.lengthOf(TupleMap.collect(map, 150, 50, 9), 3)
    assert.strictEqual(seen(map, 150), "c=3")
    assert.strictEqual(map.tombstones.size, 0)
    const again = (text: string, now: number) => merge(map, text, now, { retention: 50 })
    assert.strictEqual(again("a@90", 140), "Stale")
    assert.strictEqual(again("b=1@80+15", 145), "Stale")
    assert.strictEqual(again("a@90", 139), "Renewed")
    // Of what is held it counts, however old it is.
    assert.strictEqual(again("c@2", 1000), "Deleted")
  })
})

describe("laws", () => {
  const said = Arbitrary.all([
    arbitrary.oneOf("k", "l"),
    arbitrary.oneOf("", "1", "2", "gone"),
    arbitrary.integer(0, 3), // the time, in tens
    arbitrary.oneOf("0", "0", "5", "20"), // the lifetime
    arbitrary.integer(0, 60) // when it comes
  ])
  type Said = readonly [key: string, value: string, time: number, lifetime: string, at: number]
  const many = Arbitrary.array(said, { maxLength: 12 })

  const take = (map: TupleMap.TupleMap, [key, value, time, lifetime]: Said, now: number) =>
    TupleMap.merge(
      map,
      value === "gone"
        ? { tuple: new Tuple(key, ""), version: version(time * 10), deleted: true }
        : { tuple: new Tuple(key, value), version: version(time * 10), lifetime: Number(lifetime) },
      { link: 1, now }
    )

  /** At 100, when all that ends has ended, or at another time. */
  const held = (map: TupleMap.TupleMap, now = 100) => {
    TupleMap.expire(map, now, 1000)
    return Array.from(map.entries.values(), ({ deleted, lifetime, tuple, version }) => ({
      key: tuple.key,
      value: tuple.value,
      time: version.time,
      deleted,
      lifetime
    })).toSorted((a, b) => (a.key < b.key ? -1 : 1))
  }

  /** Each at its time, and between them now and then what has ended is looked for. */
  const at = (saids: ReadonlyArray<Said>, look: number) => {
    const map = TupleMap.make("me------")
    let now = 0
    for (const [n, one] of saids.entries()) {
      now = Math.max(now, one[4])
      take(map, one, now)
      if (n % look === 0) TupleMap.expire(map, now, 1)
    }
    return map
  }

  it.prop(
    "neither the order matters, nor when it comes, nor how often",
    [many, arbitrary.integer(1, 4), arbitrary.integer(60, 100)],
    ([saids, look, now]) => {
      const expected = held(at(saids, look), now)
      assert.deepStrictEqual(held(at(saids.toReversed(), 5 - look), now), expected)
      const sorted = saids.toSorted((a, b) => a[4] - b[4])
      assert.deepStrictEqual(held(at([...sorted, ...saids], 2), now), expected)
      // All at once, and late.
      const map = TupleMap.make("me------")
      for (const one of saids) take(map, one, now)
      assert.deepStrictEqual(held(map, now), expected)
    }
  )

  it.prop("nor does it how things are put together", [many, many, many], ([a, b, c]) => {
    const into = (map: TupleMap.TupleMap, from: TupleMap.TupleMap) => {
      for (const entry of from.entries.values()) TupleMap.merge(map, entry, { link: 2, now: 60 })
      return map
    }
    const one = into(at(a, 1), into(at(b, 2), at(c, 3)))
    const other = into(into(at(a, 3), at(b, 1)), at(c, 2))
    assert.deepStrictEqual(held(one), held(other))
  })

  it.prop("the second time nothing changes", [many], ([saids]) => {
    const map = at(saids, 1)
    const { sequence } = map
    for (const one of saids) assert.include(["Duplicate", "Stale"], take(map, one, 60))
    assert.strictEqual(map.sequence, sequence)
  })

  it.prop("what ends and what is deleted is in its place, and nothing else is", [many], ([saids]) => {
    const map = at(saids, 3)
    const entries = Array.from(map.entries.values())
    assert.strictEqual(map.tombstones.size, entries.filter(({ deleted }) => deleted).length)
    assert.strictEqual(map.ends.size, entries.filter(({ deleted, lifetime }) => !deleted && lifetime > 0).length)
    TupleMap.collect(map, 1000, 0, 1000)
    assert.isFalse(Array.from(map.entries.values()).some(({ deleted }) => deleted))
  })

  it.prop(
    "what is set or deleted here is newer than all that was heard",
    [many, arbitrary.oneOf("yes", "no")],
    ([saids, gone]) => {
      const map = at(saids, 1)
      TupleMap.merge(map, { tuple: new Tuple("k", "here"), lifetime: 0 }, { link: 0, now: 5 })
      if (gone === "yes") TupleMap.merge(map, { tuple: new Tuple("k", ""), deleted: true }, { link: 0, now: 5 })
      for (const one of saids) assert.include(["Duplicate", "Stale"], take(map, one, 60))
      assert.strictEqual(map.entries.get("k")?.tuple.value, gone === "yes" ? "" : "here")
      assert.strictEqual(map.entries.get("k")?.deleted, gone === "yes")
    }
  )
})

describe("three maps that tell each other all, now and then", () => {
  const retention = 1000
  const acts = Arbitrary.array(
    Arbitrary.all([
      arbitrary.oneOf("set", "set", "lend", "delete", "tell", "tell", "expire", "collect"),
      arbitrary.integer(0, 2),
      arbitrary.integer(0, 2),
      arbitrary.oneOf("k", "l"),
      arbitrary.integer(0, 200)
    ]),
    { minLength: 30, maxLength: 60 }
  )

  it.prop(
    "hold in the end what was said last of each key, and what was deleted does not come back",
    [acts],
    ([acts]) => {
      const maps = ["a", "b", "c"].map((name) => TupleMap.make(name.padEnd(8, "-")))
      const of = (n: number) => maps[n] ?? assert.fail()
      const last = new Map<string, TupleMap.Entry>()
      let now = 10_000
      const tell = (from: TupleMap.TupleMap, to: TupleMap.TupleMap) => {
        for (const entry of from.entries.values()) TupleMap.merge(to, entry, { link: 1, now, retention })
      }
      const tellAll = () => {
        for (const from of [0, 1, 2, 1, 0]) for (const to of maps) tell(of(from), to)
      }
      const say = (map: TupleMap.TupleMap, change: TupleMap.Change) => {
        const before = map.sequence
        TupleMap.merge(map, change, { link: TupleMap.elsewhere, now, retention })
        const entry = map.entries.get(change.tuple.keyOctets)
        if (entry === undefined || map.sequence === before) return
        const greatest = last.get(change.tuple.keyOctets)
        if (greatest === undefined || Version.compare(entry.version, greatest.version) > 0) {
          last.set(change.tuple.keyOctets, entry)
        }
      }
      let told = now
      for (const [n, [act, one, other, key, time]] of acts.entries()) {
        now += time
        // Nobody is away for longer than the retention.
        if (now - told > retention / 2) {
          now = told + retention / 2
          tellAll()
          told = now
        }
        const map = of(one)
        const tuple = new Tuple(key, String(n % 3))
        if (act === "set") say(map, { tuple, lifetime: 0 })
        else if (act === "lend") say(map, { tuple, lifetime: 1 + time * 3 })
        else if (act === "delete") say(map, { tuple: new Tuple(key, ""), deleted: true })
        else if (act === "tell") tell(map, of(other))
        else if (act === "expire") TupleMap.expire(map, now, 1)
        else for (const map of maps) TupleMap.collect(map, now, retention, 9)
      }
      tellAll()
      for (const later of [0, 1, 700, 5000]) {
        now += later
        const expected = Array.from(last.values())
          .filter((entry) => TupleMap.isLive(entry, now))
          .map(({ tuple }) => `${tuple.key}=${tuple.value}`)
          .sort()
        for (const map of maps) {
          const live = Array.from(map.entries.values()).filter((entry) => TupleMap.isLive(entry, now))
          assert.deepStrictEqual(live.map(({ tuple }) => `${tuple.key}=${tuple.value}`).sort(), expected)
          TupleMap.expire(map, now, 99)
          TupleMap.collect(map, now, retention, 99)
          if (later === 5000) assert.strictEqual(map.entries.size, expected.length)
        }
        tellAll()
      }
    }
  )
})
