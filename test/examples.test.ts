import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Czmq } from "./interop/Czmq.ts"
import { czmqTest, describeCzmq } from "./interop/describeCzmq.ts"

const folder = fileURLToPath(new URL("../examples/", import.meta.url))

/** What an example writes to standard output as it stands, its own log lines left out. It must end by itself. */
const run = (name: string, ...args: ReadonlyArray<string>) =>
  Effect.callback<ReadonlyArray<string>, Error>((resume) => {
    const child = execFile(process.execPath, [`${folder}${name}.ts`, ...args], (error, stdout, stderr) => {
      if (error === null) {
        resume(Effect.succeed(stdout.split("\n").filter((line) => line !== "" && !/^\[\d\d:\d\d/.test(line))))
      } else {
        resume(Effect.fail(new Error(`${name} failed: ${stdout}${stderr}`, { cause: error })))
      }
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const outputs: Record<string, ReadonlyArray<string>> = {
  "service-discovery": ["printed /invoice"],
  // The order among the workers is nobody's promise.
  "live-configuration": ["one", "three", "two"].flatMap((name) => [`${name} logs at debug`, `${name} logs at info`]),
  presence: [
    "ann comes, there: ann",
    "bob comes, there: ann and bob",
    "ann goes, there: bob",
    "bob goes, there: nobody"
  ],
  promises: [
    "bound tcp://127.0.0.1:PORT",
    "InvalidEndpoint: cannot connect nonsense: write tcp://host:port, ipc://path or inproc://name",
    "greeting = hello again"
  ],
  "run-fork": ["started = yes", "stopped"]
}

describe("examples", () => {
  for (const [name, expected] of Object.entries(outputs)) {
    it.live(name, () =>
      Effect.map(run(name), (lines) =>
        assert.deepStrictEqual(name === "live-configuration" ? [...lines].sort() : lines, expected)
      )
    )
  }

  it("has a test for each", () => {
    assert.deepStrictEqual(
      readdirSync(folder).sort(),
      [...Object.keys(outputs), "join-czmq"].map((it) => `${it}.ts`).sort()
    )
  })
})

describeCzmq("examples with CZMQ", () => {
  czmqTest("join-czmq", () =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const node = yield* czmq.node("node")
      const port = yield* node.bind("tcp://127.0.0.1:*")
      yield* node.publish("from/czmq", "1")
      yield* node.awaitStatus(1)
      const lines = yield* run("join-czmq", `tcp://127.0.0.1:${port}`, "from/node", "2")
      assert.deepStrictEqual([...lines].sort(), [
        `2 tuples; tcp://127.0.0.1:${port}: Connected`,
        "from/czmq = 1",
        "from/node = 2"
      ])
      yield* node.awaitTuple("from/node", "2")
    })
  )
})
