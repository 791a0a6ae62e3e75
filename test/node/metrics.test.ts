/** What a node tells of itself: metrics, and whether it is healthy. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric } from "effect"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import { readFileSync } from "node:fs"
import * as Gossip from "../../src/Gossip.ts"
import * as GossipHealth from "../../src/layers/GossipHealth.ts"
import * as GossipMetrics from "../../src/layers/GossipMetrics.ts"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import { Wire } from "../interop/RawPeer.ts"
import { pass, rawClient, start } from "./support.ts"

/** All values of this program's own registry, as `name{attribute=value}`. */
const metrics = Effect.map(Metric.snapshot, (all) =>
  Object.fromEntries(
    all
      .filter(({ id }) => id.startsWith("zgossip_"))
      .map(({ attributes = {}, id, state }) => {
        const labels = Object.entries(attributes)
          .filter(([name, value]) => name !== "node" || value !== "here")
          .map(([name, value]) => `${name}=${value}`)
        const value = "count" in state ? state.count : "value" in state ? state.value : undefined
        return [labels.length === 0 ? id : `${id}{${labels.join(",")}}`, Number(value)]
      })
  )
)

const documentation = readFileSync(new URL("../../docs/observability.md", import.meta.url), "utf8")

const ownRegistry = Effect.provideServiceEffect(
  Metric.MetricRegistry,
  Effect.sync(() => new Map())
)

describe("metrics", () => {
  it.effect("are up to date every second, and have no label for a key", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      yield* start(network, "there", { publish: { theirs: "1" } })
      const node = Gossip.layerMemory(network, {
        host: "here",
        bind: ["inproc://here"],
        connect: ["inproc://there", "inproc://nowhere"],
        publish: { ours: "1" },
        valueOctets: 10
      })
      yield* Layer.build(GossipMetrics.layer({ attributes: { node: "here" } }).pipe(Layer.provide(node)))
      const client = yield* rawClient(MemoryTransport.make(network, "client"), "inproc://here")
      yield* client.say(Wire.HELLO, Wire.PUBLISH("secret key", "1"), Wire.PUBLISH("secret key", "1"))
      yield* client.say(Wire.PUBLISH("long", "x".repeat(11)), Buffer.from("garbage"))
      yield* client.say(Buffer.concat([Wire.PING, Wire.hex("85 5A 47 58 02")]))
      yield* pass(network, 2500)
      const seen = yield* metrics
      assert.deepInclude(seen, {
        zgossip_tuples: 3,
        zgossip_tuples_bytes: "theirs1ours1secret key1".length,
        zgossip_listeners: 1,
        zgossip_listeners_lost: 0,
        zgossip_peers: 1,
        zgossip_members: 0,
        "zgossip_remotes{state=Connected}": 1,
        zgossip_accepted_total: 3,
        zgossip_duplicates_total: 1,
        "zgossip_invalid_total{direction=sent}": 1,
        "zgossip_malformed_total{reason=signature}": 1,
        "zgossip_refused_total{reason=value}": 1,
        "zgossip_malformed_trailers_total{reason=version}": 1,
        zgossip_ready: 0,
        zgossip_defects_total: 0
      })
      assert.notInclude(Object.keys(seen).join(" "), "secret")
      yield* client.say(Wire.HELLO, Wire.PUBLISH("more", "1"))
      yield* pass(network, 1000)
      assert.deepInclude(yield* metrics, { zgossip_tuples: 4, zgossip_accepted_total: 4, zgossip_members: 1 })
    }).pipe(ownRegistry)
  )
})

describe("for Prometheus", () => {
  it.effect("there is a metric for each counter, with a help text, and no value is lost or counted twice", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const context = yield* Layer.build(
        GossipMetrics.layer().pipe(Layer.provideMerge(Gossip.layerMemory(network, { publish: { a: "1" } })))
      )
      yield* pass(network, 3500)
      const text = yield* PrometheusMetrics.format()
      const named = Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name]) => name)
      const documented = Array.from(documentation.matchAll(/^\| `(zgossip_\w+)`/gm), ([, name]) => name)
      assert.sameMembers(documented, named)
      for (const [type, name] of text.matchAll(/^# TYPE (\S+)/gm)) {
        assert.match(name ?? "", /^zgossip_[a-z_]+$/, type)
        assert.include(text, `# HELP ${name} `)
      }
      const { counters } = yield* Effect.provide(
        Effect.flatMap(Gossip.Gossip, ({ status }) => status),
        context
      )
      const values = text.split("\n").filter((line) => /^zgossip_\w+_total\b/.test(line))
      const each = Object.values(counters).flatMap((value): ReadonlyArray<number> => Object.values({ ...value }))
      const plain = Object.values(counters).filter((value) => typeof value === "number").length
      assert.strictEqual(values.length, each.length + plain)
      assert.include(values, "zgossip_accepted_total 1")
      assert.include(values, 'zgossip_refused_total{reason="octets"} 0')
      assert.include(values, 'zgossip_invalid_total{direction="received"} 0')
    }).pipe(ownRegistry)
  )
})

describe("health", () => {
  it.effect("is ready once all remotes are connected, and not live once it was stopped", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const context = yield* Layer.build(
        Gossip.layerMemory(network, { host: "here", connect: ["tcp://127.0.0.1:5670"] })
      )
      const health = Effect.provide(GossipHealth.health, context)
      yield* pass(network, 1000)
      const alone = yield* health
      assert.deepInclude(alone, { live: true, ready: false })
      assert.match(alone.reasons.join(), /^tcp:\/\/127\.0\.0\.1:5670: .+/)
      yield* start(network, "there", { endpoint: "tcp://127.0.0.1:5670" })
      yield* pass(network, 5000)
      assert.deepStrictEqual(yield* health, { live: true, ready: true, reasons: [] })
      yield* Effect.provide(
        Effect.flatMap(Gossip.Gossip, ({ stop }) => stop),
        context
      )
      assert.deepInclude(yield* health, { live: false, ready: false })
    })
  )
})
