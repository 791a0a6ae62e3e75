/** What CZMQ makes of a trailer: nothing. It reads the message in front of it, and passes on no octet of the rest. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Czmq } from "./Czmq.ts"
import { describeCzmq } from "./describeCzmq.ts"
import { rawDealer, rawRouter, Wire } from "./RawPeer.ts"

/** A whole one: a status request, and a section of a kind that nobody knows. */
const good = Wire.hex("85 5A 47 58 01 00 00 00 1A 01 00 00 00 00 EE 00 00 00 03 00 FF AA 05 95 5C 3E")
const trailers: ReadonlyArray<Buffer> = [good, good.subarray(0, 9), Buffer.alloc(70_000, good)]
const trailed = (frame: Buffer): ReadonlyArray<Buffer> => trailers.map((trailer) => Buffer.concat([frame, trailer]))

describeCzmq("a trailer", () => {
  it.live("behind HELLO, PING and PUBLISH is nothing to a CZMQ server", () =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const node = yield* czmq.node("server")
      const endpoint = `tcp://127.0.0.1:${yield* node.bind("tcp://127.0.0.1:*")}`
      yield* node.publish("a", "1")
      yield* node.awaitStatus(1)
      for (const hello of trailed(Wire.HELLO)) {
        const client = yield* rawDealer(endpoint)
        yield* client.send(hello)
        assert.strictEqual(yield* client.nextText(), "PUBLISH a=1")
        for (const ping of trailed(Wire.PING)) {
          yield* client.send(ping)
          assert.deepStrictEqual(yield* client.next(), [Wire.PONG])
        }
      }
      const other = yield* rawDealer(endpoint)
      yield* other.send(Wire.HELLO)
      assert.strictEqual(yield* other.nextText(), "PUBLISH a=1")
      const client = yield* rawDealer(endpoint)
      yield* client.send(Wire.HELLO)
      for (const [n, publish] of trailed(Wire.PUBLISH("b", "2")).entries()) {
        // One that differs in its trailer only is a tuple that is held already.
        yield* client.send(publish)
        if (n === 0) assert.deepStrictEqual(yield* other.next(), [Wire.PUBLISH("b", "2")])
      }
      yield* client.untilPong()
      assert.deepStrictEqual(yield* other.untilPong(), [])
      assert.strictEqual(yield* node.status, 2)
    })
  )

  it.live("behind PING, PONG and PUBLISH is nothing to a CZMQ client", () =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const node = yield* czmq.node("client")
      const server = yield* rawRouter("tcp://127.0.0.1:*")
      yield* node.connect(server.endpoint)
      const [id] = yield* server.next()
      for (const frame of [Wire.PING, Wire.PONG].flatMap(trailed)) yield* server.send(id!, frame)
      for (const publish of trailed(Wire.PUBLISH("a", "1"))) yield* server.send(id!, publish)
      assert.strictEqual(yield* server.nextText(), "PUBLISH a=1", "its echo")
      yield* node.awaitTuple("a", "1")
      yield* server.expectNothing(50)
    })
  )
})
