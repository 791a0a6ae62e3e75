/**
 * `zgossip serve` as its user has it: a process with arguments, signals, and two streams that somebody reads or does
 * not.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { existsSync, readFileSync, truncateSync } from "node:fs"
import { join } from "node:path"
import { Dealer } from "zeromq"
import { eventually, ourNode, place, temporaryDirectory } from "./OurNode.ts"
import { environment, long, program, ran, run } from "./Program.ts"
import { rawDealer, rawRouter, Wire } from "./RawPeer.ts"

const serve = (...args: ReadonlyArray<string>) => run("serve", ...args)

const fileOf = (endpoint: string) => endpoint.replace("ipc://", "")

const options = { timeout: 60_000, concurrent: true }

describe("zgossip serve", () => {
  it.live(
    "says what it bound on stderr, and prints deliveries on stdout; its options can be repeated",
    () =>
      Effect.gen(function* () {
        const [tcp, ipc, servers] = [
          yield* place("tcp"),
          yield* place("ipc"),
          [yield* ourNode({ bind: [yield* place("tcp")] }), yield* ourNode({ bind: [yield* place("ipc")] })]
        ]
        const zgossip = yield* serve(
          ...["--bind", tcp, "--bind", ipc],
          ...servers.flatMap(({ endpoint }) => ["--connect", endpoint]),
          ...["--publish", "printer=tcp://10.0.0.7:9100", "--publish", "a=b=c", "--publish", "=", "--publish", "é=ü"]
        )
        assert.strictEqual(yield* zgossip.bound(1), tcp)
        assert.strictEqual(yield* zgossip.bound(2), ipc)
        for (const server of servers) yield* server.awaitTuple("é", "ü", long)
        for (const server of servers) {
          assert.deepStrictEqual(yield* server.holds, ["=", "a=b=c", "printer=tcp://10.0.0.7:9100", "é=ü"])
        }
        const client = yield* rawDealer(ipc)
        yield* client.send(Wire.HELLO)
        assert.strictEqual((yield* client.untilPong(long)).length, 4)
        // What would move the cursor, forge a line, or is no text
        yield* client.send(Wire.PUBLISH("esc\u001b[2J", "two\nlines"))
        yield* client.send(Wire.PUBLISH(Uint8Array.of(0xff), ""))
        yield* zgossip.await("stdout", /\ufffd = \n/)
        assert.strictEqual(
          zgossip.stdout,
          "printer = tcp://10.0.0.7:9100\na = b=c\n = \né = ü\nesc\\u001b[2J = two\\u000alines\n\ufffd = \n"
        )
        assert.isTrue(zgossip.stderr.split("\n").every((line) => line === "" || /^\d\d:\d\d:\d\d\.\d{3} /.test(line)))
      }),
    options
  )

  it.live(
    "two processes tell each other; what is said while nobody listens yet is not lost",
    () =>
      Effect.gen(function* () {
        const where = yield* place("tcp")
        const second = yield* serve(...["--bind", yield* place("ipc"), "--connect", where, "--publish", "from=second"])
        yield* second.bound()
        const first = yield* serve("--bind", where, "--publish", "from first=1")
        yield* first.await("stdout", /^from = second$/m)
        yield* second.await("stdout", /^from first = 1$/m)
        const ended = yield* Effect.all([first.signal("SIGTERM"), second.signal("SIGINT")], { concurrency: 2 })
        assert.deepStrictEqual(
          ended.map(({ code }) => code),
          [0, 0]
        )
      }),
    options
  )

  it.live(
    "wrong arguments are one line on stderr and exit code 1",
    () =>
      Effect.gen(function* () {
        const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, says: RegExp]> = [
          [["swerve"], /swerve/],
          [["serve", "tcp://127.0.0.1:1"], /tcp:\/\/127\.0\.0\.1:1/],
          [["serve", "--bnd", "tcp://127.0.0.1:1"], /--bnd.*--bind/],
          [["serve", "--publish", "novalue"], /novalue.*key=value/],
          [["serve", "--bind", "tcp://127.0.0.1:99999"], /99999/],
          [["serve", "--bind", "tcp://127.0.0.1:!", "--connect", "tcp://*:5670"], /tcp:\/\/\*:5670/]
        ]
        const refused = ([args, says]: (typeof cases)[number]) =>
          Effect.scoped(
            Effect.gen(function* () {
              const zgossip = yield* run(...args)
              assert.deepInclude(yield* zgossip.exit, { code: 1 }, zgossip.shown())
              const own = zgossip.stderr.split("\n").filter((line) => !/^\d\d:\d\d:\d\d.* bound /.test(line))
              assert.strictEqual(own.length, 2, zgossip.shown())
              assert.match(own[0]!, says)
              assert.strictEqual(own[1], "")
              assert.strictEqual(zgossip.stdout, "")
            })
          )
        yield* Effect.forEach(cases, refused, { concurrency: 2, discard: true })
      }),
    options
  )

  it.live(
    "on an address that others reach it says so, in one line",
    () =>
      Effect.gen(function* () {
        const port = (yield* place("tcp")).split(":").at(-1)
        const zgossip = yield* serve("--bind", `tcp://*:${port}`, "--bind", yield* place("tcp"))
        const [line] = yield* zgossip.await("stderr", /^.*WARN whoever reaches .*$/m)
        assert.include(line, `:${port}`)
        assert.notInclude(line, "127.0.0.1")
      }),
    options
  )

  it.live(
    "an error has its stack only with --log-level debug",
    () =>
      Effect.gen(function* () {
        const busy = yield* rawRouter(yield* place("tcp"))
        const tell = (...args: ReadonlyArray<string>) =>
          Effect.map(ran({}, "serve", "--bind", busy.endpoint, ...args), ({ stderr }) => stderr)
        const [plain, debug] = yield* Effect.all([tell(), tell("--log-level", "debug")], { concurrency: 2 })
        assert.match(plain, /^zgossip: [^\n]+\n$/)
        assert.isTrue(debug.startsWith(plain))
        assert.match(debug, /\n +at /)
      }),
    options
  )

  it.live(
    "an endpoint that is in use is one line on stderr and exit code 1, and its owner goes on",
    () =>
      Effect.gen(function* () {
        for (const scheme of ["tcp", "ipc"] as const) {
          const busy = yield* rawRouter(yield* place(scheme))
          const zgossip = yield* serve("--bind", busy.endpoint)
          assert.deepInclude(yield* zgossip.exit, { code: 1 }, zgossip.shown())
          assert.match(zgossip.stderr, /^zgossip: cannot bind \S+: .*in use.*\n$/)
          assert.include(zgossip.stderr, busy.endpoint)
          const client = yield* rawDealer(busy.endpoint)
          yield* client.send(Wire.HELLO)
          assert.strictEqual(yield* busy.nextText(long), "HELLO")
        }
      }),
    options
  )

  it.live.each(["SIGINT", "SIGTERM"] as const)(
    "%s ends it within a second with exit code 0, also among peers that stall; no socket file stays",
    (signal) =>
      Effect.gen(function* () {
        const [tcp, ipc] = [yield* place("tcp"), yield* place("ipc")]
        const silent = yield* rawRouter(yield* place("tcp"))
        const zgossip = yield* serve(
          ...["--bind", tcp, "--bind", ipc, "--connect", silent.endpoint, "--connect", yield* place("tcp")]
        )
        yield* zgossip.bound(2)
        assert.isTrue(existsSync(fileOf(ipc)))
        // Somebody who never reads, somebody who says a lot, and messages under way to both
        const lazy = yield* Effect.acquireRelease(
          Effect.sync(() => Object.assign(new Dealer(), { linger: 0, receiveHighWaterMark: 10 })),
          (socket) => Effect.sync(() => socket.close())
        )
        lazy.connect(ipc)
        yield* Effect.promise(() => lazy.send(Wire.HELLO))
        const busy = yield* rawDealer(tcp)
        yield* busy.send(Wire.HELLO)
        for (let n = 0; n < 3000; n++) yield* busy.send(Wire.PUBLISH(`key ${n}`, "x".repeat(1000)))
        yield* zgossip.await("stdout", /^key 1000 = x/m)
        const ended = yield* zgossip.signal(signal)
        assert.deepInclude(ended, { code: 0, signal: null }, zgossip.stderr)
        // Some 200 ms on a machine that has time for it
        assert.isBelow(ended.took, 2000)
        assert.isFalse(existsSync(fileOf(ipc)))
        assert.notMatch(zgossip.stderr, /Error|\n {4}at /)
      }),
    // Not beside the others: this one looks at the clock
    { timeout: 60_000 }
  )

  it.live(
    "killed, it leaves a socket file, and the next one takes its place",
    () =>
      Effect.gen(function* () {
        const ipc = yield* place("ipc")
        const first = yield* serve("--bind", ipc, "--publish", "a=1")
        const client = yield* ourNode({ connect: [ipc] })
        yield* client.awaitTuple("a", "1", long)
        assert.deepInclude(yield* first.signal("SIGKILL"), { signal: "SIGKILL" })
        assert.isTrue(existsSync(fileOf(ipc)))
        const second = yield* serve("--bind", ipc)
        assert.strictEqual(yield* second.bound(), ipc)
        yield* second.await("stdout", /^a = 1$/m)
        assert.deepInclude(yield* second.signal("SIGTERM"), { code: 0 })
        assert.isFalse(existsSync(fileOf(ipc)))
      }),
    options
  )

  it.live(
    "goes on when the reader of its log or of its output has gone, and says of the latter once",
    () =>
      Effect.gen(function* () {
        const [first, second] = [yield* place("tcp"), yield* place("tcp")]
        const [unheard, unread] = [yield* serve("--bind", first, "--verbose"), yield* serve("--bind", second)]
        const tell = (key: string) =>
          Effect.forEach(clients, (client) =>
            Effect.andThen(client.send(Wire.PUBLISH(key, "1")), client.untilPong(long))
          )
        yield* Effect.andThen(unheard.bound(), unread.bound())
        const clients = [yield* rawDealer(first), yield* rawDealer(second)]
        for (const client of clients) yield* client.send(Wire.HELLO)
        unheard.process.stderr.destroy()
        unread.process.stdout.destroy()
        for (let n = 0; n < 10; n++) yield* tell(`${n}`)
        yield* unheard.await("stdout", /^9 = 1$/m)
        yield* unread.await("stderr", /WARN standard output was closed: deliveries are not printed any more\n/)
        // Without both of them too
        unheard.process.stdout.destroy()
        for (let n = 10; n < 20; n++) yield* tell(`${n}`)
        assert.strictEqual(unread.stderr.match(/closed/g)?.length, 1)
        assert.notMatch(unread.stderr, /EPIPE|Error/)
        for (const zgossip of [unheard, unread]) {
          assert.strictEqual(zgossip.process.exitCode, null)
          assert.deepInclude(yield* zgossip.signal("SIGTERM"), { code: 0 })
        }
      }),
    options
  )

  it.live(
    "shows the beginning of a huge value, its octets that are no text escaped, and goes on answering",
    () =>
      Effect.gen(function* () {
        const tcp = yield* place("tcp")
        const zgossip = yield* serve("--bind", tcp)
        yield* zgossip.bound()
        const client = yield* rawDealer(tcp)
        yield* client.send(Wire.HELLO)
        yield* client.send(Wire.PUBLISH("huge", Buffer.alloc(30_000_000)))
        yield* client.untilPong(long)
        const [line] = yield* zgossip.await("stdout", /^huge = .*$/m)
        assert.match(line, /^huge = (\\u0000){1000} \.\.\. \(30000000 octets\)$/)
      }),
    options
  )

  it.live(
    "goes on when its output cannot be written, says so once, and prints again when it can",
    () =>
      Effect.gen(function* () {
        const [where, folder] = [yield* place("tcp"), yield* temporaryDirectory]
        const file = join(folder, "out")
        // A file has no more than 1024 octets
        const script = `ulimit -f 1; exec '${process.execPath}' '${program}' serve --bind ${where} >> ${file}`
        const child = yield* Effect.acquireRelease(
          Effect.sync(() => spawn("bash", ["-c", script], { env: environment, stdio: ["ignore", "ignore", "pipe"] })),
          (child) => Effect.sync(() => void child.kill("SIGKILL"))
        )
        let stderr = ""
        child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
        const says = (pattern: RegExp) =>
          eventually(
            Effect.sync(() => stderr),
            (stderr) => pattern.test(stderr),
            long
          )
        yield* says(/bound/)
        const client = yield* rawDealer(where)
        yield* client.send(Wire.HELLO)
        const tell = (key: string) =>
          Effect.andThen(client.send(Wire.PUBLISH(key, "x".repeat(300))), client.untilPong(long))
        for (let n = 0; n < 10; n++) yield* tell(`before ${n}`)
        yield* says(/WARN cannot write standard output: .*EFBIG.*; deliveries are not printed while that lasts\n/)
        truncateSync(file)
        yield* tell("after")
        yield* says(/ standard output can be written again\n/)
        assert.match(readFileSync(file, "utf8"), /^after = x{300}$/m)
        assert.strictEqual(stderr.match(/WARN/g)?.length, 1)
      }),
    options
  )
})
