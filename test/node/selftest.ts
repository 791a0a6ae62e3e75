/**
 * What zgossip_test in zgossip.c does, over any transport and any clock. The frames are written by hand: a codec that
 * checks itself checks nothing.
 */
import { assert } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import type * as Gossip from "../../src/Gossip.ts"
import { Transport } from "../../src/services/Transport.ts"
import { Wire } from "../interop/RawPeer.ts"
import { build, rawClient } from "./support.ts"

export interface Subject<E> {
  /** A new node, each time. */
  readonly node: () => Layer.Layer<Gossip.Gossip, E>
  /** For the raw client. */
  readonly transport: Layer.Layer<Transport>
  /** Lets this time go by, in milliseconds. */
  readonly pass: (milliseconds: number) => Effect.Effect<void>
}

export const selfTest = <E>({ node, pass, transport }: Subject<E>) =>
  Effect.gen(function* () {
    /** zactor_new (zgossip, name): all there is of it is its pipe. */
    const actor = Effect.gen(function* () {
      const gossip = yield* build(node())
      const pipe = yield* gossip.pipe
      return {
        sendx: (...strings: ReadonlyArray<string>) => pipe.send(strings),
        recvx: Effect.flatMap(Effect.forkChild(pipe.receive, { startImmediately: true }), (fiber) =>
          Effect.gen(function* () {
            yield* pass(20)
            const exit = fiber.pollUnsafe() ?? assert.fail("no reply")
            return yield* exit
          })
        ),
        stopped: gossip.stopped
      }
    })

    // Test basic client-to-server operation of the protocol
    yield* Effect.scoped(
      Effect.gen(function* () {
        const server = yield* actor
        yield* server.sendx("VERBOSE")
        yield* server.sendx("BIND", "inproc://zgossip")
        yield* pass(20)
        const client = yield* rawClient(Context.get(yield* Layer.build(transport), Transport), "inproc://zgossip")

        // Send HELLO, which gets no message
        yield* client.say(Wire.HELLO)
        yield* pass(20)
        assert.deepStrictEqual(client.take(), [])

        // Send PING, expect PONG back
        yield* client.say(Wire.PING)
        yield* pass(20)
        assert.deepStrictEqual(client.take(), ["PONG"])
      })
    )

    // Test peer-to-peer operations
    yield* Effect.scoped(
      Effect.gen(function* () {
        const base = yield* actor
        yield* base.sendx("VERBOSE")
        // Set a 100 millisecond timeout on clients so we can test expiry
        yield* base.sendx("SET", "server/timeout", "100")
        yield* base.sendx("BIND", "inproc://base")

        const alpha = yield* actor
        yield* alpha.sendx("CONNECT", "inproc://base")
        yield* alpha.sendx("PUBLISH", "inproc://alpha-1", "service1")
        yield* alpha.sendx("PUBLISH", "inproc://alpha-2", "service2")
        // The original relies on its threads to come to this first.
        yield* pass(10)

        const beta = yield* actor
        yield* beta.sendx("CONNECT", "inproc://base")
        yield* beta.sendx("PUBLISH", "inproc://beta-1", "service1")
        yield* beta.sendx("PUBLISH", "inproc://beta-2", "service2")

        // got nothing
        yield* pass(200)

        yield* alpha.sendx("STATUS")
        assert.deepStrictEqual(yield* alpha.recvx, ["DELIVER", "inproc://alpha-1", "service1"])
        assert.deepStrictEqual(yield* alpha.recvx, ["DELIVER", "inproc://alpha-2", "service2"])
        assert.deepStrictEqual(yield* alpha.recvx, ["DELIVER", "inproc://beta-1", "service1"])
        assert.deepStrictEqual(yield* alpha.recvx, ["DELIVER", "inproc://beta-2", "service2"])
        assert.deepStrictEqual(yield* alpha.recvx, ["STATUS", "4"])

        // zactor_destroy
        for (const { sendx, stopped } of [base, alpha, beta]) {
          yield* sendx("$TERM")
          yield* pass(20)
          yield* stopped
        }
      })
    )
  })
