/**
 * The transports that stand before another one: the one that only reads, and the one that knows what has arrived.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Result, Scope } from "effect"
import * as DrainTransport from "../../src/layers/DrainTransport.ts"
import * as ReadOnlyTransport from "../../src/layers/ReadOnlyTransport.ts"
import * as Endpoint from "../../src/protocol/Endpoint.ts"
import * as Message from "../../src/protocol/Message.ts"
import * as Trailer from "../../src/protocol/Trailer.ts"
import * as Tuple from "../../src/protocol/Tuple.ts"
import { type Connection, type Frames, Transport } from "../../src/services/Transport.ts"

const endpoint = Result.getOrThrow(Endpoint.parseConnect("inproc://there"))

const hello = Message.encode(Message.hello)
const ping = Message.encode(Message.ping)
const pong = Message.encode(Message.pong)
const cargo = Trailer.make({ tag: Trailer.tags.entries, body: "" })
const carrying = Message.encode({ ...Message.ping, trailer: cargo })
const carried = Message.encode({ ...Message.pong, trailer: cargo })
const publish = Message.encode(Message.publish(new Tuple.Tuple("key", "value")))

/** A transport that notes what is sent, waits for `sent`, and gives what waits in `inbox`. */
const fake = (sent: Effect.Effect<void> = Effect.void) => {
  const messages: Array<Uint8Array> = []
  const inbox: Array<Frames> = []
  const send = (batch: ReadonlyArray<Uint8Array>) =>
    Effect.andThen(
      Effect.sync(() => void messages.push(...batch)),
      sent
    )
  const receive = Effect.sync(() => inbox.splice(0))
  const connection: Connection = { endpoint, receive, send }
  const transport = Transport.of({
    bind: () => Effect.succeed({ endpoint, receive: Effect.succeed([]), send: (_, batch) => send(batch) }),
    connect: () => Effect.succeed(connection)
  })
  return { messages, inbox, transport }
}

describe("ReadOnlyTransport", () => {
  it.effect("sends everything but PUBLISH and entries", () =>
    Effect.gen(function* () {
      const { inbox, messages, transport } = fake()
      const layer = Layer.provide(ReadOnlyTransport.layer, Layer.succeed(Transport, transport))
      const connection = yield* Effect.provide(
        Transport.use(({ connect }) => connect(endpoint)),
        layer
      )
      yield* connection.send([hello, publish, ping, publish, carrying, publish, pong])
      yield* connection.send([publish])
      assert.deepStrictEqual(messages, [hello, ping, pong])
      inbox.push([publish])
      assert.deepStrictEqual(yield* connection.receive, [[publish]])
    })
  )
})

describe("DrainTransport", () => {
  it.effect("a PUBLISH has arrived when a later PING was answered", () =>
    Effect.gen(function* () {
      const { inbox, transport: inner } = fake()
      const { isDrained, transport } = DrainTransport.make(inner)
      assert.isTrue(isDrained())
      const scope = yield* Scope.make()
      const connection = yield* Scope.provide(transport.connect(endpoint), scope)
      const heard = Effect.fnUntraced(function* (...frames: ReadonlyArray<Uint8Array>) {
        inbox.push(...frames.map((frame) => [frame]))
        yield* connection.receive
        const before = isDrained()
        // Whoever asks for more has worked off what there was.
        yield* connection.receive
        assert.isTrue(!before || isDrained())
        return isDrained()
      })
      yield* connection.send([hello, ping])
      assert.isFalse(isDrained(), "nobody knows yet with whom it speaks")
      assert.isFalse(yield* heard(pong))
      yield* connection.send([publish, publish])
      assert.isFalse(isDrained())
      assert.isFalse(yield* heard(publish))
      yield* connection.send([ping])
      assert.isFalse(yield* heard(publish))
      assert.isTrue(yield* heard(pong))
      yield* connection.send([carrying])
      assert.isFalse(isDrained())
      yield* connection.send([ping])
      assert.isFalse(yield* heard(carried), "that is no answer")
      assert.isTrue(yield* heard(pong))
      // Another one between the PING and its PONG
      yield* connection.send([publish, ping, publish])
      assert.isFalse(yield* heard(pong))
      yield* connection.send([ping, ping])
      assert.isTrue(yield* heard(pong))
      assert.isTrue(yield* heard(pong))
      // What is lost is not waited for
      yield* connection.send([publish])
      assert.isFalse(isDrained())
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(isDrained())
    })
  )

  it.effect("what is being sent has not arrived, to a client either", () =>
    Effect.gen(function* () {
      const sent = yield* Deferred.make<void>()
      const { transport: inner } = fake(Deferred.await(sent))
      const { isDrained, transport } = DrainTransport.make(inner)
      const scope = yield* Scope.make()
      const connection = yield* Scope.provide(transport.connect(endpoint), scope)
      const listener = yield* transport.bind(endpoint)
      const start = <A, E>(send: Effect.Effect<A, E>) => Effect.forkChild(send, { startImmediately: true })
      const first = yield* start(connection.send([ping]))
      const second = yield* start(listener.send("peer", [publish]))
      assert.isFalse(isDrained())
      yield* Fiber.interrupt(first)
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(isDrained())
      yield* Deferred.succeed(sent, undefined)
      yield* Fiber.join(second)
      assert.isTrue(isDrained())
    })
  )
})
