/**
 * `zgossip watch` as its user has it: what it prints and runs, and that it survives the nodes that it watches.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { createServer } from "node:net"
import { Czmq } from "./Czmq.ts"
import { czmqTest } from "./describeCzmq.ts"
import { eventually, numbered, ourNode, place } from "./OurNode.ts"
import { long, type Program, ran, run, runWith } from "./Program.ts"
import { rawRouter, show, Wire } from "./RawPeer.ts"

const options = { timeout: 60_000 }

/** For tests that wait most of the time; the others start processes, which would only be in each other's way. */
const concurrent = { ...options, concurrent: true }

const watch = (endpoint: string, ...args: ReadonlyArray<string>) => run("-e", endpoint, "watch", ...args)

const server = Effect.flatMap(place("tcp"), (where) => ourNode({ bind: [where] }))

/** A node as a process, which can be killed. */
const servedAt = Effect.fnUntraced(function* (where: string) {
  const node = yield* runWith({ stdin: "open" }, "pipe")
  node.process.stdin.write(`BIND ${where}\n`)
  yield* node.bound()
  return node
})

const awaitLength = (program: Program, length: number) =>
  Effect.asVoid(
    eventually(
      Effect.sync(() => program.stdout.length),
      (now) => now >= length,
      long
    )
  )

/** Whether this process runs; one that has ended may still wait for its parent. */
const runs = (pid: string): boolean => {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"))
  } catch {
    return false
  }
}

describe("zgossip watch", () => {
  it.live(
    "prints what there is, then what changes, until it is stopped",
    () =>
      Effect.gen(function* () {
        const { endpoint, gossip } = yield* server
        yield* gossip.publishAll([
          ["service/a", "1"],
          ["other", "x"],
          ["service/b", "2"]
        ])
        const [text, json, updates, once, deletes] = yield* Effect.all([
          watch(endpoint, "service/"),
          watch(endpoint, "--json", "-q"),
          watch(endpoint, "--updates-only", "service/"),
          watch(endpoint, "--once", "--output", "table"),
          watch(endpoint, "--updates-only", "--deletes", "service/")
        ])
        yield* text.await("stdout", /service\/b = 2\n/)
        yield* json.await("stdout", /"service\/b"/)
        for (const waiting of [updates, deletes]) yield* waiting.await("stderr", /waiting for changes on/)
        assert.deepInclude(yield* once.exit, { code: 0 }, once.shown())
        assert.strictEqual(once.stdout, "service/a = 1\n")
        yield* gossip.publishAll([
          ["service/a", "1"],
          ["service/a", "3"],
          [Uint8Array.of(0x73, 0xff), "\u001b[2J"],
          ["service/\nc", "é"]
        ])
        const news = "service/a = 3\nservice/\\u000ac = é\n"
        yield* text.await("stdout", /é\n/)
        assert.strictEqual(text.stdout, `service/a = 1\nservice/b = 2\n${news}`)
        yield* updates.await("stdout", /é\n/)
        assert.strictEqual(updates.stdout, news)
        yield* gossip.unpublish("service/b")
        yield* gossip.publish("service/a", "ends", { lifetime: "50 millis" })
        yield* json.await("stdout", /"expired".*\n/)
        yield* deletes.await("stdout", /expired.*\n/)
        assert.strictEqual(deletes.stdout, `${news}service/b (deleted)\nservice/a = ends\nservice/a (expired)\n`)
        yield* text.await("stdout", /ends\n/)
        assert.notMatch(text.stdout, /deleted|expired/)
        assert.deepStrictEqual(
          json.stdout
            .trimEnd()
            .split("\n")
            .map((line) => JSON.parse(line) as { readonly remaining?: number })
            .map(({ remaining = 0, ...rest }) => (remaining <= 50 ? rest : remaining)),
          [
            { event: "put", key: "service/a", value: "1" },
            { event: "put", key: "other", value: "x" },
            { event: "put", key: "service/b", value: "2" },
            { event: "put", key: "service/a", value: "3" },
            { event: "put", keyBase64: "c/8=", value: "\u001b[2J" },
            { event: "put", key: "service/\nc", value: "é" },
            { event: "deleted", key: "service/b" },
            { event: "put", key: "service/a", value: "ends", lifetime: 50 },
            { event: "expired", key: "service/a" }
          ]
        )
        assert.strictEqual(json.stderr, "")
        const ended = yield* Effect.all([text.signal("SIGINT"), json.signal("SIGTERM")])
        assert.deepStrictEqual(
          ended.map(({ code }) => code),
          [130, 130]
        )
        updates.process.stdout.destroy()
        yield* Effect.raceFirst(
          eventually(
            Effect.sync(() => updates.process.exitCode),
            (code) => code === 0,
            long
          ),
          Effect.forever(
            Effect.andThen(
              Effect.suspend(() => gossip.publish("service/d", `${performance.now()}`)),
              Effect.sleep("20 millis")
            )
          )
        )
        assert.notMatch(updates.stderr, /EPIPE|Error/)
      }),
    options
  )

  it.live(
    "says in one line what is wrong with its arguments or with the endpoint",
    () =>
      Effect.gen(function* () {
        const { endpoint } = yield* server
        const nobody = yield* place("tcp")
        // Something that is there and speaks something else
        const web = yield* Effect.acquireRelease(
          Effect.callback<ReturnType<typeof createServer>>((resume) => {
            const web = createServer((socket) => socket.on("error", () => {}).end("HTTP/1.1 400 Bad Request\r\n\r\n"))
            web.listen(0, "127.0.0.1", () => resume(Effect.succeed(web)))
          }),
          (web) => Effect.sync(() => web.close())
        )
        const address = web.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number, says: RegExp]> = [
          [["-e", nobody, "watch"], 2, /cannot reach tcp:.*nobody listens/],
          [["-e", `tcp://127.0.0.1:${port}`, "watch"], 4, /is not a zgossip node/],
          [["-e", "nonsense", "watch"], 1, /nonsense/],
          [["-e", endpoint, "watch", "a", "b"], 1, /one PREFIX.*--/],
          [["-e", endpoint, "watch", "--"], 1, /no command behind --/],
          [["-e", endpoint, "watch", "a", "--", ""], 1, /no command behind --/],
          [["-e", endpoint, "watch", "k".repeat(256)], 1, /256 octets.*255/],
          [["-e", endpoint, "watch", "--updatesonly"], 1, /--updatesonly.*--updates-only/],
          [
            ["-e", endpoint, "-q", "watch", "--", "./no-such-command", "a"],
            127,
            /"\.\/no-such-command".*no such command/
          ],
          [["-e", endpoint, "-q", "watch", "--", "/dev/null"], 126, /"\/dev\/null".*no program/]
        ]
        yield* (yield* ourNode({ connect: [endpoint], publish: { a: "1" } })).awaitTuple("a", "1")
        yield* Effect.forEach(
          cases,
          ([args, code, says]) =>
            Effect.gen(function* () {
              const ended = yield* ran({}, ...args)
              assert.match(ended.stderr, /^zgossip: .*\n$/)
              assert.match(ended.stderr, says)
              assert.deepInclude(ended, { code, stdout: "" })
            }),
          { concurrency: 3, discard: true }
        )
      }),
    options
  )

  it.live(
    "idle for three seconds, it still gets the next change; an empty prefix is any",
    () =>
      Effect.gen(function* () {
        // As CZMQ: who is silent for a second is forgotten
        const { endpoint, gossip } = yield* ourNode({ bind: [yield* place("tcp")], serverTimeout: 1000 })
        const zgossip = yield* watch(endpoint, "")
        yield* zgossip.await("stderr", /connected to/)
        yield* Effect.sleep("3 seconds")
        yield* gossip.publish("late", "1")
        yield* zgossip.await("stdout", /^late = 1$/m)
      }),
    concurrent
  )

  it.live(
    "never publishes: not what a restarted node had before, nor from one endpoint to another",
    () =>
      Effect.gen(function* () {
        const [where, other] = [yield* place("tcp"), yield* server]
        yield* other.gossip.publish("other", "1")
        /** Answers as a node does that holds this. */
        const serve = Effect.fnUntraced(function* (key: string | undefined) {
          const router = yield* rawRouter(where)
          yield* Effect.forkScoped(
            Effect.forever(
              Effect.gen(function* () {
                const [peer = "", frame = Buffer.alloc(0)] = yield* router.next(long)
                if (frame.equals(Wire.PING)) yield* router.send(peer, Wire.PONG)
                if (show(frame) === "HELLO" && key !== undefined) yield* router.send(peer, Wire.PUBLISH(key, "1"))
              })
            ).pipe(Effect.ignore)
          )
          return router
        })
        const first = yield* serve("first")
        const zgossip = yield* run("-e", where, "-e", other.endpoint, "watch")
        yield* zgossip.await("stdout", /first = 1/)
        yield* zgossip.await("stdout", /other = 1/)
        yield* first.close
        const second = yield* serve(undefined)
        // Long after it has joined again
        yield* eventually(
          Effect.sync(() => second.texts().filter((text) => text === "PING").length),
          (pings) => pings > 4,
          long
        )
        for (const text of [...first.texts(), ...second.texts()]) assert.match(text, /^(HELLO|PING)$/)
        assert.deepStrictEqual(yield* other.holds, ["other=1"])
      }),
    concurrent
  )

  it.live(
    "runs a command for each tuple, one after the other, which has it in its environment and on its input",
    () =>
      Effect.gen(function* () {
        const { endpoint, gossip } = yield* server
        yield* gossip.publishAll([
          ["a", "1"],
          ["b", "two\nlines €"],
          ["", ""],
          ["nul", Uint8Array.of(0x78, 0, 0x79)],
          [Uint8Array.of(0xff), Uint8Array.of(0xfe)],
          ["fits", "x".repeat(65_536)],
          ["huge", "x".repeat(65_537)]
        ])
        const script =
          'echo "$ZGOSSIP_EVENT ${ZGOSSIP_KEY-none} ($ZGOSSIP_KEY_BASE64) ${#ZGOSSIP_VALUE} ${ZGOSSIP_VALUE+set}" ' +
          '$(head -c 5 | od -An -tx1) "$1"; test "$ZGOSSIP_KEY" != b || exit 3; test "$ZGOSSIP_KEY" != nul || kill -9 $$'
        const env = { ZGOSSIP_KEY: "inherited", ZGOSSIP_VALUE: "inherited", LC_ALL: "C" }
        const zgossip = yield* runWith(
          { env },
          "-e",
          endpoint,
          "watch",
          "--deletes",
          "--",
          "sh",
          "-c",
          script,
          "sh",
          "--help"
        )
        yield* zgossip.await("stdout", /huge.*\n/)
        yield* gossip.unpublish("fits")
        yield* gossip.unpublish("a")
        yield* gossip.publish("last", "1")
        yield* zgossip.await("stdout", /last.*\n/)
        assert.deepStrictEqual(zgossip.stdout.split("\n"), [
          "put a (YQ==) 1 set 31 --help",
          "put b (Yg==) 13 set 74 77 6f 0a 6c --help",
          "put  () 0 set --help",
          "put nul (bnVs) 0  78 00 79 --help",
          "put none (/w==) 0  fe --help",
          "put fits (Zml0cw==) 65536 set 78 78 78 78 78 --help",
          "put huge (aHVnZQ==) 0  78 78 78 78 78 --help",
          "deleted fits (Zml0cw==) 0  --help",
          "deleted a (YQ==) 0  --help",
          "put last (bGFzdA==) 1 set 31 --help",
          ""
        ])
        yield* zgossip.await("stderr", /SIGKILL/)
        const warnings = zgossip.stderr.split("\n").filter((line) => line.includes("WARN"))
        assert.strictEqual(warnings.length, 2, zgossip.stderr)
        assert.match(warnings[0] ?? "", /sh ended with exit code 3 for the key "b"/)
        assert.match(warnings[1] ?? "", /sh was ended by SIGKILL for the key "nul"/)
      }),
    options
  )

  it.live(
    "a command that ignores its input harms nothing; while it runs, the newest values wait",
    () =>
      Effect.gen(function* () {
        const { endpoint, gossip } = yield* server
        yield* gossip.publish("huge", Buffer.alloc(10_000_000))
        const ignored = yield* ran({}, "-e", endpoint, "-q", "watch", "--once", "--", "true")
        assert.deepStrictEqual(ignored, { code: 0, stdout: "", stderr: "" })
        const script = 'echo "$ZGOSSIP_KEY=$ZGOSSIP_VALUE"; test "$ZGOSSIP_KEY" != go || sleep 1'
        const zgossip = yield* watch(endpoint, "g", "-q", "--", "sh", "-c", script)
        yield* gossip.publish("go", "1")
        yield* zgossip.await("stdout", /go=1/)
        yield* Effect.forEach(numbered("g", 20), ([key]) => gossip.publish(key, "1"))
        yield* zgossip.await("stdout", /g000020=1\n/)
        assert.strictEqual(zgossip.stdout, ["go=1", ...numbered("g", 20).map(([key]) => `${key}=1`), ""].join("\n"))
      }),
    options
  )

  it.live(
    "takes a running command, and what that has started, with it",
    () =>
      Effect.gen(function* () {
        const { endpoint, gossip } = yield* server
        yield* gossip.publish("a", "1")
        const zgossip = yield* watch(endpoint, "--", "sh", "-c", "sleep 100 & echo $$ $!; wait")
        const [, shell = "", sleep = ""] = yield* zgossip.await("stdout", /(\d+) (\d+)\n/)
        assert.deepStrictEqual([runs(shell), runs(sleep)], [true, true])
        const ended = yield* zgossip.signal("SIGINT")
        assert.strictEqual(ended.code, 130)
        yield* eventually(
          Effect.sync(() => runs(shell) || runs(sleep)),
          (some) => !some
        )
      }),
    options
  )

  /** A watch prints 10,000 tuples, each once, that are published by way of a node which is killed twice meanwhile. */
  const throughRestarts = <E, F, R>(where: string, serve: Effect.Effect<Effect.Effect<unknown, F>, E, R>) =>
    Effect.gen(function* () {
      const tuples = numbered("k", 10_000)
      const expected = tuples.map(([key, value]) => `${key} = ${value}\n`)
      const chunk = 1000
      let kill = yield* serve
      const { gossip } = yield* ourNode({ connect: [where] })
      const zgossip = yield* watch(where)
      for (let n = 0; n < tuples.length / chunk; n++) {
        yield* gossip.publishAll(tuples.slice(n * chunk, (n + 1) * chunk))
        // At first it must be there; then some come just before the node is killed, some while it is away.
        if (n === 0) yield* awaitLength(zgossip, expected.slice(0, chunk).join("").length)
        if (n === 3 || n === 6) yield* kill
        if (n === 4 || n === 7) kill = yield* serve
        yield* Effect.sleep("20 millis")
      }
      yield* awaitLength(zgossip, expected.join("").length)
      // Time for what must not come
      yield* Effect.sleep("300 millis")
      assert.deepStrictEqual(zgossip.stdout.trimEnd().split("\n").toSorted().join("\n") + "\n", expected.join(""))
      assert.match(zgossip.stderr, /lost the connection/)
    })

  it.live(
    "goes on when the node is killed and starts again: it misses nothing, and prints nothing twice",
    () =>
      Effect.gen(function* () {
        const where = yield* place("tcp")
        yield* throughRestarts(
          where,
          Effect.map(servedAt(where), (node) => node.signal("SIGKILL"))
        )
      }),
    options
  )

  czmqTest(
    "goes on when a CZMQ node is killed and starts again; idle, it is not forgotten there",
    () =>
      Effect.gen(function* () {
        const where = yield* place("tcp")
        const serve = Effect.gen(function* () {
          const czmq = yield* Czmq.make
          const node = yield* czmq.node("server")
          yield* node.rebind(where)
          return czmq.kill("SIGKILL")
        })
        const idle = Effect.gen(function* () {
          const other = yield* place("tcp")
          const czmq = yield* Czmq.make
          const node = yield* czmq.node("server")
          yield* node.bind(other)
          yield* node.publish("before", "1")
          const zgossip = yield* watch(other)
          yield* zgossip.await("stdout", /before = 1/)
          yield* Effect.sleep("3 seconds")
          yield* node.publish("after", "1")
          yield* zgossip.await("stdout", /after = 1/)
        })
        yield* Effect.all([throughRestarts(where, serve), idle], { concurrency: "unbounded", discard: true })
      }),
    options.timeout
  )
})
