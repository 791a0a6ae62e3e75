import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import * as Message from "../../src/protocol/Message.ts"
import * as Past from "../../src/protocol/Past.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import * as Trailer from "../../src/protocol/Trailer.ts"
import * as TupleMap from "../../src/protocol/TupleMap.ts"
import * as Version from "../../src/protocol/Version.ts"
import * as arbitrary from "./arbitraries.ts"

const origin = (name: string) => name.padEnd(Version.originLength, "-")
const version = (time: number, counter = 0, by = "a"): Version.Version => ({ time, counter, origin: origin(by) })
const signs = (order: number) => Math.sign(order)

const versions = Arbitrary.all([
  arbitrary.oneOf("0", "1", "255", "256", "1750000000123", "281474976710655"),
  arbitrary.oneOf("0", "1", "255", "256", "65535"),
  arbitrary.oneOf("a", "b", "\u00ff\u00ff", "\0")
]).pipe(Arbitrary.map(([time, counter, by]) => version(Number(time), Number(counter), by)))

describe("compare", () => {
  it.each([
    [version(1), version(2), -1],
    [version(2, 0), version(1, 9), 1],
    [version(1, 1), version(1, 2), -1],
    [version(1, 1, "b"), version(1, 1, "a"), 1],
    [version(1, 1, "\u00ff"), version(1, 1, "a"), 1],
    [version(1, 1), version(1, 1), 0]
  ])("%o, %o: %s", (a, b, order) => {
    assert.strictEqual(signs(Version.compare(a, b)), order)
    assert.strictEqual(signs(Version.compare(b, a)) + order, 0)
  })

  it.prop("is the order of the octets", [versions, versions], ([a, b]) => {
    const octets = (one: Version.Version) =>
      Buffer.from(Message.encode(Message.publish(new Tuple("", ""), one))).toString("latin1", 27, 43)
    const order = octets(a) < octets(b) ? -1 : octets(a) > octets(b) ? 1 : 0
    assert.strictEqual(signs(Version.compare(a, b)), order)
  })
})

describe("next", () => {
  it.each([
    [undefined, 5, version(5)],
    [version(4, 9, "b"), 5, version(5)],
    [version(5, 0, "b"), 5, version(5, 1)],
    // A clock that is set back, or behind another one.
    [version(9, 3, "b"), 5, version(9, 4)],
    [version(9, 65_535, "b"), 5, version(10)],
    [undefined, -5, version(1)],
    [undefined, 0, version(1)],
    [undefined, 5.9, version(5)]
  ])("after %o, at %s: %o", (last, now, expected) => {
    assert.deepStrictEqual(Version.next(last, now, origin("a")), expected)
  })

  it.prop("is greater than what was seen", [versions, Arbitrary.map(versions, ({ time }) => time)], ([last, now]) => {
    if (last.time === 2 ** 48 - 1) return // the end of time
    assert.isAbove(Version.compare(Version.next(last, now, origin("a")), last), 0)
  })
})

describe("the octets", () => {
  it.prop("of a PUBLISH are read as they were written", [versions], ([version]) => {
    const message = Message.publish(new Tuple("key", "value"), version)
    const frame = Message.encode(message)
    const read = Message.decode([frame])
    assert.deepStrictEqual(read, message)
    assert.strictEqual(frame.length, Message.publishLength(new Tuple("key", "value")))
  })

  it.prop("are found among other sections, and not behind a wrong checksum", [versions], ([version]) => {
    const frame = Buffer.from(Message.encode(Message.publish(new Tuple("key", "value"), version)))
    const trailer = Trailer.decode(frame, frame.length - Version.trailerLength)
    assert.deepStrictEqual(Version.decode(trailer), version)
    const body = Trailer.find(trailer, Trailer.tags.version) ?? ""
    const more = Trailer.encode(Trailer.make({ tag: 200, body: "later" }, { tag: Trailer.tags.version, body }))
    const other = Message.decode([Buffer.concat([Message.encode(Message.publish(new Tuple("key", "value"))), more])])
    assert.deepInclude(other, { tuple: new Tuple("key", "value"), version })
    frame[frame.length - 10] = (frame[frame.length - 10] ?? 0) ^ 1
    const broken = Message.decode([frame])
    assert.notProperty(broken, "version")
    assert.deepInclude(broken, { trailer: { _tag: "Broken", reason: "Checksum" } })
  })

  it("keep no hold on the frame that they were read from", () => {
    const frame = (by: string) => Buffer.from(Message.encode(Message.publish(new Tuple("k", "v"), version(1, 2, by))))
    const [first, second] = [frame("first"), frame("second")]
    Message.decode([first])
    second.copy(first)
    assert.deepInclude(Message.decode([second]), { version: version(1, 2, "second") })
  })

  it("are these", () => {
    const frame = Message.encode(Message.publish(new Tuple("k", "v"), version(1_750_000_000_123, 258, "origin")))
    assert.strictEqual(
      Buffer.from(frame).toString("hex"),
      "aaa00201" + "016b" + "0000000176" + "00000000" + // PUBLISH k v, ttl 0
        "855a4758" + "01" + "00000022" + // a trailer of 34 octets
        "06" + "00000010" + "01977420dc7b" + "0102" + "6f726967696e2d2d" + "9b53d1ae" // the version, and the checksum
    ) // prettier-ignore
    assert.strictEqual(
      Buffer.from(Message.encode(Message.greeting)).toString("hex"),
      "aaa00101855a47580100000012050000000078e0e620"
    )
  })

  it.each(["", "short", "much too long for a version"])("that are none, such as %o, are none", (body) => {
    assert.isUndefined(Version.decode({ _tag: "Trailer", sections: [{ tag: 6, body }] }))
  })
})

describe("hearsay", () => {
  const heard = (now: number, value: string) => Version.hearsay(now, Past.digest(value))

  it.prop("is less than all that was set", [versions, Arbitrary.map(versions, ({ time }) => time)], ([a, now]) => {
    const one = Version.next(undefined, a.time, a.origin)
    assert.isBelow(Version.compare(heard(now, "v"), one), 0)
    assert.deepStrictEqual([one, heard(now, "v")].map(Version.isHearsay), [false, true])
  })

  it("is the newer, the later it was heard; of two values of one moment, one is", () => {
    assert.isBelow(Version.compare(heard(99, "v"), heard(100, "u")), 0)
    assert.notStrictEqual(Version.compare(heard(99, "v"), heard(99, "u")), 0)
    assert.strictEqual(Version.compare(heard(99, "v"), heard(99, "v")), 0)
  })

  it("has these octets", () => {
    const octets = Buffer.from(Version.stamp(heard(0x01977420dc7b, "v")), "latin1").toString("hex")
    assert.strictEqual(octets, "00000000000001977420dc7b0544e0b5")
  })

  it.each([1, 99, 1_700_000_000_123, 2 ** 48 - 1])("says when it was heard: %s", (now) => {
    assert.strictEqual(Version.setAt(heard(now, "v")), now)
    assert.strictEqual(Version.setAt(version(now)), now)
    assert.strictEqual(heard(now, "v").origin.length, Version.originLength)
  })
})

describe("merge by versions", () => {
  const said = Arbitrary.all([arbitrary.oneOf("k", "l"), arbitrary.oneOf("1", "2", "3"), versions])
  const many = Arbitrary.array(said, { maxLength: 12 })
  type Said = ReadonlyArray<readonly [string, string, Version.Version]>
  const mapOf = (...saids: ReadonlyArray<Said>) => {
    const map = TupleMap.make(origin("me"))
    for (const [key, value, version] of saids.flat()) {
      TupleMap.merge(map, { tuple: new Tuple(key, value), version }, { link: 1, now: 0 })
    }
    return map
  }
  const held = (map: TupleMap.TupleMap) =>
    Array.from(map.entries.values(), ({ tuple, version }) => ({
      key: tuple.key,
      value: tuple.value,
      version
    })).toSorted((a, b) => (a.key < b.key ? -1 : 1))

  it.prop("does not depend on the order", [many, many], ([a, b]) => {
    assert.deepStrictEqual(held(mapOf(a, b)), held(mapOf(b, a)))
    assert.deepStrictEqual(held(mapOf(a, b)), held(mapOf(a.toReversed(), b.toReversed())))
  })

  it.prop("nor on how things are put together", [many, many, many], ([a, b, c]) => {
    const entries = (map: TupleMap.TupleMap): Said => held(map).map(({ key, value, version }) => [key, value, version])
    assert.deepStrictEqual(held(mapOf(a, entries(mapOf(b, c)))), held(mapOf(entries(mapOf(a, b)), c)))
  })

  it.prop("nor on how often they come: the second time nothing changes", [many], ([a]) => {
    const map = mapOf(a)
    const { sequence } = map
    const outcomes = a.map(([key, value, version]) =>
      TupleMap.merge(map, { tuple: new Tuple(key, value), version }, { link: 2, now: 0 })
    )
    assert.isTrue(outcomes.every((outcome) => outcome === "Duplicate" || outcome === "Stale"))
    assert.strictEqual(map.sequence, sequence)
  })

  it.prop("what is set here is newer than all that was heard", [many], ([a]) => {
    const map = mapOf(a.filter(([, , { time }]) => time < 2 ** 48 - 1))
    const before = Array.from(map.entries.values(), ({ version }) => version)
    assert.strictEqual(
      TupleMap.merge(map, { tuple: new Tuple("k", "mine"), lifetime: 0 }, { link: TupleMap.elsewhere, now: 0 }),
      "Accepted"
    )
    const mine = map.entries.get("k")
    assert.strictEqual(mine?.tuple.value, "mine")
    for (const one of before) assert.isAbove(Version.compare(mine?.version ?? version(0), one), 0)
  })

  it.each<readonly [value: string, version: Version.Version, outcome: TupleMap.Outcome]>([
    ["new", version(6), "Accepted"],
    ["old", version(6), "Renewed"],
    ["old", version(5), "Duplicate"],
    ["old", version(4), "Stale"],
    ["new", version(4), "Stale"],
    // One version has one value; if somebody lies, all choose the same.
    ["older", version(5), "Accepted"],
    ["nil", version(5), "Duplicate"]
  ])("old of 5, then %s of %o: %s", (value, version, outcome) => {
    const map = mapOf([["k", "old", { ...version, time: 5 }]])
    assert.strictEqual(TupleMap.merge(map, { tuple: new Tuple("k", value), version }, { link: 1, now: 0 }), outcome)
  })
})
