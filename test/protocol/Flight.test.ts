import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import { setImmediate } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Flight, type Means, most } from "../../src/protocol/Flight.ts"
import { Pool } from "../../src/protocol/FlightPool.ts"
import * as Message from "../../src/protocol/Message.ts"
import * as Trailer from "../../src/protocol/Trailer.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import * as arbitrary from "./arbitraries.ts"

const MiB = 2 ** 20

const long = (octets: number, key = "k"): Uint8Array =>
  Message.encode(Message.publish(new Tuple(key, "v".repeat(octets))))
const frameOf = (octets: number): Uint8Array => long(octets - long(0).length)

const world = (budget = 2 ** 40) => {
  const pool = new Pool(() => budget)
  let tokens = 0
  const peer = (means: Means): Flight =>
    new Flight(pool, means === "pings" ? Message.ping : Message.pong, () => means, () => `token${String(++tokens).padStart(3, "0")}`) // prettier-ignore
  return { pool, peer }
}

const carried = (frame: Uint8Array | undefined, tag: number) =>
  frame === undefined ? undefined : Trailer.find(Message.cargoOf(frame), tag)

/** Sends frames of 1 MiB until there is no room, and gives the fences among what went out. */
const fill = (flight: Flight): { readonly frames: number; readonly fences: ReadonlyArray<string> } => {
  const fences: Array<string> = []
  let frames = 0
  for (; flight.room > 0 && frames < 1000; frames++) {
    for (const frame of flight.dispatch([frameOf(MiB)])) {
      const token = carried(frame, Trailer.tags.fence)
      if (token !== undefined) fences.push(token)
    }
  }
  return { frames, fences }
}

describe("one peer", () => {
  it("has one window under way, of long frames; short ones do not count", () => {
    for (const means of ["sections", "pings", "none"] as const) {
      const { peer, pool } = world()
      const flight = peer(means)
      for (let n = 0; n < 100; n++) flight.dispatch([frameOf(4096)])
      assert.strictEqual(flight.octets, 0)
      assert.strictEqual(fill(flight).frames, most[means] / MiB)
      assert.strictEqual(pool.used, flight.octets)
      flight.clear()
      assert.deepStrictEqual([flight.octets, pool.used, flight.room], [0, 0, most[means]])
    }
  })

  it("may always have one frame, however long", () => {
    const { peer } = world(0)
    const flight = peer("sections")
    assert.isAbove(flight.room, 0)
    flight.dispatch([frameOf(32 * MiB)])
    assert.isAtMost(flight.room, 0)
  })

  it("says back what the last fence says, and that frees what was sent before it", () => {
    const { peer, pool } = world()
    const flight = peer("sections")
    const { fences } = fill(flight)
    assert.isAtMost(fences.length, 6)
    flight.fenced("nonsense")
    assert.isAtMost(flight.room, 0)
    flight.fenced(fences.at(-1) ?? "")
    assert.isAbove(flight.room, 0)
    const left = flight.octets
    for (const token of fences) flight.fenced(token)
    assert.strictEqual(flight.octets, left, "older ones free nothing more")
    // What is behind it is asked for as soon as nothing else is awaited.
    const rest = carried(flight.dispatch([]).at(-1), Trailer.tags.fence)
    if (left > 0) flight.fenced(rest ?? assert.fail())
    assert.deepStrictEqual([flight.octets, pool.used], [0, 0])
  })

  it("is asked again at a HELLO, which frees nothing", () => {
    const { peer } = world()
    const flight = peer("sections")
    fill(flight)
    const before = flight.octets
    assert.lengthOf(flight.dispatch([]), 0)
    flight.greet()
    assert.isAtMost(flight.room, 0)
    const [fence] = flight.dispatch([])
    assert.strictEqual(flight.octets, before)
    flight.fenced(carried(fence, Trailer.tags.fence) ?? "")
    assert.strictEqual(flight.octets, 0)
  })

  it("is answered once, what it asked last", () => {
    const flight = world().peer("none")
    flight.ask("12345678")
    flight.ask("abcdefgh")
    const [answer, ...rest] = flight.dispatch([Message.encode(Message.pong)])
    assert.strictEqual(carried(answer, Trailer.tags.fenced), "abcdefgh")
    assert.lengthOf(rest, 1)
    assert.lengthOf(flight.dispatch([]), 0)
  })

  it("of version 1 as a server answers PINGs in order: fences are told apart, all of them prove", () => {
    const { peer } = world()
    const flight = peer("pings")
    const ping = Message.encode(Message.ping)
    flight.dispatch([ping])
    flight.dispatch([frameOf(MiB)]) // and a fence
    flight.dispatch([frameOf(MiB), ping, ping])
    flight.dispatch([
      Message.encode({ ...Message.ping, trailer: Trailer.make({ tag: Trailer.tags.wanted, body: "" }) })
    ])
    const pongs = Array.from({ length: 6 }, () => [flight.pong(), flight.octets / MiB])
    assert.deepStrictEqual(pongs, [[false, 2], [true, 1], [false, 0], [false, 0], [false, 0], [false, 0]]) // prettier-ignore
  })

  it("of version 1 as a client proves by an echo, whatever its ttl says; by nothing that is not one", () => {
    const { peer } = world()
    const flight = peer("none")
    const frames = ["a", "b", "c"].map((key) => long(5000, key))
    flight.dispatch(frames)
    const echo = (frame: Uint8Array, change: (octets: Buffer) => void) => {
      const octets = Buffer.from(frame)
      change(octets)
      flight.echo(octets)
      return flight.octets / frame.length
    }
    const [, second = assert.fail()] = frames
    assert.strictEqual(echo(second, (octets) => octets.write("x", 5)), 3) // prettier-ignore
    assert.strictEqual(echo(second, (octets) => octets.write("x", octets.length >> 1)), 3) // prettier-ignore
    assert.strictEqual(echo(second.subarray(0, -1), () => {}), (3 * second.length) / (second.length - 1)) // prettier-ignore
    assert.strictEqual(echo(second, (octets) => octets.writeUInt32BE(99, octets.length - 4)), 1) // prettier-ignore
  })

  it("of version 1 proves by what is not in memory any more, also where others hold the same frames", async () => {
    setFlagsFromString("--expose-gc")
    const collect: () => void = runInNewContext("gc")
    const { peer, pool } = world()
    const [deaf, honest] = [peer("none"), peer("none")]
    const held: Array<Uint8Array> = []
    for (let n = 0; n < 64; n++) {
      const frame = frameOf(MiB)
      held.push(...deaf.dispatch([frame]))
      honest.dispatch([frame])
    }
    for (const flight of [deaf, honest]) assert.isTrue(flight.note(flight.room <= 0))
    assert.isAtMost(pool.used, (64 + 8) * MiB, "one frame for both, save copies")
    await setImmediate()
    collect()
    const helped = pool.trickle(0)
    assert.isTrue(helped.includes(honest))
    assert.isAtMost(honest.octets, 17 * MiB)
    assert.isAtLeast(deaf.octets, 63 * MiB)
    assert.lengthOf(held, 64)
  })
})

describe("all together", () => {
  it("the more do not read the less each of them has, and something is left for who does", () => {
    const { peer, pool } = world(256 * MiB)
    const deaf = Array.from({ length: 20 }, () => peer("none"))
    for (const flight of deaf) fill(flight)
    assert.isBelow(pool.used, 256 * MiB)
    const honest = peer("sections")
    for (let n = 0; n < 100; n++) {
      for (const frame of honest.dispatch([frameOf(MiB)])) honest.fenced(carried(frame, Trailer.tags.fence) ?? "")
      assert.isAbove(honest.room, 0)
    }
    assert.isBelow(pool.used, 256 * MiB)
    for (const flight of deaf) flight.clear()
    honest.clear()
    assert.strictEqual(pool.used, 0)
  })

  it("who has nothing to show gets a MiB a second, in turn, as long as there is room", () => {
    const { peer, pool } = world(256 * MiB)
    const [a, b] = [peer("none"), peer("none")]
    const held: Array<Uint8Array> = []
    const send = (flight: Flight) => {
      for (; flight.room > 0; flight.note(flight.room <= 0)) held.push(...flight.dispatch([frameOf(MiB)]))
    }
    send(a)
    send(b)
    const before = held.length
    for (let now = 0; now <= 10_000; now += 50) for (const flight of pool.trickle(now)) send(flight)
    assert.isAtMost(held.length - before, 11)
    assert.isAtLeast(held.length - before, 3, "they share what is left, and it gets less")
    for (let now = 10_000; now <= 600_000; now += 50) for (const flight of pool.trickle(now)) send(flight)
    assert.isAtMost(pool.used, 256 * MiB)
    assert.isAtLeast(pool.used, 200 * MiB)
  })

  it.prop(
    "whatever happens, what is counted is what is under way",
    [Arbitrary.array(Arbitrary.all([arbitrary.integer(0, 5), arbitrary.integer(0, 2)]), { maxLength: 60 })],
    ([acts]) => {
      const { peer, pool } = world(64 * MiB)
      const peers = [peer("sections"), peer("pings"), peer("none")]
      const fences: Array<string> = []
      const shared = frameOf(2 * MiB)
      for (const [act, index] of acts) {
        const flight = peers[index] ?? assert.fail()
        if (act < 2) {
          const frames = flight.dispatch([act === 0 ? shared : frameOf(MiB)])
          fences.push(...frames.flatMap((frame) => carried(frame, Trailer.tags.fence) ?? []))
        } else if (act === 2) flight.fenced(fences.pop() ?? "")
        else if (act === 3) flight.pong()
        else if (act === 4) flight.echo(shared)
        else flight.clear()
        const octets = peers.map(({ octets }) => octets)
        assert.isTrue(octets.every((count) => count >= 0))
        assert.isAtMost(pool.used, octets.reduce((sum, count) => sum + count)) // prettier-ignore
        assert.isAtLeast(pool.used, Math.max(...octets) > 0 ? MiB : 0)
      }
      for (const flight of peers) flight.clear()
      assert.strictEqual(pool.used, 0)
    },
    { arbitrary: { runs: 50 } }
  )
})
