import { assert, describe, it } from "@effect/vitest"
import * as Lifetime from "../../src/protocol/Lifetime.ts"
import * as Message from "../../src/protocol/Message.ts"
import * as Trailer from "../../src/protocol/Trailer.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import type * as Version from "../../src/protocol/Version.ts"
import * as arbitrary from "./arbitraries.ts"

const tuple = new Tuple("k", "v")
const version: Version.Version = { time: 1_750_000_000_123, counter: 258, origin: "origin--" }
const hex = (frame: Uint8Array) => Buffer.from(frame).toString("hex")
const ends = (lifetime: number) => ({ lifetime, remaining: lifetime })
const bare = "aaa00201" + "016b" + "0000000176" + "00000000" // PUBLISH k v, ttl 0

describe("the octets", () => {
  it("of a value that ends are these", () => {
    assert.strictEqual(
      hex(Message.encode(Message.publish(tuple, version, { lifetime: 30_000, remaining: 29_999 }))),
      bare +
        "855a4758" + "01" + "00000033" + // a trailer of 51 octets
        "06" + "00000010" + "01977420dc7b" + "0102" + "6f726967696e2d2d" + // the version
        "09" + "0000000c" + "000000007530" + "00000000752f" + "8f33dbf6" // the lifetime, and the checksum
    ) // prettier-ignore
    assert.strictEqual(
      hex(Message.encode(Message.publish(tuple, undefined, ends(0)))),
      bare + "855a4758" + "01" + "0000001e" + "09" + "0000000c" + "000000000000" + "000000000000" + "6c936fe9"
    )
  })

  it("of one that does not end are those of version and value", () => {
    assert.strictEqual(
      hex(Message.encode(Message.publish(tuple, version, ends(0)))),
      hex(Message.encode(Message.publish(tuple, version)))
    )
  })

  it.prop(
    "are read as they were written",
    [arbitrary.oneOf("", "v"), arbitrary.integer(0, 2 ** 31)],
    ([by, number]) => {
      const lifetime = number * 2 ** 16 + number
      for (const time of [lifetime, number, Lifetime.most]) {
        const frame = Message.encode(
          Message.publish(tuple, by === "" ? undefined : version, { lifetime: time, remaining: number })
        )
        const read = Message.decode([frame])
        if (by === "") assert.notProperty(read, "version")
        else assert.deepInclude(read, { version })
        assert.deepInclude(read, time > 0 || by === "" ? { tuple, lifetime: time, remaining: number } : { tuple })
        if (by === "v") assert.strictEqual(frame.length, Message.publishLength(tuple, time))
      }
    }
  )

  it.each(["", "short", "too long"])("that are none, such as %o, are none", (body) => {
    const trailer = Trailer.make({ tag: Trailer.tags.lifetime, body })
    assert.isUndefined(Lifetime.decode(trailer))
    const frame = Buffer.concat([Message.encode(Message.publish(tuple)), Trailer.encode(trailer)])
    assert.notProperty(Message.decode([frame]), "lifetime")
  })
})
