/**
 * The simulation beside what it stands for: scenarios of it, in a few hundred milliseconds of real time, played by whole
 * nodes of ours and by CZMQ's own actors over TCP. What comes of it has to be the same.
 */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Relay } from "../../chaos/Relay.ts"
import { generate } from "../simulation/generate.ts"
import { type Event, isShared, nameOf, type Scenario } from "../simulation/Scenario.ts"
import { World } from "../simulation/World.ts"
import * as Czmq from "./Czmq.ts"
import { czmqTest } from "./describeCzmq.ts"
import { eventually, ourNode, place } from "./OurNode.ts"

/** In ms: when the last event is at most, and how long one lasts. */
const [span, longest] = [500, 200]

/** What can be done to real nodes, in a short time. Clocks are right, and nobody stops or ends. */
const short = (seed: number): Scenario => {
  const scenario = generate(seed, { nodes: 4, kind: "mixed", pair: false, deletes: false })
  const events = scenario.events.flatMap((event): ReadonlyArray<Event> => {
    const at = event.at % span
    if (event.do === "publish") return [{ ...event, at }]
    return event.do === "cut" || event.do === "stall" ? [{ ...event, at, for: Math.min(event.for, longest) }] : []
  })
  const nodes = scenario.nodes.map((node) => ({ ...node, skew: 0 }))
  const links = scenario.links.map((link) => ({ ...link, latency: [0, 1] as const }))
  return { ...scenario, nodes, links, events: events.toSorted((a, b) => a.at - b.at) }
}

type Held = Readonly<Record<string, string>>

const sorted = (entries: Iterable<readonly [string, string]>): Held =>
  Object.fromEntries(Array.from(entries).toSorted(([one], [other]) => (one < other ? -1 : 1)))

/** What all hold in the end, of whom the simulation says that they agree. */
const simulated = (scenario: Scenario): Held => {
  const world = new World(scenario)
  assert.deepStrictEqual(world.run().violations, [])
  return sorted(world.host(0).node?.held() ?? [])
}

interface Player {
  readonly publish: (key: string, value: string) => Effect.Effect<unknown, unknown>
  readonly connect: (endpoint: string) => Effect.Effect<unknown, unknown>
  readonly port: number
  readonly held: Effect.Effect<Held, unknown>
}

const play = Effect.fnUntraced(function* (scenario: Scenario) {
  const czmq = yield* Czmq.make
  const players = yield* Effect.forEach(
    scenario.nodes,
    Effect.fnUntraced(function* ({ kind, queue, timeout }, index) {
      if (kind === "v1") {
        const node = yield* czmq.node(nameOf(scenario, index))
        if (timeout !== undefined) yield* node.set("server/timeout", timeout)
        const port = yield* node.bind("tcp://127.0.0.1:!")
        const held = Effect.sync(() =>
          sorted(new Map(node.deliveries.map(({ key, value }) => [key.toString(), value.toString()])))
        )
        const player: Player = { publish: node.publish, connect: node.connect, port, held }
        return player
      }
      const settings = { queueTuples: queue, ...(timeout !== undefined && { serverTimeout: timeout }) }
      const { endpoint, gossip } = yield* ourNode({ bind: [yield* place("tcp")], ...settings })
      const held = Effect.map(gossip.entries, (tuples) => sorted(tuples.map(({ key, value }) => [key, value])))
      const player: Player = {
        publish: gossip.publish,
        connect: gossip.connect,
        port: Number(new URL(endpoint).port),
        held
      }
      return player
    })
  )
  const relays = yield* Effect.forEach(scenario.links, ({ from, to }) =>
    Effect.gen(function* () {
      const relay = yield* Effect.acquireRelease(
        Effect.sync(() => new Relay(players[to]!.port)),
        (relay) => Effect.sync(() => relay.close())
      )
      yield* Effect.promise(() => relay.listen())
      yield* players[from]!.connect(`tcp://127.0.0.1:${relay.port}`)
      return relay
    })
  )
  const happen = (event: Event) =>
    Effect.gen(function* () {
      yield* Effect.sleep(event.at)
      if (event.do === "publish") return yield* players[event.node]!.publish(event.key, event.value)
      if (event.do !== "cut" && event.do !== "stall") return
      const relay = relays[event.link]!
      if (event.do === "cut") relay.refuse()
      else relay.stall(event.way)
      yield* Effect.sleep(event.for)
      relay.heal()
    })
  yield* Effect.forEach(scenario.events, happen, { concurrency: "unbounded", discard: true })
  return Effect.forEach(players, ({ held }) => held)
})

const agree = ([first, ...others]: ReadonlyArray<Held>): boolean =>
  others.every((held) => JSON.stringify(held) === JSON.stringify(first))

/** Of keys that anybody may set the value depends on who was faster. */
const comparable = (held: Held): Held =>
  Object.fromEntries(Object.entries(held).map(([key, value]) => [key, isShared(key) ? "some" : value]))

/** Others with `ZGOSSIP_SEED=100 ZGOSSIP_SEEDS=20`. */
const [first, count] = [process.env["ZGOSSIP_SEED"], Number(process.env["ZGOSSIP_SEEDS"] ?? 1)]
const seeds = first === undefined ? [3, 8] : Array.from({ length: count }, (_, index) => Number(first) + index)

for (const seed of seeds) {
  czmqTest(
    `seed ${seed} of the simulation, with CZMQ: all hold what they hold there`,
    () =>
      Effect.gen(function* () {
        const scenario = short(seed)
        const expected = simulated(scenario)
        assert.isNotEmpty(Object.keys(expected))
        const look = yield* play(scenario)
        const [held = {}] = yield* eventually(
          look,
          (all) => agree(all) && Object.keys(all[0] ?? {}).length === Object.keys(expected).length
        )
        assert.deepStrictEqual(comparable(held), comparable(expected))
      }),
    30_000
  )
}
