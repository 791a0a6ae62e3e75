/**
 * What a stranger can send, and what comes of it: mutations of good frames and random sequences of inputs, from seeds.
 * Whatever it is, decoding and stepping have an answer, it costs no more than its own octets, and it moves nobody else.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Message from "../../src/protocol/Message.ts"
import * as Remote from "../../src/protocol/Remote.ts"
import * as Session from "../../src/protocol/Session.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"

/** A small generator of its own: a failing seed is in the name of its test. */
const generator = (seed: number) => {
  let state = seed * 2654435761 + 1
  const next = () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0
    return (state ^ (state >>> 13)) >>> 0
  }
  return {
    below: (bound: number) => next() % bound,
    octets: (length: number) => Buffer.from(Array.from({ length }, () => next() & 0xff))
  }
}

type Random = ReturnType<typeof generator>

const good = (random: Random): Buffer => {
  const messages = [Message.hello, Message.ping, Message.pong, Message.invalid]
  const tuple = new Tuple(
    random.octets(random.below(256)).toString("latin1"),
    random.octets(random.below(40)).toString("latin1")
  )
  return Buffer.from(Message.encode(messages[random.below(8)] ?? Message.publish(tuple)))
}

/** What length fields are tried with. */
const extremes = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fffffff, 0x80000000, 0xffffffff]

const mutate = (frame: Buffer, random: Random): Buffer => {
  const at = random.below(frame.length + 1)
  const copy = Buffer.from(frame)
  switch (random.below(6)) {
    case 0:
      if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8))
      return copy
    case 1:
      return copy.subarray(0, at)
    case 2:
      return Buffer.concat([copy, random.octets(random.below(20))])
    case 3:
      if (at + 4 <= copy.length) copy.writeUInt32BE(extremes[random.below(extremes.length)] ?? 0, at)
      return copy
    case 4:
      return Buffer.concat([copy.subarray(0, at), random.octets(random.below(5)), copy.subarray(at)])
    default:
      return random.octets(random.below(40))
  }
}

const fuzzed = (random: Random): ReadonlyArray<Buffer> => {
  let frame = good(random)
  for (let times = random.below(4); times > 0; times--) frame = mutate(frame, random)
  const more = random.below(20)
  return more === 0 ? [] : more === 1 ? [frame, good(random)] : [frame]
}

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

describe("a session", () => {
  it.each(seeds)("takes tuples of members only, and answers each message with one at most: seed %i", (seed) => {
    const random = generator(seed)
    let state: Session.State = Session.start
    let now = 0
    for (let n = 0; n < 3000; n++) {
      now += random.below(3) === 0 ? random.below(2000) : 0
      const input: Session.Input =
        random.below(10) === 0
          ? { _tag: "Tick", now, timeout: [undefined, 0, 1, 1000][random.below(4)] }
          : random.below(10) === 0
            ? { _tag: "Accepted" }
            : { _tag: "Received", now, message: Message.decode(fuzzed(random)) }
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
  const timing: Remote.Timing = { pingInterval: 250, timeout: 1000 }

  it.each(seeds)("of a hostile server says HELLO seldom, and remembers little of it: seed %i", (seed) => {
    const random = generator(seed)
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
                ? { _tag: "Tick", ...time, idle: random.below(2) === 0, behind: random.below(2) === 0 }
                : { _tag: "Received", ...time, message: Message.decode(fuzzed(random)) }
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
