/**
 * Strangers against nodes of ours over real sockets, on both sides of a link: whatever one of them does is counted,
 * costs nobody else anything, and ends nothing. What floods do is `npm run fuzz`'s, of which a short run is at the end.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer } from "node:net"
import { onServer, serve } from "../../fuzz/acts.ts"
import * as Frames from "../../fuzz/frames.ts"
import * as Zmtp from "../../fuzz/zmtp.ts"
import { broken, counts } from "./brokenMessages.ts"
import { ourNode, place } from "./OurNode.ts"
import { long as startsWithin, ran } from "./Program.ts"
import { rawDealer, rawRouter, Wire } from "./RawPeer.ts"

/** Generous: only a fault waits that long. */
const long = 10_000

describe("more than a hundred kinds of broken message", () => {
  it("are so many", () => {
    assert.isAbove(new Set(broken.map(({ what }) => what)).size, 100)
    for (const count of Object.values(counts())) assert.isAbove(count, 8)
  })

  it.live("to our server: each is counted by its reason and answered with INVALID, and nobody else notices", () =>
    Effect.gen(function* () {
      const node = yield* ourNode({ bind: [yield* place("tcp")] })
      const [honest, stranger, member] = [
        yield* rawDealer(node.endpoint),
        yield* rawDealer(node.endpoint),
        yield* rawDealer(node.endpoint)
      ]
      yield* honest.send(Wire.HELLO)
      yield* honest.untilPong(long)
      for (const [index, { frames, what }] of broken.entries()) {
        yield* stranger.send(...frames)
        assert.strictEqual(yield* stranger.nextText(long), "INVALID", what)
        // It costs a member its session
        yield* member.send(Wire.HELLO)
        yield* member.send(...frames)
        yield* member.send(Wire.PUBLISH("never", what))
        assert.strictEqual(yield* member.nextText(long), "INVALID", what)
        assert.strictEqual(yield* member.nextText(long), "INVALID", what)
        if (index % 20 === 0) assert.deepStrictEqual(yield* honest.untilPong(long), [])
      }
      yield* honest.send(Wire.PUBLISH("honest", "1"))
      assert.deepStrictEqual(yield* honest.untilPong(long), [])
      const { counters, listeners } = yield* node.gossip.status
      for (const [reason, count] of Object.entries(counts())) {
        assert.strictEqual(counters.malformed[reason as keyof typeof counters.malformed], 2 * count, reason)
      }
      assert.deepInclude(counters, { accepted: 1, defects: 0, invalidSent: 3 * broken.length, repliesDropped: 0 })
      assert.deepInclude(listeners[0], { peers: 3, members: 1 })
      assert.deepStrictEqual(yield* node.holds, ["honest=1"])
    })
  )

  it.live("from a server: each is counted by its reason, and the link and its tuples stay as they are", () =>
    Effect.gen(function* () {
      const server = yield* rawRouter(yield* place("tcp"))
      const node = yield* ourNode({ bind: [yield* place("tcp")], connect: [server.endpoint], publish: { ours: "1" } })
      const honest = yield* rawDealer(node.endpoint)
      yield* honest.send(Wire.HELLO)
      yield* honest.untilPong(long)
      const id = (yield* server.next(long))[0]!
      yield* server.send(id, Wire.PONG)
      for (const [index, { frames }] of broken.entries()) {
        yield* server.send(id, ...frames)
        yield* server.send(id, Wire.PUBLISH(`between ${index}`, "1"))
      }
      yield* node.awaitTuple(`between ${broken.length - 1}`, "1", long)
      const { counters, remotes } = yield* node.gossip.status
      assert.deepStrictEqual(counters.malformed, counts())
      assert.deepInclude(counters, { accepted: 1 + broken.length, defects: 0, invalidSent: 0 })
      assert.strictEqual(remotes[0]?.error, undefined)
      assert.notStrictEqual(remotes[0]?.state, "Disconnected")
      assert.lengthOf(yield* honest.untilPong(long), broken.length)
    })
  )
})

describe("a stranger who floods and breaks the connection", () => {
  // libzmq aborts the process when a heartbeat of its own is due then.
  it.live("does not end the process, whatever the heartbeats", () =>
    Effect.gen(function* () {
      const node = yield* ourNode({ bind: [yield* place("tcp")], heartbeatInterval: 20, heartbeatTimeout: 5000 })
      const pings = Buffer.concat(Array.from({ length: 3000 }, () => Zmtp.frame(Frames.ping)))
      yield* Effect.promise(async () => {
        for (const end = performance.now() + 500; performance.now() < end;) {
          const peers = await Promise.all(Array.from({ length: 20 }, () => Zmtp.join(node.endpoint)))
          for (const peer of peers) {
            peer.socket.pause()
            for (let n = 0; n < 3; n++) await peer.write(pings, 5)
            peer.socket.resetAndDestroy()
          }
        }
      })
      const honest = yield* rawDealer(node.endpoint)
      yield* honest.send(Wire.HELLO)
      yield* honest.untilPong(long)
    })
  )
})

/** A server that does with each connection what the act of this name does. */
const hostile = (name: string) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly endpoint: string; readonly close: () => void }>((resume) => {
      let on = true
      const stage = { endpoint: "", random: Frames.generator(1), on: () => on, crowd: 0 }
      const behaviour = onServer[name] ?? assert.fail(name)
      const server = createServer((socket) => serve(socket, behaviour, stage))
      const close = () => {
        on = false
        server.close()
      }
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" ? address?.port : undefined
        resume(Effect.succeed({ endpoint: `tcp://127.0.0.1:${port}`, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

describe("the command, with a hostile server", () => {
  it.live(
    "ends in time, with one line and a code that tells why",
    () =>
      Effect.gen(function* () {
        const asked: ReadonlyArray<readonly [act: string, args: ReadonlyArray<string>, code: number]> = [
          ["server that says nothing behind the handshake", ["list"], 2],
          ["dump without end", ["list"], 2],
          ["dump without end", ["get", "a"], 2],
          ["server of a MiB", ["export"], 2],
          ["INVALIDs of a server", ["publish", "a", "1"], 4],
          ["INVALIDs of a server", ["ping", "--count", "1"], 2],
          ["HELLOs of a server", ["status"], 2],
          ["frames of a server", ["list"], 4],
          ["half a frame of a server", ["list"], 2],
          ["absurd lengths of a server", ["list"], 2],
          ["server that hangs up", ["get", "a"], 2],
          ["server that does not read", ["publish", "a", "1"], 2]
        ]
        yield* Effect.forEach(
          asked,
          ([act, args, code]) =>
            Effect.gen(function* () {
              const { endpoint } = yield* hostile(act)
              const began = performance.now()
              const ended = yield* ran({}, ...args, "--endpoint", endpoint, "--timeout", "500ms")
              assert.strictEqual(ended.code, code, `${act}: ${ended.stderr}`)
              assert.match(ended.stderr, /^zgossip: .*\n$/, act)
              assert.isBelow(performance.now() - began, startsWithin)
            }).pipe(Effect.scoped),
          { concurrency: 3, discard: true }
        )
      }),
    60_000
  )
})
