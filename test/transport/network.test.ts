/**
 * What the in-memory network adds to a transport: time, faults, counters, and the same course for the same seed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Random, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import type * as Endpoint from "../../src/protocol/Endpoint.ts"
import type { Connection, Listener, PeerEvent } from "../../src/services/Transport.ts"

const port = (port: number): Endpoint.Endpoint => ({ _tag: "Tcp", host: "localhost", port: { _tag: "Fixed", port } })

const message = (id: number, ...rest: ReadonlyArray<number>): Uint8Array => Uint8Array.of(0xaa, 0xa0, id, 1, ...rest)

/** A listener on host b, reached from host a. */
const pair = (options?: MemoryNetwork.Options) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.make(options)
    const [a, b] = [MemoryTransport.make(network, "a"), MemoryTransport.make(network, "b")]
    const listener = yield* b.bind(port(1))
    return { network, a, b, listener }
  })

/** Everything that arrives, with the time in milliseconds that it was read at. */
const log = <A, E>(receive: Effect.Effect<ReadonlyArray<A>, E>) =>
  Effect.gen(function* () {
    const seen: Array<readonly [number, A]> = []
    const fiber = yield* receive.pipe(
      Effect.flatMap((batch) =>
        Effect.map(Clock.currentTimeMillis, (now) => batch.forEach((one) => seen.push([now, one])))
      ),
      Effect.forever,
      Effect.forkScoped({ startImmediately: true })
    )
    return { seen, fiber }
  })

const reasonOf = <A>(effect: ReturnType<Connection["send"]> | Effect.Effect<A, { reason: { _tag: string } }>) =>
  Effect.match(effect, { onSuccess: () => "none", onFailure: (error) => error.reason._tag })

/** Whatever can happen without time going by. */
const settle = TestClock.adjust(0).pipe(Effect.repeat({ times: 10 }))

const tags = (seen: ReadonlyArray<readonly [number, PeerEvent]>) => seen.map(([now, event]) => [now, event._tag])

describe("time", () => {
  it.effect("delivers at once, without the clock, where there is no latency", () =>
    Effect.gen(function* () {
      const { a, listener, network } = yield* pair()
      const connection = yield* a.connect(port(1))
      yield* connection.send([message(1)])
      assert.strictEqual((yield* network.status).delivered, 1)
      assert.strictEqual((yield* listener.receive).length, 1)
    })
  )

  it.effect("delivers after the latency; a handshake takes a round trip, and a loss its way too", () =>
    Effect.gen(function* () {
      const { a, listener } = yield* pair({ latency: "10 millis" })
      const { seen } = yield* log(listener.receive)
      const scope = yield* Scope.make()
      const connecting = yield* Effect.forkChild(Scope.provide(a.connect(port(1)), scope))
      yield* TestClock.adjust(19)
      assert.isUndefined(connecting.pollUnsafe())
      yield* TestClock.adjust(1)
      const connection = yield* Fiber.join(connecting)
      yield* connection.send([message(1)])
      yield* TestClock.adjust(5)
      yield* connection.send([message(2)])
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(tags(seen), [
        [30, "Received"],
        [35, "Received"],
        [35, "Gone"]
      ])
    })
  )

  it.effect("keeps the order of a connection whatever is drawn, and mixes connections", () =>
    Effect.gen(function* () {
      const { a, listener } = yield* pair({ latency: { min: 0, max: 50 }, seed: 3 })
      const { seen } = yield* log(listener.receive)
      const opening = yield* Effect.forkChild(Effect.forEach([1, 2], () => a.connect(port(1))))
      yield* TestClock.adjust(500)
      const connections = yield* Fiber.join(opening)
      for (let n = 0; n < 100; n++) {
        for (const [which, connection] of connections.entries()) yield* connection.send([message(which, n)])
        yield* TestClock.adjust(1)
      }
      yield* TestClock.adjust(500)
      const order = seen.flatMap(([, event]) => (event._tag === "Received" ? [event.frames[0]?.[2]] : []))
      const of = (which: number) =>
        seen.flatMap(([, event]) =>
          event._tag === "Received" && event.frames[0]?.[2] === which ? [event.frames[0][4]] : []
        )
      const sent = Array.from({ length: 100 }, (_, n) => n)
      assert.deepStrictEqual([of(0), of(1)], [sent, sent])
      assert.notDeepEqual(
        order,
        sent.flatMap(() => [0, 1])
      )
      assert.isAbove(new Set(seen.map(([now]) => now)).size, 20, "the times differ")
    })
  )

  it.effect("one adjust runs a whole chain of forwarders", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ latency: 1 })
      const transports = Array.from({ length: 21 }, (_, n) => MemoryTransport.make(network, `n${n}`))
      const listeners: Array<Listener> = []
      for (const [n, transport] of transports.entries()) listeners.push(yield* transport.bind(port(n)))
      const opening = yield* Effect.forkChild(
        Effect.forEach(transports.slice(1), (_, n) => (transports[n] ?? assert.fail()).connect(port(n + 1)))
      )
      yield* TestClock.adjust(100)
      const onward = yield* Fiber.join(opening)
      const last = yield* log((listeners.at(-1) ?? assert.fail()).receive)
      for (const [n, connection] of onward.entries()) {
        const { receive } = listeners[n] ?? assert.fail()
        yield* receive.pipe(
          Effect.flatMap((batch) =>
            connection.send(batch.flatMap((event) => (event._tag === "Received" ? event.frames : [])))
          ),
          Effect.forever,
          Effect.forkScoped({ startImmediately: true })
        )
      }
      yield* (onward[0] ?? assert.fail()).send([message(2)])
      const start = yield* Clock.currentTimeMillis
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(
        last.seen.map(([now]) => now - start),
        [20]
      )
    })
  )

  it.effect("takes the latency of each link from a function, and a new one while it runs", () =>
    Effect.gen(function* () {
      const latency = (from: string) => (from === "a" ? 3 : 5)
      const { a, listener, network } = yield* pair({ latency })
      const { seen } = yield* log(listener.receive)
      const opening = yield* Effect.forkChild(a.connect(port(1)))
      yield* TestClock.adjust(8)
      const connection = yield* Fiber.join(opening)
      const back = yield* log(connection.receive)
      yield* connection.send([message(1)])
      yield* TestClock.adjust(3)
      const [, event] = seen[0] ?? assert.fail()
      yield* listener.send(event.peer, [message(1)])
      yield* TestClock.adjust(10)
      yield* network.setLatency("b", "a", 1)
      yield* listener.send(event.peer, [message(1)])
      yield* TestClock.adjust(10)
      assert.deepStrictEqual([seen.map(([now]) => now), back.seen.map(([now]) => now)], [[11], [16, 22]])
    })
  )
})

describe("faults", () => {
  it.effect("a partition ends connections on both sides and lets none be made until it heals", () =>
    Effect.gen(function* () {
      const { a, b, listener, network } = yield* pair()
      const { seen } = yield* log(listener.receive)
      const connection = yield* a.connect(port(1))
      const neighbour = yield* b.connect(port(1))
      const lost = yield* Effect.forkChild(reasonOf(connection.receive), { startImmediately: true })
      yield* connection.send([message(1)])
      yield* network.partition(["a", "elsewhere"], ["b"])
      assert.strictEqual(yield* Fiber.join(lost), "Lost")
      assert.strictEqual(yield* reasonOf(connection.send([message(1)])), "Lost")
      assert.strictEqual(yield* reasonOf(Effect.scoped(a.connect(port(1)))), "Unreachable")
      yield* neighbour.send([message(2)])
      yield* settle
      assert.deepStrictEqual(
        seen.map(([, event]) => event._tag),
        ["Received", "Gone", "Received"]
      )
      yield* network.heal
      const again = yield* a.connect(port(1))
      yield* again.send([message(3)])
      assert.strictEqual(yield* network.count({ id: 3 }), 1)
    })
  )

  it.effect("a cut loses what is under way, and new connections are possible at once", () =>
    Effect.gen(function* () {
      const { a, listener, network } = yield* pair({ latency: 10 })
      const { seen } = yield* log(listener.receive)
      const opening = yield* Effect.forkChild(a.connect(port(1)))
      yield* TestClock.adjust(20)
      const connection = yield* Fiber.join(opening)
      yield* connection.send([message(1)])
      yield* TestClock.adjust(5)
      yield* connection.send([message(2)])
      yield* TestClock.adjust(5)
      yield* network.cut("b", "a")
      assert.strictEqual(yield* reasonOf(connection.receive), "Lost")
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(tags(seen), [
        [30, "Received"],
        [30, "Gone"]
      ])
      const { dropped, inFlight } = yield* network.status
      assert.deepStrictEqual({ dropped, inFlight }, { dropped: 1, inFlight: 0 })
      const again = yield* Effect.forkChild(a.connect(port(1)))
      yield* TestClock.adjust(20)
      yield* Fiber.join(again)
    })
  )

  it.effect("a stall holds frames, departures and connects; all go on in order when it heals", () =>
    Effect.gen(function* () {
      const { a, listener, network } = yield* pair({ highWaterMark: 10, handshakeTimeout: "2 seconds" })
      const { seen } = yield* log(listener.receive)
      const scope = yield* Scope.make()
      const connection = yield* Scope.provide(a.connect(port(1)), scope)
      yield* network.partition(["a"], ["b"], "stall")
      const sending = yield* Effect.forkChild(connection.send(Array.from({ length: 15 }, (_, n) => message(2, n))))
      const tooEarly = yield* Effect.forkChild(reasonOf(Effect.scoped(a.connect(port(1)))))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(tooEarly), "Unreachable")
      assert.isUndefined(sending.pollUnsafe(), "the pipe is full")
      assert.deepStrictEqual([seen.length, (yield* network.status).inFlight], [0, 10])
      const inTime = yield* Effect.forkChild(reasonOf(Effect.scoped(a.connect(port(1)))))
      yield* TestClock.adjust("1 second")
      yield* network.heal
      yield* Fiber.join(sending)
      assert.strictEqual(yield* Fiber.join(inTime), "none")
      yield* Scope.close(scope, Exit.void)
      yield* settle
      const numbers = seen.flatMap(([, event]) => (event._tag === "Received" ? [event.frames[0]?.[4]] : []))
      assert.deepStrictEqual(
        numbers,
        Array.from({ length: 15 }, (_, n) => n)
      )
      assert.strictEqual(seen.filter(([, event]) => event._tag === "Gone").length, 2)
    })
  )

  it.effect("a stall of one direction leaves the other", () =>
    Effect.gen(function* () {
      const { a, listener, network } = yield* pair()
      const connection = yield* a.connect(port(1))
      yield* connection.send([message(1)])
      const [event] = yield* listener.receive
      yield* network.stall("a", "b")
      yield* connection.send([message(3)])
      yield* listener.send(event?.peer ?? assert.fail(), [message(4)])
      assert.strictEqual((yield* connection.receive).length, 1)
      assert.strictEqual((yield* network.status).inFlight, 1)
      yield* network.resume("a", "b")
      assert.strictEqual((yield* listener.receive).length, 1)
    })
  )

  it.effect("a cut also ends what is stalled", () =>
    Effect.gen(function* () {
      const { a, listener, network } = yield* pair()
      const { seen } = yield* log(listener.receive)
      const connection = yield* a.connect(port(1))
      yield* network.partition(["a"], ["b"], "stall")
      yield* connection.send([message(1)])
      const waiting = yield* Effect.forkChild(reasonOf(Effect.scoped(a.connect(port(1)))))
      yield* settle
      yield* network.partition(["a"], ["b"])
      assert.strictEqual(yield* Fiber.join(waiting), "Unreachable")
      assert.strictEqual(yield* reasonOf(connection.receive), "Lost")
      yield* network.heal
      yield* settle
      assert.deepStrictEqual(
        seen.map(([, event]) => event._tag),
        ["Gone"]
      )
      assert.strictEqual((yield* network.status).inFlight, 0)
    })
  )

  it.effect("an inproc connection that waits over a partition is lost when the bind comes", () =>
    Effect.gen(function* () {
      const { a, b, network } = yield* pair()
      const endpoint: Endpoint.Endpoint = { _tag: "Inproc", name: "x" }
      const connection = yield* a.connect(endpoint)
      yield* network.partition(["a"], ["b"])
      yield* b.bind(endpoint)
      assert.strictEqual(yield* reasonOf(connection.receive), "Lost")
      assert.strictEqual(yield* reasonOf(Effect.scoped(a.connect(endpoint))), "Unreachable")
    })
  )
})

describe("counters", () => {
  it.effect("count delivered frames by link and id, and show each to the tap", () =>
    Effect.gen(function* () {
      const tapped: Array<string> = []
      const { a, b, listener, network } = yield* pair({
        onFrame: (from, to, frame) => tapped.push(`${from}>${to} ${frame[2] ?? "none"}`)
      })
      const connection = yield* a.connect(port(1))
      yield* connection.send([message(1), message(2), message(2), message(9), new Uint8Array(0)])
      const [event] = yield* listener.receive
      yield* listener.send(event?.peer ?? assert.fail(), [message(2)])
      yield* (yield* b.connect(port(1))).send([message(2)])
      assert.strictEqual(yield* network.count(), 7)
      assert.strictEqual(yield* network.count({ id: 2 }), 4)
      assert.strictEqual(yield* network.count({ id: 2, from: "a" }), 2)
      assert.strictEqual(yield* network.count({ id: 2, from: "b", to: "b" }), 1)
      assert.strictEqual(yield* network.count({ id: 0 }), 2)
      assert.strictEqual(yield* network.count({ to: "a" }), 1)
      assert.deepStrictEqual(tapped, ["a>b 1", "a>b 2", "a>b 2", "a>b 9", "a>b none", "b>a 2", "b>b 2"])
      const { connections, listeners } = yield* network.status
      assert.deepStrictEqual({ connections, listeners }, { connections: 2, listeners: 1 })
    })
  )

  it.effect("one receive gives at most 512 events", () =>
    Effect.gen(function* () {
      const { a, listener } = yield* pair()
      const connection = yield* a.connect(port(1))
      yield* connection.send(Array.from({ length: 600 }, () => message(2)))
      assert.deepStrictEqual([(yield* listener.receive).length, (yield* listener.receive).length], [512, 88])
    })
  )

  it.effect("a second caller of receive dies instead of stealing from the first", () =>
    Effect.gen(function* () {
      const { listener } = yield* pair()
      yield* Effect.forkChild(listener.receive, { startImmediately: true })
      const exit = yield* Effect.exit(listener.receive)
      assert.isTrue(Exit.isFailure(exit) && exit.cause.reasons.some((reason) => reason._tag === "Die"))
    })
  )
})

describe("a random course", () => {
  /** Ten hosts that connect, send, read, leave, and are cut off, all drawn from one seed. */
  const course = (seed: number) =>
    Effect.gen(function* () {
      const trace: Array<string> = []
      const network = yield* MemoryNetwork.make({
        seed,
        latency: { min: 0, max: 20 },
        highWaterMark: 8,
        onFrame: (from, to, frame) => trace.push(`${from}>${to} ${frame[3]}.${frame[4]}`)
      })
      const hosts = Array.from({ length: 10 }, (_, n) => `h${n}`)
      const transports = hosts.map((host) => MemoryTransport.make(network, host))
      const gone: Array<string> = []
      const next = new Map<string, number>()
      for (const [n, transport] of transports.entries()) {
        const listener = yield* transport.bind(port(n + 1))
        yield* listener.receive.pipe(
          Effect.flatMap((batch) =>
            Effect.sync(() => {
              for (const event of batch) {
                if (event._tag === "Gone") {
                  assert.notInclude(gone, event.peer)
                  gone.push(event.peer)
                } else {
                  assert.notInclude(gone, event.peer, "nothing comes after Gone")
                  const number = event.frames[0]?.[4] ?? -1
                  assert.strictEqual(number, next.get(event.peer) ?? 0, "in order, from the first one on")
                  next.set(event.peer, number + 1)
                }
              }
            })
          ),
          Effect.andThen(n % 2 === 0 ? Effect.void : Effect.sleep(30)),
          Effect.forever,
          Effect.orDie,
          Effect.forkScoped({ startImmediately: true })
        )
      }
      const client = (id: number) =>
        Effect.gen(function* () {
          const from = transports[yield* Random.nextIntBetween(0, 9)] ?? assert.fail()
          const connection = yield* from.connect(port(yield* Random.nextIntBetween(1, 10)))
          for (let n = 0; n < 40; n++) {
            yield* connection.send([Uint8Array.of(0xaa, 0xa0, 2, id, n)])
            if (yield* Random.nextBoolean) yield* Effect.sleep(yield* Random.nextIntBetween(0, 10))
          }
        }).pipe(Effect.scoped, Effect.exit)
      const clients = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 60 }, (_, id) => id),
          client,
          { concurrency: 20 }
        )
      )
      for (let step = 0; step < 60; step++) {
        const [one = "", two = ""] = yield* Random.shuffle(hosts)
        yield* (
          [
            network.cut(one, two),
            network.stall(one, two),
            network.partition([one], [two]),
            network.partition([one], [two], "stall"),
            network.heal
          ][yield* Random.nextIntBetween(0, 4)] ?? Effect.void
        )
        yield* TestClock.adjust(20)
      }
      yield* network.heal
      yield* TestClock.adjust("1 minute")
      const exits = yield* Fiber.join(clients)
      const status = yield* network.status
      return { trace, status, gone, exits }
    }).pipe(Effect.scoped, Random.withSeed(`course ${seed}`))

  it.effect("keeps order, reports every departure, and loses count of nothing", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 8; seed++) {
        const { exits, gone, status, trace } = yield* course(seed)
        assert.deepStrictEqual([status.inFlight, status.connections, status.listeners], [0, 0, 10], `seed ${seed}`)
        assert.strictEqual(status.sent, status.delivered + status.dropped)
        assert.strictEqual(status.delivered, trace.length)
        assert.isAbove(trace.length, 500)
        const made = exits.filter(
          (exit) =>
            Exit.isSuccess(exit) ||
            !exit.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error.operation === "connect")
        )
        assert.strictEqual(gone.length, made.length, `seed ${seed}: everyone who came is gone`)
      }
    })
  )

  it.effect("is the same for the same seed, and another for another", () =>
    Effect.gen(function* () {
      const [one, again, other] = [yield* course(1), yield* course(1), yield* course(2)]
      assert.deepStrictEqual(again.trace, one.trace)
      assert.deepStrictEqual(again.gone, one.gone)
      assert.notDeepEqual(other.trace, one.trace)
    })
  )
})

describe("many", () => {
  it.live("200,000 frames over 1,000 connections of 200 nodes: all arrive", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      let read = 0
      const transports = Array.from({ length: 200 }, (_, n) => MemoryTransport.make(network, `n${n}`))
      for (const [n, transport] of transports.entries()) {
        const listener = yield* transport.bind(port(n + 1))
        yield* listener.receive.pipe(
          Effect.map((batch) => {
            read += batch.length
          }),
          Effect.forever,
          Effect.forkScoped
        )
      }
      const frames = Array.from({ length: 200 }, () => message(2))
      for (const [n, transport] of transports.entries()) {
        for (let link = 1; link <= 5; link++) {
          const connection = yield* transport.connect(port(((n + 7 * link) % 200) + 1))
          yield* connection.send(frames)
        }
      }
      while (read < 200_000) yield* Effect.sleep(1)
      assert.strictEqual(yield* network.count({ id: 2 }), 200_000)
    })
  )
})
