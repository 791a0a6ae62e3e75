/**
 * The commands that set tuples which end, and delete them, as their user has them. That a delete reaches another node is
 * tested with the nodes.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Czmq } from "./Czmq.ts"
import { czmqTest } from "./describeCzmq.ts"
import { eventually, ourNode, place } from "./OurNode.ts"
import { ran, run } from "./Program.ts"

const options = { timeout: 60_000, concurrent: true }

const server = Effect.flatMap(place("tcp"), (where) => ourNode({ bind: [where] }))

describe("zgossip", () => {
  it.live(
    "publish --lifetime: it ends by itself; to publish sets what was deleted",
    () =>
      Effect.gen(function* () {
        const { awaitSize, awaitTuple, endpoint, gossip, holds } = yield* server
        const zgossip = (...args: ReadonlyArray<string>) => ran({}, "-e", endpoint, ...args)
        yield* gossip.publish("again", "1")
        yield* gossip.unpublish("again")
        const both = [zgossip("publish", "again", "1"), zgossip("publish", "--lifetime", "400ms", "ends", "1")]
        const ended = yield* Effect.all(both, { concurrency: 2 })
        assert.deepStrictEqual(ended, [
          { code: 0, stdout: "", stderr: "" },
          { code: 0, stdout: "", stderr: "" }
        ])
        yield* awaitTuple("ends", "1")
        yield* awaitSize(1)
        assert.deepStrictEqual(yield* holds, ["again=1"])
        assert.strictEqual((yield* gossip.status).counters.expired, 1)
      }),
    options
  )

  it.live(
    "unpublish: exit code 3 for keys that are not there",
    () =>
      Effect.gen(function* () {
        const { endpoint } = yield* server
        const ended = yield* ran({}, "-e", endpoint, "unpublish", "one", "two", "one")
        assert.deepStrictEqual(ended, {
          code: 3,
          stdout: "",
          stderr: `zgossip: ${endpoint} has no key "one", "two"; zgossip list shows them\n`
        })
      }),
    options
  )

  it.live(
    "announce: there while it runs, renewed; gone soon after it was killed, and as soon as it is told to end",
    () =>
      Effect.gen(function* () {
        const { awaitSize, awaitTuple, endpoint, gossip } = yield* server
        const announce = (key: string, lifetime: string) =>
          run("-e", endpoint, "announce", "--lifetime", lifetime, key, "up")
        const [killed, ended] = yield* Effect.all([announce("a", "600ms"), announce("b", "1h")], { concurrency: 2 })
        yield* awaitTuple("a", "up")
        yield* awaitTuple("b", "up")
        yield* ended.await("stderr", /"b" is announced on tcp:/)
        yield* eventually(gossip.status, ({ counters }) => counters.renewed >= 3)
        const [first, second] = yield* Effect.all([killed.signal("SIGKILL"), ended.signal("SIGTERM")], {
          concurrency: 2
        })
        assert.strictEqual((yield* gossip.status).counters.deleted, 1)
        assert.deepStrictEqual([first.signal, second.code], ["SIGKILL", 130])
        yield* awaitSize(0)
      }),
    options
  )

  it.live(
    "announce: gives way to who sets the key, with exit code 1",
    () =>
      Effect.gen(function* () {
        const { awaitTuple, endpoint, gossip, holds } = yield* server
        const announced = yield* run("-e", endpoint, "announce", "--lifetime", "300ms", "a", "up")
        yield* awaitTuple("a", "up")
        yield* gossip.publish("a", "down")
        assert.strictEqual((yield* announced.exit).code, 1)
        assert.match(announced.stderr, /^zgossip: somebody else has set "a": it is announced no longer$/m)
        assert.deepStrictEqual(yield* holds, ["a=down"])
      }),
    options
  )

  it.live(
    "wrong arguments are one line and exit code 1, and no node is asked",
    () =>
      Effect.gen(function* () {
        const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, says: RegExp]> = [
          [["publish", "--lifetime", "soon", "k", "v"], /--lifetime "soon" is no time: write 500ms, 30s, 5m, 2h or 7d/],
          [["announce", "--lifetime", "400d", "k", "v"], /--lifetime "400d" is no time/],
          [["unpublish", "a", "k".repeat(300)], /the key has 300 octets, the limit is 255/],
          [["unpublish"], /key/]
        ]
        yield* Effect.forEach(
          cases,
          ([args, says]) =>
            Effect.map(ran({}, ...args), (ended) => {
              assert.deepInclude(ended, { code: 1, stdout: "" })
              assert.match(ended.stderr, /^zgossip: [^\n]+\n$/)
              assert.match(ended.stderr, says)
            }),
          { concurrency: 3, discard: true }
        )
      }),
    options
  )

  czmqTest("unpublish and announce ask a node of this make; publish with a lifetime is a tuple to CZMQ", () =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const node = yield* czmq.node("node")
      const endpoint = `tcp://127.0.0.1:${yield* node.bind("tcp://127.0.0.1:*")}`
      const zgossip = (...args: ReadonlyArray<string>) => ran({}, "-e", endpoint, ...args)
      const [set, deleted, announced] = yield* Effect.all(
        [zgossip("publish", "--lifetime", "10s", "k", "v"), zgossip("unpublish", "k"), zgossip("announce", "k", "v")],
        { concurrency: 3 }
      )
      assert.deepStrictEqual([set.code, deleted.code, announced.code], [0, 1, 1])
      assert.match(deleted.stderr, /^zgossip: tcp:\S+ is no node of this make: it does not know how to delete\n$/)
      yield* node.awaitTuple("k", "v")
    })
  )
})
