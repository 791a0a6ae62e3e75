/** A node whose tuples were there before it started, and whose store takes its time. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Latch, Layer, Result, Stream } from "effect"
import { statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Gossip from "../../src/Gossip.ts"
import * as MemoryConfig from "../../src/layers/MemoryConfig.ts"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import * as MemoryTupleStore from "../../src/layers/MemoryTupleStore.ts"
import { Gate, Load, Mailbox } from "../../src/layers/Mailbox.ts"
import { Outbox } from "../../src/protocol/Outbox.ts"
import * as Tuple from "../../src/protocol/Tuple.ts"
import * as TupleMap from "../../src/protocol/TupleMap.ts"
import { Transport } from "../../src/services/Transport.ts"
import { TupleStore } from "../../src/services/TupleStore.ts"
import { temporaryDirectory } from "../interop/OurNode.ts"
import { Wire } from "../interop/RawPeer.ts"
import { build, capture, knows, type Network, pass, rawClient, rawServer, settle, start, write } from "./support.ts"

type Tuples = Readonly<Record<string, string>>

const store = (change: (store: TupleStore["Service"]) => Partial<TupleStore["Service"]>) =>
  Layer.effect(
    TupleStore,
    Effect.map(TupleStore, (store) => TupleStore.of({ ...store, ...change(store) }))
  ).pipe(Layer.provide(MemoryTupleStore.layer))

const filled = (tuples: Tuples) =>
  store(({ merge }) => {
    for (const [key, value] of Object.entries(tuples)) {
      const version = { time: 1, counter: 0, origin: "earlier!" }
      merge({ tuple: new Tuple.Tuple(key, value), version }, { link: TupleMap.elsewhere, now: 1 })
    }
    return {}
  })

const node = (
  network: Network,
  store: Layer.Layer<TupleStore>,
  {
    publish = {},
    transport = MemoryTransport.make(network, "here"),
    ...options
  }: Omit<Gossip.Options, "publish"> & { publish?: Tuples; transport?: Transport["Service"] } = {}
) =>
  build(
    Gossip.layerStarted().pipe(
      Layer.provide([
        Layer.succeed(Transport, transport),
        store,
        MemoryConfig.layer({
          bind: ["inproc://here"],
          ...options,
          publish: Result.getOrThrow(Tuple.makeAll(Object.entries(publish)))
        })
      ])
    )
  )

describe("tuples from before the start", () => {
  it.effect("are told to clients, are nobody's news, and count for the limits", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const seen: Array<string> = []
      const gossip = yield* node(network, filled({ a: "1", b: "1" }), {
        tuples: 3,
        octets: 7,
        publish: { b: "1", c: "1" }
      })
      const news = yield* gossip.subscribe
      yield* Effect.forkScoped(Stream.runForEach(news, (tuple) => Effect.sync(() => seen.push(write(tuple)))))
      const client = yield* rawClient(MemoryTransport.make(network, "client"), "inproc://here")
      yield* client.say(Wire.HELLO, Wire.PING)
      yield* settle(network)
      assert.deepStrictEqual(client.take(), ["PUBLISH a=1", "PUBLISH b=1", "PUBLISH c=1", "PONG"])
      assert.deepInclude((yield* gossip.status).counters, { accepted: 1, duplicates: 1 })
      assert.match(String(yield* Effect.flip(gossip.publish("d", "1"))), /limits\/tuples/)
      assert.match(String(yield* Effect.flip(gossip.publish("a", "123"))), /limits\/octets/)
      yield* client.say(Wire.PUBLISH("a", "1"), Wire.PUBLISH("b", "2"))
      yield* settle(network)
      assert.deepStrictEqual(seen, ["b=2"])
    })
  )

  it.effect("give way to what a server without versions says, and go to it where it has nothing", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const server = yield* rawServer(MemoryTransport.make(network, "server"), "inproc://server")
      const gossip = yield* node(network, filled({ both: "1", changed: "old", lacking: "1" }), {
        publish: { fresh: "1" },
        connect: ["inproc://server"]
      })
      yield* pass(network, 100)
      assert.match(server.take().join(), /^HELLO[^,]*,PING$/)
      yield* server.say(Wire.PUBLISH("both", "1"), Wire.PUBLISH("changed", "new"), Wire.PONG)
      yield* pass(network, 100)
      assert.match(server.take().join(), /^PUBLISH fresh=1[^,]*,PUBLISH lacking=1[^,]*,PING$/)
      assert.deepStrictEqual(yield* knows(gossip), ["both=1", "changed=new", "fresh=1", "lacking=1"])
    })
  )
})

describe("while the store commits", () => {
  it.effect("nobody is told, also who is being told something else", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const [committing, sending] = [Latch.makeUnsafe(true), Latch.makeUnsafe(true)]
      const real = MemoryTransport.make(network, "here")
      const transport = Transport.of({
        ...real,
        bind: (endpoint) =>
          Effect.map(real.bind(endpoint), (listener) => ({
            ...listener,
            send: (peer, frames) => Effect.andThen(sending.await, listener.send(peer, frames))
          }))
      })
      const gossip = yield* node(
        network,
        store(() => ({ commit: committing.await })),
        { transport }
      )
      const client = yield* rawClient(MemoryTransport.make(network, "client"), "inproc://here")
      yield* client.say(Wire.HELLO)
      yield* settle(network)
      sending.closeUnsafe()
      yield* client.say(Wire.PING)
      yield* settle(network)
      committing.closeUnsafe()
      const publishing = yield* Effect.forkChild(gossip.publish("a", "1"))
      yield* settle(network)
      sending.openUnsafe()
      yield* settle(network)
      assert.deepStrictEqual(client.take(), ["PONG"])
      assert.isUndefined(publishing.pollUnsafe())
      committing.openUnsafe()
      yield* settle(network)
      assert.deepStrictEqual(client.take(), ["PUBLISH a=1"])
      assert.isDefined(publishing.pollUnsafe())
    })
  )

  it.effect("a mailbox that is closed gives what is left only afterwards", () =>
    Effect.gen(function* () {
      const gate = new Gate()
      const mailbox = new Mailbox(new Outbox<string>(() => [].values(), () => 1), new Load(gate), (items) => items) // prettier-ignore
      gate.close()
      mailbox.outbox.push("last")
      mailbox.close()
      const taking = yield* Effect.forkChild(mailbox.take, { startImmediately: true })
      assert.isUndefined(taking.pollUnsafe())
      gate.open()
      assert.deepStrictEqual([taking.pollUnsafe()?._tag, yield* mailbox.take], ["Success", []])
    })
  )
})

describe("a node with a directory", () => {
  it.effect("has its tuples again, says how its store is, and lets no other in", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const storeDirectory = join(yield* temporaryDirectory, "store")
      const options = { storeDirectory, storeSync: 0 }
      const first = yield* start(network, "first", { ...options, publish: { a: "1" } })
      const other = yield* Effect.flip(build(Gossip.layerMemory(network, options)))
      assert.strictEqual(
        `${other.reason._tag}: ${other.message}`,
        `StoreUnavailable: cannot keep tuples on the disk: ${storeDirectory} is in use by another node: each needs a directory of its own`
      )
      yield* first.close
      const again = yield* start(network, "again", options)
      assert.deepStrictEqual(yield* knows(again.gossip), ["a=1"])
      assert.deepStrictEqual(again.seen, [])
      const disk = (yield* again.gossip.status).store
      assert.deepInclude(disk, { directory: storeDirectory, failure: undefined, isDamaged: false })
      assert.isAbove(disk?.octets ?? 0, 50)
    })
  )

  it.effect("that cannot be made, or is none, says at once what is wrong, and what to do", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const folder = yield* temporaryDirectory
      writeFileSync(join(folder, "file"), "")
      const cases = [
        [join(folder, "file"), /: it is no directory; let --store \(store\/directory\) name a directory/],
        [join(folder, "file", "sub"), /: not a directory \(ENOTDIR\); let --store/],
        // What Linux says there of a directory that is to be made, as if /proc were missing.
        ["/proc/nobody/made", /\/proc\/nobody.*\(E[A-Z]+\); let --store/]
      ] as const
      for (const [storeDirectory, says] of cases) {
        const error = yield* Effect.flip(build(Gossip.layerMemory(network, { storeDirectory })))
        assert.strictEqual(error.reason._tag, "StoreUnavailable")
        assert.match(error.message, says)
      }
      yield* start(network, "here", { storeDirectory: join(folder, "a", "b", "c"), storeSync: 0 })
      for (const made of ["a", join("a", "b")]) assert.strictEqual(statSync(join(folder, made)).mode & 0o777, 0o700)
    })
  )

  it.effect("that was set while it was away, and starts again, does not bring back what was deleted meanwhile", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ latency: 1 })
      const storeDirectory = yield* temporaryDirectory
      const retention = 120_000
      const server = yield* start(network, "server", { retention, publish: { deleted: "1", kept: "1" } })
      yield* start(network, "other", { retention, connect: [server.endpoint] })
      const options = { retention, storeDirectory, endpoint: "none", connect: [server.endpoint] }
      const first = yield* start(network, "client", options)
      yield* pass(network, 5000)
      assert.deepStrictEqual(yield* knows(first.gossip), ["deleted=1", "kept=1"])
      yield* network.partition(["client"], ["server", "other"])
      yield* server.gossip.unpublish("deleted")
      yield* pass(network, 2 * retention)
      yield* first.gossip.publish("meanwhile", "1")
      yield* first.close
      yield* pass(network, 1000)
      const second = yield* start(network, "client", options)
      yield* network.heal
      yield* pass(network, 10_000)
      for (const { gossip } of [server, second]) {
        assert.deepStrictEqual(yield* knows(gossip), ["kept=1", "meanwhile=1"])
      }
    })
  )

  it.effect("that is damaged gets back from others what is lost", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const storeDirectory = yield* temporaryDirectory
      const { layer, lines } = capture()
      yield* start(network, "other", { publish: { a: "1", b: "2" } })
      writeFileSync(join(storeDirectory, "log"), "what is this")
      const here = yield* Effect.provide(start(network, "here", { storeDirectory, connect: ["inproc://other"] }), layer)
      assert.match(lines[0] ?? "", /^Warn .*log is no log; it is kept as .*\.aside/)
      assert.isTrue((yield* here.gossip.status).store?.isDamaged)
      yield* pass(network, 1000)
      assert.deepStrictEqual(yield* knows(here.gossip), ["a=1", "b=2"])
    })
  )

  it.effect("goes on with it, and says so, when it is told another one", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const { layer, lines } = capture()
      const { gossip } = yield* start(network, "here")
      yield* Effect.provide(gossip.set("store/directory", "/elsewhere"), layer)
      assert.deepStrictEqual(lines, ["Warn store/directory: taken when the node is started again"])
      assert.isUndefined((yield* gossip.status).store)
    })
  )
})
