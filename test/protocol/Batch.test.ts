import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import * as Batch from "../../src/protocol/Batch.ts"
import * as Digest from "../../src/protocol/Digest.ts"
import * as Message from "../../src/protocol/Message.ts"
import * as Octets from "../../src/protocol/Octets.ts"
import * as Past from "../../src/protocol/Past.ts"
import * as Trailer from "../../src/protocol/Trailer.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import type { Change } from "../../src/protocol/TupleMap.ts"
import * as arbitrary from "./arbitraries.ts"

const versions = Arbitrary.all([
  arbitrary.integer(0, 2 ** 48 - 1),
  arbitrary.integer(0, 65_535),
  Arbitrary.map(arbitrary.octets(8), (octets) => octets.padEnd(8, "\0"))
]).pipe(Arbitrary.map(([time, counter, origin]) => ({ time, counter, origin })))

const changes = Arbitrary.all([
  arbitrary.tuple,
  arbitrary.oneOf("put", "delete"),
  arbitrary.oneOf("version", "none"),
  versions,
  arbitrary.integer(0, 2 ** 48 - 1),
  Arbitrary.array(arbitrary.integer(0, 2 ** 32 - 1), { maxLength: 4 })
]).pipe(
  Arbitrary.map(([tuple, what, versioned, of, lifetime, past]): Change => {
    const version = versioned === "version" ? of : undefined
    const deleted = what === "delete"
    const said = { tuple: deleted ? new Tuple(tuple.keyOctets, "") : tuple, version, lifetime, deleted, past }
    return lifetime === 0 ? said : { ...said, remaining: deleted ? 0 : Math.floor(lifetime / 2) }
  })
)
const batches = Arbitrary.array(changes, { maxLength: 8 })

describe("entries", () => {
  it.prop("are read as they were written, and are as long as it says", [batches], ([batch]) => {
    const body = Batch.encode(batch)
    assert.deepStrictEqual(Batch.decode(body), batch)
    assert.strictEqual(
      body.length,
      batch.reduce((sum, change) => sum + Batch.lengthOf(change), 0)
    )
  })

  it.prop("that end too early are none, save where one ends", [batches, arbitrary.integer(0, 1000)], ([batch, cut]) => {
    const body = Batch.encode(batch)
    const short = Batch.decode(body.slice(0, cut))
    if (short !== undefined) assert.deepStrictEqual(short, batch.slice(0, short.length))
  })

  it.prop("whatever the octets are, there is an answer", [arbitrary.octets(300)], ([body]) => {
    const read = Batch.decode(body)
    if (read !== undefined) assert.deepStrictEqual(Batch.decode(Batch.encode(read)), read)
  })

  it.each(["10", "80", "00ff", `0000${"00".repeat(16)}ffffffff`, "0400ffffffff", "0d00", "0d00010000", "010001"])(
    "%s is none",
    (hex) => {
      assert.isUndefined(Batch.decode(Octets.from(arbitrary.fromHex(hex))))
    }
  )

  it("are not read where they are more than enough", () => {
    const most = "\u0005\u0000".repeat(Batch.mostEntries)
    assert.strictEqual(Batch.decode(most)?.length, Batch.mostEntries)
    assert.isUndefined(Batch.decode(`${most}\u0005\u0000`))
  })

  it("are these octets", () => {
    const version = { time: 1_750_000_000_123, counter: 258, origin: "origin--" }
    const body = Batch.encode([
      { tuple: new Tuple("k", "v"), version },
      { tuple: new Tuple("lease", "me"), version, lifetime: 30_000 },
      { tuple: new Tuple("gone", ""), version, deleted: true, past: [1, 2 ** 32 - 1] },
      { tuple: new Tuple("said here", "1") }
    ])
    const of = "01977420dc7b" + "0102" + "6f726967696e2d2d"
    assert.strictEqual(
      arbitrary.toHex(Octets.toBytes(body)).replaceAll(" ", "").toLowerCase(),
      "00" + "016b" + of + "0000000176" +
        "02" + "056c65617365" + of + "000000007530" + "000000007530" + "000000026d65" +
        "09" + "04676f6e65" + of + "02" + "00000001" + "ffffffff" +
        "04" + "09736169642068657265" + "0000000131"
    ) // prettier-ignore
  })
})

describe("golden frames", () => {
  const hex = (message: Message.Message) => Buffer.from(Message.encode(message)).toString("hex")
  const version = { time: 1_750_000_000_123, counter: 258, origin: "origin--" }

  it("of a PONG with entries, and of a PING with a digest", () => {
    const body = Batch.encode([
      { tuple: new Tuple("k", "v"), version, lifetime: 30_000, remaining: 29_999 },
      { tuple: new Tuple("k", ""), version: { ...version, counter: 259 }, deleted: true, past: [Past.digest("v")] }
    ])
    const trailer = Trailer.make({ tag: Trailer.tags.entries, body })
    assert.strictEqual(
      hex({ ...Message.pong, trailer }),
      "aaa00401" + "855a4758" + "01" + "0000004e" + "0b" + "0000003c" +
        "02016b" + "01977420dc7b" + "0102" + "6f726967696e2d2d" + "000000007530" + "00000000752f" + "0000000176" +
        "09016b" + "01977420dc7b" + "0103" + "6f726967696e2d2d" + "01" + "0544e0b5" + "145e7246"
    ) // prettier-ignore
    const digest = Digest.section({ count: 258, fingerprint: "0123456789abcdef", since: 1_750_000_000_123 })
    assert.strictEqual(
      hex({ ...Message.ping, trailer: Trailer.make(digest) }),
      "aaa00301" + "855a4758" + "01" + "0000002c" + "0a" + "0000001a" + "00000102" +
        "30313233343536373839616263646566" + "01977420dc7b" + "ee718900"
    ) // prettier-ignore
  })
})

describe("keys", () => {
  it.prop("are read as they were written, as many as fit", [Arbitrary.array(arbitrary.octets(255))], ([keys]) => {
    const read: Array<Octets.Octets> = []
    for (let next = 0; next < keys.length;) {
      const some = Batch.encodeKeys(keys, next, 300)
      assert.isAtMost(some.body.length, 300)
      assert.isAbove(some.next, next)
      read.push(...(Batch.decodeKeys(some.body) ?? []))
      next = some.next
    }
    assert.deepStrictEqual(read, keys)
  })

  it("that end too early are none", () => {
    assert.isUndefined(Batch.decodeKeys("\u0003ab"))
  })
})

describe("the digest", () => {
  it("is read as it was written, and is these octets", () => {
    const digest = { count: 258, fingerprint: "0123456789abcdef", since: 1_750_000_000_123 }
    const section = Digest.section(digest)
    assert.deepStrictEqual(Digest.find(Trailer.make(section)), digest)
    assert.strictEqual(
      arbitrary.toHex(Octets.toBytes(section.body)).replaceAll(" ", "").toLowerCase(),
      "00000102" + "30313233343536373839616263646566" + "01977420dc7b"
    )
  })

  it.each(["", "short", "x".repeat(26), "x".repeat(27)])("%o is none", (body) => {
    assert.isUndefined(Digest.find(Trailer.make({ tag: Trailer.tags.digest, body })))
  })
})
