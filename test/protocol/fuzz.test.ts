/**
 * What a stranger can send, and what comes of it: mutations of good frames and random sequences of inputs, from seeds.
 * Whatever it is, decoding and stepping have an answer, it costs no more than its own octets, and it moves nobody else.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Message from "../../src/protocol/Message.ts"
import * as Remote from "../../src/protocol/Remote.ts"
import * as Session from "../../src/protocol/Session.ts"
import * as Certificate from "../../src/protocol/Certificate.ts"
import * as CommandText from "../../src/protocol/CommandText.ts"
import * as Configuration from "../../src/protocol/Configuration.ts"
import * as Endpoint from "../../src/protocol/Endpoint.ts"
import * as TupleJson from "../../src/protocol/TupleJson.ts"
import * as TupleZpl from "../../src/protocol/TupleZpl.ts"
import * as Z85 from "../../src/protocol/Z85.ts"
import * as Zpl from "../../src/protocol/Zpl.ts"
import { fuzzed, generator, invalid, oneOf, type Random } from "../../fuzz/frames.ts"

const seeds = Array.from({ length: 8 }, (_, seed) => seed + 1)

describe("decode", () => {
  it.each(seeds)("has an answer to everything, and takes nothing that is not there: seed %i", (seed) => {
    const random = generator(seed)
    const kinds = new Map<string, number>()
    for (let n = 0; n < 3000; n++) {
      const frames = fuzzed(random)
      // Octets behind the frame in the same memory are none of its own.
      const memory = Buffer.concat([random.octets(8), ...frames, random.octets(8)])
      const own = frames.length === 1 ? [memory.subarray(8, 8 + (frames[0]?.length ?? 0))] : frames
      const message = Message.decode(own)
      const kind = message._tag === "Malformed" ? message.reason : message._tag
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      if (message._tag === "Malformed") continue
      const frame = own[0] ?? assert.fail("a message of no frame")
      const encoded = Message.encode(message)
      // The ttl is not kept.
      const kept = encoded.length - (message._tag === "Publish" ? 4 : 0)
      assert.isAtMost(encoded.length, frame.length, frame.toString("hex"))
      assert.isTrue(frame.subarray(0, kept).equals(encoded.subarray(0, kept)), frame.toString("hex"))
    }
    for (const kind of [
      "Frames",
      "Short",
      "Signature",
      "Version",
      "Id",
      "Length",
      "Hello",
      "Publish",
      "Ping",
      "Pong",
      "Invalid"
    ]) {
      assert.isAbove(kinds.get(kind) ?? 0, 0, `nothing was ${kind}`)
    }
  })
})

/** What storms are made of: one thing over and over, then another. */
const storms = (random: Random) => {
  let left = 0
  let kind = 0
  return (): ReadonlyArray<Buffer> => {
    if (left-- === 0) {
      left = random.below(60)
      kind = random.below(6)
    }
    const same = [invalid, ...["aaa00101", "aaa00301", "aaa00401", "aaa00701"].map((text) => Buffer.from(text, "hex"))]
    return kind < same.length ? [same[kind] ?? invalid] : fuzzed(random)
  }
}

describe("a session", () => {
  it.each(seeds)("takes tuples of members only, and answers each message with one at most: seed %i", (seed) => {
    const random = generator(seed)
    const storm = storms(random)
    let state: Session.State = Session.start
    let now = 0
    for (let n = 0; n < 3000; n++) {
      now += random.below(3) === 0 ? random.below(2000) : 0
      const input: Session.Input =
        random.below(10) === 0
          ? { _tag: "Tick", now, timeout: [undefined, 0, 1, 1000][random.below(4)] }
          : random.below(10) === 0
            ? { _tag: "Accepted" }
            : { _tag: "Received", now, message: Message.decode(storm()) }
      const step = Session.step(state, input)
      assert.isAtMost(step.actions.length, 1)
      for (const { _tag } of step.actions) {
        if (_tag === "Accept" || _tag === "Tell") assert.strictEqual(state._tag, "Connected")
        if (_tag === "Dump") assert.isTrue(input._tag === "Received" && input.message._tag === "Hello")
      }
      const deadline = Session.deadline(step.state, 1000)
      assert.isTrue(deadline === undefined || deadline <= now + 1000, `${deadline} at ${now}`)
      state = step.state
    }
  })
})

describe("a client", () => {
  const timing: Remote.Timing = { pingInterval: 250, timeout: 1000, silence: 20_000 }

  it.each(seeds)("of a hostile server says HELLO seldom, and remembers little of it: seed %i", (seed) => {
    const random = generator(seed)
    const storm = storms(random)
    let state: Remote.State = Remote.start
    let [now, sequence, hellos, keys] = [0, 0, 0, 0]
    for (let n = 0; n < 3000; n++) {
      const time = { now, sequence }
      const kind = random.below(40)
      const input: Remote.Input =
        kind === 0
          ? { _tag: "Down" }
          : kind < 3
            ? { _tag: "Up", ...time }
            : kind === 3
              ? { _tag: "Accepted" }
              : kind < 6
                ? { _tag: "Tick", ...time, idle: random.below(2) === 0, behind: random.below(2) === 0, taken: n }
                : { _tag: "Received", ...time, message: Message.decode(storm()) }
      // A connection may only come up after it was down.
      if (input._tag === "Up" && state._tag !== "Disconnected") continue
      now += random.below(2)
      if (random.below(50) === 0) sequence += 1
      const { actions, state: after } = Remote.step(state, input, timing)
      assert.isAtMost(actions.length, 6)
      const said = actions.filter((action) => action._tag === "Send" && action.message._tag === "Hello").length
      if (input._tag === "Received") hellos += said
      if (input._tag === "Received" && input.message._tag === "Publish") keys += 1
      if (after._tag !== "Disconnected") {
        assert.isAtMost(after.link.open.length, 16)
        assert.isAtMost(after.link.pingAt, now + timing.pingInterval + 1)
        assert.isAtMost(after.synced, sequence)
      }
      if (after._tag === "Joining") assert.isAtMost(after.dumped.size, keys)
      state = after
    }
    // Two for each connection and one for each PING interval, not one for each of some hundred INVALIDs.
    assert.isAtMost(hellos, (2 * 3000) / 40 + now / timing.pingInterval + 2)
  })
})

/** What people and other programs write: pieces of it, put together at random, and cut. */
const pieces = {
  zpl: ["server\n", "    timeout = 1\n", "    ", "\t", "  ", "a = ", "'", '"', "#", "= ", "\r\n", "\n", "zgossip\n", "%0A", "bind\n", "x = 'a' \"b\"\n"], // prettier-ignore
  line: ["PUBLISH ", "BIND ", "%", "%20", "%zz", "a", " ", "\r", "\0", '"', "\\", "é", "%C3%A9", "%00"],
  json: ['{"key":', '"a"', ',"value":', "1", "}", "[", "]", ",", "\n", '"valueBase64":', '"AA=="', "null", '"\\u', "\\ud800", "{", "1e999", "  "], // prettier-ignore
  endpoint: ["tcp://", "ipc://", "inproc://", "127.0.0.1", ":", "*", "!", "[", "]", "5670", "65536", "-", "::1", "%lo", "@", "/", "0", "a".repeat(120), " "], // prettier-ignore
  certificate: ["#   ****\n", "curve\n    public-key = 'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7'\n", "metadata\n", '    name = "x"\n', "curve\n", '    public-key = "', '    secret-key = "', "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", '"\n', "\n", "x", "\t", '"'] // prettier-ignore
} as const satisfies Record<string, readonly [string, ...ReadonlyArray<string>]>

const written = (random: Random, from: readonly [string, ...ReadonlyArray<string>]): Buffer => {
  const parts = Array.from({ length: random.below(14) }, () =>
    random.below(12) === 0 ? random.octets(random.below(6)) : Buffer.from(oneOf(random, from))
  )
  const all = Buffer.concat(parts)
  return random.below(4) === 0 ? all.subarray(0, random.below(all.length + 1)) : all
}

/** Each answers with a Result, and throws nothing. */
const readers: Record<keyof typeof pieces, (octets: Buffer) => ReadonlyArray<{ readonly _tag: string }>> = {
  zpl: (octets) => {
    const document = Zpl.parse(octets)
    if (document._tag === "Failure") return [document]
    assert.deepStrictEqual(Zpl.parse(Zpl.print(document.success))._tag, "Success")
    return [document, TupleZpl.fromDocument(document.success), Configuration.tuples(document.success)]
  },
  line: (octets) => [CommandText.parseLine(octets.toString("latin1"))],
  json: (octets) => [TupleJson.parse(octets)],
  endpoint: (octets) => {
    const text = octets.toString()
    const bound = Endpoint.parseBind(text)
    if (bound._tag === "Success") {
      assert.deepStrictEqual(Endpoint.parseBind(Endpoint.format(bound.success)), bound, text)
    }
    return [bound, Endpoint.parseConnect(text)]
  },
  certificate: (octets) => {
    void Z85.decode(octets.toString("latin1"))
    return [Certificate.parse(octets)]
  }
}

describe("whatever somebody has written", () => {
  it.each(Object.keys(readers) as ReadonlyArray<keyof typeof readers>)("as %s is read, or refused in words", (name) => {
    const tags = new Set<string>()
    for (const seed of seeds) {
      const random = generator(seed)
      for (let n = 0; n < 500; n++) {
        const octets = written(random, pieces[name])
        for (const result of readers[name](octets)) {
          assert.include(["Success", "Failure"], result._tag, octets.toString())
          tags.add(result._tag)
        }
      }
    }
    assert.deepStrictEqual([...tags].toSorted(), ["Failure", "Success"], "both happen")
  })
})
