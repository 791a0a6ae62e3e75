/**
 * What every transport has to do, whatever carries the frames. It runs unchanged over ZeroMQ and over the in-memory
 * network, so a node that was tested on the one can be trusted on the other.
 */
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Result, Scope } from "effect"
import * as Endpoint from "../../src/protocol/Endpoint.ts"
import { guardSuite } from "./guards.ts"
import type {
  Connection,
  Listener,
  Peer,
  PeerEvent,
  Transport,
  TransportError,
  TransportReason
} from "../../src/services/Transport.ts"

/** Two transports that reach each other; they may be the same one. */
export interface Transports {
  readonly server: Transport["Service"]
  readonly client: Transport["Service"]
}

export interface SuiteOptions {
  /** Messages of 1 KiB that are more than all buffers between a sender and a reader who does not read can hold. */
  readonly flood?: number
}

type Scheme = "tcp" | "ipc" | "inproc"

/** As long as nothing happening is waited for: a shorter time hides a fault, never makes a good transport fail. */
const quiet = "100 millis"

let counter = 0

/** An endpoint that no other test of this machine uses. A tcp port is the bind's to choose. */
const fresh = (scheme: Scheme): Endpoint.Endpoint => {
  const name = `zgossip-suite-${process.pid}-${++counter}`
  switch (scheme) {
    case "tcp":
      return parse("tcp://127.0.0.1:0")
    case "ipc":
      return parse(`ipc://${join(tmpdir(), `${name}.sock`)}`)
    case "inproc":
      return parse(`inproc://${name}`)
  }
}

const parse = (text: string): Endpoint.Endpoint => Result.getOrThrow(Endpoint.parseBind(text))

/** Where to connect to for what was bound: a listener on all addresses is reached at one of them. */
const reachable = (bound: Endpoint.Endpoint): Endpoint.Endpoint =>
  bound._tag === "Tcp" && ["*", "0.0.0.0", "::"].includes(bound.host) ? { ...bound, host: "127.0.0.1" } : bound

const octets = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (frame: Uint8Array | undefined): string => new TextDecoder().decode(frame)

const numbered = (count: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: count }, (_, n) => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n))

const numberOf = (frame: Uint8Array | undefined): number =>
  frame?.length === 4 ? new DataView(frame.buffer, frame.byteOffset, 4).getUint32(0) : -1

/** A resource that the test closes when it likes; the test's own end closes it at the latest. */
const closeable = <A, E>(acquire: Effect.Effect<A, E, Scope.Scope>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Scope.Scope)
    const value = yield* Scope.provide(acquire, scope)
    return { value, close: Scope.close(scope, Exit.void) }
  })

/** Receives until the events are enough. */
const events = (listener: Listener, enough: (all: ReadonlyArray<PeerEvent>) => boolean) =>
  collect(listener.receive, enough)

const collect = <A, E>(receive: Effect.Effect<ReadonlyArray<A>, E>, enough: (all: ReadonlyArray<A>) => boolean) =>
  Effect.gen(function* () {
    const all: Array<A> = []
    while (!enough(all)) {
      const batch = yield* receive
      assert.isAbove(batch.length, 0, "receive waits for at least one")
      for (const one of batch) all.push(one)
    }
    return all
  })

/** The next `count` frames of a connection. */
const frames = (connection: Connection, count: number) =>
  Effect.map(
    collect(connection.receive, (all) => all.length >= count),
    (all) =>
      all.map((message) => {
        assert.strictEqual(message.length, 1)
        return message[0] ?? assert.fail("no frame")
      })
  )

/** The frames that events hold, and from whom. */
const received = (all: ReadonlyArray<PeerEvent>): ReadonlyArray<{ readonly peer: Peer; readonly frame: Uint8Array }> =>
  all.flatMap((event) => {
    if (event._tag === "Gone") return []
    assert.strictEqual(event.frames.length, 1)
    return event.frames.map((frame) => ({ peer: event.peer, frame }))
  })

const gone = (all: ReadonlyArray<PeerEvent>): ReadonlyArray<Peer> =>
  all.flatMap((event) => (event._tag === "Gone" ? [event.peer] : []))

const count =
  (n: number) =>
  (all: ReadonlyArray<unknown>): boolean =>
    all.length >= n

/** Says hello on the connection and gives the peer that the listener sees. Nobody else may be talking. */
const introduce = (listener: Listener, connection: Connection) =>
  Effect.gen(function* () {
    yield* connection.send([octets("hello")])
    const [first] = received(yield* events(listener, count(1)))
    assert.strictEqual(text(first?.frame), "hello")
    return first?.peer ?? assert.fail("nobody")
  })

const reasonOf = <A>(effect: Effect.Effect<A, TransportError>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

/** Fails with one of the reasons, and with an error that can be shown: one line that names the endpoint. */
const failsWith = <A>(
  effect: Effect.Effect<A, TransportError>,
  operation: TransportError["operation"],
  ...reasons: ReadonlyArray<TransportReason>
) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(effect)
    assert.include(reasons, error.reason._tag, error.message)
    assert.strictEqual(error.operation, operation)
    assert.notInclude(error.message, "\n")
    assert.include(error.message, error.endpoint)
    return error
  })

const stillRuns = <A, E>(fiber: Fiber.Fiber<A, E>) =>
  Effect.gen(function* () {
    yield* Effect.sleep(quiet)
    assert.isUndefined(fiber.pollUnsafe(), "it should have waited")
  })

/** Ends with an error or an interruption in time. */
const endsSoon = <A>(fiber: Fiber.Fiber<A, TransportError>) =>
  Effect.gen(function* () {
    const exit = yield* Effect.timeout(Fiber.await(fiber), "500 millis")
    if (Exit.isSuccess(exit)) return assert.fail("it should have failed")
    assert.isFalse(Cause.hasDies(exit.cause), Cause.pretty(exit.cause))
  })

/** For an operation whose failure is looked at later. */
const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkScoped(effect, { startImmediately: true })

/**
 * Declares the tests. `make` is run once for every test, in the test's scope.
 */
export const transportSuite = (
  name: string,
  make: Effect.Effect<Transports, never, Scope.Scope>,
  options: SuiteOptions = {}
): void => {
  const flood = Array.from({ length: options.flood ?? 40_000 }, () => new Uint8Array(1024))

  const test = (title: string, body: (transports: Transports) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(title, () => Effect.flatMap(make, body))

  /** A listener and the way to connect to it. */
  const serve = (transports: Transports, scheme: Scheme) =>
    Effect.gen(function* () {
      const listener = yield* transports.server.bind(fresh(scheme))
      return { listener, connect: transports.client.connect(reachable(listener.endpoint)) }
    })

  describe(name, () => {
    guardSuite(
      make,
      (["tcp", "ipc"] as const).map((scheme) => ({ scheme, fresh: () => fresh(scheme) }))
    )

    describe.each<Scheme>(["tcp", "ipc", "inproc"])("%s", (scheme) => {
      test("carries frames unchanged, both ways", (transports) =>
        Effect.gen(function* () {
          const { connect, listener } = yield* serve(transports, scheme)
          const connection = yield* connect
          const big = new Uint8Array(1 << 20).map((_, n) => n * 31 + (n >>> 8))
          const sent = [
            new Uint8Array(0),
            Uint8Array.of(0),
            Uint8Array.from({ length: 256 }, (_, n) => n),
            Uint8Array.from({ length: 256 }, (_, n) => 255 - n).subarray(100),
            big
          ]
          yield* connection.send(sent)
          const got = received(yield* events(listener, count(sent.length)))
          const peer = got[0]?.peer ?? assert.fail("nobody")
          yield* listener.send(peer, sent)
          const back = yield* frames(connection, sent.length)
          for (const [n, frame] of sent.entries()) {
            assert.isTrue(Buffer.from(frame).equals(got[n]?.frame ?? assert.fail("missing")), `there, ${n}`)
            assert.isTrue(Buffer.from(frame).equals(back[n] ?? assert.fail("missing")), `back, ${n}`)
          }
          assert.strictEqual(new Set(got.map((one) => one.peer)).size, 1)
        }))

      test("keeps 10,000 messages in order, both ways at once", (transports) =>
        Effect.gen(function* () {
          const { connect, listener } = yield* serve(transports, scheme)
          const connection = yield* connect
          const peer = yield* introduce(listener, connection)
          const sent = numbered(10_000)
          const [there, back] = yield* Effect.all(
            [
              events(listener, count(sent.length)),
              frames(connection, sent.length),
              connection.send(sent),
              listener.send(peer, sent)
            ],
            { concurrency: "unbounded" }
          )
          const expected = sent.map((_, n) => n)
          assert.deepStrictEqual(
            received(there).map((one) => numberOf(one.frame)),
            expected
          )
          assert.deepStrictEqual(back.map(numberOf), expected)
        }))

      test("reads no longer frame than it is told to, save over inproc, and goes on for all others", (transports) =>
        Effect.gen(function* () {
          const most = { frameOctets: 1024 }
          const listener = yield* transports.server.bind(fresh(scheme), most)
          const connect = transports.client.connect(reachable(listener.endpoint), most)
          const [honest, long, guest] = yield* Effect.all([connect, connect, connect])
          const peers: ReadonlyArray<Peer> = yield* Effect.forEach([honest, long, guest], (connection) =>
            introduce(listener, connection)
          )
          const [atLimit, over] = [new Uint8Array(1024).fill(1), new Uint8Array(1025).fill(2)]
          const lengths = (all: ReadonlyArray<PeerEvent>) => received(all).map(({ frame }) => frame.length)
          yield* long.send([atLimit, over])
          yield* listener.send(peers[2] ?? "", [atLimit, over])
          if (scheme === "inproc") {
            assert.deepStrictEqual(lengths(yield* events(listener, count(2))), [1024, 1025])
            assert.deepStrictEqual((yield* frames(guest, 2)).at(1)?.length, 1025)
          } else {
            const all = yield* events(listener, (all) => gone(all).length === 2)
            assert.deepStrictEqual(lengths(all), [1024])
            assert.deepStrictEqual(new Set(gone(all)), new Set(peers.slice(1)))
            yield* failsWith(Effect.forever(long.receive), "receive", "Lost")
            const told = yield* frames(guest, 1)
            assert.deepStrictEqual(
              told.map(({ length }) => length),
              [1024]
            )
            yield* failsWith(guest.receive, "receive", "Lost")
          }
          yield* honest.send([atLimit])
          assert.deepStrictEqual(lengths(yield* events(listener, count(1))), [1024])
          yield* listener.send(peers[0] ?? "", [atLimit])
          assert.strictEqual((yield* frames(honest, 1))[0]?.length, 1024)
        }))

      test("sends nothing for an empty list", (transports) =>
        Effect.gen(function* () {
          const { connect, listener } = yield* serve(transports, scheme)
          const connection = yield* connect
          yield* connection.send([])
          const peer = yield* introduce(listener, connection)
          yield* listener.send(peer, [])
          yield* listener.send(peer, [octets("one")])
          assert.deepStrictEqual((yield* frames(connection, 1)).map(text), ["one"])
        }))

      test("tells clients apart", (transports) =>
        Effect.gen(function* () {
          const { connect, listener } = yield* serve(transports, scheme)
          const names = ["a", "b", "c", "d"]
          const connections = yield* Effect.forEach(names, (name) =>
            Effect.tap(connect, (connection) => connection.send([octets(name), octets(name)]))
          )
          const got = received(yield* events(listener, count(2 * names.length)))
          const peers = new Map(got.map((one) => [one.peer, text(one.frame)]))
          assert.sameMembers(Array.from(peers.values()), names)
          for (const one of got) assert.strictEqual(peers.get(one.peer), text(one.frame))
          yield* Effect.forEach(peers, ([peer, name]) => listener.send(peer, [octets(`to ${name}`)]))
          const answers = yield* Effect.forEach(connections, (connection) => frames(connection, 1))
          assert.deepStrictEqual(
            answers.map(([answer]) => text(answer)),
            names.map((name) => `to ${name}`)
          )
        }))

      test("serves several listeners at once", (transports) =>
        Effect.gen(function* () {
          const listeners = yield* Effect.forEach([1, 2, 3], () => transports.server.bind(fresh(scheme)))
          assert.strictEqual(new Set(listeners.map((one) => Endpoint.format(one.endpoint))).size, 3)
          for (const listener of listeners) {
            const connection = yield* transports.client.connect(reachable(listener.endpoint))
            const name = Endpoint.format(listener.endpoint)
            yield* connection.send([octets(name)])
            assert.deepStrictEqual(
              received(yield* events(listener, count(1))).map((one) => text(one.frame)),
              [name]
            )
          }
        }))

      test("reports Gone once, after the last message of a client that leaves", (transports) =>
        Effect.gen(function* () {
          const { connect, listener } = yield* serve(transports, scheme)
          const leaving = yield* closeable(connect)
          const staying = yield* connect
          yield* staying.send([octets("here")])
          yield* leaving.value.send(numbered(500))
          yield* leaving.close
          const all = yield* events(listener, (all) => gone(all).length > 0 && all.length >= 502)
          const [peer] = gone(all)
          const mine = all.filter((event) => event.peer === peer)
          assert.deepStrictEqual(
            received(mine).map((one) => numberOf(one.frame)),
            numbered(500).map((_, n) => n)
          )
          assert.strictEqual(mine.at(-1)?._tag, "Gone")
          assert.strictEqual(all.length, 502)
          yield* stillRuns(yield* fork(listener.receive))
        }))

      test("reports Gone for a client that never sent", (transports) =>
        Effect.gen(function* () {
          const { connect, listener } = yield* serve(transports, scheme)
          const leaving = yield* closeable(connect)
          yield* leaving.close
          const all = yield* events(listener, count(1))
          assert.deepStrictEqual(
            all.map((event) => event._tag),
            ["Gone"]
          )
        }))

      test("gives a new client another name than the one that left", (transports) =>
        Effect.gen(function* () {
          const { connect, listener } = yield* serve(transports, scheme)
          const first = yield* closeable(connect)
          const peer = yield* introduce(listener, first.value)
          yield* first.close
          assert.deepStrictEqual(yield* events(listener, count(1)), [{ _tag: "Gone", peer }])
          const other = yield* introduce(listener, yield* connect)
          assert.notStrictEqual(other, peer)
        }))

      test("ends a connection with Lost when its listener closes", (transports) =>
        Effect.gen(function* () {
          const listener = yield* closeable(transports.server.bind(fresh(scheme)))
          const connect = transports.client.connect(reachable(listener.value.endpoint))
          const [waiting, idle, late] = yield* Effect.all([connect, connect, connect])
          const peer = yield* introduce(listener.value, waiting)
          yield* listener.value.send(peer, [octets("last")])
          assert.deepStrictEqual((yield* frames(waiting, 1)).map(text), ["last"])
          const pending = yield* fork(reasonOf(waiting.receive))
          const silent = yield* fork(reasonOf(idle.receive))
          yield* listener.close
          assert.strictEqual(yield* Fiber.join(pending), "Lost")
          assert.strictEqual(yield* Fiber.join(silent), "Lost")
          yield* failsWith(waiting.receive, "receive", "Lost")
          yield* failsWith(waiting.send([octets("x")]), "send", "Lost")
          yield* failsWith(late.receive, "receive", "Lost")
        }))

      test("rebinds at once, and is reached by new connections only", (transports) =>
        Effect.gen(function* () {
          const first = yield* closeable(transports.server.bind(fresh(scheme)))
          const endpoint = first.value.endpoint
          const connect = transports.client.connect(reachable(endpoint))
          const old = yield* connect
          yield* introduce(first.value, old)
          for (let round = 0; round < 5; round++) {
            const bound = round === 0 ? first : yield* closeable(transports.server.bind(endpoint))
            assert.deepStrictEqual(bound.value.endpoint, endpoint)
            const connection = yield* closeable(connect)
            yield* introduce(bound.value, connection.value)
            yield* bound.close
            yield* failsWith(connection.value.receive, "receive", "Lost")
            yield* connection.close
          }
          const last = yield* transports.server.bind(endpoint)
          yield* failsWith(old.receive, "receive", "Lost")
          yield* introduce(last, yield* connect)
        }))

      test("refuses a busy address and leaves the first listener serving", (transports) =>
        Effect.gen(function* () {
          const { connect, listener } = yield* serve(transports, scheme)
          const connection = yield* connect
          const peer = yield* introduce(listener, connection)
          for (const transport of [transports.server, transports.client]) {
            yield* failsWith(Effect.scoped(transport.bind(listener.endpoint)), "bind", "AddressInUse")
          }
          yield* listener.send(peer, [octets("still here")])
          assert.deepStrictEqual((yield* frames(connection, 1)).map(text), ["still here"])
          yield* introduce(listener, yield* connect)
        }))

      test("lets a peer that never reads hold up nobody else", (transports) =>
        Effect.gen(function* () {
          const { connect, listener } = yield* serve(transports, scheme)
          const slow = yield* closeable(connect)
          const slowPeer = yield* introduce(listener, slow.value)
          const quick = yield* connect
          const quickPeer = yield* introduce(listener, quick)
          const stuck = yield* fork(listener.send(slowPeer, flood))
          yield* stillRuns(stuck)
          const sent = numbered(2_000)
          const [got] = yield* Effect.all([frames(quick, sent.length), listener.send(quickPeer, sent)], {
            concurrency: "unbounded"
          })
          assert.deepStrictEqual(
            got.map(numberOf),
            sent.map((_, n) => n)
          )
          yield* quick.send([octets("and back")])
          assert.deepStrictEqual(
            received(yield* events(listener, count(1))).map((one) => one.peer),
            [quickPeer]
          )
          assert.isUndefined(stuck.pollUnsafe(), "the slow peer is still waited for")
          yield* slow.close
          yield* failsWith(Fiber.join(stuck), "send", "PeerGone")
          assert.deepStrictEqual(yield* events(listener, count(1)), [{ _tag: "Gone", peer: slowPeer }])
        }))

      test("goes on sending once a slow peer reads", (transports) =>
        Effect.gen(function* () {
          const { connect, listener } = yield* serve(transports, scheme)
          const slow = yield* connect
          const peer = yield* introduce(listener, slow)
          const sending = yield* fork(listener.send(peer, flood))
          yield* stillRuns(sending)
          assert.strictEqual((yield* frames(slow, flood.length)).length, flood.length)
          yield* Fiber.join(sending)
        }))

      test("makes a connection wait for a listener that never reads, and ends that wait", (transports) =>
        Effect.gen(function* () {
          const listener = yield* closeable(transports.server.bind(fresh(scheme)))
          const connection = yield* transports.client.connect(reachable(listener.value.endpoint))
          const stuck = yield* fork(connection.send(flood))
          yield* stillRuns(stuck)
          yield* listener.close
          yield* failsWith(Fiber.join(stuck), "send", "Lost")
        }))

      test("loses nothing when receive is interrupted", (transports) =>
        Effect.gen(function* () {
          const { connect, listener } = yield* serve(transports, scheme)
          const connection = yield* connect
          const peer = yield* introduce(listener, connection)
          const seen: Array<number> = []
          const back: Array<number> = []
          for (let n = 0; n < 100; n++) {
            const there = yield* fork(listener.receive)
            const here = yield* fork(connection.receive)
            // Half of them are interrupted while they wait, half while something may be on its way.
            if (n % 2 === 0) yield* Effect.all([Fiber.interrupt(there), Fiber.interrupt(here)])
            yield* connection.send([Uint8Array.of(0, 0, 0, n)])
            yield* listener.send(peer, [Uint8Array.of(0, 0, 0, n)])
            if (n % 4 === 1) yield* Effect.yieldNow
            if (n % 4 === 3) yield* Effect.sleep("1 millis")
            yield* Effect.all([Fiber.interrupt(there), Fiber.interrupt(here)])
            const [thereExit, hereExit] = [yield* Fiber.await(there), yield* Fiber.await(here)]
            if (Exit.isSuccess(thereExit)) seen.push(...received(thereExit.value).map((one) => numberOf(one.frame)))
            if (Exit.isSuccess(hereExit)) back.push(...hereExit.value.map(([frame]) => numberOf(frame)))
          }
          const expected = numbered(100).map((_, n) => n)
          const rest = yield* events(listener, (all) => seen.length + all.length >= 100)
          assert.deepStrictEqual([...seen, ...received(rest).map((one) => numberOf(one.frame))], expected)
          const restBack = yield* collect(connection.receive, (all) => back.length + all.length >= 100)
          assert.deepStrictEqual([...back, ...restBack.map(([frame]) => numberOf(frame))], expected)
        }))

      test("fails with PeerGone for a peer that left, and one that never was", (transports) =>
        Effect.gen(function* () {
          const { connect, listener } = yield* serve(transports, scheme)
          const leaving = yield* closeable(connect)
          const peer = yield* introduce(listener, leaving.value)
          yield* leaving.close
          assert.deepStrictEqual(yield* events(listener, count(1)), [{ _tag: "Gone", peer }])
          yield* failsWith(listener.send(peer, [octets("x")]), "send", "PeerGone")
          yield* failsWith(listener.send(`${peer}0`, [octets("x")]), "send", "PeerGone")
          yield* introduce(listener, yield* connect)
        }))

      test("ends what waits when its own side closes", (transports) =>
        Effect.gen(function* () {
          const listener = yield* closeable(transports.server.bind(fresh(scheme)))
          const connect = transports.client.connect(reachable(listener.value.endpoint))
          const [connection, slow] = yield* Effect.all([closeable(connect), closeable(connect)])
          const peer = yield* introduce(listener.value, slow.value)
          const here = yield* fork(connection.value.receive)
          const sendHere = yield* fork(slow.value.send(flood))
          const sendThere = yield* fork(listener.value.send(peer, flood))
          yield* stillRuns(sendHere)
          yield* stillRuns(sendThere)
          yield* connection.close
          yield* endsSoon(here)
          yield* slow.close
          yield* endsSoon(sendHere)
          // Whether the listener knows of the departure is open: nobody reads what arrived there before it.
          yield* listener.close
          yield* endsSoon(sendThere)
          const idle = yield* closeable(transports.server.bind(fresh(scheme)))
          const there = yield* fork(idle.value.receive)
          const guest = yield* transports.client.connect(reachable(idle.value.endpoint))
          const guestPeer = yield* introduceTo(idle.value, there, guest)
          const waiting = yield* fork(idle.value.receive)
          const stuck = yield* fork(idle.value.send(guestPeer, flood))
          yield* stillRuns(stuck)
          yield* idle.close
          yield* endsSoon(waiting)
          yield* endsSoon(stuck)
        }))

      test("gives and takes nothing after it was closed", (transports) =>
        Effect.gen(function* () {
          const listener = yield* closeable(transports.server.bind(fresh(scheme)))
          const connection = yield* closeable(transports.client.connect(reachable(listener.value.endpoint)))
          const peer = yield* introduce(listener.value, connection.value)
          yield* connection.value.send(numbered(10))
          yield* listener.value.send(peer, numbered(10))
          yield* Effect.sleep("20 millis")
          yield* connection.close
          yield* failsWith(connection.value.receive, "receive", "Closed")
          yield* failsWith(connection.value.send([octets("x")]), "send", "Closed")
          yield* listener.close
          yield* failsWith(listener.value.receive, "receive", "Closed")
          yield* failsWith(listener.value.send(peer, [octets("x")]), "send", "Closed")
        }))
    })

    test("finds the ports that were not named", (transports) =>
      Effect.gen(function* () {
        const texts = ["tcp://*:*", "tcp://127.0.0.1:*", "tcp://127.0.0.1:!", "tcp://*:0", "tcp://*:*[50000-60000]"]
        const ports = new Set<number>()
        for (const text of texts) {
          const listener = yield* transports.server.bind(parse(text))
          const port = Endpoint.port(listener.endpoint)
          assert.isAbove(port, 0, text)
          if (text.includes("[")) assert.isTrue(port >= 50_000 && port <= 60_000, String(port))
          ports.add(port)
          for (const host of ["127.0.0.1", "localhost"]) {
            const connection = yield* transports.client.connect(parse(`tcp://${host}:${port}`))
            yield* introduce(listener, connection)
          }
        }
        assert.strictEqual(ports.size, texts.length)
      }))

    test("says so when all ports of a range are taken", (transports) =>
      Effect.gen(function* () {
        const first = yield* transports.server.bind(parse("tcp://127.0.0.1:!"))
        const port = Endpoint.port(first.endpoint)
        for (const sign of ["*", "!"]) {
          const range = parse(`tcp://127.0.0.1:${sign}[${port}-${port}]`)
          yield* failsWith(Effect.scoped(transports.server.bind(range)), "bind", "AddressInUse")
        }
      }))

    test("serves tcp, ipc and inproc at once", (transports) =>
      Effect.gen(function* () {
        const schemes: ReadonlyArray<Scheme> = ["tcp", "ipc", "inproc"]
        const listeners = yield* Effect.forEach(schemes, (scheme) => transports.server.bind(fresh(scheme)))
        const connections = yield* Effect.forEach(listeners, (listener) =>
          transports.client.connect(reachable(listener.endpoint))
        )
        yield* Effect.forEach(connections, (connection, n) => connection.send([Uint8Array.of(0, 0, 0, n)]))
        for (const [n, listener] of listeners.entries()) {
          assert.deepStrictEqual(
            received(yield* events(listener, count(1))).map((one) => numberOf(one.frame)),
            [n]
          )
        }
      }))

    describe.each<Scheme>(["tcp", "ipc"])("%s", (scheme) => {
      test("refuses a connection while nobody listens, and makes it later", (transports) =>
        Effect.gen(function* () {
          const bound = yield* closeable(transports.server.bind(fresh(scheme)))
          const endpoint = bound.value.endpoint
          yield* bound.close
          const connect = transports.client.connect(reachable(endpoint))
          yield* failsWith(Effect.scoped(connect), "connect", "Refused")
          yield* failsWith(Effect.scoped(connect), "connect", "Refused")
          const listener = yield* transports.server.bind(endpoint)
          yield* introduce(listener, yield* connect)
        }))
    })

    test("inproc connects before the bind, and what was sent waits for it", (transports) =>
      Effect.gen(function* () {
        const endpoint = fresh("inproc")
        const first = yield* transports.client.connect(endpoint)
        yield* first.send(numbered(100))
        const second = yield* transports.client.connect(endpoint)
        const pending = yield* fork(frames(second, 1))
        const listener = yield* transports.server.bind(endpoint)
        yield* second.send([octets("second")])
        const got = received(yield* events(listener, count(101)))
        const secondPeer = got.find((one) => text(one.frame) === "second")?.peer ?? assert.fail("nobody")
        const fromFirst = got.filter((one) => one.peer !== secondPeer)
        assert.deepStrictEqual(
          fromFirst.map((one) => numberOf(one.frame)),
          numbered(100).map((_, n) => n)
        )
        yield* listener.send(secondPeer, [octets("answer")])
        assert.deepStrictEqual((yield* Fiber.join(pending)).map(text), ["answer"])
      }))

    test("inproc is not troubled by a connection that left before the bind", (transports) =>
      Effect.gen(function* () {
        const endpoint = fresh("inproc")
        const left = yield* closeable(transports.client.connect(endpoint))
        yield* left.close
        const listener = yield* transports.server.bind(endpoint)
        const peer = yield* introduce(listener, yield* transports.client.connect(endpoint))
        yield* listener.send(peer, [octets("x")])
      }))

    test("types the errors of hosts that make no sense", (transports) =>
      Effect.gen(function* () {
        const listener = yield* transports.server.bind(fresh("tcp"))
        const bindTo = (text: string) => Effect.scoped(transports.server.bind(parse(text)))
        yield* failsWith(bindTo("tcp://no-such-interface:*"), "bind", "UnknownHost", "AddressNotAvailable")
        yield* failsWith(bindTo("tcp://no-such-host.invalid:0"), "bind", "UnknownHost", "AddressNotAvailable")
        yield* failsWith(bindTo("tcp://192.0.2.1:0"), "bind", "AddressNotAvailable")
        const connectTo = (text: string) => Effect.scoped(transports.client.connect(parse(text)))
        yield* failsWith(connectTo("tcp://no-such-host.invalid:5670"), "connect", "UnknownHost")
        yield* introduce(listener, yield* transports.client.connect(reachable(listener.endpoint)))
      }))
  })
}

/** As `introduce`, where a receive is already pending: a listener has one caller at a time. */
const introduceTo = (
  listener: Listener,
  pending: Fiber.Fiber<ReadonlyArray<PeerEvent>, TransportError>,
  connection: Connection
) => introduce({ ...listener, receive: Fiber.join(pending) }, connection)
