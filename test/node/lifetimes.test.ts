/**
 * What is deleted, and what has its time, at whole nodes. Deletes do not travel in PUBLISH; how two nodes tell each
 * other of them is tested where they do.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Option, Scope } from "effect"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import * as Message from "../../src/protocol/Message.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import { nobody } from "../../src/protocol/Version.ts"
import { Machine } from "./Machine.ts"
import { capture, knows, type Network, news, type Node, pass, rawClient, rawServer, settle, start } from "./support.ts"

const pair = Effect.gen(function* () {
  const network = yield* MemoryNetwork.make()
  const server = yield* start(network, "server")
  const client = yield* start(network, "client", { connect: [server.endpoint] })
  yield* pass(network, 1000)
  return { network, server, client }
})

const ends = (lifetime: number, remaining = lifetime) => ({ lifetime, remaining: Math.max(0, remaining) })

const said = (network: Network, ...frames: ReadonlyArray<Uint8Array>) =>
  Effect.gen(function* () {
    const raw = yield* rawClient(MemoryTransport.make(network, "raw"), "inproc://server")
    yield* raw.say(Message.encode(Message.hello), ...frames)
    yield* settle(network)
    return raw
  })
const bare = (key: string, value: string) => Message.encode(Message.publish(new Tuple(key, value)))

describe("a lifetime", () => {
  it.effect("ends on all nodes at the same moment, and nothing is said of it", () =>
    Effect.gen(function* () {
      const { client, network, server } = yield* pair
      yield* client.gossip.publish("k", "a", { lifetime: "10 seconds" })
      yield* client.gossip.publish("stays", "a")
      yield* pass(network, 9999)
      const before = yield* news(network)
      for (const { gossip } of [client, server]) assert.deepStrictEqual(yield* knows(gossip), ["k=a", "stays=a"])
      yield* pass(network, 1)
      for (const { gossip } of [client, server]) {
        assert.deepStrictEqual(yield* knows(gossip), ["stays=a"])
        assert.isTrue(Option.isNone(yield* gossip.get("k")))
        const { counters, octets, tombstones, tuples } = yield* gossip.status
        assert.deepInclude(counters, { expired: 1, accepted: 2, deleted: 0 })
        assert.deepStrictEqual({ tuples, tombstones, octets }, { tuples: 1, tombstones: 1, octets: 7 })
      }
      assert.strictEqual(yield* news(network), before)
    })
  )

  it.effect("counts from when it is set, by a node that has not heard anything for hours, too", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const { gossip } = yield* start(network, "alone", { endpoint: "none" })
      for (const key of ["a", "b"]) {
        yield* pass(network, 3_600_000)
        yield* gossip.publish(key, "v", { lifetime: "10 seconds" })
        yield* pass(network, 9999)
        assert.deepStrictEqual(yield* knows(gossip), [`${key}=v`])
        yield* pass(network, 1)
        assert.deepStrictEqual(yield* knows(gossip), [])
      }
    })
  )

  it.effect("is moved by each publish, also by one without a lifetime, and is heard of as news once", () =>
    Effect.gen(function* () {
      const { client, network, server } = yield* pair
      for (let n = 0; n < 5; n++) {
        yield* client.gossip.publish("k", "a", { lifetime: "10 seconds" })
        yield* pass(network, 9000)
      }
      assert.deepStrictEqual(yield* knows(server.gossip), ["k=a"])
      yield* server.gossip.publish("k", "a")
      yield* pass(network, 60_000)
      for (const { gossip, seen } of [client, server]) {
        assert.deepStrictEqual(yield* knows(gossip), ["k=a"])
        assert.deepStrictEqual(seen, ["k=a"])
      }
    })
  )

  it.effect("ends at a node that was away, and one that comes later never hears of it", () =>
    Effect.gen(function* () {
      const { client, network, server } = yield* pair
      yield* client.gossip.publish("k", "a", { lifetime: "10 seconds" })
      yield* settle(network)
      yield* client.close
      yield* pass(network, 10_000)
      assert.deepStrictEqual(yield* knows(server.gossip), [])
      const late = yield* start(network, "late", { connect: [server.endpoint] })
      yield* pass(network, 1000)
      assert.deepStrictEqual(late.seen, [])
      const raw = yield* said(network)
      assert.deepStrictEqual(raw.take(), [])
    })
  )

  it.effect("of 2500 tuples that end together: all are gone", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const { gossip } = yield* start(network, "server")
      const keys = Array.from({ length: 2500 }, (_, n) => `k${n}`)
      for (const key of keys) yield* gossip.publish(key, "a", { lifetime: 5000 })
      yield* pass(network, 5000)
      const { counters, octets, tombstones, tuples } = yield* gossip.status
      assert.deepStrictEqual([counters.expired, tuples, tombstones], [2500, 0, 2500])
      assert.strictEqual(octets, keys.join("").length)
    })
  )

  it.effect.each([-86_400_000, -3000, 3000, 86_400_000])(
    "ends at the same moment where clocks differ by %s ms, also if they are set meanwhile",
    (wrong) =>
      Effect.gen(function* () {
        const network = yield* MemoryNetwork.make()
        const machine = yield* Machine.make
        machine.wrong = wrong
        const server = yield* start(network, "server")
        const other = yield* start(network, "other", { connect: [server.endpoint] }).pipe(
          Effect.provideService(Clock.Clock, machine.clock)
        )
        const third = yield* start(network, "third", { connect: ["inproc://other"] })
        yield* pass(network, 1000)
        const all = [server, other, third]
        for (const from of [server, other]) {
          yield* from.gossip.publish("k", "a", { lifetime: "10 seconds" })
          yield* pass(network, 5000)
          machine.wrong -= wrong / 2
          const late = yield* start(network, `late-${from.name}`, { connect: [third.endpoint] })
          yield* pass(network, 4999)
          for (const { gossip, name } of [...all, late])
            assert.deepStrictEqual(yield* knows(gossip), ["k=a"], `at ${name}, from ${from.name}`)
          yield* pass(network, 1)
          for (const { gossip } of [...all, late]) assert.deepStrictEqual(yield* knows(gossip), [])
        }
      })
  )

  it.effect("is none where it is infinite, and the least where it is nothing", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const { gossip } = yield* start(network, "server")
      yield* gossip.publish("for ever", "a", { lifetime: "Infinity" })
      yield* gossip.publish("a moment", "a", { lifetime: 0 })
      yield* pass(network, 1_000_000)
      assert.deepStrictEqual(yield* knows(gossip), ["for ever=a"])
    })
  )
})

describe("unpublish", () => {
  it.effect("deletes, and says whether there was anything", () =>
    Effect.gen(function* () {
      const { network, server } = yield* pair
      yield* server.gossip.publish("k", "a")
      assert.isTrue(yield* server.gossip.unpublish("k"))
      assert.isFalse(yield* server.gossip.unpublish("k"))
      assert.isFalse(yield* server.gossip.unpublish("other"))
      yield* server.gossip.publish("ends", "a", { lifetime: 5 })
      yield* pass(network, 5)
      assert.isFalse(yield* server.gossip.unpublish("ends"))
      assert.deepStrictEqual(yield* knows(server.gossip), [])
      const { counters, octets, tombstones, tuples } = yield* server.gossip.status
      assert.deepStrictEqual({ tuples, tombstones, octets }, { tuples: 0, tombstones: 2, octets: 5 })
      assert.strictEqual(counters.deleted, 1)
      // It is news again.
      yield* server.gossip.publish("k", "a")
      yield* settle(network)
      assert.deepStrictEqual(server.seen, ["k=a", "ends=a", "k=a"])
    })
  )

  it.effect("who knows no versions is not told, and what it still has is not taken; what is new is", () =>
    Effect.gen(function* () {
      const { network, server } = yield* pair
      yield* server.gossip.publish("k", "a")
      yield* server.gossip.publish("l", "a")
      const witness = yield* said(network)
      assert.deepStrictEqual(witness.take(), ["PUBLISH k=a", "PUBLISH l=a"])
      yield* server.gossip.unpublish("k")
      yield* settle(network)
      assert.deepStrictEqual(witness.take(), [])
      // As CZMQ does when it comes back.
      const raw = yield* said(network, bare("k", "a"), bare("l", "a"))
      assert.deepStrictEqual(raw.take(), ["PUBLISH l=a"])
      assert.deepStrictEqual(yield* knows(server.gossip), ["l=a"])
      assert.strictEqual((yield* server.gossip.status).counters.stale, 1)
      yield* raw.say(bare("k", "b"))
      yield* settle(network)
      assert.deepStrictEqual(yield* knows(server.gossip), ["k=b", "l=a"])
      assert.deepStrictEqual(witness.take(), ["PUBLISH k=b"])
    })
  )

  it.effect("what somebody means now is taken, though it was deleted, and so is its lifetime", () =>
    Effect.gen(function* () {
      const { client, network, server } = yield* pair
      yield* server.gossip.publish("k", "a")
      yield* server.gossip.unpublish("k")
      yield* said(network, Message.encode(Message.publish(new Tuple("k", "a"), undefined, ends(0))))
      assert.deepStrictEqual(yield* knows(server.gossip), ["k=a"])
      yield* said(network, Message.encode(Message.publish(new Tuple("k", "a"), undefined, ends(5000))))
      yield* pass(network, 4999)
      assert.deepStrictEqual(yield* knows(client.gossip), ["k=a"])
      yield* pass(network, 1)
      assert.deepStrictEqual([yield* knows(client.gossip), yield* knows(server.gossip)], [[], []])
    })
  )

  it.effect("is forgotten after a while, and makes room then", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const { gossip } = yield* start(network, "server", { retention: 120_000, tuples: 1 })
      yield* pass(network, 1000)
      yield* gossip.publish("k", "a")
      yield* gossip.unpublish("k")
      const full = Effect.flip(gossip.publish("l", "a"))
      assert.strictEqual((yield* full).reason._tag, "LimitReached")
      // Of the same key there is room for a value.
      yield* gossip.publish("k", "b")
      yield* gossip.unpublish("k")
      yield* pass(network, 119_999)
      assert.strictEqual((yield* full).reason._tag, "LimitReached")
      yield* pass(network, 1)
      yield* gossip.publish("l", "a")
      const { counters, octets, tombstones } = yield* gossip.status
      assert.deepStrictEqual([counters.forgotten, octets, tombstones], [1, 2, 0])
      assert.deepStrictEqual(yield* knows(gossip), ["l=a"])
    })
  )
})

describe("commands", () => {
  it.effect("PUBLISH with a lifetime, and UNPUBLISH, which complains where there is nothing", () =>
    Effect.gen(function* () {
      const { client, network, server } = yield* pair
      const pipe = yield* client.gossip.pipe
      yield* pipe.send(["PUBLISH", "ends", "a", "lifetime=5000"])
      yield* pipe.send(["PUBLISH", "k", "a"])
      yield* pass(network, 4999)
      assert.deepStrictEqual(yield* knows(server.gossip), ["ends=a", "k=a"])
      yield* pass(network, 1)
      assert.deepStrictEqual(yield* knows(server.gossip), ["k=a"])
      yield* pipe.send(["UNPUBLISH", "k"])
      yield* pipe.send(["UNPUBLISH", "k"])
      yield* pipe.send(["STATUS"])
      assert.deepStrictEqual(yield* pipe.receive, ["DELIVER", "ends", "a"])
      assert.deepStrictEqual(yield* pipe.receive, ["DELIVER", "k", "a"])
      const failed = yield* pipe.take
      assert.strictEqual(failed._tag === "Failed" && failed.error.message, "cannot unpublish: there is no such key")
      assert.deepStrictEqual(yield* pipe.receive, ["STATUS", "0"])
    })
  )
})

describe("announce", () => {
  /** Until the scope that is given is closed. */
  const announced = (node: { readonly gossip: Parameters<typeof knows>[0] }, lifetime?: "6 seconds") =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { ended } = yield* node.gossip
        .announce("me", "here", ...(lifetime === undefined ? [] : [{ lifetime }]))
        .pipe(Scope.provide(scope))
      return { ended, close: Scope.close(scope, Exit.void) }
    })

  it.effect("is there as long as its scope is open, is news once, and deleted at the end", () =>
    Effect.gen(function* () {
      const { client, network, server } = yield* pair
      const { close } = yield* announced(client)
      yield* pass(network, 100_000)
      assert.deepStrictEqual(yield* knows(server.gossip), ["me=here"])
      assert.deepStrictEqual([client.seen, server.seen], [["me=here"], ["me=here"]])
      const { renewed } = (yield* server.gossip.status).counters
      assert.isAtLeast(renewed, 29)
      assert.isAtMost(renewed, 31)
      yield* close
      assert.deepStrictEqual(yield* knows(client.gossip), [])
      assert.strictEqual((yield* client.gossip.status).counters.deleted, 1)
      yield* pass(network, 100_000)
      assert.deepStrictEqual(yield* knows(server.gossip), [])
      assert.strictEqual((yield* client.gossip.status).counters.renewed, renewed)
    })
  )

  it.effect("of a node that dies has its time", () =>
    Effect.gen(function* () {
      const { client, network, server } = yield* pair
      yield* announced(client, "6 seconds")
      yield* pass(network, 10_000)
      yield* network.partition(["client"], ["server"], "cut")
      yield* client.close
      yield* pass(network, 3999)
      assert.deepStrictEqual(yield* knows(server.gossip), ["me=here"])
      yield* pass(network, 2001)
      assert.deepStrictEqual(yield* knows(server.gossip), [])
    })
  )

  it.effect("of a machine that slept for longer is there again", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const machine = yield* Machine.make
      const server = yield* start(network, "server")
      const client = yield* start(network, "client", { connect: [server.endpoint] }).pipe(
        Effect.provideService(Clock.Clock, machine.clock)
      )
      yield* Effect.provideService(announced(client), Clock.Clock, machine.clock)
      yield* pass(network, 1000)
      yield* machine.sleep
      yield* pass(network, 60_000)
      assert.deepStrictEqual(yield* knows(server.gossip), [])
      yield* machine.wake
      yield* pass(network, 10_000)
      assert.deepStrictEqual(yield* knows(server.gossip), ["me=here"])
    })
  )

  it.effect.each(["Overwritten", "Deleted"] as const)("gives way to somebody else: %s", (how) =>
    Effect.gen(function* () {
      const { client, network, server } = yield* pair
      const { layer, lines } = capture()
      const { close, ended } = yield* Effect.provide(announced(client), layer)
      yield* pass(network, 1000)
      if (how === "Overwritten") yield* server.gossip.publish("me", "there")
      else yield* client.gossip.unpublish("me")
      const waiting = yield* Effect.forkChild(ended)
      yield* pass(network, 10_000)
      assert.strictEqual(yield* Fiber.join(waiting), how)
      const held = how === "Overwritten" ? ["me=there"] : []
      assert.deepStrictEqual(yield* knows(client.gossip), held)
      assert.lengthOf(
        lines.filter((line) => line.startsWith('Warn "me" is announced no longer')),
        1
      )
      yield* close
      yield* pass(network, 1000)
      assert.deepStrictEqual(yield* knows(client.gossip), held)
    })
  )

  it.effect("that somebody says the same changes nothing", () =>
    Effect.gen(function* () {
      const { client, network, server } = yield* pair
      const { close } = yield* announced(client)
      yield* pass(network, 1000)
      yield* server.gossip.publish("me", "here", { lifetime: "1 hour" })
      yield* said(network, bare("me", "here"))
      yield* pass(network, 10_000)
      yield* close
      assert.deepStrictEqual(yield* knows(client.gossip), [])
    })
  )

  it.effect("fails where there is no room, and keeps nothing", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const { gossip } = yield* start(network, "server", { tuples: 0 })
      const error = yield* Effect.flip(Effect.scoped(gossip.announce("me", "here")))
      assert.strictEqual(error.reason._tag, "LimitReached")
      assert.strictEqual(
        (yield* Effect.flip(Effect.scoped(gossip.announce("k".repeat(256), "")))).reason._tag,
        "TupleTooLong"
      )
    })
  )
})

describe("the ttl of version 1", () => {
  const dying = (value: string, ttl: number) => Message.encode({ ...Message.publish(new Tuple("k", value)), ttl })
  const after = (ms: number, { gossip }: Node, network: Network) => Effect.andThen(pass(network, ms), knows(gossip))

  it.effect("is ignored", () =>
    Effect.gen(function* () {
      const { network, server } = yield* pair
      yield* said(network, dying("a", 1000))
      assert.deepStrictEqual(yield* after(10_000, server, network), ["k=a"])
    })
  )

  it.effect("of a client counts where `legacy/ttl` is set, from each time on that it is said", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const server = yield* start(network, "server", { legacyTtl: true })
      const client = yield* start(network, "client", { connect: [server.endpoint] })
      yield* pass(network, 1000)
      const raw = yield* said(network, dying("a", 1000))
      assert.deepStrictEqual(yield* after(900, client, network), ["k=a"])
      yield* raw.say(dying("a", 1000))
      assert.deepStrictEqual(yield* after(999, client, network), ["k=a"])
      assert.deepStrictEqual(yield* after(1, client, network), [])
      // Who set it is there again, under another id.
      yield* said(network, dying("a", 1000))
      assert.deepStrictEqual(yield* after(999, client, network), ["k=a"])
      yield* raw.say(dying("b", 2000))
      assert.deepStrictEqual(yield* after(1999, client, network), ["k=b"])
      assert.deepStrictEqual(yield* after(1, client, network), [])
      yield* raw.say(bare("k", "c"))
      assert.deepStrictEqual(yield* after(10_000, client, network), ["k=c"], "without a ttl it lasts")
    })
  )

  it.effect("of a server never does: a dump has stale ones, and ends, renews and brings back nothing", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const raw = yield* rawServer(MemoryTransport.make(network, "raw"), "inproc://raw")
      const node = yield* start(network, "node", { legacyTtl: true, connect: ["inproc://raw"] })
      yield* pass(network, 100)
      yield* raw.say(dying("a", 1000), Message.encode(Message.pong))
      assert.deepStrictEqual(yield* after(5000, node, network), ["k=a"])
      yield* node.gossip.publish("k", "b", { lifetime: "1 second" })
      yield* pass(network, 500)
      yield* raw.say(dying("b", 100_000))
      assert.deepStrictEqual(yield* after(600, node, network), [])
      yield* raw.say(dying("b", 100_000))
      assert.deepStrictEqual(yield* after(100, node, network), [])
    })
  )
})

describe("a tombstone from another node", () => {
  it.effect("that is older than the retention is not taken in, and one that ended on its way is", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const { gossip } = yield* start(network, "server", { retention: 10_000 })
      yield* pass(network, 20_000)
      const version = (time: number) => ({ time, counter: 0, origin: nobody })
      const publish = (key: string, time: number, lifetime: number) =>
        Message.encode(Message.publish(new Tuple(key, "v"), version(time), ends(lifetime, time + lifetime - 20_000)))
      yield* said(network, publish("old", 9000, 1000), publish("late", 15_000, 1000), publish("live", 19_500, 1000))
      assert.deepStrictEqual(yield* knows(gossip), ["live=v"])
      const { counters, tombstones } = yield* gossip.status
      assert.deepStrictEqual([tombstones, counters.stale], [1, 1])
    })
  )
})
