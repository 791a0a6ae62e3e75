/** Strangers who know ZeroMQ's own protocol, ZMTP 3, and say with it what no socket of the library would. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { connect, type Socket } from "node:net"
import { ourNode, place } from "./OurNode.ts"
import { rawDealer, Wire } from "./RawPeer.ts"

const greeting = Buffer.concat([
  Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0]),
  Buffer.from("NULL".padEnd(20, "\0")),
  Buffer.alloc(32)
])

const property = (name: string, value: string): Buffer => {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(value.length)
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), length, Buffer.from(value)])
}

const command = (name: string, body: Buffer): Buffer => {
  const content = Buffer.concat([Buffer.from([name.length]), Buffer.from(name), body])
  return Buffer.concat([Buffer.from([4, content.length]), content])
}

const ready = command("READY", property("Socket-Type", "DEALER"))

/** A frame with a header that is as long as it says, and a body that is not. */
const frame = (length: bigint, body: Uint8Array): Buffer => {
  const header = Buffer.alloc(9)
  header[0] = 2
  header.writeBigUInt64BE(length, 1)
  return Buffer.concat([header, body])
}

/** A connection whose handshake is done: libzmq takes no message before that. */
const stranger = (endpoint: string) =>
  Effect.acquireRelease(
    Effect.callback<Socket>((resume) => {
      const { hostname, port } = new URL(endpoint)
      const socket = connect(Number(port), hostname, () => socket.write(Buffer.concat([greeting, ready])))
      let heard = ""
      socket.on("error", () => {})
      socket.on("data", (data) => {
        heard = (heard + data.toString("latin1")).slice(-1000)
        if (heard.includes("READY")) resume(Effect.succeed(socket))
      })
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

describe("a frame", () => {
  it.live("that says it is longer than any ends its connection, and takes no memory; others are served", () =>
    Effect.gen(function* () {
      const node = yield* ourNode({ bind: [yield* place("tcp")] })
      const honest = yield* rawDealer(node.endpoint)
      yield* honest.send(Wire.HELLO)
      const before = process.memoryUsage().rss
      for (const length of [2n ** 28n + 2n ** 20n, 2n ** 32n, 2n ** 40n, 2n ** 62n, 2n ** 63n, 2n ** 64n - 1n]) {
        const socket = yield* stranger(node.endpoint)
        const closed = Effect.callback<boolean>((resume) => {
          socket.once("close", () => resume(Effect.succeed(true)))
        })
        socket.write(frame(length, Wire.HELLO))
        assert.isTrue(
          yield* Effect.timeoutOrElse(closed, { duration: 5000, orElse: () => Effect.succeed(false) }),
          `${length}`
        )
      }
      assert.isBelow(process.memoryUsage().rss - before, 100 * 2 ** 20)
      yield* honest.send(Wire.PING)
      yield* honest.untilPong()
    })
  )

  it.live("of a stranger by hand is as good as any", () =>
    Effect.gen(function* () {
      const node = yield* ourNode({ bind: [yield* place("tcp")] })
      const socket = yield* stranger(node.endpoint)
      const publish = Wire.PUBLISH("by", "hand")
      socket.write(frame(BigInt(Wire.HELLO.length), Wire.HELLO))
      socket.write(frame(BigInt(publish.length), publish))
      yield* node.awaitTuple("by", "hand")
    })
  )
})
