/**
 * The configuration of a running node: CONFIGURE, SET, SAVE, files that change, and which place counts.
 */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Fiber, Latch, Layer, Result, Stream } from "effect"
import * as Gossip from "../../src/Gossip.ts"
import * as MemoryConfig from "../../src/layers/MemoryConfig.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import * as MemoryTupleStore from "../../src/layers/MemoryTupleStore.ts"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import type * as NodeConfig from "../../src/layers/NodeConfig.ts"
import * as Zpl from "../../src/protocol/Zpl.ts"
import { Transport } from "../../src/services/Transport.ts"
import { GossipConfig } from "../../src/services/GossipConfig.ts"
import { build, capture, knows, type Network, pass, settle } from "./support.ts"

const listeners = ({ listeners }: Gossip.Status) => listeners.map(({ endpoint }) => endpoint).sort()
const remotes = ({ remotes }: Gossip.Status) => remotes.map(({ endpoint }) => endpoint).sort()

/** A file with these endpoints to serve on and to connect to. */
const file = (bind: ReadonlyArray<string>, connect: ReadonlyArray<string> = [], more = "") =>
  [
    "zgossip",
    ...bind.map((endpoint) => `    bind\n        endpoint = ${endpoint}`),
    ...connect.map((endpoint) => `    connect\n        endpoint = ${endpoint}`),
    more
  ].join("\n")

interface World {
  readonly network: Network
  readonly gossip: Gossip.Gossip["Service"]
  readonly files: Map<string, string>
  readonly lines: ReadonlyArray<string>
}

/** A node, its files, and what it logs. */
const world = (options: Gossip.Options & { readonly files?: Readonly<Record<string, string>> } = {}) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.make()
    const files = new Map(Object.entries(options.files ?? {}))
    const log = capture()
    const gossip = yield* Effect.provide(
      build(Gossip.layerMemory(network, { host: "here", ...options, files })),
      log.layer
    )
    return { network, gossip, files, lines: log.lines } satisfies World
  })

/** What a configuration would be. */
const configuration = (
  given: NodeConfig.Given,
  options: Omit<NodeConfig.Options, "given"> = {},
  files: Readonly<Record<string, string>> = {},
  environment: Readonly<Record<string, string>> = {}
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const layer = MemoryConfig.layer(given, new Map(Object.entries(files)), options)
      const config = Context.get(yield* Layer.build(layer), GossipConfig)
      return yield* config.get
    })
  ).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: environment }))))

const reason = <A>(effect: Effect.Effect<A, Gossip.GossipError>) =>
  Effect.map(Effect.flip(effect), ({ message, reason }) => ({ tag: reason._tag, message }))

describe("configure", () => {
  it.effect("binds, connects and publishes what the file says, and says its echo lines", () =>
    Effect.gen(function* () {
      const { gossip, lines } = yield* world({
        config: "a.zpl",
        files: {
          "a.zpl": `#   CZMQ's
server
    timeout = 5000
    verbose = 0
zgossip
    echo = I: starting
    bind
        endpoint = inproc://one
    bind
        endpoint = inproc://two
    connect
        endpoint = inproc://three
    publish
        printer = tcp://10.0.0.7:9100
        empty
    tuple
        key = "two words"
        value = "line" %0A "line"
`
        }
      })
      const status = yield* gossip.status
      assert.deepStrictEqual(listeners(status), ["inproc://one", "inproc://two"])
      assert.deepStrictEqual(remotes(status), ["inproc://three"])
      assert.deepStrictEqual(yield* knows(gossip), ["empty=", "printer=tcp://10.0.0.7:9100", "two words=line\nline"])
      assert.include(lines, "Info I: starting")
    })
  )

  it.effect("a file that is missing or broken changes nothing, and its line is told", () =>
    Effect.gen(function* () {
      const good = file(["inproc://a"], ["inproc://b"])
      const { files, gossip, network } = yield* world({ config: "a.zpl", files: { "a.zpl": good } })
      yield* pass(network, 5000)
      const before = yield* gossip.status
      const broken: ReadonlyArray<readonly [text: string, says: RegExp]> = [
        ["server\n  timeout = 1\n", /bad\.zpl line 2, column 3: indented by 2 spaces/],
        ["server\n    timeout = soon\n", /bad\.zpl line 2: "soon": write milliseconds/],
        [file(["inproc://a", "nonsense"]), /bad\.zpl line 5: "nonsense" is not an endpoint/],
        [file([], ["tcp://*:1"]), /bad\.zpl line 3: .*one host/],
        [`zgossip\n    publish\n        ${"k".repeat(256)} = 1\n`, /bad\.zpl line 3: the key has 256 octets/],
        ["zgossip\n    tuple\n        value = 1\n", /bad\.zpl line 2: this tuple has no key/],
        ["zgossip\n    bind\n        endpoint\n", /bad\.zpl line 3: "" is not an endpoint/]
      ]
      for (const [text, says] of broken) {
        files.set("bad.zpl", text)
        const { message, tag } = yield* reason(gossip.configure("bad.zpl"))
        assert.strictEqual(tag, "InvalidConfiguration", text)
        assert.match(message, says)
        assert.notInclude(message, "\n")
      }
      assert.deepInclude(yield* reason(gossip.configure("nowhere.zpl")), { tag: "FileNotRead" })
      yield* pass(network, 5000)
      const { counters: _, ...after } = yield* gossip.status
      const { counters: __, ...same } = before
      assert.deepStrictEqual(after, same)
    })
  )

  it.effect("what is the same is not touched", () =>
    Effect.gen(function* () {
      const { files, gossip, network } = yield* world({ files: { "a.zpl": file(["inproc://a"], ["inproc://b"]) } })
      yield* gossip.configure("a.zpl")
      const client = yield* build(Gossip.layerMemory(network, { host: "client", connect: ["inproc://a"] }))
      const server = yield* build(Gossip.layerMemory(network, { host: "server", bind: ["inproc://b"] }))
      yield* pass(network, 5000)
      const hellos = yield* network.count({ id: 1 })
      files.set("b.zpl", file(["inproc://c", "inproc://a"], ["inproc://d", "inproc://b"]))
      yield* gossip.configure("b.zpl")
      yield* pass(network, 5000)
      assert.strictEqual(yield* network.count({ id: 1 }), hellos)
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://a", "inproc://c"])
      assert.deepStrictEqual(remotes(yield* gossip.status), ["inproc://b", "inproc://d"])
      yield* client.publish("from", "client")
      yield* settle(network)
      assert.deepStrictEqual(yield* knows(server), ["from=client"])

      files.set("c.zpl", file(["inproc://c"], ["inproc://d"]))
      yield* gossip.configure("c.zpl")
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://c"])
      assert.deepStrictEqual(remotes(yield* gossip.status), ["inproc://d"])
      yield* pass(network, 100)
      assert.notStrictEqual((yield* client.status).remotes[0]?.state, "Connected")
    })
  )

  it.effect("by hand goes before it: what is unbound and disconnected so comes back, what is bound so stays", () =>
    Effect.gen(function* () {
      const both = file(["inproc://a"], ["inproc://b"])
      const { files, gossip } = yield* world({ config: "a.zpl", files: { "a.zpl": both, "none.zpl": file([]) } })
      yield* gossip.unbind("inproc://a")
      yield* gossip.disconnect("inproc://b")
      yield* gossip.configure("a.zpl")
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://a"])
      assert.deepStrictEqual(remotes(yield* gossip.status), ["inproc://b"])

      yield* gossip.unbind("inproc://a")
      yield* gossip.bind("inproc://a")
      yield* gossip.connect("inproc://b")
      files.set("b.zpl", file(["inproc://a", "inproc://c"], ["inproc://b"]))
      yield* gossip.configure("b.zpl")
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://a", "inproc://c"])
      yield* gossip.configure("none.zpl")
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://a"])
      assert.deepStrictEqual(remotes(yield* gossip.status), ["inproc://b"])
    })
  )

  it.effect("an endpoint is the same however it is written", () =>
    Effect.gen(function* () {
      const { files, gossip } = yield* world({
        config: "a.zpl",
        files: { "a.zpl": file(["tcp://127.0.0.1:5671"], ["tcp://127.0.0.1:5999"]) }
      })
      files.set("b.zpl", file(["tcp://127.0.0.1:05671"], ["tcp://127.0.0.1:05999", "tcp://127.0.0.1:5999"]))
      yield* gossip.configure("b.zpl")
      assert.deepStrictEqual(listeners(yield* gossip.status), ["tcp://127.0.0.1:5671"])
      assert.deepStrictEqual(remotes(yield* gossip.status), ["tcp://127.0.0.1:5999"])
    })
  )

  it.effect("endpoints bound and connected by hand stay", () =>
    Effect.gen(function* () {
      const { files, gossip } = yield* world({
        files: { "a.zpl": file(["inproc://a"]), "b.zpl": file(["inproc://b"]) }
      })
      yield* gossip.bind("inproc://mine")
      yield* gossip.connect("inproc://yours")
      yield* gossip.configure("a.zpl")
      yield* gossip.configure("b.zpl")
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://b", "inproc://mine"])
      assert.deepStrictEqual(remotes(yield* gossip.status), ["inproc://yours"])
      assert.strictEqual(files.size, 2)
    })
  )

  it.effect("an endpoint that cannot be bound: everything is as it was", () =>
    Effect.gen(function* () {
      const { files, gossip, network } = yield* world({
        config: "a.zpl",
        files: { "a.zpl": file(["inproc://a", "inproc://b"], ["inproc://x"], "    publish\n        a = 1") }
      })
      yield* build(Gossip.layerMemory(network, { host: "other", bind: ["inproc://taken"] }))
      files.set(
        "b.zpl",
        file(["inproc://new", "inproc://taken", "inproc://b"], ["inproc://y"], "    publish\n        a = 2")
      )
      const { message, tag } = yield* reason(gossip.configure("b.zpl"))
      assert.strictEqual(tag, "AddressInUse")
      assert.include(message, "inproc://taken")
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://a", "inproc://b"])
      assert.deepStrictEqual(remotes(yield* gossip.status), ["inproc://x"])
      assert.deepStrictEqual(yield* knows(gossip), ["a=1"])
    })
  )

  it.effect("an endpoint that there are no keys for: everything is as it was", () =>
    Effect.gen(function* () {
      const { files, gossip, lines, network } = yield* world({
        config: "a.zpl",
        files: { "a.zpl": file(["inproc://a"], ["tcp://127.0.0.1:1111"]) }
      })
      const secured = "tcp://127.0.0.1:2222\n        mechanism = curve"
      files.set("a.zpl", file(["inproc://b"], ["tcp://127.0.0.1:3333", secured], "    publish\n        k = 1"))
      assert.deepInclude(yield* reason(gossip.configure("a.zpl")), { tag: "InvalidCredentials" })
      yield* pass(network, 2000)
      assert.isTrue(lines.some((line) => line.includes("stays as it was, cannot connect tcp://127.0.0.1:2222")))
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://a"])
      assert.deepStrictEqual(remotes(yield* gossip.status), ["tcp://127.0.0.1:1111"])
      assert.isEmpty(yield* knows(gossip))
    })
  )

  it.effect("tuples that there is no room for are left out and told, until there is; the rest is done", () =>
    Effect.gen(function* () {
      const { files, gossip, lines, network } = yield* world({
        config: "a.zpl",
        files: { "a.zpl": file(["inproc://a"]) }
      })
      const publish = "    publish\n        k = 1\n        l = 22\n        m = 3"
      files.set("a.zpl", file(["inproc://b"], ["inproc://c"], `${publish}\nlimits\n    value-octets = 1`))
      yield* pass(network, 2000)
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://b"])
      assert.deepStrictEqual(remotes(yield* gossip.status), ["inproc://c"])
      assert.deepStrictEqual(yield* knows(gossip), ["k=1", "m=3"])
      assert.isEmpty(lines.filter((line) => line.includes("stays as it was")))
      const told = "Warn 1 of 3 tuples of the configuration are not published: the value is too long"
      assert.include(lines, `${told}, see limits/value-octets`)
      yield* gossip.publish("k", "2")
      yield* gossip.set("limits/value-octets", "2")
      assert.deepStrictEqual(yield* knows(gossip), ["k=2", "l=22", "m=3"])
    })
  )

  it.effect("where it fails no client notices, save of an address that had to be tried", () =>
    Effect.gen(function* () {
      const { files, gossip, network } = yield* world({
        config: "a.zpl",
        files: { "a.zpl": file(["tcp://127.0.0.1:1111", "tcp://127.0.0.1:2222"]) }
      })
      const client = (port: number) =>
        build(Gossip.layerMemory(network, { host: `client ${port}`, connect: [`tcp://127.0.0.1:${port}`] }))
      const [one, two] = [yield* client(1111), yield* client(2222)]
      yield* build(Gossip.layerMemory(network, { host: "other", bind: ["inproc://taken"] }))
      yield* pass(network, 1000)
      const hellos = yield* network.count({ id: 1 })
      assert.strictEqual(yield* gossip.port, 2222)
      files.set("b.zpl", file(["inproc://new", "inproc://taken"]))
      assert.deepInclude(yield* reason(gossip.configure("b.zpl")), { tag: "AddressInUse" })
      yield* pass(network, 5000)
      assert.strictEqual(yield* network.count({ id: 1 }), hellos)
      assert.strictEqual(yield* gossip.port, 2222, "PORT is as it was")
      // The port has to be given up before its other address can be had
      files.set("c.zpl", file(["tcp://*:1111", "tcp://127.0.0.1:2222", "inproc://taken"]))
      assert.deepInclude(yield* reason(gossip.configure("c.zpl")), { tag: "AddressInUse" })
      yield* pass(network, 5000)
      assert.deepStrictEqual(listeners(yield* gossip.status), ["tcp://127.0.0.1:1111", "tcp://127.0.0.1:2222"])
      assert.strictEqual(yield* network.count({ id: 1 }), hellos + 1)
      for (const node of [one, two]) assert.strictEqual((yield* node.status).remotes[0]?.state, "Connected")
    })
  )

  it.effect("its settings hold for its endpoints", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const asked: Array<unknown> = []
      const memory = MemoryTransport.make(network, "here")
      const transport = Transport.of({
        bind: (endpoint, options) =>
          Effect.andThen(
            Effect.sync(() => asked.push(options)),
            memory.bind(endpoint)
          ),
        connect: memory.connect
      })
      const files = new Map([["a.zpl", `heartbeat\n    interval = 77\n${file(["inproc://a"])}`]])
      const gossip = yield* build(
        Gossip.layerStarted().pipe(
          Layer.provide([
            Layer.succeed(Transport, transport),
            Layer.fresh(MemoryTupleStore.layer),
            MemoryConfig.layer({}, files)
          ])
        )
      )
      yield* gossip.configure("a.zpl")
      assert.deepInclude(asked[0], { heartbeatInterval: 77 })
    })
  )

  it.effect("an address may go from one endpoint to another", () =>
    Effect.gen(function* () {
      const { files, gossip } = yield* world({
        config: "a.zpl",
        files: { "a.zpl": file(["tcp://127.0.0.1:5670"]) }
      })
      files.set("b.zpl", file(["tcp://*:5670"]))
      yield* gossip.configure("b.zpl")
      assert.deepStrictEqual(listeners(yield* gossip.status), ["tcp://*:5670"])
      assert.strictEqual(yield* gossip.port, 5670)
    })
  )

  it.effect("by the command pipe: CONFIGURE, LOAD, SET, SAVE; what fails is told, and the node lives on", () =>
    Effect.gen(function* () {
      const { files, gossip } = yield* world({
        files: { "a.zpl": file(["inproc://a"]), "b.zpl": file(["inproc://b"]) }
      })
      const pipe = yield* gossip.pipe
      yield* pipe.send(["CONFIGURE", "a.zpl"])
      yield* pipe.send(["LOAD", "b.zpl"])
      yield* pipe.send(["SET", "server/timeout", "77"])
      yield* pipe.send(["SAVE", "c.zpl"])
      yield* pipe.send(["CONFIGURE", "nowhere.zpl"])
      const failed = yield* pipe.take
      assert.strictEqual(failed._tag, "Failed")
      yield* pipe.send(["STATUS"])
      assert.deepStrictEqual(yield* pipe.receive, ["STATUS", "0"])
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://b"])
      const saved = Result.getOrThrow(Zpl.parse(files.get("c.zpl") ?? ""))
      assert.strictEqual(Zpl.get(saved, "server/timeout")?.value, "77")
      assert.strictEqual(Zpl.get(saved, "zgossip/bind/endpoint")?.value, "inproc://b")
    })
  )
})

describe("a file that changes", () => {
  const started = Effect.map(
    world({ config: "a.zpl", files: { "a.zpl": file(["inproc://a"], [], "    publish\n        k = 1") } }),
    (world) => ({ ...world, change: (text: string) => void world.files.set("a.zpl", text) })
  )

  it.effect("is taken within a second or so", () =>
    Effect.gen(function* () {
      const { change, gossip, lines, network } = yield* started
      yield* pass(network, 10_000)
      change(file(["inproc://b"], ["inproc://c"], "    publish\n        k = 2\n        l = 1\nserver\n    timeout = 9"))
      yield* pass(network, 1300)
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://b"])
      assert.deepStrictEqual(remotes(yield* gossip.status), ["inproc://c"])
      assert.deepStrictEqual(yield* knows(gossip), ["k=2", "l=1"])
      assert.include(lines, "Info took the configuration from a.zpl")
      assert.include(lines, "Info unbound inproc://a")
      change(file(["inproc://b"]))
      yield* pass(network, 1300)
      assert.include(lines, "Info disconnected from inproc://c")
    })
  )

  it.effect("tells what means nothing in it once", () =>
    Effect.gen(function* () {
      const { change, lines, network } = yield* started
      for (const more of ["main\n    a = 1", "main\n    a = 2", "main\n    a = 2\nmore"]) {
        change(file(["inproc://a"], [], more))
        yield* pass(network, 1300)
      }
      assert.deepStrictEqual(
        lines.filter((line) => line.startsWith("Warn")).map((line) => /a\.zpl line \d+: \w+/.exec(line)?.[0]),
        ["a.zpl line 4: main", "a.zpl line 6: more"]
      )
    })
  )

  it.effect("is not read while it is being written", () =>
    Effect.gen(function* () {
      const { change, gossip, network } = yield* started
      const whole = file(["inproc://a", "inproc://b", "inproc://c"])
      for (let length = 0; length < whole.length; length += 3) {
        change(whole.slice(0, length))
        yield* pass(network, 100)
        assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://a"])
      }
      change(whole)
      yield* pass(network, 1300)
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://a", "inproc://b", "inproc://c"])
    })
  )

  it.effect("and is broken, gone or empty changes nothing; it is told once, and the next good one is taken", () =>
    Effect.gen(function* () {
      const { change, files, gossip, lines, network } = yield* started
      const warnings = () => lines.filter((line) => line.startsWith("Warn")).length
      change("zgossip\n  bind\n")
      yield* pass(network, 10_000)
      assert.strictEqual(warnings(), 1)
      assert.match(lines.at(-1) ?? "", /a\.zpl line 2, column 3/)
      files.delete("a.zpl")
      yield* pass(network, 10_000)
      assert.strictEqual(warnings(), 2)
      change("# nothing")
      yield* pass(network, 10_000)
      assert.match(lines.at(-1) ?? "", /a\.zpl is empty now/)
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://a"])
      change(file(["inproc://b"]))
      yield* pass(network, 10_000)
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://b"])
    })
  )

  it.effect("that says what it said is not taken again", () =>
    Effect.gen(function* () {
      const { change, files, gossip, lines, network } = yield* started
      yield* gossip.set("server/timeout", "5")
      yield* pass(network, 5000)
      const text = files.get("a.zpl") ?? ""
      change(`${text}\n`)
      yield* pass(network, 5000)
      change(text)
      yield* pass(network, 5000)
      assert.isEmpty(lines.filter((line) => line.includes("took")))
    })
  )

  it.effect("is not written over while an edit of it was not read", () =>
    Effect.gen(function* () {
      const { change, files, gossip, network } = yield* started
      yield* gossip.set("server/timeout", "5")
      yield* gossip.save("a.zpl")
      yield* gossip.save("a.zpl")
      yield* pass(network, 5000)
      const edited = "server\n  broken"
      change(edited)
      assert.deepInclude(yield* reason(gossip.save("a.zpl")), { tag: "FileNotWritten" })
      yield* pass(network, 5000)
      assert.deepInclude(yield* reason(gossip.save("a.zpl")), { tag: "FileNotWritten" }, "it was read, and refused")
      assert.strictEqual(files.get("a.zpl"), edited)
      yield* gossip.save("b.zpl")
      files.delete("a.zpl")
      yield* gossip.save("a.zpl")
      assert.strictEqual(files.get("a.zpl"), files.get("b.zpl"))
    })
  )

  it.effect("whose address was in use is taken once that is free", () =>
    Effect.gen(function* () {
      const { change, gossip, lines, network } = yield* started
      const other = yield* build(Gossip.layerMemory(network, { host: "other", bind: ["inproc://taken"] }))
      change(file(["inproc://taken"]))
      yield* pass(network, 30_000)
      assert.lengthOf(
        lines.filter((line) => line.includes("in use")),
        1
      )
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://a"])
      yield* other.stop
      yield* pass(network, 10_000)
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://taken"])
    })
  )

  /** A node that begins with the file `a.zpl`; CONFIGURE of another one waits for the gate. */
  const slowToRead = Effect.fnUntraced(function* (files: Map<string, string>) {
    const network = yield* MemoryNetwork.make()
    const gate = yield* Latch.make(false)
    const slow = Layer.effect(
      GossipConfig,
      Effect.map(GossipConfig, (config) => ({
        ...config,
        withFile: (path) => Effect.andThen(gate.await, config.withFile(path))
      }))
    ).pipe(Layer.provide(MemoryConfig.layer({}, files, { file: "a.zpl" })))
    const gossip = yield* build(
      Gossip.layerStarted().pipe(
        Layer.provide([MemoryTransport.layer(network, "here"), Layer.fresh(MemoryTupleStore.layer), slow])
      )
    )
    yield* pass(network, 5000)
    return { network, gate, gossip }
  })

  it.effect("which is taken just then does not end what was connected by hand", () =>
    Effect.gen(function* () {
      const files = new Map([
        ["a.zpl", file([], ["inproc://x"])],
        ["b.zpl", file(["inproc://b"])]
      ])
      const { gate, gossip, network } = yield* slowToRead(files)
      const configured = yield* Effect.forkChild(gossip.configure("b.zpl"), { startImmediately: true })
      const connected = yield* Effect.forkChild(gossip.connect("inproc://x"), { startImmediately: true })
      yield* settle(network)
      yield* gate.open
      yield* Fiber.join(configured)
      yield* Fiber.join(connected)
      assert.deepStrictEqual(remotes(yield* gossip.status), ["inproc://x"])
    })
  )

  it.effect("does not undo a CONFIGURE of another one, which takes long to read", () =>
    Effect.gen(function* () {
      const files = new Map([
        ["a.zpl", file(["inproc://a"])],
        ["b.zpl", file(["inproc://b"])]
      ])
      const { gate, gossip, network } = yield* slowToRead(files)
      const configured = yield* Effect.forkChild(gossip.configure("b.zpl"), { startImmediately: true })
      files.set("a.zpl", file(["inproc://a2"]))
      yield* pass(network, 5000)
      yield* gate.open
      yield* Fiber.join(configured)
      yield* pass(network, 5000)
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://b"])

      // Given up while it is being read, it has changed nothing, and the next one does not wait for it
      yield* gate.close
      const given = yield* Effect.forkChild(gossip.configure("a.zpl"), { startImmediately: true })
      yield* Fiber.interrupt(given)
      yield* gossip.set("server/timeout", "1")
      files.set("b.zpl", file(["inproc://b2"]))
      yield* pass(network, 5000)
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://b2"])
    })
  )

  it.effect("is not followed any more once another one was taken", () =>
    Effect.gen(function* () {
      const { change, files, gossip, network } = yield* started
      files.set("b.zpl", file(["inproc://b"]))
      yield* gossip.configure("b.zpl")
      change(file(["inproc://c"]))
      yield* pass(network, 5000)
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://b"])
      files.set("b.zpl", file(["inproc://d"]))
      yield* pass(network, 5000)
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://d"])
    })
  )

  it.effect("leaves what was set one by one, which only CONFIGURE takes back", () =>
    Effect.gen(function* () {
      const { change, files, gossip, network } = yield* started
      yield* gossip.set("server/timeout", "5")
      yield* gossip.save("saved")
      assert.include(files.get("saved") ?? "", 'timeout = "5"')
      change(file(["inproc://b"]))
      yield* pass(network, 5000)
      yield* gossip.save("saved")
      assert.include(files.get("saved") ?? "", 'timeout = "5"')
      yield* gossip.configure("a.zpl")
      yield* gossip.save("saved")
      assert.notInclude(files.get("saved") ?? "", "timeout")
    })
  )

  it.effect("nobody looks at once the node was stopped", () =>
    Effect.gen(function* () {
      const { files, gossip, network } = yield* started
      yield* gossip.stop
      let looked = 0
      files.get = () => {
        looked += 1
        return ""
      }
      yield* pass(network, 10_000)
      assert.strictEqual(looked, 0)
      assert.deepInclude(yield* reason(gossip.configure("a.zpl")), { tag: "Stopped" })
    })
  )
})

describe("set", () => {
  it.effect("a list takes the place of the list", () =>
    Effect.gen(function* () {
      const { gossip } = yield* world({ config: "a.zpl", files: { "a.zpl": file(["inproc://a"], ["inproc://b"]) } })
      yield* gossip.set("zgossip/bind/endpoint", "inproc://c")
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://c"])
      assert.deepStrictEqual(remotes(yield* gossip.status), ["inproc://b"])
      assert.deepInclude(yield* reason(gossip.set("zgossip/bind/endpoint", "nonsense")), {
        tag: "InvalidConfiguration"
      })
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://c"])
    })
  )
})

describe("save", () => {
  it.effect("keeps every octet of a file: UTF-8, and what is none", () =>
    Effect.gen(function* () {
      const octets = Buffer.concat([
        Buffer.from('#   Grüße\nzgossip\n    publish\n        motd = "grüß"\n        raw = "'),
        Buffer.from([0xff, 0xfe]),
        Buffer.from('"\n')
      ]).toString("latin1")
      const { files, gossip } = yield* world({ config: "a.zpl", files: { "a.zpl": octets } })
      const held = yield* gossip.entries
      assert.deepStrictEqual(
        held.map(({ keyOctets, valueOctets }) => [keyOctets, valueOctets]),
        [
          ["motd", Buffer.from("grüß").toString("latin1")],
          ["raw", "\u00ff\u00fe"]
        ]
      )
      yield* gossip.save("b.zpl")
      assert.strictEqual(files.get("b.zpl"), octets)
      yield* gossip.configure("b.zpl")
      yield* gossip.save("c.zpl")
      assert.strictEqual(files.get("c.zpl"), octets)
    })
  )

  it.effect("keeps comments and what nobody knows, changes what was changed, and reads back the same", () =>
    Effect.gen(function* () {
      const text = `#   my node
server
    timeout = 1000          #   client expiry, ms
    # nobody's
    color = blue
zgossip
    bind
        endpoint = inproc://a # here
#   the end
`
      const { files, gossip } = yield* world({ config: "a.zpl", files: { "a.zpl": text } })
      yield* gossip.save("b.zpl")
      assert.strictEqual(files.get("b.zpl"), text)
      yield* gossip.set("server/timeout", "2000")
      yield* gossip.save("b.zpl")
      assert.strictEqual(files.get("b.zpl"), text.replace("timeout = 1000", 'timeout = "2000"'))
      yield* gossip.configure("b.zpl")
      yield* gossip.save("c.zpl")
      assert.strictEqual(files.get("c.zpl"), files.get("b.zpl"))
    })
  )

  it.effect("writes what the program gave, and nothing that was bound by hand or is a default", () =>
    Effect.gen(function* () {
      const { files, gossip } = yield* world({
        serverTimeout: 7,
        bind: ["inproc://a"],
        connect: ["inproc://b"],
        publish: [
          ["name", "value"],
          ["two words", "\u0000\n\"'#"]
        ]
      })
      yield* gossip.bind("inproc://by-hand")
      yield* gossip.save("a.zpl")
      const again = yield* configuration({}, { file: "a.zpl" }, { "a.zpl": files.get("a.zpl") ?? "" })
      assert.deepStrictEqual(again.bind, ["inproc://a"])
      assert.deepStrictEqual(again.connect, ["inproc://b"])
      assert.deepStrictEqual(
        again.publish.map(({ keyOctets, valueOctets }) => [keyOctets, valueOctets]),
        [
          ["name", "value"],
          ["two words", "\u0000\n\"'#"]
        ]
      )
      assert.strictEqual(again.settings.serverTimeout, 7)
      assert.deepStrictEqual(
        Array.from(again.origins.keys()).filter((path) => !path.includes("[")),
        ["server/timeout", "bind", "connect", "publish"]
      )
    })
  )
})

describe("places", () => {
  const text =
    "server\n    timeout = 3\n    verbose = 1\nremote\n    timeout = 30\nzgossip\n    bind\n        endpoint = inproc://file\n"
  const environment = {
    ZGOSSIP_SERVER_TIMEOUT: "2",
    ZGOSSIP_REMOTE_PING_INTERVAL: "20",
    ZGOSSIP_CONNECT: "inproc://x, inproc://y"
  }

  it.effect("what was set goes before the program, that before the environment, that before the file", () =>
    Effect.gen(function* () {
      const options = { environment: true, file: "a.zpl", name: "flag", fallback: { bind: ["inproc://fallback"] } }
      const found = yield* configuration({ serverTimeout: 1 }, options, { "a.zpl": text }, environment)
      assert.deepInclude(found.settings, { serverTimeout: 1, verbose: true, remoteTimeout: 30, pingInterval: 20 })
      assert.deepStrictEqual(found.bind, ["inproc://file"])
      assert.deepStrictEqual(found.connect, ["inproc://x", "inproc://y"])
      assert.deepStrictEqual(Object.fromEntries(Array.from(found.origins, ([path, { where }]) => [path, where])), {
        "server/timeout": "flag",
        "server/verbose": "a.zpl line 3",
        "remote/timeout": "a.zpl line 5",
        "remote/ping-interval": "ZGOSSIP_REMOTE_PING_INTERVAL",
        bind: "a.zpl line 8",
        "bind[0]": "a.zpl line 8",
        connect: "ZGOSSIP_CONNECT",
        "connect[0]": "ZGOSSIP_CONNECT",
        "connect[1]": "ZGOSSIP_CONNECT"
      })
    })
  )

  it.effect("the environment counts only where it is asked for; a fallback only without a file", () =>
    Effect.gen(function* () {
      const without = yield* configuration({}, { fallback: { bind: ["inproc://fallback"] } }, {}, environment)
      assert.strictEqual(without.settings.serverTimeout, undefined)
      assert.deepStrictEqual(without.bind, ["inproc://fallback"])
      const given = yield* configuration({ bind: ["inproc://given"] }, { fallback: { bind: ["inproc://fallback"] } })
      assert.deepStrictEqual(given.bind, ["inproc://given"])
      const filed = yield* configuration({}, { file: "a", fallback: { bind: ["inproc://b"] } }, { a: "" })
      assert.deepStrictEqual(filed.bind, [])
    })
  )

  it.effect("tuples of the environment; empty variables are none; nonsense is told with its variable", () =>
    Effect.gen(function* () {
      const from = (environment: Record<string, string>) => configuration({}, { environment: true }, {}, environment)
      const found = yield* from({ ZGOSSIP_PUBLISH: "a=1,b=x=y,é=ü", ZGOSSIP_BIND: "", ZGOSSIP_SERVER_TIMEOUT: "" })
      assert.deepStrictEqual(
        found.publish.map(({ key, value }) => [key, value]),
        [
          ["a", "1"],
          ["b", "x=y"],
          ["é", "ü"]
        ]
      )
      assert.deepStrictEqual(found.bind, [])
      for (const [name, value] of [
        ["ZGOSSIP_SERVER_TIMEOUT", "soon"],
        ["ZGOSSIP_BIND", "nonsense"],
        ["ZGOSSIP_PUBLISH", "nothing"]
      ] as const) {
        assert.include((yield* Effect.flip(from({ [name]: value }))).message, name)
      }
    })
  )

  it.effect("variables that mean nothing are told, with the one that was meant", () =>
    Effect.gen(function* () {
      const told = (environment: Record<string, string>) =>
        Effect.map(configuration({}, { environment: true }, {}, environment), ({ notices }) => notices)
      const misspelt = { ZGOSSIP_BNID: "x", ZGOSSIP_LIMIT_TUPLES: "9", ZGOSSIP_COLOUR: "blue", ZGOSSIP_FOO_1: "x" }
      const half = { ZGOSSIP_QUEUE_TUPLES: "9", ZGOSSIP_TIMEOUT: "9" }
      assert.deepStrictEqual(yield* told(half), [
        "ZGOSSIP_QUEUE_TUPLES is ignored: did you mean ZGOSSIP_LIMITS_QUEUE_TUPLES?",
        "ZGOSSIP_TIMEOUT is ignored: no setting has this variable"
      ])
      assert.deepStrictEqual(yield* told({ ...environment, ...misspelt, ZGOSSIP: "1", ZGOSSIP_EMPTY: "" }), [
        "ZGOSSIP_BNID is ignored: did you mean ZGOSSIP_BIND?",
        "ZGOSSIP_COLOUR is ignored: no setting has this variable",
        "ZGOSSIP_FOO_1 is ignored: no setting has this variable",
        "ZGOSSIP_LIMIT_TUPLES is ignored: did you mean ZGOSSIP_LIMITS_TUPLES?"
      ])
      const ours = { ZGOSSIP_ENDPOINT: "x", ZGOSSIP_EVENT: "put", ZGOSSIP_KEY: "k", ZGOSSIP_KEY_BASE64: "aw==" }
      assert.deepStrictEqual(yield* told({ ...ours, ZGOSSIP_VALUE: "v", ZGOSSIP_BIND_0: "inproc://a" }), [])
      // As Kubernetes has it for a service of this name
      const service = {
        ZGOSSIP_SERVICE_HOST: "10.0.0.1",
        ZGOSSIP_SERVICE_PORT: "5670",
        ZGOSSIP_PORT: "tcp://10.0.0.1:5670"
      }
      assert.deepStrictEqual(yield* told({ ...service, ZGOSSIP_PORT_5670_TCP_ADDR: "10.0.0.1" }), [])
      assert.deepStrictEqual(yield* told({ ZGOSSIP_PORT: "5670" }), [
        "ZGOSSIP_PORT is ignored: no setting has this variable"
      ])
      const { notices } = yield* configuration({}, {}, {}, misspelt)
      assert.deepStrictEqual(notices, [])
    })
  )

  it.effect("what means nothing is told with its line, and the rest counts", () =>
    Effect.gen(function* () {
      const strange = `server
    timeout = 1
    timeout = 2
    colour = blue
main
zgossip
    bind
    bind = 1
        endpoint = inproc://a
    knob = 1
    security
        mechanism = null
    publish
        ends = 1
            lifetime = 1000
        lasts = 1
            lifetime = 0
    tuple
        key = ends
        lifetime = 1000
`
      const { notices, origins, publish, settings } = yield* configuration({}, { file: "a" }, { a: strange })
      assert.strictEqual(settings.serverTimeout, 1)
      assert.deepStrictEqual(
        publish.map(({ key }) => key),
        ["lasts"]
      )
      assert.strictEqual(origins.get("publish[0]")?.where, "a line 16")
      assert.deepStrictEqual(
        notices.map((notice) => /^a line (\d+): /.exec(notice)?.[1]),
        ["3", "4", "5", "7", "8", "10", "14", "17", "18"]
      )
      const [first] = (yield* configuration({}, { file: "b" }, { b: "main" })).notices
      assert.strictEqual(
        first,
        "b line 1: main is ignored: the sections are server, remote, heartbeat, legacy, clock, tombstone, limits, store, zgossip"
      )
    })
  )
})

describe("GossipConfig", () => {
  it.effect("replaced from outside, the newest counts; one that cannot be taken is put back", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      yield* build(Gossip.layerMemory(network, { host: "other", bind: ["inproc://taken"] }))
      const context = yield* Layer.build(
        Gossip.layerStarted().pipe(
          Layer.provide([MemoryTransport.layer(network, "here"), Layer.fresh(MemoryTupleStore.layer)]),
          Layer.provideMerge(MemoryConfig.layer({ bind: ["inproc://a"] }))
        )
      )
      const [gossip, config] = [Context.get(context, Gossip.Gossip), Context.get(context, GossipConfig)]
      for (const endpoint of ["inproc://b", "inproc://c", "inproc://d"]) {
        yield* config.replace(yield* config.withValue("zgossip/bind/endpoint", endpoint))
      }
      yield* pass(network, 1000)
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://d"])
      yield* config.replace(yield* config.withValue("zgossip/bind/endpoint", "inproc://taken"))
      yield* pass(network, 1000)
      assert.deepStrictEqual(listeners(yield* gossip.status), ["inproc://d"])
      assert.deepStrictEqual((yield* config.get).bind, ["inproc://d"])
    })
  )

  it.effect("is a service that a test sets in one line, and changes while the node runs", () =>
    Effect.gen(function* () {
      const layer = MemoryConfig.layer({ serverTimeout: 300 })
      const config = Context.get(yield* Layer.build(layer), GossipConfig)
      const seen: Array<number | undefined> = []
      yield* config.changes.pipe(
        Stream.runForEach(({ settings }) => Effect.sync(() => seen.push(settings.serverTimeout))),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* config.replace(yield* config.withValue("server/timeout", "500"))
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      assert.deepStrictEqual(seen, [300, 500])
    })
  )
})
