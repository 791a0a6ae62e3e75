import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import * as Message from "../../src/protocol/Message.ts"
import * as Lifetime from "../../src/protocol/Lifetime.ts"
import * as Trailer from "../../src/protocol/Trailer.ts"
import * as Tuple from "../../src/protocol/Tuple.ts"
import * as Version from "../../src/protocol/Version.ts"
import * as arbitrary from "./arbitraries.ts"
import { everyOctet, fromHex, toHex } from "./arbitraries.ts"

const publish = (key: string, value: string) => Message.publish(new Tuple.Tuple(key, value))
const octets = (text: string) => toHex(Buffer.from(text, "latin1"))

/** The wire format, version 1, to the octet: a change here is a change of the protocol. */
const golden: ReadonlyArray<readonly [name: string, message: Message.Message, hex: string]> = [
  ["HELLO", Message.hello, "AA A0 01 01"],
  ["PING", Message.ping, "AA A0 03 01"],
  ["PONG", Message.pong, "AA A0 04 01"],
  ["INVALID", Message.invalid, "AA A0 05 01"],
  ["PUBLISH", publish("key", "value"), "AA A0 02 01 03 6B 65 79 00 00 00 05 76 61 6C 75 65 00 00 00 00"],
  ["PUBLISH, a ttl", { ...publish("k", "v"), ttl: 100_000 }, "AA A0 02 01 01 6B 00 00 00 01 76 00 01 86 A0"],
  [
    "PUBLISH, the longest ttl",
    { ...publish("k", "v"), ttl: 2 ** 32 - 1 },
    "AA A0 02 01 01 6B 00 00 00 01 76 FF FF FF FF"
  ],
  ["PUBLISH, empty key", publish("", "v"), "AA A0 02 01 00 00 00 00 01 76 00 00 00 00"],
  ["PUBLISH, empty value", publish("k", ""), "AA A0 02 01 01 6B 00 00 00 00 00 00 00 00"],
  ["PUBLISH, both empty", publish("", ""), "AA A0 02 01 00 00 00 00 00 00 00 00 00"],
  ["PUBLISH, NUL inside", publish("a\0b", "\0"), "AA A0 02 01 03 61 00 62 00 00 00 01 00 00 00 00 00"],
  [
    "PUBLISH, key of 255 octets",
    publish("k".repeat(255), ""),
    `AA A0 02 01 FF ${octets("k".repeat(255))} 00 00 00 00 00 00 00 00`
  ],
  [
    "PUBLISH, every octet",
    publish(everyOctet.slice(1), everyOctet),
    `AA A0 02 01 FF ${octets(everyOctet.slice(1))} 00 00 01 00 ${octets(everyOctet)} 00 00 00 00`
  ]
]

describe("golden frames", () => {
  it.each(golden)("%s", (_, message, hex) => {
    assert.strictEqual(toHex(Message.encode(message)), hex)
    assert.deepStrictEqual(Message.decode([fromHex(hex)]), message)
  })

  it("PUBLISH, 1 MiB", () => {
    const value = everyOctet.repeat(4096)
    const frame = Message.encode(publish("key", value))
    assert.strictEqual(frame.length, 4 + 1 + 3 + 4 + 2 ** 20 + 4)
    assert.strictEqual(toHex(frame.subarray(0, 16)), "AA A0 02 01 03 6B 65 79 00 10 00 00 00 01 02 03")
    assert.strictEqual(toHex(frame.subarray(-5)), "FF 00 00 00 00")
    const message = Message.decode([frame])
    assert.isTrue(message._tag === "Publish" && message.tuple.valueOctets === value)
  })
})

describe("what is accepted, and gone when encoded again", () => {
  const plain = "AA A0 02 01 01 6B 00 00 00 01 76 00 00 00 00"
  it.each<readonly [name: string, hex: string, message: Message.Message, again: string]>([
    ["octets behind HELLO", "AA A0 01 01 FF", Message.hello, "AA A0 01 01"],
    ["octets behind PING", "AA A0 03 01 00 00", Message.ping, "AA A0 03 01"],
    ["octets behind PONG", "AA A0 04 01 AA A0 05 01", Message.pong, "AA A0 04 01"],
    ["octets behind INVALID", "AA A0 05 01 01", Message.invalid, "AA A0 05 01"],
    ["octets behind PUBLISH", `${plain} DE AD`, publish("k", "v"), plain]
  ])("%s", (_, hex, message, again) => {
    const decoded = Message.decode([fromHex(hex)])
    assert.deepStrictEqual(decoded, message)
    assert.isTrue(decoded._tag !== "Malformed" && toHex(Message.encode(decoded)) === again)
  })
})

describe("malformed", () => {
  const good = "AA A0 02 01 01 6B 00 00 00 01 76 00 00 00 00"
  it.each<readonly [name: string, reason: Message.Malformed["reason"], frames: ReadonlyArray<string>]>([
    ["no frame", "Frames", []],
    ["two frames", "Frames", [good, ""]],
    ["two good frames", "Frames", [good, good]],
    ["a routing id and its delimiter in front", "Frames", ["00 01", "", good]],
    ["empty", "Short", [""]],
    ["half a signature", "Short", ["AA"]],
    ["no version", "Short", ["AA A0 01"]],
    ["wrong first octet", "Signature", ["AB A0 01 01"]],
    ["wrong second octet", "Signature", ["AA A1 01 01"]],
    ["signature turned round", "Signature", ["A0 AA 01 01"]],
    ["version 0", "Version", ["AA A0 01 00"]],
    ["version 2", "Version", ["AA A0 01 02"]],
    ["version before id", "Version", ["AA A0 FF FF"]],
    ["id 0", "Id", ["AA A0 00 01"]],
    ["id 6", "Id", ["AA A0 06 01"]],
    ["id 255", "Id", ["AA A0 FF 01"]],
    ["PUBLISH and nothing else", "Short", ["AA A0 02 01"]],
    ["key length beyond the frame", "Short", ["AA A0 02 01 FF 6B 65 79"]],
    ["key that takes the value's length", "Short", ["AA A0 02 01 04 6B 00 00 00 00 00 00"]],
    ["value length cut", "Short", ["AA A0 02 01 01 6B 00 00 00"]],
    ["value length cut where it would be above the limit", "Short", ["AA A0 02 01 01 6B FF FF FF"]],
    ["value length beyond the frame", "Short", ["AA A0 02 01 01 6B 00 00 00 06 76 00 00 00 00"]],
    ["value that takes the ttl", "Short", ["AA A0 02 01 01 6B 00 00 00 05 76 00 00 00 00"]],
    ["value length at the limit, not there", "Short", ["AA A0 02 01 01 6B 10 00 00 00 76 00 00 00 00"]],
    ["value length above the limit", "Length", ["AA A0 02 01 01 6B 10 00 00 01 76 00 00 00 00"]],
    ["value length 80 00 00 00", "Length", ["AA A0 02 01 01 6B 80 00 00 00 76 00 00 00 00"]],
    ["value length FF FF FF FF", "Length", ["AA A0 02 01 01 6B FF FF FF FF 76 00 00 00 00"]],
    ["no ttl", "Short", ["AA A0 02 01 01 6B 00 00 00 01 76"]],
    ["ttl cut", "Short", ["AA A0 02 01 01 6B 00 00 00 01 76 00 00 00"]]
  ])("%s", (_, reason, frames) => {
    assert.deepStrictEqual(Message.decode(frames.map(fromHex)), { _tag: "Malformed", reason })
  })
})

describe("decode", () => {
  const known = ["Hello", "Publish", "Ping", "Pong", "Invalid", "Malformed"]
  /** Total, and what it reads is in the frame. */
  const check = (frames: ReadonlyArray<Uint8Array>) => {
    const message = Message.decode(frames)
    assert.include(known, message._tag)
    if (message._tag !== "Malformed") {
      const again = Message.encode(message)
      assert.isAtMost(again.length, frames[0]?.length ?? 0)
      assert.deepStrictEqual(Message.decode([again]), message)
    }
  }

  it.prop("is total over octets", [Arbitrary.array(arbitrary.bytes(40), { maxLength: 3 })], ([frames]) => {
    check(frames)
  })

  it.prop(
    "is total over what begins like a message",
    [arbitrary.integer(0, 6), arbitrary.bytes(40)],
    ([id, rest]) => {
      check([Uint8Array.of(0xaa, 0xa0, id, 1, ...rest)])
    },
    { arbitrary: { runs: 500 } }
  )

  it.prop(
    "is total over spoilt frames",
    [
      arbitrary.tuple,
      Arbitrary.array(Arbitrary.all([arbitrary.integer(0, 300), arbitrary.integer(0, 255)]), { maxLength: 4 }),
      arbitrary.integer(0, 40)
    ],
    ([tuple, changes, cut]) => {
      const frame = Uint8Array.from(Message.encode(Message.publish(tuple)))
      for (const [at, octet] of changes) frame[at % frame.length] = octet
      check([frame.subarray(0, Math.max(0, frame.length - cut))])
    },
    { arbitrary: { runs: 300 } }
  )

  it("keeps what stands behind a PUBLISH, with a ttl, a version, a lifetime or none of them", () => {
    const version = Version.section({ time: 1, counter: 2, origin: "12345678" })
    const lifetime = Lifetime.section({ lifetime: 3, remaining: 2 })
    const other = { tag: 99, body: "x" }
    for (const sections of [[other], [version, other], [other, lifetime], [version, lifetime], [lifetime], []]) {
      const frame = Message.encode({ ...publish("k", "v"), ttl: 5, trailer: Trailer.make(...sections) })
      const message = Message.decode([frame])
      check([frame])
      const says = message._tag === "Publish" ? Object.keys(message) : []
      assert.strictEqual(says.includes("ttl"), !sections.includes(version) && !sections.includes(lifetime))
      assert.strictEqual(says.includes("version"), sections.includes(version))
      assert.strictEqual(says.includes("lifetime"), sections.includes(lifetime))
    }
  })

  it("knows every truncation of a PUBLISH", () => {
    const frame = Message.encode(publish("key", "value"))
    for (let length = 0; length < frame.length; length++) {
      assert.deepStrictEqual(Message.decode([frame.subarray(0, length)]), { _tag: "Malformed", reason: "Short" })
    }
  })

  it.prop(
    "gives back what was encoded, also out of the middle of a buffer",
    [arbitrary.tuple, arbitrary.integer(0, 9), arbitrary.bytes(9)],
    ([tuple, before, behind]) => {
      const message = Message.publish(tuple)
      const frame = Message.encode(message)
      const around = new Uint8Array(before + frame.length + behind.length).fill(0xaa)
      around.set(frame, before)
      around.set(behind, before + frame.length)
      assert.deepStrictEqual(Message.decode([around.subarray(before, before + frame.length)]), message)
      assert.deepStrictEqual(Message.decode([around.subarray(before)]), message, "with octets behind it")
    }
  )

  it("keeps no hold on the frame", () => {
    const frame = Message.encode(publish("key", "value"))
    const message = Message.decode([frame])
    frame.fill(0)
    assert.deepStrictEqual(message, publish("key", "value"))
  })
})
