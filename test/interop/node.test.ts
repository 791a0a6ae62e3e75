/**
 * Our node and its layers over real sockets: endpoints of every kind, errors that can be acted on, an end that leaves
 * nothing behind, and the ways into it from other programs.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Logger, ManagedRuntime, Stream } from "effect"
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { networkInterfaces } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { Dealer } from "zeromq"
import * as Gossip from "../../src/Gossip.ts"
import { Patience } from "../../src/layers/LastWords.ts"
import * as ZmqTransport from "../../src/layers/ZmqTransport.ts"
import { selfTest } from "../node/selftest.ts"
import { eventually, numbered, ourNode, place, type Scheme, temporaryDirectory, write } from "./OurNode.ts"
import { rawDealer, rawRouter, Wire } from "./RawPeer.ts"

const schemes = ["tcp", "ipc", "inproc"] as const satisfies ReadonlyArray<Scheme>

const long = 10_000

const silent = Logger.layer([])

const fileOf = (endpoint: string) => endpoint.replace("ipc://", "")

/** Waits for a tuple to travel between two nodes. */
const travels = (from: { readonly gossip: Gossip.Gossip["Service"] }, to: Effect.Success<ReturnType<typeof ourNode>>) =>
  Effect.gen(function* () {
    const key = `travels ${performance.now()}`
    yield* from.gossip.publish(key, "1")
    yield* to.awaitTuple(key, "1")
  })

// ---------------------------------------------------------------------------------------------------------------------
// Endpoints

const hasIPv6 = Object.values(networkInterfaces())
  .flat()
  .some((address) => address?.address === "::1")

describe("a reader of all tuples", () => {
  it.live("has every key when the PONG comes, also one that changes all the while", () =>
    Effect.gen(function* () {
      const ours = yield* ourNode({ bind: [yield* place("tcp")], publish: numbered("key", 20_000, "0") })
      const busy = "key010000"
      let value = 0
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.andThen(
            Effect.suspend(() => ours.gossip.publish(busy, `${++value}`)),
            Effect.sleep("1 millis")
          )
        )
      )
      for (let round = 0; round < 3; round++) {
        const client = yield* rawDealer(ours.endpoint)
        yield* client.send(Wire.HELLO)
        yield* client.send(Wire.PING)
        const keys = new Set<string>()
        for (let said = ""; said !== "PONG"; said = yield* client.nextText(long)) keys.add(said.replace(/=.*/s, ""))
        assert.isTrue(keys.has(`PUBLISH ${busy}`))
        assert.strictEqual(keys.size, 20_001)
      }
    })
  )
})

describe("endpoints", () => {
  it.live("one node serves on tcp, ipc and inproc and connects over all three at once", () =>
    Effect.gen(function* () {
      const places = yield* Effect.forEach(schemes, place)
      const servers = yield* Effect.forEach(schemes, (scheme) =>
        Effect.flatMap(place(scheme), (where) => ourNode({ bind: [where], publish: { [`server ${scheme}`]: "1" } }))
      )
      const hub = yield* ourNode({
        bind: places,
        connect: servers.map(({ endpoint }) => endpoint),
        publish: { hub: "1" }
      })
      const clients = yield* Effect.forEach(places, (where, index) =>
        ourNode({ connect: [where], publish: { [`client ${schemes[index]}`]: "1" } })
      )
      const nodes = [hub, ...servers, ...clients]
      for (const node of nodes) yield* node.awaitSize(7)
      for (const node of nodes) assert.deepStrictEqual(yield* node.holds, yield* hub.holds)
      for (const node of nodes) assert.strictEqual(node.seen.length, 7, "each once")
    })
  )

  it.live("the port is what the last bind got: `*`, `!`, ranges, 0; not tcp is 0", () =>
    Effect.gen(function* () {
      const ours = yield* ourNode()
      assert.strictEqual(yield* ours.gossip.port, 0)
      for (const [port, first, last] of [
        ["*", 49152, 65535],
        ["!", 49152, 65535],
        ["*[61500-61600]", 61500, 61600],
        ["![61500-61600]", 61500, 61600],
        ["0", 1024, 65535]
      ] as const) {
        const endpoint = yield* ours.gossip.bind(`tcp://127.0.0.1:${port}`)
        const bound = yield* ours.gossip.port
        assert.strictEqual(endpoint, `tcp://127.0.0.1:${bound}`)
        assert.isTrue(bound >= first && bound <= last, endpoint)
        const client = yield* rawDealer(endpoint)
        assert.deepStrictEqual(yield* client.untilPong(long), [])
      }
      yield* ours.gossip.bind(yield* place("ipc"))
      assert.strictEqual(yield* ours.gossip.port, 0)
    })
  )

  it.live("all addresses, and the name of this host: tcp://*:port is reached at localhost", () =>
    Effect.gen(function* () {
      const ours = yield* ourNode({ bind: ["tcp://*:![61000-65535]"] })
      const port = yield* ours.gossip.port
      yield* travels(yield* ourNode({ connect: [`tcp://localhost:${port}`] }), ours)
      yield* travels(yield* ourNode({ connect: [`tcp://127.0.0.1:${port}`] }), ours)
    })
  )

  it.live("localhost serves, is connected to, and comes back", () =>
    Effect.gen(function* () {
      const first = yield* ourNode({ bind: ["tcp://localhost:![61000-65535]"], publish: { a: "1" } })
      const where = `tcp://localhost:${yield* first.gossip.port}`
      const client = yield* ourNode({ connect: [where] })
      yield* client.awaitTuple("a", "1")
      yield* first.close
      const second = yield* ourNode({ bind: [where] })
      yield* second.awaitTuple("a", "1")
      yield* travels(client, second)
      yield* travels(second, client)
    })
  )

  it.live.skipIf(networkInterfaces()["lo"] === undefined)("the name of an interface: tcp://lo:*", () =>
    Effect.gen(function* () {
      const ours = yield* ourNode({ bind: ["tcp://lo:*"] })
      yield* travels(yield* ourNode({ connect: [`tcp://127.0.0.1:${yield* ours.gossip.port}`] }), ours)
    })
  )

  it.live.skipIf(!hasIPv6)("IPv6", () =>
    Effect.gen(function* () {
      const ours = yield* ourNode({ bind: ["tcp://[::1]:![61000-65535]"] })
      const port = yield* ours.gossip.port
      assert.strictEqual(ours.endpoint, `tcp://[::1]:${port}`)
      const client = yield* ourNode({ connect: [ours.endpoint] })
      yield* travels(client, ours)
      yield* travels(ours, client)
    })
  )

  it.live.each(schemes)("a remote that is not there yet appears later, more than once (%s)", (scheme) =>
    Effect.gen(function* () {
      const where = yield* place(scheme)
      const ours = yield* ourNode({ connect: [where], publish: { a: "1" } })
      // Over inproc nobody can tell
      if (scheme !== "inproc") {
        const status = yield* eventually(ours.gossip.status, ({ remotes }) => remotes[0]?.error !== undefined)
        assert.deepInclude(status.remotes[0], { endpoint: where, state: "Disconnected" })
      }
      for (const round of [1, 2, 3]) {
        const server = yield* ourNode({ bind: [where], publish: { [`server ${round}`]: "1" } })
        yield* server.awaitTuple("a", "1")
        yield* ours.awaitTuple(`server ${round}`, "1")
        yield* travels(server, ours)
        yield* travels(ours, server)
        const { remotes } = yield* ours.gossip.status
        assert.isUndefined(remotes[0]?.error)
        yield* server.close
      }
    })
  )

  it.live.each(schemes)(
    "a server that comes back with new values: of two the one that was set later is kept (%s)",
    (scheme) =>
      Effect.gen(function* () {
        const where = yield* place(scheme)
        const first = yield* ourNode({ bind: [where], publish: { address: "old", gone: "1" } })
        const ours = yield* ourNode({ connect: [where], remoteTimeout: 100, publish: { mine: "old" } })
        yield* ours.awaitTuple("address", "old")
        yield* first.awaitTuple("mine", "old")
        // A few of its PINGs are answered: now it knows what the server has
        yield* Effect.sleep("250 millis")
        yield* first.close
        yield* ours.gossip.publish("mine", "new")
        yield* Effect.sleep("5 millis")
        const second = yield* ourNode({ bind: [where], publish: { address: "new", mine: "of the server" } })
        yield* ours.awaitTuple("address", "new")
        yield* ours.awaitTuple("mine", "of the server")
        yield* second.awaitTuple("gone", "1")
        for (const node of [ours, second])
          assert.deepStrictEqual(yield* node.holds, ["address=new", "gone=1", "mine=of the server"])
      })
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// Errors

/** Whether this system keeps ports for root, and we are not root. */
const privileged = (() => {
  try {
    const first = Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"))
    return process.getuid?.() !== 0 && first > 1
  } catch {
    return false
  }
})()

describe("binds that fail", () => {
  it.live.each(schemes)("an endpoint in use is told, typed; earlier binds and its owner serve on (%s)", (scheme) =>
    Effect.gen(function* () {
      const ours = yield* ourNode({ bind: [yield* place(scheme)], publish: { a: "1" } })
      const owner = yield* rawRouter(yield* place(scheme))
      for (const endpoint of [owner.endpoint, ours.endpoint]) {
        const error = yield* Effect.flip(ours.gossip.bind(endpoint))
        assert.instanceOf(error, Gossip.GossipError)
        assert.deepInclude(error, { operation: "bind", endpoint })
        assert.deepInclude(error.reason, { _tag: "AddressInUse", code: "EADDRINUSE" })
        assert.match(error.message, /^cannot bind \S+: .*in use.*$/)
        assert.strictEqual(yield* ours.gossip.port, -1)
      }
      const client = yield* rawDealer(ours.endpoint)
      yield* client.send(Wire.HELLO)
      assert.deepStrictEqual(yield* client.untilPong(long), ["PUBLISH a=1"])
      const other = yield* rawDealer(owner.endpoint)
      yield* other.send(Wire.HELLO)
      assert.strictEqual(yield* owner.nextText(long), "HELLO")
      const another = yield* ours.gossip.bind(yield* place("tcp"))
      assert.strictEqual(another.split(":").at(-1), String(yield* ours.gossip.port))
    })
  )

  it.live("nonsense is told, typed, in one line, and leaves the node as it is", () =>
    Effect.gen(function* () {
      const ours = yield* ourNode({ bind: [yield* place("tcp")] })
      const cases = [
        ["", "InvalidEndpoint"],
        ["nonsense", "InvalidEndpoint"],
        ["foo://bar", "InvalidEndpoint"],
        ["tcp://", "InvalidEndpoint"],
        ["tcp://127.0.0.1", "InvalidEndpoint"],
        ["tcp://127.0.0.1:99999", "InvalidEndpoint"],
        ["tcp://127.0.0.1:-1", "InvalidEndpoint"],
        ["tcp://127.0.0.1:*[9-8]", "InvalidEndpoint"],
        ["tcp://::1:5670", "InvalidEndpoint"],
        ["tcp://127.0.0.1:5670\n", "InvalidEndpoint"],
        ["ipc://", "InvalidEndpoint"],
        [`ipc:///tmp/${"x".repeat(200)}`, "InvalidEndpoint"],
        ["inproc://", "InvalidEndpoint"],
        ["tcp://192.0.2.1:![61000-65535]", "AddressNotAvailable"],
        ["tcp://no-such-interface.invalid:5670", "UnknownHost"],
        ["ipc:///no/such/directory/socket", "AddressNotAvailable"]
      ] as const
      for (const [endpoint, tag] of cases) {
        const error = yield* Effect.flip(ours.gossip.bind(endpoint))
        assert.strictEqual(error.reason._tag, tag, `${JSON.stringify(endpoint)}: ${error.message}`)
        assert.isAbove(error.reason.detail.length, 5)
        assert.notInclude(error.reason.detail, "\n")
      }
      for (const endpoint of ["nonsense", "tcp://*:5670", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "ipc://*"]) {
        const error = yield* Effect.flip(ours.gossip.connect(endpoint))
        assert.deepInclude(error, { operation: "connect", endpoint })
        assert.strictEqual(error.reason._tag, "InvalidEndpoint", endpoint)
      }
      const { listeners, remotes } = yield* ours.gossip.status
      assert.deepStrictEqual([listeners.length, remotes.length], [1, 0])
      yield* travels(yield* ourNode({ connect: [ours.endpoint] }), ours)
    })
  )

  it.live("a file that is no socket, and a directory, stay as they are", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const [file, folder] = [join(directory, "file"), join(directory, "folder")]
      writeFileSync(file, "precious")
      mkdirSync(folder)
      const ours = yield* ourNode()
      for (const path of [file, folder]) {
        const error = yield* Effect.flip(ours.gossip.bind(`ipc://${path}`))
        assert.strictEqual(error.reason._tag, "AddressInUse", error.message)
      }
      assert.strictEqual(readFileSync(file, "utf8"), "precious")
    })
  )

  it.live.skipIf(!privileged)("a port that is not for us is told, typed", () =>
    Effect.gen(function* () {
      const ours = yield* ourNode()
      const error = yield* Effect.flip(ours.gossip.bind("tcp://127.0.0.1:1"))
      assert.strictEqual(error.reason._tag, "PermissionDenied", error.message)
    })
  )

  it.live.skipIf(process.getuid?.() === 0)("a directory that is not for us is told, typed", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const closed = join(directory, "closed")
      mkdirSync(closed, { mode: 0o500 })
      const ours = yield* ourNode()
      const error = yield* Effect.flip(ours.gossip.bind(`ipc://${closed}/socket`))
      assert.strictEqual(error.reason._tag, "PermissionDenied", error.message)
    })
  )

  it.live("a layer whose second bind fails, fails, and has closed the first one again", () =>
    Effect.gen(function* () {
      const [good, busy] = [yield* place("ipc"), (yield* rawRouter(yield* place("tcp"))).endpoint]
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Gossip.layer({ bind: [good, busy] }))))
      assert.strictEqual(error.reason._tag, "AddressInUse")
      assert.strictEqual(error.endpoint, busy)
      assert.isFalse(existsSync(fileOf(good)))
    }).pipe(Effect.provide(silent))
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// The end

/** Open descriptors of this process; a constant where the system does not say. */
const descriptors = Effect.sync(() => (existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").length : 0))

describe("the end of a node", () => {
  /** A node with peers that are well, stalled, silent or not there, and messages under way to all of them. */
  const crowded = Effect.gen(function* () {
    const places = yield* Effect.forEach(schemes, place)
    const silentServers = yield* Effect.forEach(schemes, (scheme) => Effect.flatMap(place(scheme), rawRouter))
    const friend = yield* ourNode({ bind: [yield* place("tcp")] })
    const ours = yield* ourNode({
      bind: places,
      connect: [...silentServers.map(({ endpoint }) => endpoint), friend.endpoint, yield* place("tcp")]
    }).pipe(Effect.provideService(Patience, 200))
    for (const where of places) {
      const lazy = yield* Effect.acquireRelease(
        Effect.sync(() => Object.assign(new Dealer(), { linger: 0, receiveHighWaterMark: 10 })),
        (socket) => Effect.sync(() => socket.close())
      )
      lazy.connect(where)
      yield* Effect.promise(() => lazy.send(Wire.HELLO))
    }
    yield* eventually(ours.gossip.status, ({ listeners }) => listeners.every(({ members }) => members === 1))
    yield* ours.gossip.publishAll(numbered("key", 5000, "x".repeat(1000)))
    yield* friend.awaitTuple("key000001")
    return { ours, places }
  })

  it.live(
    "takes as long as it may at most, among stalled peers and with messages under way, and leaves nothing",
    () =>
      Effect.gen(function* () {
        // What the context of all sockets needs, and what the first use of a module opens, stays
        yield* Effect.scoped(Effect.flatMap(crowded, ({ ours }) => ours.close))
        let before = yield* descriptors
        yield* eventually(descriptors, (now) => {
          const still = now === before
          before = now
          return still
        })
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { ours, places } = yield* crowded
            const publishing = yield* ours.gossip
              .publishAll(numbered("late", 200_000))
              .pipe(Effect.forkScoped({ startImmediately: true }))
            const delivering = yield* Effect.forkScoped(Stream.runDrain(ours.gossip.deliveries))
            yield* Effect.yieldNow
            const since = performance.now()
            yield* ours.close
            assert.isBelow(performance.now() - since, 1000)
            const ended = yield* Fiber.await(publishing)
            if (Exit.isFailure(ended)) assert.include(JSON.stringify(ended), "Stopped")
            yield* Fiber.await(delivering)
            for (const where of places) {
              if (where.startsWith("ipc:")) assert.isFalse(existsSync(fileOf(where)))
              // Free for the next one at once
              const next = yield* ourNode({ bind: [where] })
              yield* next.close
            }
            const error = yield* Effect.flip(ours.gossip.publish("too late", "1"))
            assert.strictEqual(error.reason._tag, "Stopped")
            yield* ours.gossip.stop
          })
        )
        yield* eventually(descriptors, (now) => now <= before)
      }),
    30_000
  )

  it.live("connecting and disconnecting, binding and unbinding, opens no more than it closes", () =>
    Effect.gen(function* () {
      const server = yield* ourNode({ bind: yield* Effect.forEach(schemes, place) })
      const ours = yield* ourNode()
      const round = (where: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          for (const endpoint of server.endpoints) yield* ours.gossip.connect(endpoint)
          for (const endpoint of where) yield* ours.gossip.bind(endpoint)
          yield* eventually(ours.gossip.status, ({ remotes }) => remotes.every(({ state }) => state === "Connected"))
          for (const endpoint of server.endpoints) yield* ours.gossip.disconnect(endpoint)
          for (const endpoint of where) yield* ours.gossip.unbind(endpoint)
          yield* eventually(server.gossip.status, ({ listeners }) => listeners.every(({ peers }) => peers === 0))
        })
      const where = yield* Effect.forEach(schemes, place)
      yield* round(where)
      const before = yield* descriptors
      for (let n = 0; n < 20; n++) yield* round(where)
      yield* eventually(descriptors, (now) => now <= before + 2)
      const { listeners, remotes } = yield* ours.gossip.status
      assert.deepStrictEqual([listeners, remotes], [[], []])
    })
  )

  it.live(
    "lets the process end by itself",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const root = join(import.meta.dirname, "../..")
        const script = `
        import { Context, Effect, Exit, Layer, Logger, Scope } from ${JSON.stringify(import.meta.resolve("effect"))}
        import * as Gossip from ${JSON.stringify(pathToFileURL(join(root, "src/Gossip.ts")).href)}
        const scope = Scope.makeUnsafe()
        const node = (options) => Effect.runPromise(
          Effect.map(Layer.build(Gossip.layer(options)), (context) => Context.get(context, Gossip.Gossip)).pipe(
            Effect.provide(Logger.layer([])), Scope.provide(scope)))
        const ipc = ${JSON.stringify(`ipc://${join(directory, "socket")}`)}
        const server = await node({ bind: [ipc, "inproc://a", "tcp://127.0.0.1:![61000-65535]"], publish: { a: "1" } })
        const client = await node({ connect: ["inproc://a", ipc, "tcp://127.0.0.1:" + (await Effect.runPromise(server.port)), "tcp://127.0.0.1:1"] })
        while ((await Effect.runPromise(client.status)).tuples === 0) await new Promise((again) => setTimeout(again, 5))
        await Effect.runPromise(client.publishAll(Array.from({ length: 1000 }, (_, n) => ["k" + n, "v"])))
        await Effect.runPromise(Scope.close(scope, Exit.void))
        console.log("closed")`
        const ended = yield* Effect.callback<{
          readonly code: number | null
          readonly text: string
          readonly took: number
        }>((resume) => {
          const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
            env: { ...process.env, NODE_OPTIONS: "" },
            stdio: ["ignore", "pipe", "pipe"]
          })
          let text = ""
          let closed = performance.now()
          const hear = (some: Buffer) => {
            text += some.toString()
            closed = performance.now()
          }
          child.stdout.on("data", hear)
          child.stderr.on("data", hear)
          child.once("close", (code) => resume(Effect.succeed({ code, text, took: performance.now() - closed })))
          return Effect.sync(() => child.kill("SIGKILL"))
        })
        assert.deepInclude(ended, { code: 0, text: "closed\n" }, ended.text)
        assert.isBelow(ended.took, 2000)
        assert.deepStrictEqual(readdirSync(directory), [])
      }),
    30_000
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// Ways in

describe("ways in", () => {
  it.live("the original's self-test, over real inproc sockets", () =>
    selfTest({
      // Expected within its 100 ms: to stay a member, say PING before
      node: () => Layer.fresh(Gossip.layer({ remoteTimeout: 100 })),
      transport: ZmqTransport.layer,
      // A busy machine needs more of it than the original's threads
      pass: (milliseconds) => Effect.sleep(milliseconds * 4)
    }).pipe(Effect.provide(silent))
  )

  it("from plain promises, through a ManagedRuntime", async () => {
    const runtime = ManagedRuntime.make(
      Gossip.layer({ bind: ["tcp://127.0.0.1:![61000-65535]"], publish: { a: "1" } }).pipe(Layer.provideMerge(silent))
    )
    const gossip = await runtime.runPromise(Gossip.Gossip)
    const port = await runtime.runPromise(gossip.port)
    const other = ManagedRuntime.make(
      Gossip.layer({ connect: [`tcp://127.0.0.1:${port}`] }).pipe(Layer.provideMerge(silent))
    )
    const heard = other.runPromise(
      Gossip.Gossip.use(({ deliveries }) => deliveries.pipe(Stream.map(write), Stream.take(2), Stream.runCollect))
    )
    await runtime.runPromise(gossip.publish("b", "2"))
    assert.deepStrictEqual(await heard, ["a=1", "b=2"])
    const refused = await runtime.runPromiseExit(gossip.bind("nonsense"))
    assert.isTrue(Exit.isFailure(refused))
    await other.dispose()
    await runtime.dispose()
    const free = ManagedRuntime.make(
      Gossip.layer({ bind: [`tcp://127.0.0.1:${port}`] }).pipe(Layer.provideMerge(silent))
    )
    await free.runPromise(Gossip.Gossip)
    await free.dispose()
  })

  it("by Effect.runFork, and ended by interrupting the fiber", async () => {
    const where = `inproc://run-fork-${process.pid}`
    const program = Effect.gen(function* () {
      const gossip = yield* Gossip.Gossip
      yield* gossip.publish("forked", "1")
      yield* Effect.never
    }).pipe(Effect.provide(Gossip.layer({ bind: [where] })), Effect.provide(silent))
    for (let round = 0; round < 2; round++) {
      const fiber = Effect.runFork(program)
      const got = await Effect.runPromise(
        Effect.scoped(Effect.flatMap(ourNode({ connect: [where] }), (node) => node.awaitTuple("forked", "1")))
      )
      assert.strictEqual(got.value, "1")
      await Effect.runPromise(Fiber.interrupt(fiber))
    }
  })

  it.live("by Layer.launch", () =>
    Effect.gen(function* () {
      const ipc = yield* place("ipc")
      const launched = Layer.launch(Gossip.layer({ bind: [ipc], publish: { launched: "1" } }))
      const fiber = Effect.runFork(Effect.provide(launched, silent))
      const node = yield* ourNode({ connect: [ipc] })
      yield* node.awaitTuple("launched", "1")
      yield* Fiber.interrupt(fiber)
      assert.isFalse(existsSync(fileOf(ipc)))
    })
  )
})
