/** `zgossip serve --store`: what is there after the process was killed, and what it does where its disk is full. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { StoreKills } from "../../chaos/StoreKills.ts"
import { temporaryDirectory } from "./OurNode.ts"
import { long, program, ran, run } from "./Program.ts"
import { rawDealer, Wire } from "./RawPeer.ts"

const options = { timeout: 60_000 }
const anywhere = ["--bind", "tcp://127.0.0.1:0"]

describe.skipIf(process.platform === "win32")("serve --store", () => {
  it.live(
    "after it was killed it has what it acknowledged, again and again",
    () =>
      Effect.gen(function* () {
        const kills = new StoreKills(program, join(yield* temporaryDirectory, "store"))
        for (const milliseconds of [30, 100, 250]) {
          assert.deepStrictEqual(yield* Effect.promise(() => kills.live(milliseconds)), [])
        }
        assert.isAbove(kills.count, 10)
      }),
    options
  )

  it.live(
    "is one node's, is said, and shows in its status; the command says what is wrong in one line",
    () =>
      Effect.gen(function* () {
        const directory = join(yield* temporaryDirectory, "store")
        const node = yield* run("serve", ...anywhere, "--store", directory, "--publish", "a=1")
        const endpoint = yield* node.bound()
        assert.include(node.stderr, `tuples are kept in ${directory}, and 0 were there\n`)
        const [second, status, odd, empty, nowhere] = yield* Effect.all(
          [
            ran({}, "serve", ...anywhere, "--store", directory),
            ran({}, "status", "-e", endpoint),
            ran({}, "serve", ...anywhere, "--store", directory, "--store-sync", "soon"),
            ran({}, "serve", ...anywhere, "--store", ""),
            ran({}, "serve", ...anywhere, "--store", "/proc/nobody")
          ],
          { concurrency: 5 }
        )
        assert.deepInclude(second, {
          code: 1,
          stderr: `zgossip: cannot keep tuples on the disk: ${directory} is in use by another node: each needs a directory of its own\n`
        })
        assert.match(status.stdout, /\n {2}on disk: \d+ octets\n/)
        assert.strictEqual(odd.code, 1)
        assert.match(odd.stderr, /^zgossip: --store-sync .*write milliseconds, a whole number from 0 to \d+\n$/)
        assert.strictEqual(nowhere.code, 1)
        assert.match(nowhere.stderr, /^zgossip: cannot keep tuples on the disk: cannot write \/proc\/nobody: [^\n]+\n$/)
        assert.deepInclude(empty, { code: 1, stderr: "zgossip: --store: write a directory\n" })
      }),
    options
  )

  /** A small file system of its own for what is run in it. */
  const onSmallDisk = (disk: string) => [
    "-Urm",
    "sh",
    "-c",
    `mount -t tmpfs -o size=256k none '${disk}' && exec "$@"`,
    "sh"
  ]
  const hasNamespaces = spawnSync("unshare", [...onSmallDisk("/mnt"), "true"]).status === 0

  it.live.skipIf(!hasNamespaces)(
    "goes on in memory while its disk is full, and says so",
    () =>
      Effect.gen(function* () {
        const disk = yield* temporaryDirectory
        const args = [
          process.execPath,
          program,
          "serve",
          ...anywhere,
          "--store",
          join(disk, "store"),
          "--store-sync",
          "0"
        ]
        const child = yield* Effect.acquireRelease(
          Effect.sync(() => spawn("unshare", [...onSmallDisk(disk), ...args], { stdio: ["ignore", "ignore", "pipe"] })),
          (child) =>
            Effect.promise(() => {
              child.kill("SIGKILL")
              return once(child, "close")
            })
        )
        let log = ""
        child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text))
        const until = (pattern: RegExp) =>
          Effect.suspend(() => Effect.succeed(pattern.exec(log))).pipe(
            Effect.tap((found) => (found === null ? Effect.sleep("10 millis") : Effect.void)),
            Effect.repeat({ until: (found) => found !== null }),
            Effect.timeout(long)
          )
        const endpoint = (yield* until(/bound (\S+)\n/))?.[1] ?? ""
        const client = yield* rawDealer(endpoint)
        const messages = [
          Wire.HELLO,
          Wire.PUBLISH("before", "1"),
          Wire.PUBLISH("long", "x".repeat(400_000)),
          Wire.PUBLISH("after", "1")
        ]
        for (const message of messages) yield* client.send(message)
        yield* client.untilPong()
        yield* until(
          /WARN cannot write \S+log: no space left on device \(ENOSPC\); until it can be, all is kept in memory only\n/
        )
        const { stdout } = yield* ran({}, "status", "-e", endpoint)
        assert.include(stdout, "\n  cannot write to its disk: what changes is in memory only\n")
        assert.include(stdout, " 3 tuples,")
        yield* client.send(Wire.PUBLISH("long", "short"))
        yield* until(/log can be written again, and has everything\n/)
        assert.match((yield* ran({}, "status", "-e", endpoint)).stdout, /\n {2}on disk: \d+ octets\n/)
      }),
    options
  )
})
