/** What a tracer and a logger of the application see: spans, and whom a line of the log is about. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Logger, References, Scope, Tracer } from "effect"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import { Wire } from "../interop/RawPeer.ts"
import { endpointOf, pass, rawClient, settle, start } from "./support.ts"

/** Keeps what it is told. */
const tracing = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  /** Those of one name: what they say, and how long they took in milliseconds. */
  const of = (name: string) =>
    spans
      .filter((span) => span.name === name)
      .map(({ attributes, status }): Readonly<Record<string, unknown>> => {
        if (status._tag === "Started") return assert.fail(`${name} has not ended`)
        const lasted = Number(status.endTime - status.startTime) / 1e6
        return { ...Object.fromEntries(attributes), ok: Exit.isSuccess(status.exit), lasted }
      })
  return { spans, of, provide: Effect.provideService(Tracer.Tracer, tracer) }
}

describe("spans", () => {
  it.effect("publish: how many tuples, and it belongs to who called", () => {
    const { of, provide, spans } = tracing()
    return Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const { gossip } = yield* start(network, "node", { valueOctets: 3 })
      spans.length = 0
      const all = gossip.publishAll(Array.from({ length: 1200 }, (_, n) => [`secret${n}`, "v"] as const))
      yield* all.pipe(Effect.withSpan("caller"))
      yield* Effect.exit(gossip.publish("secret", "too long"))
      assert.deepStrictEqual(of("zgossip.publish"), [
        { tuples: 1200, ok: true, lasted: 0 },
        { tuples: 1, ok: false, lasted: 0 }
      ])
      const parents = spans.flatMap(({ name, parent }) =>
        name === "zgossip.publish" ? [parent._tag === "Some" ? parent.value.spanId : "none"] : []
      )
      assert.deepStrictEqual(parents, [spans.find(({ name }) => name === "caller")?.spanId, "none"])
      assert.notInclude(JSON.stringify(spans.map((span) => Array.from(span.attributes))), "secret")
    }).pipe(provide)
  })

  it.effect("connect: each attempt, also of a node whose caller has gone long ago", () => {
    const { of, provide, spans } = tracing()
    return Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const endpoint = "tcp://127.0.0.1:5670"
      const { gossip } = yield* start(network, "client")
      yield* Effect.withSpan(gossip.connect(endpoint), "caller")
      yield* pass(network, 60)
      yield* start(network, "server", { endpoint })
      yield* pass(network, 3000)
      const attempts = of("zgossip.connect")
      assert.isAtLeast(attempts.length, 2)
      assert.deepInclude(attempts[0], { endpoint, ok: false })
      assert.deepInclude(attempts.at(-1), { endpoint, ok: true })
      for (const { name, parent } of spans) if (name === "zgossip.connect") assert.strictEqual(parent._tag, "None")
    }).pipe(provide)
  })

  it.effect("dump: to whom, how many tuples, and until the last one went", () => {
    const { of, provide, spans } = tracing()
    return Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const { endpoint, gossip } = yield* start(network, "server")
      yield* gossip.publishAll(Array.from({ length: 3000 }, (_, n) => [`k${n}`, "v"] as const))
      const client = yield* rawClient(MemoryTransport.make(network, "client"), endpoint)
      yield* client.say(Wire.HELLO)
      yield* settle(network)
      const [dump, ...others] = of("zgossip.dump")
      assert.deepStrictEqual(others, [])
      const { peer, ...rest } = { peer: undefined, ...dump }
      assert.deepStrictEqual(rest, { endpoint, tuples: 3000, ok: true, lasted: 0 })
      assert.isString(peer)
      const ends = spans.filter(({ name }) => name === "zgossip.dump").map(({ kind, parent }) => [kind, parent._tag])
      assert.deepStrictEqual(ends, [["server", "None"]])
    }).pipe(provide)
  })

  it.effect("a dump that its client does not take leaves none", () => {
    const { of, provide } = tracing()
    return Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ highWaterMark: 100 })
      const { endpoint, gossip } = yield* start(network, "server")
      yield* gossip.publishAll(Array.from({ length: 3000 }, (_, n) => [`k${n}`, "v"] as const))
      const scope = yield* Scope.make()
      const connection = yield* MemoryTransport.make(network, "client")
        .connect(endpointOf(endpoint))
        .pipe(Scope.provide(scope))
      yield* connection.send([Wire.HELLO])
      yield* pass(network, 1000)
      assert.deepStrictEqual(of("zgossip.dump"), [])
      yield* Scope.close(scope, Exit.void)
      yield* pass(network, 1000)
      assert.deepStrictEqual(of("zgossip.dump"), [])
    }).pipe(provide)
  })
})

describe("lines of the log", () => {
  /** Each line, and whom it is about. */
  const capture = () => {
    const lines: Array<readonly [text: string, about: Readonly<Record<string, unknown>>]> = []
    const logger = Logger.make<unknown, void>(({ fiber, message }) => {
      const text = Array.isArray(message) ? message.map(String).join(" ") : String(message)
      lines.push([text, fiber.getRef(References.CurrentLogAnnotations)])
    })
    return { lines, layer: Logger.layer([logger]) }
  }

  it.effect("have endpoint and peer as annotations", () => {
    const { layer, lines } = capture()
    const about = (pattern: RegExp) => lines.find(([text]) => pattern.test(text))?.[1] ?? assert.fail(String(pattern))
    return Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const remote = "tcp://127.0.0.1:5670"
      const server = yield* start(network, "server", { verbose: true, valueOctets: 3, connect: [remote] })
      const { endpoint } = server
      const client = yield* rawClient(MemoryTransport.make(network, "client"), endpoint)
      yield* client.say(Wire.HELLO, Wire.PUBLISH("a", "too long"))
      yield* pass(network, 100)
      yield* start(network, "remote", { endpoint: remote })
      yield* pass(network, 3000)
      yield* server.gossip.disconnect(remote)
      assert.deepStrictEqual(about(/^bound inproc:\/\/server/), { endpoint })
      assert.deepStrictEqual(about(/^cannot connect to tcp/), { endpoint: remote })
      assert.deepStrictEqual(about(/^connected to tcp/), { endpoint: remote })
      assert.deepStrictEqual(about(/^tcp:\S+: Disconnected -> Joining/), { endpoint: remote })
      const stepped = about(/Start \+ HELLO -> Connected/)
      assert.strictEqual(stepped["endpoint"], endpoint)
      assert.isString(stepped["peer"])
      assert.deepStrictEqual(about(/^refused a tuple from/), stepped)
    }).pipe(Effect.provide(layer))
  })

  it.effect("have the endpoint, with its port, where somebody was not let in", () => {
    const { layer, lines } = capture()
    return Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const server = yield* start(network, "server", { endpoint: "none", allowAddresses: "10.0.0.1" })
      yield* server.gossip.bind("tcp://server:*")
      const [bound] = (yield* server.gossip.status).listeners
      assert.match(bound?.endpoint ?? "", /^tcp:\/\/server:\d+$/)
      yield* start(network, "10.0.0.2", { endpoint: "none", connect: [bound?.endpoint ?? ""] })
      yield* pass(network, 100)
      const about = lines.filter(([text]) => text.includes("not admitted")).map(([, about]) => about)
      assert.deepStrictEqual(about, [{ endpoint: bound?.endpoint }])
    }).pipe(Effect.provide(layer))
  })
})
