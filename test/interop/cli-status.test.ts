/** `zgossip status` as a probe, and what it makes of an answer that is none. CZMQ is in cli-client.test.ts. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Trailer from "../../src/protocol/Trailer.ts"
import { eventually, ourNode, place } from "./OurNode.ts"
import { ran } from "./Program.ts"
import { rawRouter, Wire } from "./RawPeer.ts"

const options = { timeout: 60_000 }

const zgossip = (endpoint: string, ...args: ReadonlyArray<string>) => ran({}, ...args, "-e", endpoint)

describe("status", () => {
  it.live(
    "status --ready: exit code 2 until the node is connected to its remotes, and what is missing",
    () =>
      Effect.gen(function* () {
        const remote = yield* place("tcp")
        const { endpoint, gossip } = yield* ourNode({ bind: [yield* place("tcp")], connect: [remote] })
        const [probe, other] = yield* Effect.all(
          [zgossip(endpoint, "status", "--ready"), zgossip(endpoint, "status")],
          { concurrency: 2 }
        )
        assert.deepInclude(probe, {
          code: 2,
          stderr: `zgossip: not ready: ${endpoint} is connected to 0 of 1 remote\n`
        })
        assert.match(probe.stdout, /\n {2}not ready, .*, connected to 0 of 1 remote\n$/)
        assert.deepInclude(other, { code: 0, stderr: "" })
        yield* ourNode({ bind: [remote] })
        yield* eventually(gossip.status, ({ remotes }) => remotes[0]?.state === "Connected")
        assert.deepInclude(yield* zgossip(endpoint, "status", "--ready", "--json"), { code: 0, stderr: "" })
      }),
    options
  )

  it.live(
    "status of a node that answers with what is no status takes it for one that tells none",
    () =>
      Effect.gen(function* () {
        const odd = yield* rawRouter(yield* place("tcp"))
        const body = Buffer.from('{"software":"\u001b[2J","tuples":1e99}')
        const trailer = Trailer.encode(Trailer.make({ tag: Trailer.tags.status, body: body.toString("latin1") }))
        yield* Effect.forkScoped(
          Effect.forever(
            Effect.flatMap(odd.next(30_000), ([id]) => odd.send(id ?? "", Buffer.concat([Wire.PONG, trailer])))
          )
        )
        const { code, stdout } = yield* zgossip(odd.endpoint, "status", "--json")
        const { roundTripMs: _, ...rest } = JSON.parse(stdout) as Record<string, unknown>
        const nothing = { version: null, ready: null, counters: null }
        assert.deepStrictEqual(rest, {
          endpoint: odd.endpoint,
          reachable: true,
          kind: "zgossip v1",
          tuples: 0,
          ...nothing
        })
        assert.strictEqual(code, 0)
      }),
    options
  )
})
