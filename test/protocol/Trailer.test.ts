import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import * as Message from "../../src/protocol/Message.ts"
import * as Trailer from "../../src/protocol/Trailer.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import * as arbitrary from "./arbitraries.ts"
import { fromHex, toHex } from "./arbitraries.ts"

const trailer: Arbitrary.Arbitrary<Trailer.Trailer> = Arbitrary.array(
  Arbitrary.all([arbitrary.integer(0, 255), arbitrary.octets(100)]),
  { maxLength: 8 }
).pipe(Arbitrary.map((sections) => Trailer.make(...sections.map(([tag, body]) => ({ tag, body })))))

const request = Trailer.make({ tag: Trailer.tags.statusRequest, body: "" })
const status = Trailer.make({ tag: Trailer.tags.status, body: '{"tuples":2}' })
const unknown = Trailer.make({ tag: 0xee, body: "\0" }, ...status.sections)

/** Written out by hand; the checksums are those of another implementation of CRC-32C. */
const golden: ReadonlyArray<readonly [name: string, message: Message.Message, hex: string]> = [
  [
    "HELLO, no section",
    { ...Message.hello, trailer: Trailer.make() },
    "AA A0 01 01 85 5A 47 58 01 00 00 00 0D 37 2C A2 67"
  ],
  [
    "PING, status request",
    { ...Message.ping, trailer: request },
    "AA A0 03 01 85 5A 47 58 01 00 00 00 12 01 00 00 00 00 98 A5 58 90"
  ],
  [
    "PONG, status",
    { ...Message.pong, trailer: status },
    "AA A0 04 01 85 5A 47 58 01 00 00 00 1E 02 00 00 00 0C 7B 22 74 75 70 6C 65 73 22 3A 32 7D B6 97 F2 DF"
  ],
  [
    "PING, fence",
    { ...Message.ping, trailer: Trailer.make({ tag: Trailer.tags.fence, body: "01234567" }) },
    "AA A0 03 01 85 5A 47 58 01 00 00 00 1A 07 00 00 00 08 30 31 32 33 34 35 36 37 E5 37 DA 4F"
  ],
  [
    "PONG, fenced",
    { ...Message.pong, trailer: Trailer.make({ tag: Trailer.tags.fenced, body: "01234567" }) },
    "AA A0 04 01 85 5A 47 58 01 00 00 00 1A 08 00 00 00 08 30 31 32 33 34 35 36 37 F4 74 C6 AD"
  ],
  [
    "PUBLISH, a section of tomorrow, and one of today",
    { ...Message.publish(new Tuple("k", "v")), trailer: unknown },
    "AA A0 02 01 01 6B 00 00 00 01 76 00 00 00 00 85 5A 47 58 01 00 00 00 24 EE 00 00 00 01 00 " +
      "02 00 00 00 0C 7B 22 74 75 70 6C 65 73 22 3A 32 7D 2D 0B E1 47"
  ]
]

/** What a frame's trailer is taken for. */
const found = (frame: Uint8Array): string => {
  const message = Message.decode([frame])
  if (message._tag === "Malformed" || message._tag === "Invalid") return message._tag
  const { trailer } = message
  return trailer === undefined ? "none" : trailer._tag === "Broken" ? trailer.reason : "Trailer"
}

const ping = (...parts: ReadonlyArray<string | Uint8Array>): Uint8Array =>
  Buffer.concat([fromHex("AA A0 03 01"), ...parts.map((part) => (typeof part === "string" ? fromHex(part) : part))])

const uint32 = (value: number): Uint8Array => {
  const octets = Buffer.alloc(4)
  octets.writeUInt32BE(value)
  return octets
}

/** A PING with these octets as sections, and all else of the trailer right. */
const pingWith = (sections: string | Uint8Array): Uint8Array => {
  const body = typeof sections === "string" ? fromHex(sections) : sections
  const octets = Buffer.concat([fromHex("85 5A 47 58 01"), uint32(body.length + 13), body])
  return ping(octets, uint32(Trailer.crc32c(octets, 0, octets.length)))
}

describe("golden frames", () => {
  it.each(golden)("%s", (_, message, hex) => {
    assert.strictEqual(toHex(Message.encode(message)), hex)
    assert.deepStrictEqual(Message.decode([fromHex(hex)]), message)
  })

  it("CRC-32C as RFC 3720 has it", () => {
    const of = (octets: Uint8Array) => Trailer.crc32c(octets, 0, octets.length).toString(16)
    assert.strictEqual(of(Buffer.from("123456789")), "e3069283")
    // Its examples are octets, the least first.
    assert.strictEqual(of(new Uint8Array(32)), "8a9136aa")
    assert.strictEqual(of(new Uint8Array(32).fill(0xff)), "62a8ab43")
    assert.strictEqual(of(Uint8Array.from({ length: 32 }, (_, n) => n)), "46dd794e")
  })
})

describe("broken", () => {
  it.each<readonly [name: string, frame: Uint8Array, reason: string]>([
    ["other octets", ping("00 01 02 03 04 05 06 07 08"), "none"],
    ["a part of the magic", ping("85 5A 47"), "none"],
    ["the magic and nothing else", ping("85 5A 47 58"), "Short"],
    ["no length", ping("85 5A 47 58 01"), "Short"],
    ["no checksum", ping("85 5A 47 58 01 00 00 00 0D 00 00 00"), "Short"],
    ["version 0", ping("85 5A 47 58 00"), "Version"],
    ["version 2, whatever follows", ping("85 5A 47 58 02 00"), "Version"],
    ["longer than its length", ping("85 5A 47 58 01 00 00 00 0D 00 00 00 00 00"), "Length"],
    ["shorter than its length", ping("85 5A 47 58 01 00 00 00 0E 00 00 00 00"), "Length"],
    ["length 0", ping("85 5A 47 58 01 00 00 00 00 00 00 00 00"), "Length"],
    ["length FF FF FF FF", ping("85 5A 47 58 01 FF FF FF FF 00 00 00 00"), "Length"],
    ["another checksum", ping("85 5A 47 58 01 00 00 00 0D 00 00 00 00"), "Checksum"],
    ["half a section's head", pingWith("01 00 00 00"), "Section"],
    ["a section behind the end", pingWith("01 00 00 00 01"), "Section"],
    ["a section of FF FF FF FF octets", pingWith("01 FF FF FF FF 00"), "Section"],
    ["as many sections as may be", pingWith(new Uint8Array(5 * Trailer.maxSections)), "Trailer"],
    ["one more", pingWith(new Uint8Array(5 * (Trailer.maxSections + 1))), "Section"],
    ["as long as may be", Message.encode({ ...Message.ping, trailer: long(Trailer.maxLength) }), "Trailer"],
    ["longer", Message.encode({ ...Message.ping, trailer: long(Trailer.maxLength + 1) }), "Length"]
  ])("%s", (_, frame, reason) => {
    assert.strictEqual(found(frame), reason)
  })

  it("is known at every truncation and at every flip of a bit, and the message counts", () => {
    for (const [, message] of golden) {
      const frame = Uint8Array.from(Message.encode(message))
      const { trailer: _, ...bare } = { trailer: undefined, ...message }
      const end = Message.encode(bare).length
      for (let length = end; length < frame.length; length++) {
        const cut = found(frame.subarray(0, length))
        assert.include(length < end + 4 ? ["none"] : ["Short", "Length"], cut, `${length} octets`)
      }
      for (let at = end; at < frame.length; at++) {
        for (let bit = 1; bit < 256; bit *= 2) {
          frame[at] = (frame[at] ?? 0) ^ bit
          const decoded = Message.decode([frame])
          assert.strictEqual(decoded._tag, message._tag)
          assert.notStrictEqual(found(frame), "Trailer", `octet ${at}, bit ${bit}`)
          frame[at] = (frame[at] ?? 0) ^ bit
        }
      }
    }
  })

  it("is not sent on", () => {
    const trailer = { _tag: "Broken", reason: "Short" } as const
    assert.strictEqual(toHex(Message.encode({ ...Message.ping, trailer })), "AA A0 03 01")
  })
})

/** A trailer of so many octets. */
function long(length: number): Trailer.Trailer {
  return Trailer.make({ tag: 0, body: "x".repeat(length - 13 - 5) })
}

describe("decode", () => {
  const messages = [Message.hello, Message.ping, Message.pong, Message.publish(new Tuple("key", "value"))]

  it.prop(
    "gives back what was encoded, out of the middle of a buffer, behind any message",
    [trailer, arbitrary.integer(0, 3), arbitrary.integer(0, 9)],
    ([trailer, which, before]) => {
      const message = { ...(messages[which] ?? Message.ping), trailer }
      const frame = Message.encode(message)
      const around = new Uint8Array(before + frame.length + 9).fill(0x85)
      around.set(frame, before)
      const own = around.subarray(before, before + frame.length)
      assert.deepStrictEqual(Message.decode([own]), message)
      assert.strictEqual(found(around.subarray(before)), "Length", "with octets behind it")
    }
  )

  it.prop(
    "is total over garbage",
    [arbitrary.integer(0, 3), arbitrary.bytes(80)],
    ([kind, octets]) => {
      const frame = [
        () => ping(octets),
        () => ping("85 5A 47 58", octets),
        () => ping("85 5A 47 58 01", uint32(octets.length + 9), octets),
        () => pingWith(octets)
      ][kind]?.()
      const message = Message.decode([frame ?? assert.fail()])
      assert.strictEqual(message._tag, "Ping")
      const again = Message.encode(message as Message.Message)
      // What is not the trailer to the octet is none.
      assert.include([4, frame?.length], again.length)
      if (again.length > 4) assert.strictEqual(toHex(again), toHex(frame ?? again))
    },
    { arbitrary: { runs: 500 } }
  )
})

describe("find", () => {
  it("gives the first of its kind, and passes by what it does not know", () => {
    assert.strictEqual(Trailer.find(unknown, Trailer.tags.status), '{"tuples":2}')
    assert.strictEqual(Trailer.find(Trailer.make({ tag: 7, body: "a" }, { tag: 7, body: "b" }), 7), "a")
    assert.isUndefined(Trailer.find(unknown, Trailer.tags.statusRequest))
    assert.isUndefined(Trailer.find(undefined, 1))
    assert.isUndefined(Trailer.find({ _tag: "Broken", reason: "Short" }, 1))
  })
})
