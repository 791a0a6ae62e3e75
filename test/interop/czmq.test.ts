/**
 * What real CZMQ zgossip actors do on the wire and on their command pipe, measured against CZMQ alone. Our node is built
 * to these facts; where a test here fails, CZMQ is not the one we know, and the tests of our node prove nothing.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { availability, Czmq, CzmqError, type CzmqNode } from "./Czmq.ts"
import { czmqTest, describeCzmq } from "./describeCzmq.ts"
import { logged } from "./OurNode.ts"
import { type RawDealer, rawDealer, type RawPeerError, rawRouter, Wire } from "./RawPeer.ts"

/** A CZMQ node that serves on a free port. */
const serve = (
  settings: Readonly<Record<string, string | number>> = {}
): Effect.Effect<{ readonly czmq: Czmq; readonly node: CzmqNode; readonly endpoint: string }, CzmqError, Scope.Scope> =>
  Effect.gen(function* () {
    const czmq = yield* Czmq.make
    const node = yield* czmq.node("server")
    for (const [path, value] of Object.entries(settings)) yield* node.set(path, value)
    const port = yield* node.bind("tcp://127.0.0.1:*")
    return { czmq, node, endpoint: `tcp://127.0.0.1:${port}` }
  })

/** A raw client that has said HELLO and read the dump. */
const member = (endpoint: string): Effect.Effect<RawDealer, RawPeerError, Scope.Scope> =>
  Effect.tap(rawDealer(endpoint), (client) => Effect.andThen(client.send(Wire.HELLO), client.untilPong()))

const temporaryDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "zgossip-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

describeCzmq("CZMQ as server", () => {
  it.live("answers HELLO with one PUBLISH per tuple held, and with nothing else", () =>
    Effect.gen(function* () {
      const { endpoint, node } = yield* serve()
      const early = yield* rawDealer(endpoint)
      yield* early.send(Wire.HELLO)
      yield* early.expectNothing(50)
      yield* node.publish("a", "1")
      yield* node.publish("b", "2")
      yield* node.awaitStatus(2)
      const late = yield* rawDealer(endpoint)
      yield* late.send(Wire.HELLO)
      const dump = [yield* late.nextText(), yield* late.nextText()]
      assert.sameMembers(dump, ["PUBLISH a=1", "PUBLISH b=2"])
      yield* late.expectNothing(50)
      assert.deepStrictEqual(early.texts(), ["PUBLISH a=1", "PUBLISH b=2"])
    })
  )

  it.live("sends PUBLISH in golden octets", () =>
    Effect.gen(function* () {
      const { endpoint, node } = yield* serve()
      yield* node.publish("key", "value")
      yield* node.awaitStatus(1)
      const client = yield* rawDealer(endpoint)
      yield* client.send(Wire.hex("AA A0 01 01"))
      const [frame] = yield* client.next()
      assert.strictEqual(frame?.toString("hex"), "aaa00201036b65790000000576616c756500000000")
      assert.deepStrictEqual(frame, Wire.PUBLISH("key", "value"))
    })
  )

  it.live("answers PING with PONG, before HELLO and behind the dump", () =>
    Effect.gen(function* () {
      const { endpoint, node } = yield* serve()
      yield* node.publish("a", "1")
      yield* node.awaitStatus(1)
      const client = yield* rawDealer(endpoint)
      yield* client.send(Wire.PING)
      assert.deepStrictEqual(yield* client.next(), [Wire.PONG])
      yield* client.send(Wire.HELLO)
      assert.deepStrictEqual(yield* client.untilPong(), ["PUBLISH a=1"])
    })
  )

  it.live("answers a PUBLISH before HELLO with INVALID, and does not store it", () =>
    Effect.gen(function* () {
      const { endpoint, node } = yield* serve()
      const client = yield* rawDealer(endpoint)
      yield* client.send(Wire.PUBLISH("a", "1"))
      assert.strictEqual(yield* client.nextText(), "INVALID")
      assert.strictEqual(yield* node.status, 0)
      yield* client.send(Wire.HELLO)
      yield* client.send(Wire.PUBLISH("a", "1"))
      yield* node.awaitTuple("a", "1")
    })
  )

  it.live("answers a second HELLO with INVALID, and the third with the dump again", () =>
    Effect.gen(function* () {
      const { endpoint, node } = yield* serve()
      yield* node.publish("a", "1")
      yield* node.awaitStatus(1)
      const client = yield* rawDealer(endpoint)
      for (const answer of ["PUBLISH a=1", "INVALID", "PUBLISH a=1"]) {
        yield* client.send(Wire.HELLO)
        assert.strictEqual(yield* client.nextText(), answer)
      }
    })
  )

  it.live("stores, delivers and forwards a client's PUBLISH, echoes it, and drops a repeated one", () =>
    Effect.gen(function* () {
      const { endpoint, node } = yield* serve()
      const sender = yield* member(endpoint)
      const other = yield* member(endpoint)
      yield* sender.send(Wire.PUBLISH("a", "1"))
      assert.strictEqual(yield* other.nextText(), "PUBLISH a=1")
      assert.strictEqual(yield* sender.nextText(), "PUBLISH a=1")
      yield* sender.send(Wire.PUBLISH("a", "1"))
      assert.deepStrictEqual(yield* sender.untilPong(), [])
      yield* sender.send(Wire.PUBLISH("a", "2"))
      assert.deepStrictEqual(yield* sender.untilPong(), ["PUBLISH a=2"])
      yield* node.awaitDelivered(2)
      assert.deepStrictEqual(node.texts(), ["a=1", "a=2"])
      assert.strictEqual(yield* node.status, 1)
    })
  )

  it.live("leaks a client's ttl onto the tuples that come after it", () =>
    Effect.gen(function* () {
      const { endpoint, node } = yield* serve()
      const sender = yield* member(endpoint)
      const other = yield* member(endpoint)
      yield* sender.send(Wire.PUBLISH("a", "1", 5000))
      assert.strictEqual(yield* other.nextText(), "PUBLISH a=1 ttl=5000")
      yield* node.publish("b", "2")
      assert.strictEqual(yield* other.nextText(), "PUBLISH b=2 ttl=5000")
    })
  )

  it.live("ends a silent client's session after server/timeout without a word", () =>
    Effect.gen(function* () {
      const { endpoint, node } = yield* serve({ "server/timeout": 150 })
      const client = yield* member(endpoint)
      yield* client.expectNothing(300)
      yield* node.publish("missed", "1")
      yield* client.expectNothing(50)
      // A PONG proves no membership: the next PUBLISH is refused
      assert.deepStrictEqual(yield* client.untilPong(), [])
      yield* client.send(Wire.PUBLISH("lost", "1"))
      assert.strictEqual(yield* client.nextText(), "INVALID")
      assert.strictEqual(yield* node.status, 1)
    })
  )

  it.live("counts any message as activity, and server/timeout 0 as never", () =>
    Effect.gen(function* () {
      const strict = yield* serve({ "server/timeout": 600 })
      const lenient = yield* serve({ "server/timeout": 0 })
      const pinging = yield* member(strict.endpoint)
      const silent = yield* member(lenient.endpoint)
      for (let round = 0; round < 4; round++) {
        yield* Effect.sleep("200 millis")
        assert.deepStrictEqual(yield* pinging.untilPong(), [])
      }
      for (const { node } of [strict, lenient]) yield* node.publish("a", "1")
      assert.strictEqual(yield* pinging.nextText(), "PUBLISH a=1")
      assert.strictEqual(yield* silent.nextText(), "PUBLISH a=1")
    })
  )

  it.live("passes any octets, and cuts at a NUL", () =>
    Effect.gen(function* () {
      const { endpoint, node } = yield* serve()
      const client = yield* member(endpoint)
      const other = yield* member(endpoint)
      const odd = Uint8Array.from({ length: 255 }, (_, index) => index + 1)
      yield* client.send(Wire.PUBLISH(odd, odd))
      assert.deepStrictEqual(yield* other.next(), [Wire.PUBLISH(odd, odd)])
      yield* client.send(Wire.PUBLISH("", ""))
      assert.deepStrictEqual(yield* other.next(), [Wire.PUBLISH("", "")])
      yield* client.send(Wire.PUBLISH("k\0ey", "v\0alue"))
      assert.deepStrictEqual(yield* other.next(), [Wire.PUBLISH("k", "v")])
      yield* node.awaitTuple(odd, odd)
      yield* node.awaitTuple("", "")
      yield* node.awaitTuple("k", "v")
    })
  )

  it.live("dies of an unknown message, and all its clients with it", () =>
    Effect.gen(function* () {
      const { endpoint, node } = yield* serve()
      const stranger = yield* rawDealer(endpoint)
      yield* stranger.send(Wire.hex("AA A0 09 01"))
      yield* node.awaitEnded()
    })
  )
})

describeCzmq("CZMQ as client", () => {
  it.live("says HELLO and then all it has, again whenever the server comes back", () =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const node = yield* czmq.node("client")
      yield* node.publish("a", "1")
      const first = yield* rawRouter("tcp://127.0.0.1:*")
      yield* node.connect(first.endpoint)
      assert.deepStrictEqual([yield* first.nextText(), yield* first.nextText()], ["HELLO", "PUBLISH a=1"])
      const [id] = first.received[0]!
      yield* first.send(id!, Wire.PUBLISH("b", "2"))
      yield* node.awaitTuple("b", "2")
      assert.strictEqual(yield* first.nextText(), "PUBLISH b=2", "the echo of CZMQ")
      yield* first.close
      const second = yield* rawRouter(first.endpoint)
      assert.strictEqual(yield* second.nextText(), "HELLO")
      const dump = [yield* second.nextText(), yield* second.nextText()]
      assert.sameMembers(dump, ["PUBLISH a=1", "PUBLISH b=2"])
    })
  )

  it.live("connects before anybody serves, ignores PING, PONG and HELLO, and never says PING", () =>
    Effect.gen(function* () {
      const spare = yield* Effect.scoped(Effect.map(rawRouter("tcp://127.0.0.1:*"), (router) => router.endpoint))
      const czmq = yield* Czmq.make
      const node = yield* czmq.node("client")
      yield* node.connect(spare)
      yield* Effect.sleep("50 millis")
      const server = yield* rawRouter(spare)
      const [id] = yield* server.next()
      assert.deepStrictEqual(server.texts(), ["HELLO"])
      for (const frame of [Wire.PING, Wire.PONG, Wire.HELLO]) yield* server.send(id!, frame)
      yield* server.expectNothing(500)
    })
  )

  it.live("answers every INVALID with a bare HELLO, and never repeats what was refused", () =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const node = yield* czmq.node("client")
      const server = yield* rawRouter("tcp://127.0.0.1:*")
      yield* node.connect(server.endpoint)
      const [id] = yield* server.next()
      yield* node.publish("a", "1")
      assert.strictEqual(yield* server.nextText(), "PUBLISH a=1")
      yield* server.send(id!, Wire.INVALID)
      yield* server.send(id!, Wire.INVALID)
      assert.deepStrictEqual([yield* server.nextText(), yield* server.nextText()], ["HELLO", "HELLO"])
      yield* server.expectNothing(100)
    })
  )
})

describeCzmq("CZMQ nodes among themselves", () => {
  it.live("exchange both ways what they have and what comes later", () =>
    Effect.gen(function* () {
      const { endpoint, node } = yield* serve({ "server/timeout": 0 })
      const other = yield* Czmq.make
      const client = yield* other.node("client")
      yield* node.publish("s1", "1")
      yield* client.publish("c1", "1")
      yield* client.connect(endpoint)
      yield* Effect.all([node.awaitStatus(2), client.awaitStatus(2)])
      yield* node.publish("s2", "2")
      yield* client.publish("c2", "2")
      yield* Effect.all([node.awaitDelivered(4), client.awaitDelivered(4)])
      assert.sameMembers([...node.texts()], ["s1=1", "c1=1", "s2=2", "c2=2"])
      assert.sameMembers([...client.texts()], ["s1=1", "c1=1", "s2=2", "c2=2"])
    })
  )

  it.live("forget an idle client after 1000 ms unless told otherwise", () =>
    Effect.gen(function* () {
      const { endpoint, node } = yield* serve()
      const client = yield* member(endpoint)
      yield* Effect.sleep("700 millis")
      yield* node.publish("still", "1")
      assert.strictEqual(yield* client.nextText(), "PUBLISH still=1")
      yield* client.expectNothing(500)
      yield* node.publish("too late", "1")
      yield* client.expectNothing(50)
    })
  )
})

describeCzmq("PORT of CZMQ", () => {
  it.live("takes the first free * port from 49152 up, and draws ! ports at random from their range", () =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const node = yield* czmq.node("binder")
      assert.strictEqual(yield* node.port, 0, "before any bind")
      const first = yield* node.bind("tcp://127.0.0.1:*")
      const second = yield* node.bind("tcp://127.0.0.1:*")
      // The first that is free, seen from 49152; others of this machine may hold some
      for (const port of [first, second]) assert.isTrue(port >= 49152 && port < 49152 + 2000, String(port))
      const third = yield* node.bind("tcp://127.0.0.1:![50000-60000]")
      const fourth = yield* node.bind("tcp://127.0.0.1:![50000-60000]")
      for (const port of [third, fourth]) assert.isTrue(port >= 50000 && port <= 60000, String(port))
      const fifth = yield* node.bind("tcp://127.0.0.1:*[61000-]")
      assert.isTrue(fifth >= 61000 && fifth < 61100, String(fifth))
      for (const port of [first, second, third, fourth, fifth]) {
        const client = yield* rawDealer(`tcp://127.0.0.1:${port}`)
        assert.deepStrictEqual(yield* client.untilPong(), [])
      }
    })
  )

  it.live("is the last bind's, 0 for ipc and inproc, -1 after a failure that leaves earlier binds serving", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const { czmq, endpoint, node } = yield* serve()
      const busy = yield* rawRouter("tcp://127.0.0.1:*")
      yield* node.send("BIND", busy.endpoint)
      assert.strictEqual(yield* node.port, -1, "busy")
      const failure = yield* Effect.flip(node.bind(busy.endpoint))
      assert.instanceOf(failure, CzmqError)
      for (const nonsense of ["nonsense", "tcp://127.0.0.1", "foo://bar", "tcp://no.such.interface:5670"]) {
        yield* node.send("BIND", nonsense)
        assert.strictEqual(yield* node.port, -1, nonsense)
      }
      assert.strictEqual(yield* node.bind(`ipc://${join(directory, "socket")}`), 0)
      assert.strictEqual(yield* node.bind("inproc://port-of-czmq"), 0)
      for (const address of [endpoint, `ipc://${join(directory, "socket")}`]) {
        const client = yield* rawDealer(address)
        assert.deepStrictEqual(yield* client.untilPong(), [])
      }
      yield* logged(czmq, "could not bind to nonsense")
    })
  )
})

describeCzmq("the harness", () => {
  it.live("carries any octets through the command pipe", () =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const node = yield* czmq.node("octets")
      const odd = Uint8Array.from({ length: 255 }, (_, index) => 255 - index)
      yield* node.publish(odd, odd)
      yield* node.publish("", "")
      yield* node.publish("a blank, 100%", "ümläut\n")
      const tuples = yield* node.awaitDelivered(3)
      assert.deepStrictEqual(tuples[0], { key: Buffer.from(odd), value: Buffer.from(odd) })
      assert.deepStrictEqual(node.texts().slice(1), ["=", "a blank, 100%=ümläut\n"])
    })
  )

  it.live("publishes and counts in bulk, past what an actor's pipe holds", () =>
    Effect.gen(function* () {
      const { czmq, endpoint, node } = yield* serve({ "server/timeout": 0 })
      const client = yield* czmq.node("client")
      yield* Effect.all([node.quiet, client.quiet])
      yield* client.connect(endpoint)
      yield* node.publish("ready", "")
      yield* client.awaitCount(1)
      const marked = yield* czmq.mark
      const [reached] = yield* Effect.all(
        [client.awaitCount(5001), node.publishMany({ prefix: "key", count: 5000, valueSize: 32 })],
        { concurrency: "unbounded" }
      )
      assert.strictEqual(reached.at - marked, BigInt(reached.elapsedNs))
      assert.isAbove(reached.elapsedNs, 0)
      assert.isTrue(reached.at <= process.hrtime.bigint())
      assert.deepStrictEqual([yield* client.count, yield* node.status, client.deliveries.length], [5001, 5001, 0])
      const raw = yield* rawDealer(endpoint)
      yield* raw.send(Wire.HELLO)
      const dump = yield* raw.untilPong()
      assert.strictEqual(dump.length, 5001)
      assert.include(dump, `PUBLISH key005000=${"v".repeat(32)}`)
    })
  )

  it.live("suspends, resumes and kills; failures say what was seen", () =>
    Effect.gen(function* () {
      const { czmq, node } = yield* serve()
      yield* node.publish("a", "1")
      yield* node.awaitTuple("a", "1")
      assert.match((yield* Effect.flip(node.awaitTuple("b", "2", 20))).message, /20 ms: .*b=2; server has 1 .*\[a=1\]/)
      yield* czmq.kill("SIGSTOP")
      yield* node.publish("b", "2")
      yield* Effect.flip(node.awaitTuple("b", "2", 50))
      yield* czmq.kill("SIGCONT")
      yield* node.awaitTuple("b", "2")
      yield* czmq.kill("SIGKILL")
      assert.match((yield* Effect.flip(node.status)).message, /SIGKILL/)
    })
  )

  it.live("ends an actor as an application does, and the process with its scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const czmq = yield* Czmq.make.pipe(Scope.provide(scope))
      const node = yield* czmq.node("short")
      const port = yield* node.bind("tcp://127.0.0.1:!")
      yield* node.destroy
      const again = yield* czmq.node("short")
      assert.strictEqual(yield* again.rebind(`tcp://127.0.0.1:${port}`), port)
      yield* czmq.kill("SIGSTOP")
      yield* Scope.close(scope, Exit.void)
      assert.throws(() => process.kill(czmq.pid, 0), /ESRCH/)
    })
  )

  czmqTest("is available", () => Effect.sync(() => assert.isTrue(availability().available)))
})
