/** What a node has still to say when it ends, over real sockets: it arrives, also where the process ends with it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { Patience } from "../../src/layers/LastWords.ts"
import { Czmq } from "./Czmq.ts"
import { czmqTest } from "./describeCzmq.ts"
import { numbered, ourNode, place, type Scheme } from "./OurNode.ts"
import { environment } from "./Program.ts"
import { rawRouter } from "./RawPeer.ts"

const options = { timeout: 60_000, concurrent: true }

/** A busy machine takes its time. */
const patient = Effect.provideService(Patience, 10_000)

const announcer = (bind: string, connect: string): Effect.Effect<ChildProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [join(import.meta.dirname, "announcer.ts"), bind, connect], {
        env: environment,
        stdio: "ignore"
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

const ended = (child: ChildProcess) =>
  Effect.callback<NodeJS.Signals | number | null>((resume) => {
    child.once("exit", (code, signal) => resume(Effect.succeed(signal ?? code)))
    child.kill("SIGTERM")
  })

describe("the end of a node", () => {
  it.live(
    "whose process is told to end: what it announced is gone, and its last words are here",
    () =>
      Effect.gen(function* () {
        const [here, there] = [yield* place("tcp"), yield* place("tcp")]
        const nodes = [yield* ourNode({ bind: [here] }), yield* ourNode({ connect: [there] })]
        const child = yield* announcer(there, here)
        yield* Effect.forEach(nodes, ({ awaitTuple }) => awaitTuple("me", "here"))
        assert.strictEqual(yield* ended(child), 130)
        for (const { awaitSize, awaitTuple, gossip } of nodes) {
          yield* awaitTuple("last000012")
          yield* awaitSize(12)
          assert.strictEqual((yield* gossip.status).counters.deleted, 1)
        }
      }),
    options
  )

  it.live.each(["tcp", "ipc", "inproc"] satisfies ReadonlyArray<Scheme>)(
    "at once, over %s",
    (scheme) =>
      Effect.gen(function* () {
        const server = yield* ourNode({ bind: [yield* place(scheme)] }).pipe(patient)
        const client = yield* ourNode({ connect: [server.endpoint], publish: numbered("k", 3000) }).pipe(patient)
        yield* client.close
        yield* server.awaitSize(3000)
        const reader = yield* ourNode({ connect: [server.endpoint] })
        yield* reader.awaitDelivered(3000)
        yield* server.gossip.publish("last", "word")
        yield* server.close
        yield* reader.awaitTuple("last", "word")
      }),
    options
  )

  it.live(
    "does not wait for long for who does not read",
    () =>
      Effect.gen(function* () {
        const where = yield* place("tcp")
        const server = yield* rawRouter(where)
        const client = yield* Effect.provideService(ourNode({ connect: [where] }), Patience, 200)
        yield* server.nextText()
        yield* client.gossip.publish("k", "v")
        const began = performance.now()
        yield* client.close
        const took = performance.now() - began
        assert.isAtLeast(took, 190)
        assert.isAtMost(took, 700)
      }),
    options
  )

  czmqTest("tells a CZMQ node what was published right before", () =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const node = yield* czmq.node("node")
      const endpoint = `tcp://127.0.0.1:${yield* node.bind("tcp://127.0.0.1:*")}`
      const client = yield* ourNode({ connect: [endpoint], publish: numbered("k", 5000) }).pipe(patient)
      yield* client.close
      yield* node.awaitTuple("k005000", "v")
    })
  )
})
