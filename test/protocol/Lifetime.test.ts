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
const bare = "aaa00201" + "016b" + "0000000176" + "00000000" // PUBLISH k v, ttl 0

describe("the octets", () => {
  it("of a value that ends are these", () => {
    assert.strictEqual(
      hex(Message.encode(Message.publish(tuple, version, 30_000))),
      bare +
        "855a4758" + "01" + "0000002d" + // a trailer of 45 octets
        "06" + "00000010" + "01977420dc7b" + "0102" + "6f726967696e2d2d" + // the version
        "09" + "00000006" + "000000007530" + "7777b4b9" // the lifetime, and the checksum
    ) // prettier-ignore
    assert.strictEqual(
      hex(Message.encode(Message.publish(tuple, undefined, 0))),
      bare + "855a4758" + "01" + "00000018" + "09" + "00000006" + "000000000000" + "23550fe1"
    )
  })

  it("of one that does not end are those of version and value", () => {
    assert.strictEqual(
      hex(Message.encode(Message.publish(tuple, version, 0))),
      hex(Message.encode(Message.publish(tuple, version)))
    )
  })

  it.prop(
    "are read as they were written",
    [arbitrary.oneOf("", "v"), arbitrary.integer(0, 2 ** 31)],
    ([by, number]) => {
      const lifetime = number * 2 ** 16 + number
      for (const time of [lifetime, number, Lifetime.most]) {
        const frame = Message.encode(Message.publish(tuple, by === "" ? undefined : version, time))
        const read = Message.decode([frame])
        if (by === "") assert.notProperty(read, "version")
        else assert.deepInclude(read, { version })
        assert.deepInclude(read, time > 0 || by === "" ? { tuple, lifetime: time } : { tuple })
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
