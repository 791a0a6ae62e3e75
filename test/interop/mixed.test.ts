/**
 * Our node among real CZMQ zgossip actors: each may be the one that serves, over tcp and ipc, and nobody can tell the
 * difference but by what CZMQ loses and we do not.
 */
import { assert, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import type { GossipError } from "../../src/Gossip.ts"
import { Czmq, type CzmqError, type CzmqNode } from "./Czmq.ts"
import { describeCzmq } from "./describeCzmq.ts"
import { eventually, numbered, ourNode, type OurNode, place, type Scheme } from "./OurNode.ts"
import { rawDealer, type RawPeerError, Wire } from "./RawPeer.ts"

type Failure = CzmqError | GossipError | RawPeerError

const schemes = ["tcp", "ipc"] as const satisfies ReadonlyArray<Scheme>

/** Both ways to link two nodes. */
const cases = schemes.flatMap((scheme) => (["ours", "CZMQ"] as const).map((server) => ({ scheme, server })))

/** A CZMQ node binds; gives the endpoint with its port. */
const serve = (node: CzmqNode, where: string): Effect.Effect<string, CzmqError> =>
  Effect.map(node.bind(where), (port) => (port === 0 ? where : `tcp://127.0.0.1:${port}`))

interface Pair {
  readonly czmq: Czmq
  readonly ours: OurNode
  readonly theirs: CzmqNode
  readonly endpoint: string
}

/** A node of either kind, and one of them serves; not linked yet. CZMQ does not time its clients unless told to. */
const pair = (
  { scheme, server }: { readonly scheme: Scheme; readonly server: "ours" | "CZMQ" },
  options: { readonly serverTimeout?: number } = {}
): Effect.Effect<Pair & { readonly link: Effect.Effect<void, Failure> }, Failure, Scope.Scope> =>
  Effect.gen(function* () {
    const czmq = yield* Czmq.make
    const theirs = yield* czmq.node("theirs")
    if (options.serverTimeout !== undefined) yield* theirs.set("server/timeout", options.serverTimeout)
    const where = yield* place(scheme)
    if (server === "CZMQ") {
      const endpoint = yield* serve(theirs, where)
      const ours = yield* ourNode()
      return { czmq, ours, theirs, endpoint, link: ours.gossip.connect(endpoint) }
    }
    const ours = yield* ourNode({ bind: [where] })
    return { czmq, ours, theirs, endpoint: ours.endpoint, link: theirs.connect(ours.endpoint) }
  })

/** Publishes on both sides and waits until it is there on the other one. */
const exchange = ({ ours, theirs }: Pick<Pair, "ours" | "theirs">, name: string, timeout = 10_000) =>
  Effect.gen(function* () {
    yield* ours.gossip.publish(`ours-${name}`, name)
    yield* theirs.publish(`theirs-${name}`, name)
    yield* theirs.awaitTuple(`ours-${name}`, name, timeout)
    yield* ours.awaitTuple(`theirs-${name}`, name, timeout)
  })

/** Waits until our node hears nothing new any more; fails where tuples go round and round. */
const quiet = (ours: OurNode) => {
  const heard = Effect.map(ours.gossip.status, ({ counters }) => counters.accepted + counters.duplicates)
  const stays = Effect.gen(function* () {
    const before = yield* heard
    yield* Effect.sleep("200 millis")
    return before === (yield* heard)
  })
  return eventually(stays, (still) => still)
}

/** What a CZMQ server holds, as it says itself. */
const dumpOf = (endpoint: string): Effect.Effect<ReadonlyArray<string>, RawPeerError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const client = yield* rawDealer(endpoint)
      yield* client.send(Wire.HELLO)
      return (yield* client.untilPong(10_000)).map((text) => text.replace("PUBLISH ", "")).sort()
    })
  )

describeCzmq("a node of ours and one of CZMQ", () => {
  it.live.each(cases)("exchange what they have and what comes later: $scheme, $server serves", (it) =>
    Effect.gen(function* () {
      const both = yield* pair(it)
      const { link, ours, theirs } = both
      yield* ours.gossip.publish("early-ours", "1")
      yield* theirs.publish("early-theirs", "2")
      yield* theirs.awaitStatus(1)
      yield* link
      yield* theirs.awaitTuple("early-ours", "1")
      yield* ours.awaitTuple("early-theirs", "2")
      yield* exchange(both, "later")
      yield* theirs.publish("early-ours", "changed there")
      yield* ours.awaitTuple("early-ours", "changed there")
      yield* ours.gossip.publish("early-theirs", "changed here")
      yield* theirs.awaitTuple("early-theirs", "changed here")
      assert.deepStrictEqual(yield* ours.holds, [
        "early-ours=changed there",
        "early-theirs=changed here",
        "ours-later=later",
        "theirs-later=later"
      ])
      // Each was told of each change once: nothing bounced
      assert.strictEqual(ours.seen.length, 6)
      assert.strictEqual(theirs.deliveries.length, 6)
    })
  )

  it.live.each(cases.filter(({ scheme }) => scheme === "tcp"))(
    "exchange 10,000 tuples each way: $scheme, $server serves",
    (it) =>
      Effect.gen(function* () {
        const { link, ours, theirs } = yield* pair(it)
        const half = 5000
        yield* theirs.quiet
        const publish = (when: string) =>
          Effect.all(
            [
              ours.gossip.publishAll(numbered(`ours-${when}-`, half, "o".repeat(32))),
              theirs.publishMany({ prefix: `theirs-${when}-`, count: half, valueSize: 32, timeout: 20_000 })
            ],
            { concurrency: "unbounded" }
          )
        yield* publish("early")
        yield* link
        yield* publish("late")
        yield* theirs.awaitCount(4 * half, 20_000)
        yield* ours.awaitDelivered(4 * half, 20_000)
        yield* theirs.awaitStatus(4 * half)
        const expected = ["early", "late"].flatMap((when) => [
          ...numbered(`ours-${when}-`, half, "o".repeat(32)),
          ...numbered(`theirs-${when}-`, half, "v".repeat(32))
        ])
        assert.deepStrictEqual(yield* ours.holds, expected.map(([key, value]) => `${key}=${value}`).sort())
        assert.strictEqual(yield* theirs.count, 4 * half, "each once")
        assert.strictEqual(ours.seen.length, 4 * half, "each once")
      }),
    30_000
  )

  it.live.each(cases)("pass any octets but NUL, of every length: $scheme, $server serves", (it) =>
    Effect.gen(function* () {
      const { link, ours, theirs } = yield* pair(it)
      /** Octets 1 to 255 from `first` on and round again: no UTF-8, and none of them NUL. */
      const odd = (first: number, length: number) =>
        Uint8Array.from({ length }, (_, index) => ((first + index) % 255) + 1)
      yield* link
      const lengths = Array.from({ length: 256 }, (_, length) => length)
      for (const length of lengths) yield* ours.gossip.publish(odd(7, length), odd(length, 256 - length))
      for (const length of lengths) yield* theirs.awaitTuple(odd(7, length), odd(length, 256 - length))
      for (const length of lengths) yield* theirs.publish(odd(99, length), odd(length + 1, length))
      for (const length of lengths) yield* ours.awaitTuple(odd(99, length), odd(length + 1, length))
      const large = "x".repeat(1 << 20)
      yield* ours.gossip.publish("large from us", large)
      yield* theirs.awaitTuple("large from us", large, 10_000)
      yield* theirs.publish("large from them", large)
      yield* ours.awaitTuple("large from them", large)
    })
  )

  it.live.each(cases)("agree on what CZMQ cuts at a NUL: $scheme, $server serves", (it) =>
    Effect.gen(function* () {
      const both = yield* pair(it)
      const { link, ours, theirs } = both
      yield* link
      yield* exchange(both, "ready")
      yield* ours.gossip.publish("cut", "before\0behind")
      yield* theirs.awaitTuple("cut", "before")
      // The echo of CZMQ tells us what it made of it
      yield* ours.awaitTuple("cut", "before")
    })
  )
})

describeCzmq("chains", () => {
  it.live.each(cases)("ours - CZMQ - ours: $scheme, the outer ones are clients of $server", ({ scheme, server }) =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const middle = yield* czmq.node("middle")
      const outer: ReadonlyArray<OurNode> = yield* server === "CZMQ"
        ? Effect.flatMap(
            Effect.flatMap(place(scheme), (where) => serve(middle, where)),
            (endpoint) => Effect.all([ourNode({ connect: [endpoint] }), ourNode({ connect: [endpoint] })])
          )
        : Effect.tap(
            Effect.all([
              Effect.flatMap(place(scheme), (where) => ourNode({ bind: [where] })),
              Effect.flatMap(place(scheme), (where) => ourNode({ bind: [where] }))
            ]),
            (nodes) => Effect.forEach(nodes, ({ endpoint }) => middle.connect(endpoint))
          )
      const [left, right] = outer as readonly [OurNode, OurNode]
      yield* left.gossip.publish("left", "1")
      yield* middle.publish("middle", "2")
      yield* right.gossip.publish("right", "3")
      yield* middle.awaitStatus(3)
      for (const node of outer) yield* node.awaitSize(3)
      yield* left.gossip.publishAll(numbered("l", 1000))
      yield* right.gossip.publishAll(numbered("r", 1000))
      yield* middle.awaitStatus(2003)
      for (const node of outer) yield* node.awaitSize(2003)
      assert.deepStrictEqual(yield* left.holds, yield* right.holds)
    })
  )

  it.live.each(cases)("CZMQ - ours - CZMQ: $scheme, the outer ones are clients of $server", ({ scheme, server }) =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const outer = [yield* czmq.node("left"), yield* czmq.node("right")] as const
      const [left, right] = outer
      const middle =
        server === "ours"
          ? yield* Effect.flatMap(place(scheme), (where) => ourNode({ bind: [where] }))
          : yield* Effect.flatMap(
              Effect.forEach(outer, (node) => Effect.flatMap(place(scheme), (where) => serve(node, where))),
              (endpoints) => ourNode({ connect: endpoints })
            )
      if (server === "ours") for (const node of outer) yield* node.connect(middle.endpoint)
      yield* left.publish("left", "1")
      yield* middle.gossip.publish("middle", "2")
      yield* right.publish("right", "3")
      for (const node of outer) yield* node.awaitStatus(3)
      yield* middle.awaitSize(3)
      // Both publish at once, through us
      yield* Effect.all(
        [
          left.publishMany({ prefix: "l", count: 1000, valueSize: 8 }),
          right.publishMany({ prefix: "r", count: 1000, valueSize: 8 })
        ],
        { concurrency: "unbounded" }
      )
      yield* middle.awaitSize(2003)
      for (const node of outer) yield* node.awaitStatus(2003)
      assert.strictEqual(middle.seen.length, 2003, "each once")
    })
  )
})

describeCzmq("two values of one key", () => {
  it.live.each(cases)("end where both sides hold the same: $scheme, $server serves", (it) =>
    Effect.gen(function* () {
      const both = yield* pair(it)
      const { link, ours, theirs } = both
      yield* link
      yield* exchange(both, "ready")
      // At the same moment, then one after the other without a pause
      yield* Effect.all([ours.gossip.publish("k", "ours"), theirs.publish("k", "theirs")])
      for (let n = 0; n < 20; n++) yield* ours.gossip.publish("l", `${n}`)
      yield* exchange(both, "behind them")
      yield* theirs.awaitTuple("l", "19")
      yield* quiet(ours)
      assert.isAtMost(ours.seen.length, 200, "they settled soon")
      const last = (key: string) => theirs.texts().findLast((text) => text.startsWith(`${key}=`))
      const held = yield* ours.holds
      assert.deepStrictEqual([held[0], held[1]], [last("k"), last("l")])
      assert.strictEqual(held[1], "l=19")
    })
  )

  it.live("in a hurry, between two CZMQ nodes: everybody is told of each once, and the last one stays", () =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const outer = [yield* czmq.node("left"), yield* czmq.node("right")] as const
      const ours = yield* ourNode({ bind: [yield* place("tcp")] })
      for (const node of outer) {
        yield* node.connect(ours.endpoint)
        yield* exchange({ ours, theirs: node }, node.name)
      }
      const before = ours.seen.length
      yield* ours.gossip.publishAll(Array.from({ length: 5 }, (_, n) => ["k", `${n}`] as const))
      for (const node of outer) yield* node.awaitTuple("k", "4")
      for (const node of outer) yield* exchange({ ours, theirs: node }, `${node.name} behind them`)
      assert.deepStrictEqual(
        ours
          .texts()
          .slice(before)
          .filter((text) => text.startsWith("k=")),
        ["k=0", "k=1", "k=2", "k=3", "k=4"]
      )
    })
  )
})

describeCzmq("rings", () => {
  it.live.each(schemes)("one node of ours among four of CZMQ: all converge, and it grows quiet (%s)", (scheme) =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const nodes: Array<CzmqNode> = []
      const endpoints: Array<string> = []
      for (const name of ["c0", "c1", "c2", "c3"]) {
        const node = yield* czmq.node(name)
        // They do not PING each other
        yield* node.set("server/timeout", 0)
        endpoints.push(yield* serve(node, yield* place(scheme)))
        nodes.push(node)
      }
      const [first, , , last] = nodes as [CzmqNode, CzmqNode, CzmqNode, CzmqNode]
      const ours = yield* ourNode({
        bind: [yield* place(scheme)],
        connect: [endpoints[0]!],
        publish: { ours: "early" }
      })
      for (const [index, node] of nodes.entries()) {
        yield* node.publish(node.name, "early")
        if (node !== last) yield* node.connect(endpoints[index + 1]!)
      }
      yield* last.connect(ours.endpoint)
      for (const node of nodes) yield* node.awaitStatus(5)
      yield* ours.awaitSize(5)
      yield* Effect.all(
        [
          ours.gossip.publishAll(numbered("ours", 100)),
          first.publishMany({ prefix: "first", count: 100, valueSize: 8 }),
          last.publishMany({ prefix: "last", count: 100, valueSize: 8 })
        ],
        { concurrency: "unbounded" }
      )
      for (const node of nodes) yield* node.awaitDelivered(305)
      yield* ours.awaitDelivered(305)
      yield* quiet(ours)
      for (const node of nodes) assert.strictEqual(node.deliveries.length, 305, `${node.name}: each once`)
      assert.strictEqual(ours.seen.length, 305, "each once")
    })
  )
})

describeCzmq("restarts", () => {
  it.live.each(schemes)("our server comes back, empty: its CZMQ clients bring everything again (%s)", (scheme) =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const clients = [yield* czmq.node("one"), yield* czmq.node("two")] as const
      const first = yield* ourNode({ bind: [yield* place(scheme)], publish: { server: "1" } })
      for (const client of clients) {
        yield* client.connect(first.endpoint)
        yield* client.publish(client.name, "1")
      }
      for (const client of clients) yield* client.awaitStatus(3)
      yield* first.close
      yield* clients[0].publish("meanwhile", "1")
      const second = yield* ourNode({ bind: [first.endpoint] })
      yield* second.awaitSize(4)
      assert.deepStrictEqual(yield* second.holds, ["meanwhile=1", "one=1", "server=1", "two=1"])
      yield* clients[1].awaitTuple("meanwhile", "1")
      yield* second.gossip.publish("afterwards", "1")
      for (const client of clients) yield* client.awaitTuple("afterwards", "1")
      yield* exchange({ ours: second, theirs: clients[0] }, "all is well")
    })
  )

  it.live.each(schemes)("the CZMQ server crashes and comes back, empty: we bring everything again (%s)", (scheme) =>
    Effect.gen(function* () {
      const crashing = yield* Czmq.make
      const before = yield* crashing.node("before")
      const endpoint = yield* serve(before, yield* place(scheme))
      const clients = [yield* ourNode({ connect: [endpoint] }), yield* ourNode({ connect: [endpoint] })] as const
      yield* before.publish("server", "1")
      yield* clients[0].gossip.publish("one", "1")
      yield* clients[1].gossip.publish("two", "1")
      for (const client of clients) yield* client.awaitSize(3)
      yield* crashing.kill("SIGKILL")
      yield* clients[0].gossip.publish("meanwhile", "1")
      yield* clients[1].gossip.publish("silently", "1")
      const czmq = yield* Czmq.make
      const after = yield* czmq.node("after")
      yield* after.rebind(endpoint)
      yield* after.awaitStatus(5, 10_000)
      yield* clients[1].awaitTuple("meanwhile", "1")
      yield* clients[0].awaitTuple("silently", "1")
      assert.deepStrictEqual(yield* dumpOf(endpoint), ["meanwhile=1", "one=1", "server=1", "silently=1", "two=1"])
      for (const client of clients) yield* exchange({ ours: client, theirs: after }, "all is well")
    })
  )

  it.live.each(schemes)("a CZMQ client crashes: our server lets it go, and takes its successor in (%s)", (scheme) =>
    Effect.gen(function* () {
      const ours = yield* ourNode({ bind: [yield* place(scheme)] })
      const members = Effect.map(ours.gossip.status, ({ listeners }) => listeners[0]?.members)
      const crashing = yield* Czmq.make
      const before = yield* crashing.node("before")
      yield* before.connect(ours.endpoint)
      yield* exchange({ ours, theirs: before }, "before")
      yield* crashing.kill("SIGKILL")
      yield* eventually(members, (count) => count === 0)
      const czmq = yield* Czmq.make
      const after = yield* czmq.node("after")
      yield* after.connect(ours.endpoint)
      yield* after.awaitStatus(2)
      yield* exchange({ ours, theirs: after }, "after")
    })
  )

  it.live("a node of ours takes the place of a CZMQ server, and the other way round", () =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const client = yield* czmq.node("client")
      const server = yield* czmq.node("server")
      const endpoint = yield* serve(server, yield* place("tcp"))
      const ours = yield* ourNode({ connect: [endpoint], publish: { a: "1" } })
      yield* client.connect(endpoint)
      yield* client.publish("b", "2")
      for (const node of [server, client]) yield* node.awaitStatus(2)
      yield* ours.awaitSize(2)
      yield* server.destroy
      const second = yield* eventually(Effect.result(ourNode({ bind: [endpoint] })), ({ _tag }) => _tag === "Success")
      if (second._tag === "Failure") return assert.fail(second.failure.message)
      yield* second.success.awaitSize(2)
      yield* exchange({ ours, theirs: client }, "through ours")
      yield* second.success.close
      const third = yield* czmq.node("third")
      yield* third.rebind(endpoint)
      yield* third.awaitStatus(4, 10_000)
      yield* exchange({ ours, theirs: client }, "through theirs")
    })
  )
})

describeCzmq("silence and stalls", () => {
  // Each of these waits for most of its time
  const idle = { concurrent: true, timeout: 30_000 }
  const longerThanTheTimeout = Effect.sleep("1250 millis")

  it.live.each(cases)(
    "idle for longer than CZMQ's timeout: nothing is lost either way ($scheme, $server serves)",
    (it) =>
      Effect.gen(function* () {
        const both = yield* pair(it)
        const { link, ours, theirs } = both
        yield* link
        yield* exchange(both, "before")
        yield* longerThanTheTimeout
        yield* theirs.publish("first from them", "1")
        yield* ours.awaitTuple("first from them", "1")
        yield* longerThanTheTimeout
        yield* ours.gossip.publish("first from us", "1")
        yield* theirs.awaitTuple("first from us", "1")
        yield* exchange(both, "after")
        assert.strictEqual(ours.seen.length, 6, "each once")
      }),
    idle
  )

  it.live(
    "a CZMQ server with a timeout of 300 ms keeps us where remoteTimeout says so",
    () =>
      Effect.gen(function* () {
        const czmq = yield* Czmq.make
        const theirs = yield* czmq.node("strict")
        yield* theirs.set("server/timeout", 300)
        const endpoint = yield* serve(theirs, yield* place("tcp"))
        const ours = yield* ourNode({ connect: [endpoint], remoteTimeout: 300 })
        yield* exchange({ ours, theirs }, "before")
        yield* Effect.sleep("700 millis")
        yield* theirs.publish("first from them", "1")
        yield* ours.awaitTuple("first from them", "1")
        yield* Effect.sleep("700 millis")
        yield* exchange({ ours, theirs }, "after")
      }),
    idle
  )

  it.live(
    "a CZMQ server that forgets us sooner than we know: what it refuses is said again, nothing is lost",
    () =>
      Effect.gen(function* () {
        const czmq = yield* Czmq.make
        const theirs = yield* czmq.node("hasty")
        // We say PING every 250 ms
        yield* theirs.set("server/timeout", 50)
        const endpoint = yield* serve(theirs, yield* place("tcp"))
        const ours = yield* ourNode({ connect: [endpoint] })
        for (let round = 0; round < 5; round++) {
          yield* ours.gossip.publish(`ours-${round}`, "1")
          yield* theirs.awaitTuple(`ours-${round}`, "1")
          yield* theirs.publish(`theirs-${round}`, "1")
          yield* Effect.sleep("200 millis")
        }
        yield* ours.gossip.publish("last", "1")
        yield* theirs.awaitTuple("last", "1")
        yield* ours.awaitSize(11)
      }),
    idle
  )

  it.live.each(schemes)(
    "a CZMQ server is suspended for longer than its timeout: we are members again, by ourselves (%s)",
    (scheme) =>
      Effect.gen(function* () {
        const both = yield* pair({ scheme, server: "CZMQ" })
        const { czmq, link, ours, theirs } = both
        yield* link
        yield* exchange(both, "before")
        yield* czmq.kill("SIGSTOP")
        yield* ours.gossip.publish("meanwhile", "1")
        yield* longerThanTheTimeout
        yield* czmq.kill("SIGCONT")
        yield* theirs.awaitTuple("meanwhile", "1")
        // Time for its timers, and for our next PINGs
        yield* Effect.sleep("500 millis")
        yield* theirs.publish("from them first", "1")
        yield* ours.awaitTuple("from them first", "1", 5000)
        yield* exchange(both, "after")
      }),
    idle
  )

  it.live.each(schemes)(
    "a CZMQ server is suspended for longer than its timeout, and we say nothing meanwhile (%s)",
    (scheme) =>
      Effect.gen(function* () {
        const both = yield* pair({ scheme, server: "CZMQ" })
        const { czmq, link, ours, theirs } = both
        yield* link
        yield* exchange(both, "before")
        yield* czmq.kill("SIGSTOP")
        yield* longerThanTheTimeout
        yield* czmq.kill("SIGCONT")
        yield* Effect.sleep("500 millis")
        yield* theirs.publish("from them first", "1")
        yield* ours.awaitTuple("from them first", "1", 5000)
        yield* exchange(both, "after")
      }),
    idle
  )

  it.live.each(schemes)(
    "a CZMQ client of ours is suspended: it gets everything when it comes back (%s)",
    (scheme) =>
      Effect.gen(function* () {
        const both = yield* pair({ scheme, server: "ours" })
        const { czmq, link, ours, theirs } = both
        yield* link
        yield* exchange(both, "before")
        yield* czmq.kill("SIGSTOP")
        yield* ours.gossip.publishAll(numbered("meanwhile", 5000, "x".repeat(200)))
        yield* longerThanTheTimeout
        yield* czmq.kill("SIGCONT")
        yield* theirs.awaitStatus(5002, 10_000)
        yield* exchange(both, "after")
      }),
    idle
  )
})

describeCzmq("a ttl", () => {
  it.live("of a client ends a tuple where `legacy/ttl` is set, though CZMQ echoes it; what CZMQ says has none", () =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const theirs = yield* czmq.node("theirs")
      const server = yield* serve(theirs, yield* place("tcp"))
      const ours = yield* ourNode({ bind: [yield* place("tcp")], legacyTtl: true })
      yield* theirs.connect(ours.endpoint)
      const dying = (endpoint: string, key: string) =>
        Effect.gen(function* () {
          const client = yield* rawDealer(endpoint)
          yield* client.send(Wire.HELLO)
          yield* client.untilPong()
          yield* client.send(Wire.PUBLISH(key, "1", 400))
        })
      yield* dying(server, "forwarded by CZMQ")
      yield* ours.awaitTuple("forwarded by CZMQ")
      // The stale ttl is in its next messages
      yield* exchange({ ours, theirs }, "later")
      yield* dying(ours.endpoint, "dying")
      yield* theirs.awaitTuple("dying")
      yield* eventually(ours.holds, (all) => !all.includes("dying=1"))
      assert.deepStrictEqual(yield* ours.holds, ["forwarded by CZMQ=1", "ours-later=later", "theirs-later=later"])
    })
  )
})
