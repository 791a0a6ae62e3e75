/**
 * What is special about the transport over ZeroMQ: names, socket files, foreign sockets, and the hygiene of sockets.
 * What every transport has to do is in `suite.ts`.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { connect as connectSocket, createServer, isIPv6, type Socket } from "node:net"
import { networkInterfaces, tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Result, Scope } from "effect"
import { Dealer, Router } from "zeromq"
import * as ZmqTransport from "../../src/layers/ZmqTransport.ts"
import * as Endpoint from "../../src/protocol/Endpoint.ts"
import type { Connection, Listener, PeerEvent, TransportError, TransportReason } from "../../src/services/Transport.ts"
import { Transport } from "../../src/services/Transport.ts"
import { transportSuite } from "./suite.ts"

const zmq = Effect.gen(function* () {
  const context = yield* Layer.build(ZmqTransport.layer)
  return yield* Effect.provideContext(Transport, context)
})

transportSuite(
  "zeromq",
  Effect.map(zmq, (transport) => ({ server: transport, client: transport }))
)

const parse = (text: string): Endpoint.Endpoint => Result.getOrThrow(Endpoint.parseBind(text))
const bind = (text: string) => Effect.flatMap(zmq, (transport) => transport.bind(parse(text)))
const connect = (text: string) => Effect.flatMap(zmq, (transport) => transport.connect(parse(text)))

const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some((it) => isIPv6(it.address)))
const onLinux = process.platform === "linux"
const loopback = Object.entries(networkInterfaces()).find(([, all]) =>
  all?.some((it) => it.address === "127.0.0.1")
)?.[0]

const octets = (text: string): Uint8Array => new TextEncoder().encode(text)

/** The next `count` events of a listener, as text: `hi`, `a+b` for two frames, `Gone`. */
const heard = Effect.fnUntraced(function* (listener: Listener, count: number) {
  const all: Array<PeerEvent> = []
  while (all.length < count) all.push(...(yield* listener.receive))
  return all.map((event) => (event._tag === "Gone" ? "Gone" : event.frames.map((it) => it.toString()).join("+")))
})

/** One message there, from the peer that this gives, and one back. Others may be leaving meanwhile. */
const talk = Effect.fnUntraced(function* (listener: Listener, connection: Connection) {
  yield* connection.send([octets("hi")])
  const event = yield* Effect.repeat(
    Effect.map(listener.receive, (events) => events.find((it) => it._tag === "Received")),
    { until: (found) => found !== undefined }
  )
  assert.strictEqual(event?.frames.join("+"), "hi")
  const peer = event?.peer ?? ""
  yield* listener.send(peer, [octets("ho")])
  assert.strictEqual((yield* connection.receive)[0]?.[0]?.toString(), "ho")
  return peer
})

const fails = Effect.fnUntraced(function* <A>(
  effect: Effect.Effect<A, TransportError, Scope.Scope>,
  reason: TransportReason,
  says: RegExp
) {
  const error = yield* Effect.flip(Effect.scoped(effect))
  assert.strictEqual(error.reason._tag, reason, error.message)
  assert.match(error.message, says)
  assert.notInclude(error.message, "\n")
})

/** A raw socket that the test's end closes. */
const raw = <S extends Router | Dealer>(make: () => S) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const socket = make()
      socket.linger = 0
      return socket
    }),
    (socket) => Effect.sync(() => socket.close())
  )

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "zgossip-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const nodeProcess = (script: string, ...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["--input-type=module", "-e", script, ...args], { stdio: ["ignore", "pipe", "inherit"] })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** Speaks ZMTP 3.0 by hand: the greeting, and READY as a DEALER. */
const greeting = Buffer.concat([
  Buffer.from("ff00000000000000007f0300", "hex"),
  Buffer.from("NULL"),
  Buffer.alloc(48),
  Buffer.from("0419055245414459", "hex"),
  Buffer.from("0b536f636b65742d547970650000000 6".replaceAll(" ", ""), "hex"),
  Buffer.from("DEALER")
])

const tcpSocket = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<Socket>((resume) => {
      const socket = connectSocket(port, "127.0.0.1")
      socket.on("error", () => undefined).once("connect", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

const openFiles = () => readdirSync("/proc/self/fd").length

const milliseconds = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const start = performance.now()
    yield* effect
    return performance.now() - start
  })

describe("zeromq: names", () => {
  it.live("binds every address, an interface and a host name, and says where", () =>
    Effect.gen(function* () {
      for (const [host, bound] of [
        ["*", "0.0.0.0"],
        ["localhost", "127.0.0.1"],
        ["127.0.0.1", "127.0.0.1"],
        ...(loopback === undefined ? [] : [[loopback, "127.0.0.1"] as const])
      ] as const) {
        const listener = yield* bind(`tcp://${host}:0`)
        assert.match(Endpoint.format(listener.endpoint), new RegExp(`^tcp://${bound}:[1-9]\\d*$`))
        yield* talk(listener, yield* connect(`tcp://127.0.0.1:${Endpoint.port(listener.endpoint)}`))
      }
    })
  )

  it.live.skipIf(!hasIPv6)("speaks IPv6, also to a localhost that is served there only", () =>
    Effect.gen(function* () {
      const listener = yield* bind("tcp://[::1]:*")
      const port = Endpoint.port(listener.endpoint)
      assert.strictEqual(Endpoint.format(listener.endpoint), `tcp://[::1]:${port}`)
      yield* talk(listener, yield* connect(`tcp://[::1]:${port}`))
      const names = readFileSync("/etc/hosts", "utf8")
      if (/^::1\s.*\blocalhost\b/m.test(names)) yield* talk(listener, yield* connect(`tcp://localhost:${port}`))
    })
  )

  it.live("walks a range of ports, and goes on where the low end is taken", () =>
    Effect.gen(function* () {
      const [first, second, third] = yield* Effect.all(
        [0, 1, 2].map(() => Effect.map(bind("tcp://127.0.0.1:*"), (it) => Endpoint.port(it.endpoint)))
      )
      assert.isAtLeast(first ?? 0, 49_152)
      assert.isAbove(second ?? 0, first ?? 0)
      assert.isAbove(third ?? 0, second ?? 0)
      const random = Endpoint.port((yield* bind("tcp://127.0.0.1:![50000-50999]")).endpoint)
      assert.isTrue(random >= 50_000 && random <= 50_999)
    })
  )
})

describe("zeromq: connections", () => {
  it.live("says that it is no ZeroMQ where something else answers", () =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const answer = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
          const server = createServer((socket) => socket.on("error", () => {}).end(answer))
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const address = server.address()
      const port = typeof address === "object" ? address?.port : 0
      yield* fails(connect(`tcp://127.0.0.1:${port}`), "Protocol", /ZeroMQ/)
    })
  )

  it.live("says that nothing answers where somebody accepts and never speaks", () =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer(() => undefined).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const address = server.address()
      const port = typeof address === "object" ? address?.port : 0
      yield* fails(connect(`tcp://127.0.0.1:${port}`), "Unreachable", /handshake/)
    })
  )

  it.live("notices that a foreign server is gone, and begins afresh with the next one", () =>
    Effect.gen(function* () {
      const path = yield* directory
      for (const text of ["tcp://127.0.0.1:0", `ipc://${path}/s`, `inproc://zmq-test-restart`]) {
        const first = yield* raw(() => new Router())
        first.bindSync(text)
        const bound = first.lastEndpoint ?? assert.fail("not bound")
        const old = yield* connect(bound)
        yield* old.send([octets("HELLO"), octets("one")])
        const [id] = yield* Effect.promise(() => first.receive())
        yield* Effect.promise(() => first.receive())
        yield* Effect.promise(() => first.send([id ?? null, "last"]))
        assert.strictEqual((yield* old.receive)[0]?.[0]?.toString(), "last")
        if (text.startsWith("inproc")) yield* Effect.promise(() => first.unbind(bound))
        first.close()
        // What is sent until the loss is noticed must not reach the next server.
        yield* Effect.ignore(old.send(Array.from({ length: 100 }, () => octets("stale"))))
        assert.strictEqual((yield* Effect.flip(old.receive)).reason._tag, "Lost")
        assert.strictEqual((yield* Effect.flip(old.send([octets("stale")]))).reason._tag, "Lost")
        yield* Effect.sleep("20 millis")
        const second = yield* raw(() => new Router())
        second.receiveTimeout = 300
        second.bindSync(bound)
        const fresh = yield* connect(bound)
        yield* fresh.send([octets("HELLO")])
        const [, hello] = yield* Effect.promise(() => second.receive())
        assert.strictEqual(hello?.toString(), "HELLO")
        const more = yield* Effect.promise(() => second.receive().then(String, () => "nothing"))
        assert.strictEqual(more, "nothing")
        second.close()
      }
    })
  )

  it.live("reads what was sent before the loss, however late", () =>
    Effect.gen(function* () {
      for (const text of ["tcp://127.0.0.1:0", "inproc://zmq-test-late"]) {
        const server = yield* raw(() => new Router())
        server.bindSync(text)
        const connection = yield* connect(server.lastEndpoint ?? assert.fail("not bound"))
        yield* connection.send([octets("hi")])
        const [id] = yield* Effect.promise(() => server.receive())
        for (let n = 0; n < 900; n++) yield* Effect.promise(() => server.send([id ?? null, String(n)]))
        server.linger = 1000
        server.close()
        yield* Effect.sleep("200 millis")
        const got: Array<string> = []
        let error: TransportError | undefined
        while (error === undefined) {
          const result = yield* Effect.result(connection.receive)
          if (Result.isSuccess(result)) got.push(...result.success.map(String))
          else error = result.failure
        }
        assert.strictEqual(error.reason._tag, "Lost")
        assert.deepStrictEqual(
          got,
          Array.from({ length: 900 }, (_, n) => String(n))
        )
      }
    })
  )

  it.live("delivers what was sent right before the close, in both directions", () =>
    Effect.gen(function* () {
      const path = yield* directory
      for (const text of ["tcp://127.0.0.1:0", `ipc://${path}/s`, "inproc://zmq-test-flush"]) {
        const serverScope = yield* Scope.fork(yield* Effect.scope)
        const listener = yield* Scope.provide(bind(text), serverScope)
        const target = Endpoint.format(listener.endpoint)
        const messages = Array.from({ length: 700 }, () => Buffer.alloc(200, 1))
        const clientScope = yield* Scope.fork(yield* Effect.scope)
        const leaving = yield* Scope.provide(connect(target), clientScope)
        yield* leaving.send(messages)
        yield* Scope.close(clientScope, Exit.void)
        assert.strictEqual((yield* heard(listener, 701)).at(-1), "Gone")
        const staying = yield* connect(target)
        const peer = yield* talk(listener, staying)
        yield* listener.send(peer, messages)
        yield* Scope.close(serverScope, Exit.void)
        let got = 0
        while (got < messages.length) got += (yield* staying.receive).length
        assert.strictEqual((yield* Effect.flip(staying.receive)).reason._tag, "Lost")
      }
    })
  )

  it.live("waits until what was sent has left, for as long as it may linger", () =>
    Effect.gen(function* () {
      const { bind, connect } = yield* zmq
      /** A peer that does not read for a while. */
      const slow = { receiveHighWaterMark: 1 }
      const messages = Array.from({ length: 60 }, () => Buffer.alloc(2 ** 18))
      for (const side of ["listener", "connection"] as const) {
        for (const linger of [1000, 50]) {
          const scope = yield* Scope.make()
          const peer = yield* raw(() => (side === "listener" ? new Dealer(slow) : new Router(slow)))
          if (side === "listener") {
            const listener = yield* Scope.provide(bind(parse("tcp://127.0.0.1:0"), { linger: () => linger }), scope)
            peer.connect(Endpoint.format(listener.endpoint))
            yield* Effect.promise(() => peer.send("hi"))
            const [event] = yield* listener.receive
            yield* listener.send(event?.peer ?? "", messages)
          } else {
            peer.bindSync("tcp://127.0.0.1:0")
            const endpoint = parse(peer.lastEndpoint ?? "")
            const connection = yield* Scope.provide(connect(endpoint, { linger: () => linger }), scope)
            yield* connection.send(messages)
          }
          const closing = yield* Effect.forkChild(milliseconds(Scope.close(scope, Exit.void)), {
            startImmediately: true
          })
          yield* Effect.sleep("30 millis")
          assert.isUndefined(closing.pollUnsafe())
          if (linger === 1000) {
            for (let n = 0; n < messages.length; n++) yield* Effect.promise(() => peer.receive())
          }
          assert.isBelow(yield* Fiber.join(closing), linger + 2000)
        }
      }
    })
  )

  it.live("leaves nothing behind when a connect is interrupted", () =>
    Effect.gen(function* () {
      const listener = yield* bind("tcp://127.0.0.1:0")
      for (let n = 0; n < 20; n++) {
        const fiber = yield* Effect.forkChild(Effect.scoped(connect(Endpoint.format(listener.endpoint))))
        yield* n % 2 === 0 ? Effect.yieldNow : Effect.sleep("1 millis")
        yield* Fiber.interrupt(fiber)
      }
      yield* talk(listener, yield* connect(Endpoint.format(listener.endpoint)))
    })
  )

  it.live("keeps more connections than libzmq has sockets by default", () =>
    Effect.gen(function* () {
      const listener = yield* bind("tcp://127.0.0.1:0")
      const text = Endpoint.format(listener.endpoint)
      const all = yield* Effect.forEach(Array.from({ length: 400 }), () => connect(text), { concurrency: 50 })
      yield* Effect.forEach(all, (connection) => connection.send([octets("hi")]))
      assert.strictEqual((yield* heard(listener, 400)).length, 400)
    })
  )
})

describe("zeromq: peers", () => {
  it.live("takes messages of several frames, and of none that anybody could mistake for a departure", () =>
    Effect.gen(function* () {
      const listener = yield* bind("tcp://127.0.0.1:0")
      const client = yield* raw(() => new Dealer())
      client.connect(Endpoint.format(listener.endpoint))
      for (const message of [["a", "b", ""], [""], [Buffer.alloc(32)]]) {
        yield* Effect.promise(() => client.send(message))
      }
      assert.deepStrictEqual(yield* heard(listener, 3), ["a+b+", "", "\0".repeat(32)])
    })
  )

  it.live("lets a new socket take over a routing id, and reports one departure", () =>
    Effect.gen(function* () {
      const listener = yield* bind("tcp://127.0.0.1:0")
      const make = Effect.map(
        raw(() => new Dealer()),
        (socket) => {
          socket.routingId = "me"
          socket.connect(Endpoint.format(listener.endpoint))
          return socket
        }
      )
      const first = yield* make
      yield* Effect.promise(() => first.send("one"))
      const [one] = yield* listener.receive
      const second = yield* make
      yield* Effect.promise(() => second.send("two"))
      const [two] = yield* listener.receive
      assert.strictEqual(one?.peer, two?.peer)
      yield* listener.send(two?.peer ?? "", [octets("answer")])
      assert.strictEqual(String(yield* Effect.promise(() => second.receive())), "answer")
      first.close()
      second.close()
      assert.deepStrictEqual(yield* heard(listener, 1), ["Gone"])
      assert.isTrue(Result.isFailure(yield* Effect.result(Effect.timeout(listener.receive, "100 millis"))))
    })
  )

  it.live("learns that the process of a peer was killed", () =>
    Effect.gen(function* () {
      const path = yield* directory
      for (const text of ["tcp://127.0.0.1:0", `ipc://${path}/s`]) {
        const listener = yield* bind(text)
        const child = yield* nodeProcess(
          `import { Dealer } from "zeromq"
           const dealer = new Dealer()
           dealer.connect(process.argv[1])
           await dealer.send("hi")
           await dealer.receive()`,
          Endpoint.format(listener.endpoint)
        )
        assert.deepStrictEqual(yield* heard(listener, 1), ["hi"])
        child.kill("SIGKILL")
        assert.deepStrictEqual(yield* heard(listener, 1), ["Gone"])
      }
    })
  )

  it.live("survives garbage, and serves the others meanwhile", () =>
    Effect.gen(function* () {
      const listener = yield* bind("tcp://127.0.0.1:0")
      const port = Endpoint.port(listener.endpoint)
      const guest = yield* connect(Endpoint.format(listener.endpoint))
      const peer = yield* talk(listener, guest)
      for (let n = 0; n < 60; n++) {
        const socket = yield* tcpSocket(port)
        socket.write(
          n % 3 === 0
            ? Buffer.from(Array.from({ length: n * 7 }, (_, k) => (k * 31 + n * 17) & 255))
            : n % 3 === 1
              ? greeting.subarray(0, n)
              : Buffer.concat([greeting, Buffer.alloc(n, 0xff)])
        )
        if (n % 2 === 0) socket.destroy()
      }
      yield* guest.send([octets("still here")])
      // Octets that do not begin with 0xff may pass for ZMTP 1.0, where anything is a routing id and a message.
      yield* Effect.repeat(listener.receive, {
        until: (events) => events.some((it) => it._tag === "Received" && it.peer === peer)
      })
      yield* listener.send(peer, [octets("ho")])
      assert.strictEqual((yield* guest.receive)[0]?.[0]?.toString(), "ho")
    })
  )

  it.live("closes within a second, with peers that do not read and messages under way", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const flood = Array.from({ length: 20_000 }, () => Buffer.alloc(1024))
      for (const text of ["tcp://127.0.0.1:0", `ipc://${path}/s`, "inproc://zmq-test-close"]) {
        const scope = yield* Scope.make()
        const listener = yield* Scope.provide(bind(text), scope)
        const target = Endpoint.format(listener.endpoint)
        const stalled = yield* raw(() => new Dealer())
        stalled.connect(target)
        yield* Effect.promise(() => stalled.send("hi"))
        const [event] = yield* listener.receive
        const sending = yield* Effect.forkChild(Effect.flip(listener.send(event?.peer ?? "", flood)))
        const silent = yield* raw(() => new Router())
        silent.bindSync(text.replace("/s", "/t").replace("-close", "-close-2"))
        const connection = yield* Scope.provide(connect(silent.lastEndpoint ?? ""), scope)
        const flooding = yield* Effect.forkChild(Effect.flip(connection.send(flood)))
        const waiting = yield* Effect.forkChild(Effect.flip(connection.receive))
        yield* Effect.sleep("100 millis")
        assert.isBelow(yield* milliseconds(Scope.close(scope, Exit.void)), 1000)
        for (const end of [Fiber.join(sending), Fiber.join(flooding), Fiber.join(waiting)]) {
          assert.strictEqual((yield* end).reason._tag, "Closed")
        }
        const again = yield* bind(target)
        assert.deepStrictEqual(again.endpoint, listener.endpoint)
      }
    })
  )

  it.live.skipIf(!onLinux)("leaks no descriptors", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const endpoints = ["tcp://127.0.0.1:0", `ipc://${path}/s`, "inproc://zmq-test-leak"]
      const listeners = yield* Effect.forEach(endpoints, bind)
      const cycle = Effect.gen(function* () {
        for (const listener of listeners) {
          const connection = yield* connect(Endpoint.format(listener.endpoint))
          yield* connection.send([octets("hi")])
          yield* listener.receive
        }
        yield* Effect.ignore(Effect.scoped(connect(`ipc://${path}/nobody`)))
        yield* Effect.ignore(Effect.scoped(bind(Endpoint.format(listeners[0]?.endpoint ?? parse("inproc://x")))))
        yield* bind("tcp://127.0.0.1:0")
      }).pipe(Effect.scoped)
      yield* cycle
      yield* Effect.sleep("300 millis")
      const before = openFiles()
      for (let n = 0; n < 70; n++) yield* cycle
      let after = openFiles()
      for (let n = 0; n < 20 && after > before; n++) {
        yield* Effect.sleep("100 millis")
        after = openFiles()
      }
      assert.isAtMost(after, before + 3)
    })
  )
})

describe("zeromq: socket files", () => {
  it.live("removes its own, and no other", () =>
    Effect.gen(function* () {
      const path = join(yield* directory, "s")
      yield* Effect.scoped(bind(`ipc://${path}`))
      assert.isFalse(existsSync(path))
      const scope = yield* Scope.make()
      yield* Scope.provide(bind(`ipc://${path}`), scope)
      rmSync(path)
      writeFileSync(path, "somebody else's")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(readFileSync(path, "utf8"), "somebody else's")
    })
  )

  it.live("replaces one that a killed process has left", () =>
    Effect.gen(function* () {
      const path = join(yield* directory, "s")
      const child = yield* nodeProcess(
        `import { Router } from "zeromq"
         const router = new Router()
         router.bindSync(process.argv[1])
         console.log("bound")
         await router.receive()`,
        `ipc://${path}`
      )
      yield* Effect.callback<void>((resume) => void child.stdout.once("data", () => resume(Effect.void)))
      yield* fails(bind(`ipc://${path}`), "AddressInUse", /EADDRINUSE/)
      yield* Effect.callback<void>((resume) => {
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
      assert.isTrue(statSync(path).isSocket())
      yield* fails(connect(`ipc://${path}`), "Refused", /ECONNREFUSED/)
      const listener = yield* bind(`ipc://${path}`)
      yield* talk(listener, yield* connect(`ipc://${path}`))
    })
  )

  it.live("leaves what is not a socket alone, and says what is wrong", () =>
    Effect.gen(function* () {
      const base = yield* directory
      const file = join(base, "file")
      writeFileSync(file, "precious")
      yield* fails(bind(`ipc://${file}`), "AddressInUse", /not a socket/)
      yield* fails(bind(`ipc://${base}`), "AddressInUse", /not a socket/)
      assert.strictEqual(readFileSync(file, "utf8"), "precious")
      yield* fails(bind(`ipc://${base}/no/where`), "AddressNotAvailable", /ENOENT/)
      yield* fails(bind(`ipc://${file}/s`), "AddressNotAvailable", /ENO/)
      yield* fails(connect(`ipc://${base}/nobody`), "Refused", /ENOENT/)
      yield* fails(connect(`ipc://${file}`), "Refused", /./)
    })
  )

  it.live.skipIf(!onLinux)("needs none in the abstract namespace", () =>
    Effect.gen(function* () {
      const name = `@zgossip-test-${process.pid}`
      const listener = yield* bind(`ipc://${name}`)
      assert.deepStrictEqual(listener.endpoint, parse(`ipc://${name}`))
      yield* talk(listener, yield* connect(`ipc://${name}`))
      yield* fails(bind(`ipc://${name}`), "AddressInUse", /EADDRINUSE/)
      assert.isFalse(existsSync(name))
    })
  )
})
