/** What a command does with what it cannot use: one line, the right exit code, and no harm. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { execFile, spawn, spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { eventually, ourNode, place, temporaryDirectory } from "./OurNode.ts"
import { environment, program, ran, run, runWith } from "./Program.ts"

const options = { timeout: 60_000 }

/** A line of bash, in which `zgossip` is the command. */
const shell = (script: string, endpoint: string) =>
  Effect.callback<{ readonly code: number; readonly stdout: string; readonly stderr: string }>((resume) => {
    const env = { ...environment, ZGOSSIP_ENDPOINT: endpoint }
    const whole = `zgossip() { '${process.execPath}' '${program}' "$@"; }\n${script}`
    execFile("bash", ["-c", whole], { env }, (error, stdout, stderr) =>
      resume(Effect.succeed({ code: error === null ? 0 : Number(error.code), stdout, stderr }))
    )
  })

const isLine = /^zgossip: [^\n]+\n$/

describe("input that is none", () => {
  it.live(
    "is refused, and nothing is published",
    () =>
      Effect.gen(function* () {
        const node = yield* ourNode({ bind: [yield* place("tcp")], publish: { kept: "1" } })
        const scripts: ReadonlyArray<readonly [script: string, says: RegExp]> = [
          ["zgossip publish kept < /tmp", /directory/],
          ["zgossip import < /tmp", /directory/],
          ["zgossip pipe < /tmp", /directory/],
          ["zgossip publish kept \"$(printf 'a\\xffb')\"", /UTF-8/],
          ["zgossip publish \"$(printf 'a\\xffb')\" 1", /UTF-8/],
          ["zgossip serve --bind tcp://127.0.0.1:0 --publish \"$(printf 'a=\\xff')\"", /UTF-8/]
        ]
        for (const [script, says] of scripts) {
          const { code, stderr, stdout } = yield* shell(script, node.endpoint)
          assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" }, `${script}: ${stderr}`)
          assert.match(stderr, isLine, script)
          assert.match(stderr, says)
        }
        assert.deepStrictEqual(yield* node.holds, ["kept=1"])
      }),
    options
  )
})

describe("arguments", () => {
  it.live(
    "that do nothing, or that the node would refuse, are refused; enormous ones are not echoed",
    () =>
      Effect.gen(function* () {
        const long = "k".repeat(100_000)
        const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, says: RegExp]> = [
          [["serve", "-e", "tcp://127.0.0.1:6000"], /serve .*--endpoint/],
          [["pipe", "-e", "bogus"], /pipe .*--endpoint/],
          [["lst", "--help"], /"lst" for "zgossip", did you mean list\? \(see zgossip --help\)$/m],
          [["help", "bogus"], /"bogus" for "zgossip"/],
          [["config", "show", "--bind", "x"], /--bind "x" is not an endpoint/],
          [["config", "show", "--connect", "tcp://*:1"], /--connect .*one host/],
          [["get", "-e", "inproc://x", "a"], /inproc:\/\/x .*tcp:\/\//],
          [[long], /see zgossip --help/],
          [["get", "a", ...Array.from({ length: 50 }, () => long.slice(0, 1000))], /see zgossip get --help/],
          [["get", "--timeout", long, "a"], /no time/]
        ]
        const all = Effect.forEach(wrong, ([args]) => ran({}, ...args), { concurrency: 2 })
        for (const [index, { code, stderr, stdout }] of (yield* all).entries()) {
          const [args = [], says = /./] = wrong[index] ?? []
          assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" }, args.join(" ").slice(0, 100))
          assert.match(stderr, isLine)
          assert.match(stderr, says)
          assert.isBelow(stderr.length, 2000)
        }
      }),
    options
  )
})

describe("no command", () => {
  it.live(
    "is wrong usage, and shows the help on standard error",
    () =>
      Effect.gen(function* () {
        for (const args of [[], ["config"], ["--quiet"]]) {
          const { code, stderr, stdout } = yield* ran({}, ...args)
          assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" })
          assert.match(stderr, /^DESCRIPTION\n[^]*\nSUBCOMMANDS\n[^]*\nEXAMPLES\n/)
        }
        const { code, stderr, stdout } = yield* ran({}, "config", "--help")
        assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
        assert.match(stdout, /^DESCRIPTION\n/)
      }),
    options
  )
})

describe("a short flag", () => {
  it.live(
    "has its value in the same word or in the next one",
    () =>
      Effect.gen(function* () {
        const { endpoint } = yield* ourNode({ bind: [yield* place("tcp")], publish: { a: "-e1" } })
        for (const args of [
          ["-qojson", `-e${endpoint}`],
          ["-e", endpoint, "-o", "json"],
          [`-e=${endpoint}`, "--json"]
        ]) {
          assert.deepInclude(yield* ran({}, ...args, "get", "a"), { code: 0, stdout: '{"key":"a","value":"-e1"}\n' })
        }
        const behind = yield* ran({}, "-e", endpoint, "publish", "--", "-eb", "-e2")
        assert.deepInclude(behind, { code: 0, stderr: "" })
        assert.deepInclude(yield* ran({}, "-e", endpoint, "get", "--", "-eb"), { code: 0, stdout: "-e2\n" })
      }),
    options
  )
})

/** The command on a terminal of its own, for which script(1) sees; that is closed as the scope ends. */
const onTerminal = (...args: ReadonlyArray<string>) => {
  const line = [process.execPath, program, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ")
  return Effect.acquireRelease(
    Effect.sync(() =>
      spawn("script", ["--quiet", "--flush", "--command", `exec ${line}`, "/dev/null"], {
        env: environment,
        stdio: ["pipe", "pipe", "inherit"]
      })
    ),
    (child) => Effect.sync(() => void child.kill("SIGKILL"))
  )
}

describe.skipIf(spawnSync("script", ["--version"]).error !== undefined)("a terminal that is closed", () => {
  const gone = (what: () => boolean) => eventually(Effect.sync(what), (there) => !there, 20_000)

  it.live(
    "ends a node with its socket file, and a watch with its command",
    () =>
      Effect.gen(function* () {
        const [ipc, served, folder] = [yield* place("ipc"), yield* place("ipc"), yield* temporaryDirectory]
        const [socket, pidFile] = [ipc.replace("ipc://", ""), join(folder, "pid")]
        yield* ourNode({ bind: [served], publish: { a: "1" } })
        const terminals = yield* Scope.make()
        const open = (...args: ReadonlyArray<string>) => Scope.provide(onTerminal(...args), terminals)
        yield* open("serve", "--bind", ipc)
        yield* open("watch", "-e", served, "--", "sh", "-c", `echo $$ > ${pidFile}; exec sleep 60`)
        const read = () => (existsSync(pidFile) ? readFileSync(pidFile, "utf8").trim() : "")
        const pid = yield* eventually(Effect.sync(read), (pid) => pid !== "", 20_000)
        yield* eventually(
          Effect.sync(() => existsSync(socket)),
          (there) => there,
          20_000
        )
        yield* Scope.close(terminals, Exit.void)
        yield* gone(() => existsSync(`/proc/${pid}`))
        yield* gone(() => existsSync(socket))
      }),
    options
  )

  it.live(
    "is not that of a node which has none, as with nohup(1)",
    () =>
      Effect.gen(function* () {
        const zgossip = yield* run("serve", "--bind", yield* place("tcp"))
        const endpoint = yield* zgossip.bound()
        zgossip.process.kill("SIGHUP")
        zgossip.process.kill("SIGHUP")
        assert.deepInclude(yield* ran({}, "-e", endpoint, "publish", "a", "1"), { code: 0 })
        yield* zgossip.await("stdout", /^a = 1$/m)
        assert.deepInclude(yield* zgossip.signal("SIGTERM"), { code: 0 })
      }),
    options
  )
})

describe("watch --once", () => {
  it.live(
    "ends as its command does",
    () =>
      Effect.gen(function* () {
        const node = yield* ourNode({ bind: [yield* place("tcp")], publish: { a: "1" } })
        const cases: ReadonlyArray<readonly [script: string, code: number, says: string]> = [
          ["exit 42", 42, "ended with exit code 42"],
          ["kill -TERM $$", 143, "was ended by SIGTERM"]
        ]
        for (const [script, code, says] of cases) {
          const ended = yield* ran({}, "watch", "-e", node.endpoint, "--once", "-q", "--", "sh", "-c", script)
          assert.strictEqual(ended.code, code)
          assert.strictEqual(ended.stderr, `zgossip: sh ${says} for the key "a"\n`)
        }
      }),
    options
  )
})

describe("a variable that is misspelt", () => {
  it.live(
    "is told in one line, by a node and by what asks one",
    () =>
      Effect.gen(function* () {
        const env = { ZGOSSIP_SERVER_TIMOUT: "5", ZGOSSIP_KEY: "set by watch" }
        const told = "ZGOSSIP_SERVER_TIMOUT is ignored: did you mean ZGOSSIP_SERVER_TIMEOUT?"
        const shown = yield* ran({ env }, "config", "show")
        assert.deepInclude(shown, { code: 0, stderr: `zgossip: ${told}\n` })
        assert.deepInclude(yield* ran({ env }, "config", "show", "--quiet"), { code: 0, stderr: "" })
        const node = yield* runWith({ env }, "serve", "--bind", yield* place("tcp"))
        const endpoint = yield* node.bound()
        assert.deepStrictEqual(node.stderr.match(/WARN .*/g), [`WARN ${told}`])
        const asked = yield* ran({ env: { ZGOSSIP_ENDPOINTS: endpoint } }, "status")
        assert.match(asked.stderr, /^zgossip: ZGOSSIP_ENDPOINTS is ignored: did you mean ZGOSSIP_ENDPOINT\?\n/)
        const right = yield* ran({ env: { ZGOSSIP_ENDPOINTS: "x", ZGOSSIP_ENDPOINT: endpoint } }, "status")
        assert.deepInclude(right, { code: 0, stderr: "" })
        const wrong = yield* ran({ env: { ZGOSSIP_ENDPOINT: "bogus" } }, "status")
        assert.strictEqual(wrong.code, 1)
        assert.match(wrong.stderr, /^zgossip: ZGOSSIP_ENDPOINT: "bogus" is not an endpoint: .*\n$/)
        // Who asks no node does not care.
        assert.deepInclude(yield* ran({ env: { ZGOSSIP_ENDPOINT: "bogus" } }, "config", "show"), {
          code: 0,
          stderr: ""
        })
      }),
    options
  )
})
