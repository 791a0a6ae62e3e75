/** How many connections an address has, told by the system; on Linux alone. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import * as Connections from "../../src/layers/Connections.ts"
import * as Guards from "../../src/layers/Guards.ts"

/** A port with so many connections from these addresses, each accepted. */
const listen = (host: string, from: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const accepted: Array<Socket> = []
      const server = createServer((socket) => accepted.push(socket)).listen(0, host)
      await new Promise((resolve) => server.once("listening", resolve))
      const { port } = server.address() as AddressInfo
      const made = from.map((host) => connect({ host, port, ...(host.includes(":") ? {} : { localAddress: host }) }))
      while (accepted.length < from.length) await new Promise(setImmediate)
      return { server, port, sockets: [...accepted, ...made] }
    }),
    ({ server, sockets }) =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
        server.close()
      })
  )

describe.skipIf(!Connections.areCounted())("connections of an address", () => {
  it.live("are counted by address, however that is written", () =>
    Effect.gen(function* () {
      const { port } = yield* listen("::", ["127.0.0.1", "127.0.0.1", "127.0.0.2", "::1"])
      const count = Connections.counter(() => 0)
      for (const [address, number] of [
        ["127.0.0.1", 2],
        ["::ffff:127.0.0.1", 2],
        ["::ffff:7f00:2", 1],
        ["::1", 1],
        ["0:0:0:0:0:0:0:1", 1],
        ["127.0.0.3", 0],
        ["", undefined]
      ] as const) {
        assert.strictEqual(count(port, address), number, address)
      }
    })
  )

  it.live("are looked up for a tenth of the time at most; those between are counted on top", () =>
    Effect.gen(function* () {
      const { port } = yield* listen("127.0.0.1", ["127.0.0.1"])
      // A look takes 10 ms: the time is asked before it and behind it.
      const times = [0, 10, 20, 99, 100, 110]
      const count = Connections.counter(() => times.shift() ?? Number.NaN)
      const counts = Array.from({ length: 4 }, () => count(port, "127.0.0.1"))
      assert.deepStrictEqual(counts, [1, 2, 3, 1])
      assert.deepStrictEqual(times, [])
    })
  )

  it.effect("are not looked up for those who may not enter anyway", () =>
    Effect.gen(function* () {
      let asked = 0
      const connections = () => ++asked
      const guard = yield* Guards.guardOf({ allowAddresses: "10.0.0.1" }, 1, () => Effect.void)
      const enter = (address: string) => guard!.admit({ address, connections, mechanism: "null" })
      assert.include(yield* enter("10.0.0.2"), "not allowed")
      assert.strictEqual(asked, 0)
      assert.isUndefined(yield* enter("10.0.0.1"))
      assert.include(yield* enter("10.0.0.1"), "has 1 connections")
    })
  )
})
