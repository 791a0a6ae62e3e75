/**
 * What a watcher is told: a snapshot, then each change once and in order. Whatever it does with a table by these is
 * what the node holds, however slow it is.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Queue, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import * as Message from "../../src/protocol/Message.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import * as Version from "../../src/protocol/Version.ts"
import type { Watched } from "../../src/protocol/Watched.ts"
import * as Follow from "../../src/protocol/Watched.ts"
import { generator, knows, pass, rawClient, type Service, settle, start, type NodeOptions, write } from "./support.ts"

/** `[a=1 b=2]` is a snapshot, `+a=1` a put, `~a=1` a renewal, `-a=1` a delete, `!a=1` an end. */
const show = (event: Watched): string =>
  event._tag === "Snapshot"
    ? `[${event.entries.map(({ tuple }) => write(tuple)).join(" ")}]`
    : `${{ Put: "+", Renewed: "~", Deleted: "-", Expired: "!" }[event._tag]}${write(event.tuple)}`

/** Reads an event for each permit, all of them where there is no permit to wait for. */
const reading = (events: Stream.Stream<Watched>, permits?: Queue.Dequeue<void>) =>
  Effect.gen(function* () {
    const read: Array<Watched> = []
    const fiber = yield* events.pipe(
      Stream.runForEach((event) =>
        Effect.andThen(
          permits === undefined ? Effect.void : Queue.take(permits),
          Effect.sync(() => void read.push(event))
        )
      ),
      Effect.forkScoped({ startImmediately: true })
    )
    return { read, fiber, shown: () => read.map(show), take: () => read.splice(0).map(show) }
  })

const node = (options: NodeOptions = {}) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.make()
    const { close, gossip } = yield* start(network, "node", options)
    return { network, gossip, close, pass: (ms: number) => pass(network, ms), settle: settle(network) }
  })

const fellBehind = (gossip: Service) => Effect.map(gossip.status, ({ counters }) => counters.fellBehind)

/** Says what a watcher would be told by its rules: fails on what is double or cannot be. */
const replay = (events: ReadonlyArray<Watched>): Map<string, string> => {
  const table = new Map<string, { readonly value: string; readonly version: Version.Version }>()
  assert.strictEqual(events[0]?._tag, "Snapshot")
  for (const event of events) {
    if (event._tag === "Snapshot") {
      table.clear()
      for (const { tuple, version } of event.entries) {
        assert.isFalse(table.has(tuple.keyOctets), "a key twice")
        table.set(tuple.keyOctets, { value: tuple.valueOctets, version })
      }
      continue
    }
    const { tuple, version } = event
    const before = table.get(tuple.keyOctets)
    if (before !== undefined) {
      const order = Version.compare(version, before.version)
      if (event._tag === "Expired") assert.isAtLeast(order, 0, show(event))
      else assert.isAbove(order, 0, show(event))
    }
    if (event._tag === "Put") assert.notStrictEqual(tuple.valueOctets, before?.value, show(event))
    else assert.strictEqual(tuple.valueOctets, before?.value, show(event))
    if (event._tag === "Put" || event._tag === "Renewed") {
      table.set(tuple.keyOctets, { value: tuple.valueOctets, version })
    } else table.delete(tuple.keyOctets)
  }
  return new Map(Array.from(table, ([key, { value }]) => [key, value]))
}

const inTable = (table: ReadonlyMap<string, string>): ReadonlyArray<string> =>
  Array.from(table, ([key, value]) => `${key}=${value}`).sort()

describe("watch", () => {
  it.effect("gives what there is, then each change, with its version and its end", () =>
    Effect.gen(function* () {
      const { gossip, pass } = yield* node()
      yield* gossip.publishAll([
        ["b", "1"],
        ["a", "1"]
      ])
      const watcher = yield* reading(yield* gossip.watchNow())
      yield* pass(1000)
      yield* gossip.publish("c", "1", { lifetime: "10 seconds" })
      yield* gossip.publish("a", "1")
      yield* gossip.publish("a", "2")
      yield* gossip.unpublish("b")
      yield* gossip.unpublish("b")
      yield* pass(9999)
      assert.deepStrictEqual(watcher.shown(), ["[b=1 a=1]", "+c=1", "+a=2", "-b=1"])
      yield* pass(1)
      yield* gossip.publish("c", "1")
      yield* gossip.publish("b", "1")
      assert.deepStrictEqual(watcher.shown().slice(4), ["!c=1", "+c=1", "+b=1"])
      const [snapshot, put, , deleted, expired] = watcher.read
      assert.ok(snapshot?._tag === "Snapshot" && put?._tag === "Put" && expired?._tag === "Expired")
      assert.strictEqual(put.endsAt, put.version.time + 10_000)
      assert.strictEqual(snapshot.entries[0]?.endsAt, undefined)
      assert.match(put.origin, /^[0-9a-f]{16}$/)
      assert.deepStrictEqual([expired.version, expired.origin], [put.version, put.origin])
      assert.strictEqual(deleted?._tag === "Deleted" && deleted.version.time, 1000)
      assert.strictEqual(Buffer.from(put.version.origin, "latin1").toString("hex"), put.origin)
    })
  )

  it.effect("knows its prefix, in octets", () =>
    Effect.gen(function* () {
      const { gossip, settle } = yield* node()
      const high = Uint8Array.of(0xc3)
      yield* gossip.publish("é", "1")
      const [some, octets] = [yield* gossip.watchNow("a/"), yield* gossip.watchNow(high)]
      const watchers = [yield* reading(some), yield* reading(octets)]
      for (const key of ["a", "a/", "a/b", "A/b", "b", "è"]) {
        yield* gossip.publish(key, "1")
        yield* gossip.unpublish(key)
      }
      yield* settle
      assert.deepStrictEqual(
        watchers.map(({ shown }) => shown()),
        [
          ["[]", "+a/=1", "-a/=1", "+a/b=1", "-a/b=1"],
          ["[é=1]", "+è=1", "-è=1"]
        ]
      )
    })
  )

  it.effect("tells of renewals where they are asked for", () =>
    Effect.gen(function* () {
      const { gossip, pass } = yield* node()
      const [plain, all] = [yield* gossip.watchNow(), yield* gossip.watchNow("", { renewals: true })]
      const [first, second] = [yield* reading(plain), yield* reading(all)]
      const scope = yield* Scope.make()
      yield* gossip.announce("me", "here", { lifetime: "3 seconds" }).pipe(Scope.provide(scope))
      yield* pass(2500)
      yield* Scope.close(scope, Exit.void)
      yield* gossip.unpublish("me")
      yield* pass(5000)
      assert.deepStrictEqual(first.shown(), ["[]", "+me=here", "-me=here"])
      assert.deepStrictEqual(second.shown(), ["[]", "+me=here", "~me=here", "~me=here", "-me=here"])
      const ends = second.read.flatMap((event) => ("endsAt" in event ? [event.endsAt] : []))
      assert.deepStrictEqual(ends, [3000, 4000, 5000])
    })
  )

  it.effect("tells what other nodes do: deletes of theirs, ends, and what had ended on its way", () =>
    Effect.gen(function* () {
      const { gossip, network, pass } = yield* node()
      const other = yield* start(network, "other", { connect: ["inproc://node"] })
      yield* pass(20_000)
      const watcher = yield* reading(yield* gossip.watchNow())
      yield* other.gossip.publish("k", "1")
      yield* other.gossip.publish("ends", "1", { lifetime: "1 second" })
      yield* pass(500)
      yield* other.gossip.unpublish("k")
      yield* pass(500)
      assert.deepStrictEqual(watcher.take(), ["[]", "+k=1", "+ends=1", "-k=1", "!ends=1"])
      // Also what they did while there was no connection.
      yield* other.gossip.publish("k", "2")
      yield* pass(100)
      yield* other.gossip.disconnect("inproc://node")
      yield* other.gossip.unpublish("k")
      yield* other.gossip.publish("new", "1")
      yield* pass(100)
      yield* other.gossip.connect("inproc://node")
      yield* pass(1000)
      assert.deepStrictEqual(watcher.take().sort(), ["+k=2", "+new=1", "-k=2"])
      yield* gossip.publish("late", "1")
      yield* pass(2000)
      const raw = yield* rawClient(MemoryTransport.make(network, "raw"), "inproc://node")
      const version = { time: 23_700, counter: 0, origin: Version.nobody }
      yield* raw.say(
        Message.encode(Message.hello),
        Message.encode(Message.publish(new Tuple("late", "2"), version, { lifetime: 100, remaining: 0 }))
      )
      yield* pass(10)
      assert.deepStrictEqual(watcher.take(), ["+late=1", "!late=1"])
    })
  )

  it.effect("a value whose time had come before its end was told is in no snapshot, and not told to be gone", () =>
    Effect.gen(function* () {
      const { gossip, network, pass } = yield* node()
      const raw = yield* rawClient(MemoryTransport.make(network, "raw"), "inproc://node")
      yield* raw.say(Message.encode(Message.hello))
      const early = yield* reading(yield* gossip.watchNow())
      // At the moment of their end, ahead of the timer.
      const version = { time: 15_000, counter: 0, origin: Version.nobody }
      const over = Message.publish(new Tuple("b", "2"), version, { lifetime: 1000, remaining: 0 })
      const late = yield* Effect.all([gossip.watchNow(), gossip.publish("a", "1"), raw.say(Message.encode(over))], {
        concurrency: "unbounded"
      }).pipe(Effect.delay("10 seconds"), Effect.forkScoped({ startImmediately: true }))
      for (const key of ["a", "b", "c", "d"]) yield* gossip.publish(key, "1", { lifetime: "10 seconds" })
      yield* pass(9999)
      assert.deepStrictEqual(early.take(), ["[]", "+a=1", "+b=1", "+c=1", "+d=1"])
      yield* pass(1)
      const [events] = yield* Fiber.join(late)
      const [first, second, ...others] = early.take()
      assert.deepStrictEqual([first, second, ...others.sort()], ["!a=1", "+a=1", "!b=1", "!c=1", "!d=1"])
      assert.deepStrictEqual((yield* reading(events)).take(), ["[]", "+a=1"])
      const { accepted, expired } = (yield* gossip.status).counters
      assert.deepStrictEqual([accepted, expired], [5, 4])
    })
  )

  it.effect("ends with the node, when all is read", () =>
    Effect.gen(function* () {
      const { close, gossip, settle } = yield* node({ queueTuples: 3 })
      const [now, behind] = [yield* gossip.watchNow(), yield* gossip.watchNow("k")]
      const running = yield* reading(gossip.watch())
      yield* settle
      yield* gossip.publish("a", "1")
      yield* settle
      yield* gossip.publishAll([1, 2, 3, 4, 5].map((n) => ["k", `${n}`]))
      yield* close
      yield* Fiber.join(running.fiber)
      assert.deepStrictEqual(running.shown(), ["[]", "+a=1", "[a=1 k=5]"])
      assert.deepStrictEqual((yield* Stream.runCollect(now)).map(show), ["[a=1 k=5]"])
      assert.deepStrictEqual((yield* Stream.runCollect(behind)).map(show), ["[k=5]"])
      assert.deepStrictEqual(yield* Stream.runCollect(gossip.watch()), [])
      assert.strictEqual((yield* Effect.flip(gossip.watchNow())).reason._tag, "Stopped")
    })
  )

  it.effect("is closed with its scope: nothing waits for it any more", () =>
    Effect.gen(function* () {
      const { gossip, settle } = yield* node({ queueTuples: 5 })
      /** How many fall behind where there is more to say than there is room for. */
      const falling = Effect.gen(function* () {
        const before = yield* fellBehind(gossip)
        yield* gossip.publishAll(Array.from({ length: 20 }, (_, n) => ["k", `${n}`]))
        yield* settle
        return (yield* fellBehind(gossip)) - before
      })
      const others = yield* falling
      const events = yield* Effect.scoped(
        Effect.tap(gossip.watchNow(), () =>
          Effect.map(falling, (count) => assert.strictEqual(count, others + 1, "one that is open"))
        )
      )
      assert.strictEqual(yield* falling, others)
      yield* Stream.runDrain(Stream.take(gossip.watch(), 1))
      assert.strictEqual(yield* falling, others)
      const running = yield* Effect.forkChild(Stream.runDrain(gossip.watch()), { startImmediately: true })
      yield* settle
      assert.strictEqual(yield* falling, others + 1)
      yield* Fiber.interrupt(running)
      assert.strictEqual(yield* falling, others)
      assert.deepStrictEqual((yield* Stream.runCollect(events)).map(show), ["[k=19]"])
    })
  )
})

describe("a watcher that does not read", () => {
  it.effect.each([{ queueTuples: 5 }, { queueOctets: 30 }])(
    "has another snapshot in the place of all that waits, counted once: %j",
    (limits) =>
      Effect.gen(function* () {
        const { gossip, pass, settle } = yield* node(limits)
        const permits = yield* Queue.unbounded<void>()
        const watcher = yield* reading(yield* gossip.watchNow("k"), permits)
        yield* gossip.publish("kept", "1")
        yield* Queue.offer(permits, undefined)
        yield* settle
        // The reader has taken what there was, and is at it.
        yield* gossip.publish("k1", "1", { lifetime: "1 second" })
        for (let n = 0; n < 50; n++) yield* gossip.publish(`k${n % 10}`, `${n}`)
        yield* gossip.publish("else", "1")
        yield* gossip.unpublish("k2")
        yield* pass(1000)
        const fallen = yield* fellBehind(gossip)
        yield* Queue.offerAll(permits, [undefined, undefined])
        yield* settle
        // What changes behind it is told again.
        yield* gossip.unpublish("kept")
        yield* Queue.offer(permits, undefined)
        yield* settle
        assert.deepStrictEqual(watcher.take(), [
          "[]",
          "+kept=1",
          "[kept=1 k1=41 k0=40 k3=43 k4=44 k5=45 k6=46 k7=47 k8=48 k9=49]",
          "-kept=1"
        ])
        assert.deepStrictEqual([fallen, yield* fellBehind(gossip)], [1, 1])
      })
  )

  it.effect("and never has, has the state when it takes it", () =>
    Effect.gen(function* () {
      const { gossip } = yield* node({ queueTuples: 2 })
      const events = yield* gossip.watchNow()
      for (let n = 0; n < 10; n++) yield* gossip.publish("k", `${n}`)
      yield* gossip.unpublish("k")
      yield* gossip.publish("l", "1")
      assert.deepStrictEqual((yield* Stream.runCollect(Stream.take(events, 1))).map(show), ["[l=1]"])
    })
  )
})

describe("whatever happens, and however slow a watcher is", () => {
  const seeds = Array.from({ length: 16 }, (_, seed) => seed)

  it.effect.each(seeds)("what it was told is what is held: seed %i", (seed) =>
    Effect.gen(function* () {
      const random = generator(seed)
      const draw = (below: number) => Math.floor(random() * below)
      const queueTuples = 1 + draw(12)
      const { gossip, network, pass, settle } = yield* node({ queueTuples })
      const other = yield* start(network, "other", { connect: ["inproc://node"] })
      yield* pass(1000)
      const act = Effect.suspend(() => {
        const { gossip: where } = random() < 0.5 ? { gossip } : other
        const key = `${["", "a", "b"][draw(3)]}${draw(4)}`
        switch (draw(6)) {
          case 0:
            return where.unpublish(key)
          case 1:
            return where.publish(key, `${draw(3)}`, { lifetime: 1 + draw(2000) })
          case 2:
            return settle
          default:
            return where.publish(key, `${draw(3)}`)
        }
      })
      /** Some watchers begin while things change, each with a speed of its own. */
      const watchers: Array<{
        prefix: string
        read: ReadonlyArray<Watched>
        permits: Queue.Queue<void>
        speed: number
      }> = []
      const open = Effect.gen(function* () {
        const [prefix, permits] = [["", "a", "b2"][draw(3)] ?? "", yield* Queue.unbounded<void>()]
        const events = yield* gossip.watchNow(prefix, { renewals: draw(2) === 0 })
        const { read } = yield* reading(events, permits)
        watchers.push({ prefix, read, permits, speed: draw(4) })
      })
      for (let round = 0; round < 30; round++) {
        const acts = Effect.all([act, act, act, act], { concurrency: "unbounded" })
        yield* Effect.all([acts, round < 8 ? open : Effect.void], { concurrency: "unbounded" })
        for (const { permits, speed } of watchers) yield* Queue.offerAll(permits, Array<void>(draw(2) * speed))
        if (draw(3) === 0) yield* TestClock.adjust(draw(500))
      }
      yield* pass(100)
      for (const { permits } of watchers) yield* Queue.offerAll(permits, Array<void>(1000))
      yield* pass(1)
      const all = yield* knows(gossip)
      for (const { prefix, read } of watchers) {
        assert.deepStrictEqual(
          inTable(replay(read)),
          all.filter((text) => text.startsWith(prefix)),
          read.map(show).join(" ")
        )
      }
    })
  )

  it.effect.each(seeds.slice(0, 4))("one that reads in time is told each change once, in order: seed %i", (seed) =>
    Effect.gen(function* () {
      const random = generator(seed)
      const draw = (below: number) => Math.floor(random() * below)
      const { gossip, pass } = yield* node()
      const held = new Map<string, { readonly value: string; readonly end: number }>()
      const expected = ["[]"]
      const { shown } = yield* reading(yield* gossip.watchNow())
      const table = new Map<string, Follow.Held>()
      const followed = yield* reading(yield* gossip.watchNow("", { renewals: true }))
      let now = 0
      for (let n = 0; n < 100; n++) {
        const [key, value] = [`k${draw(3)}`, `${draw(2)}`]
        const before = held.get(key)
        if (draw(4) === 0) {
          yield* gossip.unpublish(key)
          if (held.delete(key)) expected.push(`-${key}=${before?.value}`)
        } else {
          const lifetime = draw(2) * (1 + draw(30)) * 10
          yield* lifetime === 0 ? gossip.publish(key, value) : gossip.publish(key, value, { lifetime })
          if (before?.value !== value) expected.push(`+${key}=${value}`)
          held.set(key, { value, end: lifetime === 0 ? Number.POSITIVE_INFINITY : now + lifetime })
        }
        if (draw(3) > 0) continue
        for (let step = 0; step < 5; step++) {
          now += 10
          yield* pass(10)
          const over = Array.from(held).filter(([, { end }]) => end <= now)
          // Of those that end at the same moment nobody says which is first.
          expected.push(...over.map(([key, { value }]) => `!${key}=${value}`).sort())
          for (const [key] of over) held.delete(key)
        }
      }
      const ordered = (events: ReadonlyArray<string>) => {
        const sorted: Array<string> = []
        for (let at = 0; at < events.length;) {
          const end = events.findIndex((event, n) => n > at && !event.startsWith("!"))
          const run = events[at]?.startsWith("!") ? events.slice(at, end < 0 ? undefined : end) : [events[at] ?? ""]
          sorted.push(...run.toSorted())
          at += run.length
        }
        return sorted
      }
      assert.deepStrictEqual(ordered(shown()), ordered(expected))
      for (const event of followed.read) Follow.follow(table, event)
      assert.deepStrictEqual(
        new Map(
          Array.from(table, ([key, { endsAt, tuple }]) => [key, { value: tuple.value, end: endsAt ?? Infinity }])
        ),
        held
      )
    })
  )
})
