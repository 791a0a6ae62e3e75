/**
 * Two CZMQ nodes set one key at the same time. Alone they would bounce the two values for ever; with nodes of ours
 * between them they settle on one. `ZGOSSIP_ROUNDS=50` does it more often, and prints how long it took.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Czmq, type CzmqNode } from "./Czmq.ts"
import { describeCzmq } from "./describeCzmq.ts"
import { at, chain, type Edges, generator, ring } from "../node/support.ts"
import { eventually, numbered, ourNode, type OurNode, place } from "./OurNode.ts"

const rounds = Number(process.env["ZGOSSIP_ROUNDS"] ?? 3)
const long = 20_000 + rounds * 5000

/** `ZGOSSIP_SEED=100 ZGOSSIP_SEEDS=20`: networks that these draw. */
const [first, count] = [Number(process.env["ZGOSSIP_SEED"] ?? 2), Number(process.env["ZGOSSIP_SEEDS"] ?? 1)]
const seeds = Array.from({ length: count }, (_, n) => first + n)

/** A node of either kind. */
interface Member {
  readonly endpoint: string
  readonly connect: (endpoint: string) => Effect.Effect<void, unknown>
  /** What its application was told of this key last, and how often it was told anything of it. */
  readonly last: (key: string) => string | undefined
  readonly count: (key: string) => number
}

const theirs = (node: CzmqNode) =>
  Effect.gen(function* () {
    yield* node.set("server/timeout", 0)
    const port = yield* node.bind("tcp://127.0.0.1:!")
    const told = (key: string) => node.deliveries.filter((tuple) => tuple.key.toString() === key)
    return {
      node,
      endpoint: `tcp://127.0.0.1:${port}`,
      connect: node.connect,
      last: (key) => told(key).at(-1)?.value.toString(),
      count: (key) => told(key).length
    } satisfies Member & { node: CzmqNode }
  })

const ofOurs = Effect.gen(function* () {
  const node = yield* ourNode({ bind: [yield* place("tcp")] })
  const told = (key: string) => node.seen.filter((tuple) => tuple.key === key)
  return {
    node,
    endpoint: node.endpoint,
    connect: node.gossip.connect,
    last: (key) => told(key).at(-1)?.value,
    count: (key) => told(key).length
  } satisfies Member & { node: OurNode }
})

/** Each connects to the next one, and the last to the first in a ring. */
const links = (kinds: string, shape: "chain" | "ring"): Edges => (shape === "ring" ? ring : chain)(kinds.length)

/** One node for each letter, `c` is CZMQ's and `o` is ours, and their links. */
const network = (kinds: string, edges: Edges) =>
  Effect.gen(function* () {
    const czmq = yield* Czmq.make
    const members: Array<Member> = []
    const cs: Array<CzmqNode> = []
    const os: Array<OurNode> = []
    for (const [n, kind] of Array.from(kinds).entries()) {
      if (kind === "c") {
        const member = yield* theirs(yield* czmq.node(`c${n}`))
        cs.push(member.node)
        members.push(member)
      } else {
        const member = yield* ofOurs
        os.push(member.node)
        members.push(member)
      }
    }
    for (const [from, to] of edges) yield* at(members, from).connect(at(members, to).endpoint)
    for (const [n, node] of cs.entries()) yield* node.publish(`ready-${n}`, "1")
    for (const [n] of cs.entries()) yield* agree(members, `ready-${n}`, 0)
    return { czmq, members, cs, os }
  })

/**
 * Waits until all have been told the same of a key last, and for so many milliseconds nobody is told more of it; gives
 * how long it took.
 */
const agree = (members: ReadonlyArray<Member>, key: string, still = 300) =>
  Effect.gen(function* () {
    const began = performance.now()
    let since = began
    let before = -1
    const look = Effect.sync(() => {
      const values = Array.from(new Set(members.map(({ last }) => last(key))))
      const counts = members.map(({ count }) => count(key))
      const count = counts.reduce((sum, count) => sum + count)
      if (values.length > 1 || values[0] === undefined || count !== before) since = performance.now()
      before = count
      return { values, counts, still: performance.now() - since }
    })
    const { values } = yield* eventually(look, (all) => all.values.length === 1 && all.still >= still, 10_000)
    return { value: values[0], took: since - began }
  })

describeCzmq("two CZMQ nodes set one key at once", () => {
  it.live.each([
    ["coc", "chain"],
    ["coco", "ring"],
    ["cococo", "ring"],
    ["cooc", "chain"]
  ] as const)(
    "%s, a %s: they settle on one of the values",
    ([kinds, shape]) =>
      Effect.gen(function* () {
        const { cs, members } = yield* network(kinds, links(kinds, shape))
        const [one, other] = [cs[0], cs.at(-1)] as [CzmqNode, CzmqNode]
        const took: Array<number> = []
        for (let round = 0; round < rounds; round++) {
          const key = `k${round}`
          const [a, b] = round % 2 === 0 ? ["a", "b"] : ["b", "a"]
          yield* Effect.all([one.publish(key, a), other.publish(key, b)], { concurrency: "unbounded" })
          took.push((yield* agree(members, key)).took)
        }
        const most = members.map(({ count }) => Math.max(...took.map((_, round) => count(`k${round}`))))
        if (rounds > 3) {
          const ms = took.toSorted((a, b) => a - b).map(Math.round)
          console.log(
            `${kinds}: median ${ms[ms.length >> 1]} ms, most ${ms.at(-1)} ms, deliveries at most ${most.join()}`
          )
        }
        assert.isBelow(Math.max(...took), 5000)
        assert.isBelow(Math.max(...most), 50)
      }),
    long
  )

  /** A connected network in which no two of CZMQ are linked, with some cycles. */
  const drawn = (seed: number) => {
    const random = generator(seed)
    for (let n = 0; n < 9; n++) random()
    const upTo = (count: number) => Math.floor(random() * count)
    const kinds = `coc${Array.from({ length: 2 + upTo(6) }, () => (random() < 0.5 ? "c" : "o")).join("")}`
    const ours = Array.from(kinds).flatMap((kind, n) => (kind === "o" ? [n] : []))
    const edges = new Map<string, readonly [number, number]>()
    const link = (a: number, b: number) => {
      if (a === b || (kinds[a] === "c" && kinds[b] === "c")) return
      edges.set([a, b].toSorted((one, other) => one - other).join("-"), random() < 0.5 ? [a, b] : [b, a])
    }
    for (let n = 0; n < kinds.length; n++) {
      const before = ours.filter((other) => other < n)
      link(n, n === 0 ? 1 : n === 1 ? 0 : at(before, upTo(before.length)))
    }
    for (let n = upTo(kinds.length * 2); n > 0; n--) link(upTo(kinds.length), upTo(kinds.length))
    /** Two different ones. */
    const pick = (from: ReadonlyArray<CzmqNode>) => {
      const one = upTo(from.length)
      return [at(from, one), at(from, (one + 1 + upTo(from.length - 1)) % from.length)] as const
    }
    return { kinds, edges: [...edges.values()], pick }
  }

  it.live.each(seeds)(
    "in a network from seed %i",
    (seed) =>
      Effect.gen(function* () {
        const { edges, kinds, pick } = drawn(seed)
        const { cs, members } = yield* network(kinds, edges)
        const took: Array<number> = []
        const most: Array<number> = []
        for (let round = 0; round < rounds; round++) {
          const [one, other] = pick(cs)
          yield* Effect.all([one.publish(`k${round}`, "a"), other.publish(`k${round}`, "b")], {
            concurrency: "unbounded"
          })
          took.push((yield* agree(members, `k${round}`)).took)
          most.push(Math.max(...members.map(({ count }) => count(`k${round}`))))
        }
        if (seeds.length > 1) {
          console.log(
            `seed ${seed}, ${kinds}, ${edges.length} links: ${took.map(Math.round).join()} ms, deliveries ${most.join()}`
          )
        }
        assert.isBelow(Math.max(...took), 5000)
        assert.isBelow(Math.max(...most), 100)
      }),
    long
  )

  it.live("a value set to and fro by one of them gets through", () =>
    Effect.gen(function* () {
      const { cs, members } = yield* network("coc", chain(3))
      const [one] = cs as [CzmqNode]
      yield* Effect.sleep("500 millis")
      for (const value of ["a", "b", "a"]) yield* one.publish("k", value)
      assert.strictEqual((yield* agree(members, "k")).value, "a")
      for (const { count } of members) assert.strictEqual(count("k"), 3, "nobody was told more, or less")
      // More often than the damping lets through: the last one stays all the same
      for (let n = 0; n < 41; n++) yield* one.publish("l", n % 2 === 0 ? "a" : "b")
      assert.strictEqual((yield* agree(members, "l")).value, "a")
    })
  )

  it.live(
    "linked with each other they bounce it for ever: our nodes beside them are told a few times",
    () =>
      Effect.gen(function* () {
        const czmq = yield* Czmq.make
        const one = yield* theirs(yield* czmq.node("one"))
        const other = yield* theirs(yield* czmq.node("other"))
        const near = yield* ourNode({ bind: [yield* place("tcp")] })
        const far = yield* ourNode({ bind: [yield* place("tcp")], connect: [near.endpoint] })
        yield* near.gossip.connect(one.endpoint)
        yield* other.connect(one.endpoint)
        yield* one.node.publish("ready", "1")
        yield* far.awaitTuple("ready")
        for (const { node } of [one, other]) yield* node.quiet
        const status = Effect.map(near.gossip.status, ({ counters }) => counters)
        // Sometimes one of them hears of the other in time, and nothing bounces
        let key = "k"
        for (let tries = 0; (yield* status).damped === 0; tries++) {
          assert.isBelow(tries, 100, "they never bounce")
          key = `k${tries}`
          for (let round = 0; round < 5; round++) {
            yield* Effect.all([one.node.publish(key, `a${round}`), other.node.publish(key, `b${round}`)], {
              concurrency: "unbounded"
            })
          }
          yield* Effect.sleep("50 millis")
        }
        yield* eventually(status, ({ damped }) => damped > 1000)
        const before = process.memoryUsage().rss
        yield* far.gossip.publish("meanwhile", "1")
        yield* near.awaitTuple("meanwhile", "1", 5000)
        yield* Effect.sleep("700 millis")
        const told = (node: OurNode) => node.texts().filter((text) => text.startsWith(`${key}=`)).length
        for (const node of [near, far]) assert.isBelow(told(node), 50)
        assert.isBelow(process.memoryUsage().rss - before, 200 * 2 ** 20)
        if (rounds > 3) {
          const bounced = yield* one.node.count
          console.log(`beside a pair: ${told(near)}, ${told(far)} deliveries at ours, ${bounced} at theirs`)
        }
        // The pair is cut: what is left is one value
        yield* other.node.destroy
        yield* eventually(
          Effect.map(Effect.all([near.gossip.get(key), far.gossip.get(key)]), (both) => both.map(String)),
          ([a, b]) => a === b,
          8000
        )
      }),
    20_000
  )

  it.live("a CZMQ node behind an endpoint where ours was: unharmed by what waited, and known for what it is", () =>
    Effect.gen(function* () {
      const endpoint = yield* place("tcp")
      const czmq = yield* Czmq.make
      const node = yield* czmq.node("after")
      const before = yield* ourNode({ bind: [endpoint] })
      const ours = yield* ourNode({ connect: [endpoint] })
      yield* before.gossip.publish("from before", "1")
      yield* ours.awaitTuple("from before")
      const publish = (prefix: string) => ours.gossip.publishAll(numbered(prefix, 1000))
      yield* Effect.all([publish("while-it-ends"), before.close], { concurrency: "unbounded" })
      yield* publish("while-nobody-serves")
      yield* node.rebind(endpoint)
      yield* publish("while-it-begins")
      yield* node.awaitStatus(3001, 10_000)
      // It echoes, as ours did not: what it echoes is no news
      yield* ours.gossip.publishAll(["1", "2", "1", "3", "4"].map((value) => ["k", value] as const))
      yield* node.awaitTuple("k", "4")
      yield* node.publish("last", "1")
      yield* ours.awaitTuple("last", "1")
      assert.deepStrictEqual(
        ours.texts().filter((text) => text.startsWith("k=")),
        ["k=1", "k=2", "k=1", "k=3", "k=4"]
      )
    })
  )
})
