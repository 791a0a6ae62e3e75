/** Who may enter a node and what may be said there: rules, refusals, and what is configured. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { curveKeyPair } from "zeromq"
import * as Gossip from "../../src/Gossip.ts"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import * as Batch from "../../src/protocol/Batch.ts"
import * as Message from "../../src/protocol/Message.ts"
import * as Ranges from "../../src/protocol/Ranges.ts"
import * as Trailer from "../../src/protocol/Trailer.ts"
import { Wire } from "../interop/RawPeer.ts"
import { build, capture, knows, pass, rawClient, settle } from "./support.ts"

const keys = () => {
  const { publicKey, secretKey } = curveKeyPair()
  return { publicKey, secretKey: Redacted.make(secretKey) }
}

const [fleet, ann, bob] = [keys(), keys(), keys()]

const place = "tcp://127.0.0.1:5670"

/** Nodes of one network, each with its log. */
const network = Effect.map(MemoryNetwork.make(), (network) => ({
  network,
  node: (host: string, options: Gossip.Options) =>
    Effect.gen(function* () {
      const log = capture()
      const gossip = yield* Effect.provide(build(Gossip.layerMemory(network, { host, ...options })), log.layer)
      return { gossip, lines: log.lines, refused: Effect.map(gossip.status, ({ counters }) => counters.refused) }
    }),
  client: (name: string, at: string) => rawClient(MemoryTransport.make(network, name), at)
}))

const remote = (gossip: Gossip.Gossip["Service"]) => Effect.map(gossip.status, ({ remotes }) => remotes[0])

describe("rules", () => {
  it.effect("where clients may only read, what they set is ignored, counted and told; they stay members", () =>
    Effect.gen(function* () {
      const { client, network: net, node } = yield* network
      const { gossip, lines, refused } = yield* node("here", {
        bind: ["inproc://fleet", { endpoint: "inproc://readers", mayPublish: "" }],
        publish: { a: "1" }
      })
      const reader = yield* client("reader", "inproc://readers")
      const member = yield* client("member", "inproc://fleet")
      yield* member.say(Wire.HELLO)
      yield* reader.say(Wire.HELLO, Wire.PUBLISH("a", "2"), Wire.PUBLISH("b", "2"), Wire.PING)
      yield* settle(net)
      assert.deepStrictEqual(reader.take(), ["PUBLISH a=1", "PONG"])
      assert.deepStrictEqual(yield* knows(gossip), ["a=1"])
      yield* member.say(Wire.PUBLISH("c", "3"))
      yield* settle(net)
      assert.deepStrictEqual(reader.take(), ["PUBLISH c=3"])
      assert.deepStrictEqual(member.take(), ["PUBLISH a=1"])
      assert.strictEqual((yield* refused).rule, 2)
      assert.isTrue(lines.some((line) => /may not set .*may-publish/.test(line)))
    })
  )

  it.effect("by the beginning of the key, of what they set and of what they are told", () =>
    Effect.gen(function* () {
      const { client, network: net, node } = yield* network
      const { gossip } = yield* node("here", {
        bind: [{ endpoint: "inproc://here", mayPublish: "web/, db/", mayRead: "public/,web/" }],
        publish: { "public/a": "1", "secret/a": "1", "db/a": "1" }
      })
      const peer = yield* client("peer", "inproc://here")
      yield* peer.say(Wire.HELLO, Wire.PUBLISH("web/1", "x"), Wire.PUBLISH("we", "x"), Wire.PUBLISH("db/a", "2"))
      yield* peer.say(Wire.PUBLISH("secret/a", "2"), Wire.PING)
      yield* settle(net)
      assert.deepStrictEqual(peer.take(), ["PUBLISH public/a=1", "PONG"])
      yield* gossip.publishAll([["secret/b", "1"], ["public/b", "1"]]) // prettier-ignore
      yield* settle(net)
      assert.deepStrictEqual(peer.take(), ["PUBLISH public/b=1"])
      assert.deepStrictEqual(yield* knows(gossip), [
        "db/a=2",
        "public/a=1",
        "public/b=1",
        "secret/a=1",
        "secret/b=1",
        "web/1=x"
      ])
    })
  )

  it.effect("hold for one that says it is a node of ours as well, whatever it asks for", () =>
    Effect.gen(function* () {
      const { client, network: net, node } = yield* network
      yield* node("here", { bind: [{ endpoint: "inproc://here", mayRead: "public/" }], publish: { "secret/a": "1" } })
      const peer = yield* client("peer", "inproc://here")
      const ask = (tag: number, body: string) =>
        Message.encode({ ...Message.ping, trailer: Trailer.make({ tag, body }) })
      const part = { _tag: "Items", to: undefined, items: [] } as const
      const split = { _tag: "Fingerprint", to: undefined, count: 7, fingerprint: "0".repeat(16) } as const
      const none = { ...split, count: 0 }
      yield* peer.say(Message.encode(Message.greeting))
      for (const one of [part, split, none]) {
        const ranges = Ranges.encode({ _tag: "Ranges", depth: 1, kept: 0, parts: [one] })
        yield* peer.say(ask(Trailer.tags.ranges, ranges))
        yield* settle(net)
      }
      yield* peer.say(ask(Trailer.tags.wanted, Batch.encodeKeys(["secret/a"], 0, 100).body))
      yield* settle(net)
      assert.deepStrictEqual(peer.take(), [])
    })
  )

  it.effect("of the settings hold where an endpoint has none; a change holds for those of the configuration", () =>
    Effect.gen(function* () {
      const { client, network: net, node } = yield* network
      const { gossip, refused } = yield* node("here", { bind: [place], mayPublish: "" })
      const first = yield* client("first", place)
      yield* first.say(Wire.HELLO, Wire.PUBLISH("a", "1"))
      yield* settle(net)
      assert.strictEqual((yield* refused).rule, 1)
      yield* gossip.set("zgossip/security/may-publish", "*")
      yield* pass(net, 1000)
      assert.strictEqual((yield* gossip.status).listeners[0]?.endpoint, place)
      const second = yield* client("second", place)
      yield* second.say(Wire.HELLO, Wire.PUBLISH("a", "1"))
      yield* settle(net)
      assert.deepStrictEqual(yield* knows(gossip), ["a=1"])
    })
  )
})

describe("CURVE", () => {
  const server: Gossip.Options = { bind: [place], certificate: fleet, allowKeys: [ann.publicKey], domain: "fleet" }

  it.effect("who is on the list is in; who is not is told, counted and named in the log", () =>
    Effect.gen(function* () {
      const { network: net, node } = yield* network
      const here = yield* node("here", { ...server, publish: { a: "1" } })
      const friend = yield* node("friend", { connect: [place], certificate: ann, serverKey: fleet.publicKey })
      const stranger = yield* node("stranger", { connect: [place], certificate: bob, serverKey: fleet.publicKey })
      yield* pass(net, 3000)
      assert.deepStrictEqual(yield* knows(friend.gossip), ["a=1"])
      assert.deepStrictEqual(yield* knows(stranger.gossip), [])
      assert.match((yield* remote(stranger.gossip))?.error ?? "", /does not admit/)
      assert.isAtLeast((yield* here.refused).admission, 2)
      const told = here.lines.filter((line) => line.includes("not admitted"))
      assert.isAtLeast(told.length, 1)
      // Once a second, however often it tries
      assert.isAtMost(told.length, 4)
      assert.include(told[0], "fleet: not admitted")
      assert.include(told[0], bob.publicKey)
      for (const { secretKey } of [fleet, ann, bob]) {
        assert.notInclude(JSON.stringify([here.lines, stranger.lines]), Redacted.value(secretKey))
      }
    })
  )

  it.effect("in the clear, with the key of another server, or with CURVE to an open door, nobody gets in", () =>
    Effect.gen(function* () {
      const { network: net, node } = yield* network
      const here = yield* node("here", { ...server, publish: { a: "1" } })
      const open = yield* node("open", { bind: ["tcp://127.0.0.1:5671"], publish: { b: "1" } })
      const outside = [
        yield* node("clear", { connect: [place] }),
        yield* node("wrong", { connect: [place], certificate: ann, serverKey: bob.publicKey }),
        yield* node("careful", {
          connect: ["tcp://127.0.0.1:5671"],
          certificate: ann,
          serverKey: fleet.publicKey,
          publish: { c: "1" }
        })
      ]
      yield* pass(net, 3000)
      for (const { gossip } of outside) assert.strictEqual((yield* remote(gossip))?.state, "Disconnected")
      assert.deepStrictEqual(yield* knows(here.gossip), ["a=1"])
      assert.deepStrictEqual(yield* knows(open.gossip), ["b=1"])
    })
  )

  it.effect("a connection may have its own; one that would be in the clear by oversight fails at once", () =>
    Effect.gen(function* () {
      const { network: net, node } = yield* network
      yield* node("here", { ...server, publish: { a: "1" } })
      yield* node("open", { bind: ["tcp://127.0.0.1:5671"], publish: { b: "1" } })
      const { gossip } = yield* node("guarded", { bind: ["tcp://127.0.0.1:5672"], certificate: ann })
      const error = yield* Effect.flip(gossip.connect("tcp://127.0.0.1:5671"))
      assert.strictEqual(error.reason._tag, "InvalidCredentials")
      assert.match(error.message, /server-key.*mechanism = null/)
      yield* gossip.connect({ endpoint: "tcp://127.0.0.1:5671", mechanism: "null" })
      yield* gossip.connect({ endpoint: place, serverKey: fleet.publicKey })
      yield* pass(net, 3000)
      assert.deepStrictEqual(yield* knows(gossip), ["a=1", "b=1"])
    })
  )

  it.effect("has a list of its own at each endpoint, also where the system chose the port", () =>
    Effect.gen(function* () {
      const { network: net, node } = yield* network
      const { gossip } = yield* node("here", {
        bind: [{ endpoint: "tcp://127.0.0.1:*", allowKeys: [ann.publicKey] }],
        certificate: fleet,
        allowKeys: [bob.publicKey],
        publish: { a: "1" }
      })
      const bound = (yield* gossip.status).listeners[0]?.endpoint ?? ""
      const friend = yield* node("friend", { connect: [bound], certificate: ann, serverKey: fleet.publicKey })
      const stranger = yield* node("stranger", { connect: [bound], certificate: bob, serverKey: fleet.publicKey })
      yield* pass(net, 3000)
      assert.deepStrictEqual(yield* knows(friend.gossip), ["a=1"])
      assert.deepStrictEqual(yield* knows(stranger.gossip), [])
    })
  )

  it.effect(
    "without keys, with a list that holds none, or PLAIN without users is refused before anything is bound",
    () =>
      Effect.gen(function* () {
        const { node } = yield* network
        const cases: ReadonlyArray<readonly [options: Gossip.Options, says: RegExp]> = [
          [{ mechanism: "curve" }, /certificate.*keygen/],
          [{ certificate: fleet, allowKeys: ["no key"] }, /allow-keys.*Z85/],
          [{ mechanism: "plain" }, /users/],
          [{ allowAddresses: "10.0.0.0/33" }, /allow-addresses.*10\.0\.0\.0\/33/],
          [{ allowAddresses: "example.org" }, /allow-addresses.*example/],
          [{ certificate: "/nowhere/node.cert" }, /\/nowhere\/node\.cert.*no such file/],
          [{ mechanism: "tls" as "curve" }, /null, plain or curve/]
        ]
        for (const [options, says] of cases) {
          const error = yield* Effect.flip(node("here", { bind: [place], ...options }))
          assert.match(error.message, says)
          assert.notInclude(error.message, "\n")
        }
        // Nothing is left there
        yield* node("other", { bind: [place] })
      })
  )
})

describe("PLAIN", () => {
  it.effect("lets in who has a password; it stands in no log and no status", () =>
    Effect.gen(function* () {
      const { network: net, node } = yield* network
      const secret = (text: string) => Redacted.make(text)
      const here = yield* node("here", {
        bind: [place],
        users: new Map([["ann", secret("correct horse")]]),
        publish: { a: "1" }
      })
      const friend = yield* node("friend", {
        connect: [place],
        user: { name: "ann", password: secret("correct horse") }
      })
      const wrong = yield* node("wrong", { connect: [place], user: { name: "ann", password: secret("battery") } })
      const unknown = yield* node("unknown", { connect: [place], user: { name: "eve", password: secret("battery") } })
      yield* pass(net, 5000)
      assert.deepStrictEqual(yield* knows(friend.gossip), ["a=1"])
      for (const { gossip } of [wrong, unknown]) assert.deepStrictEqual(yield* knows(gossip), [])
      const everything = JSON.stringify([
        here.lines,
        wrong.lines,
        yield* here.gossip.status,
        yield* wrong.gossip.status
      ])
      assert.match(everything, /not admitted/)
      assert.notMatch(everything, /horse|battery/)
    })
  )
})

describe("addresses", () => {
  it.effect("those of a network enter, and no others", () =>
    Effect.gen(function* () {
      const { network: net, node } = yield* network
      const here = yield* node("here", {
        bind: [place],
        allowAddresses: "10.1.0.0/16, fd00::/8,192.168.7.9",
        publish: { a: "1" }
      })
      const inside = ["10.1.2.3", "192.168.7.9", "fd00::1", "::ffff:10.1.0.1"]
      const outside = ["10.2.0.1", "192.168.7.8", "fe80::1%eth0"]
      const nodes = yield* Effect.forEach([...inside, ...outside], (host) => node(host, { connect: [place] }))
      yield* pass(net, 3000)
      for (const [index, { gossip }] of nodes.entries()) {
        assert.deepStrictEqual(
          yield* knows(gossip),
          index < inside.length ? ["a=1"] : [],
          [...inside, ...outside][index]
        )
      }
      assert.isTrue(here.lines.some((line) => line.includes("the address 10.2.0.1 is not allowed")))
    })
  )

  it.effect("have so many connections each, and one that ends makes room", () =>
    Effect.gen(function* () {
      const { client, network: net, node } = yield* network
      const { lines, refused } = yield* node("here", { bind: [place], clientsPerAddress: 2 })
      const refusedOne = (name: string) => Effect.map(Effect.flip(client(name, place)), ({ reason }) => reason._tag)
      yield* client("10.0.0.1", place)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* client("10.0.0.1", place)
          assert.strictEqual(yield* refusedOne("10.0.0.1"), "NotAdmitted")
          yield* client("10.0.0.2", place)
        })
      )
      yield* settle(net)
      yield* client("10.0.0.1", place)
      assert.strictEqual(yield* refusedOne("10.0.0.1"), "NotAdmitted")
      yield* settle(net)
      assert.strictEqual((yield* refused).admission, 2)
      assert.isTrue(lines.some((line) => line.includes("10.0.0.1 has 2 connections, see limits/clients-per-address")))
    })
  )
})
