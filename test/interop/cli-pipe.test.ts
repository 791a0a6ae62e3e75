/**
 * `zgossip pipe` as its user has it: a script's or a program's own node, by lines. And `zgossip completion`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { join } from "node:path"
import { Czmq } from "./Czmq.ts"
import { czmqTest } from "./describeCzmq.ts"
import { eventually, numbered, ourNode, place, temporaryDirectory } from "./OurNode.ts"
import { long, program, ran, runWith } from "./Program.ts"

const options = { timeout: 60_000 }

const server = Effect.flatMap(place("tcp"), (where) => ourNode({ bind: [where] }))

const open = (...args: ReadonlyArray<string>) => runWith({ stdin: "open" }, "pipe", ...args)

/** Runs the command with these lines as its input. */
const piped = (...lines: ReadonlyArray<string>) =>
  ran({ stdin: Buffer.from(lines.map((line) => `${line}\n`).join(""), "latin1") }, "pipe")

/** Runs another program, which finds ours as $ZGOSSIP. */
const runs = (name: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  Effect.callback<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>((resume) => {
    const zgossip = `${process.execPath} ${program}`
    const child = spawn(name, args, {
      env: { ...process.env, ...env, NODE_OPTIONS: "", ZGOSSIP: zgossip },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let [stdout, stderr] = ["", ""]
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
    child.once("close", (code) => resume(Effect.succeed({ code, stdout, stderr })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** A test that needs a program, which is skipped by name where that is missing. */
const withProgram = (name: string) => {
  const missing = spawnSync(name, ["--version"]).error !== undefined
  return missing ? it.live.skip : it.live
}

const errors = (stderr: string) => stderr.split("\n").filter((line) => line.startsWith("zgossip: "))

/** Every octet, save NUL, at which CZMQ cuts; in lines and as octets. */
const octets = Uint8Array.from({ length: 255 }, (_, index) => index + 1)
const escaped = Array.from(octets, (octet) => `%${octet.toString(16).padStart(2, "0")}`).join("")

describe("zgossip pipe", () => {
  it.live(
    "answers line by line, and ends with its input",
    () =>
      Effect.gen(function* () {
        const input = ["BIND tcp://127.0.0.1:*", "PORT", "STATUS", "PUBLISH a 1", "PUBLISH  ", "STATUS", ""]
        const kept = ["--store", join(yield* temporaryDirectory, "store"), "--store-sync", "0"]
        const ended = yield* ran({ stdin: Buffer.from(input.join("\n")) }, "pipe", ...kept)
        assert.strictEqual(ended.code, 0)
        const [port = "", ...lines] = ended.stdout.split("\n")
        assert.match(port, /^PORT [1-9]\d*$/)
        assert.deepStrictEqual(lines, ["STATUS 0", "DELIVER a 1", "DELIVER  ", "STATUS 2", ""])
        const [nothing, again] = yield* Effect.all(
          [ran({}, "pipe"), ran({ stdin: Buffer.from("STATUS\n") }, "pipe", ...kept)],
          { concurrency: 2 }
        )
        assert.deepStrictEqual(nothing, { code: 0, stdout: "", stderr: "" })
        assert.deepInclude(again, { code: 0, stdout: "STATUS 2\n" })
      }),
    options
  )

  it.live(
    "reads octets as they are and as escapes, comments, and the lines of Windows; it lives on after errors",
    () =>
      Effect.gen(function* () {
        const busy = yield* server
        const ended = yield* piped(
          "# a comment",
          "",
          "PUBLISH tab\tkey caf\u00c3\u00a9\r",
          "PUBLISH %e2%82%AC 100%25%0D\r",
          "NONSENSE a b",
          "publish a 1",
          "PUBLISH a",
          "PUBLISH a 1 2",
          "PUBLISH  a 1",
          " PUBLISH a 1",
          "PUBLISH a 1%",
          `PUBLISH ${"k".repeat(256)} 1`,
          `BIND ${busy.endpoint}`,
          "PORT",
          "BIND nonsense",
          "SET no/such 1",
          "DISCONNECT tcp://127.0.0.1:1",
          "X".repeat(100_000),
          `PUBLISH huge ${"x".repeat(1_000_000)}`,
          "STATUS"
        )
        assert.strictEqual(ended.code, 0)
        assert.deepStrictEqual(
          ended.stdout.split("\n").map((line) => line.replace(/x{1000000}/, "...")),
          ["DELIVER tab%09key caf%C3%A9", "DELIVER %E2%82%AC 100%25%0D", "PORT -1", "DELIVER huge ...", "STATUS 3", ""]
        )
        const expected: ReadonlyArray<RegExp> = [
          /line 5: NONSENSE: unknown, write one of BIND, /,
          /line 6: publish: unknown/,
          /line 7: PUBLISH: 1 field, write PUBLISH key value \[lifetime=MILLISECONDS\]$/,
          /line 8: PUBLISH: 3 fields/,
          /line 9: PUBLISH: 3 fields/,
          /line 10: the command: unknown/,
          /line 11: the % at position 12 needs two hexadecimal digits/,
          /line 12: PUBLISH: the key has 256 octets, the limit is 255$/,
          /line 13: cannot bind tcp:.*in use/,
          /line 15: cannot bind nonsense: /,
          /line 16: cannot set no\/such: /,
          /line 17: cannot disconnect tcp:\/\/127\.0\.0\.1:1: /,
          /line 18: X{500} \.\.\.$/
        ]
        // Some are said at once, others when their turn comes
        const number = (line: string) => Number(/line (\d+)/.exec(line)?.[1])
        const said = errors(ended.stderr).toSorted((a, b) => number(a) - number(b))
        assert.strictEqual(said.length, expected.length, ended.stderr)
        for (const [index, pattern] of expected.entries()) assert.match(said[index] ?? "", pattern)
      }),
    options
  )

  it.live(
    "what was published has arrived when it ends, also many tuples to a node that it has just connected to",
    () =>
      Effect.gen(function* () {
        const { awaitSize, endpoint, holds } = yield* server
        const few = yield* piped(`CONNECT ${endpoint}`, "PUBLISH few 1")
        assert.deepStrictEqual(few.stdout, "DELIVER few 1\n")
        // Not later: it has ended
        assert.deepStrictEqual(yield* holds, ["few=1"])
        const many = numbered("key", 5000).map(([key]) => `PUBLISH ${key} value`)
        const large = numbered("large", 20).map(([key]) => `PUBLISH ${key} ${"x".repeat(500_000)}`)
        const ended = yield* piped(`CONNECT ${endpoint}`, ...many, ...large)
        assert.strictEqual(ended.code, 0)
        yield* awaitSize(5021, 1)
        // All of its own, and what it was told
        assert.strictEqual(ended.stdout.split("\n").length, 5022)
        assert.notMatch(ended.stderr, /WARN/)
        // A node that is not there holds it up no longer than it takes to find that out
        const since = performance.now()
        const alone = yield* piped(`CONNECT ${yield* place("tcp")}`, "PUBLISH a 1")
        assert.strictEqual(alone.code, 0)
        assert.isBelow(performance.now() - since, 10_000)
      }),
    options
  )

  it.live(
    "$TERM ends it, a signal interrupts it, a reader that leaves ends it quietly",
    () =>
      Effect.gen(function* () {
        const [term, signalled, left] = yield* Effect.all([open(), open("--quiet"), open()])
        term.process.stdin.write("PUBLISH a 1\n$TERM\nPUBLISH b 1\n")
        assert.deepInclude(yield* term.exit, { code: 0 }, term.shown())
        assert.strictEqual(term.stdout, "DELIVER a 1\n")
        signalled.process.stdin.write("BIND tcp://127.0.0.1:*\nCONNECT tcp://127.0.0.1:1\nNONSENSE\nPORT\n")
        yield* signalled.await("stdout", /PORT \d+\n/)
        assert.deepInclude(yield* signalled.signal("SIGTERM"), { code: 130 })
        assert.match(signalled.stderr, /^zgossip: line 3: NONSENSE: .*\n$/)
        left.process.stdin.write("STATUS\n")
        yield* left.await("stdout", /STATUS 0\n/)
        left.process.stdout.destroy()
        yield* Effect.raceFirst(
          eventually(
            Effect.sync(() => left.process.exitCode),
            (code) => code === 0,
            long
          ),
          Effect.forever(
            Effect.andThen(
              Effect.sync(() => left.process.stdin.write("STATUS\n")),
              Effect.sleep("20 millis")
            )
          )
        )
        assert.strictEqual(left.stderr, "")
      }),
    options
  )

  it.live(
    "a shell script that joins a node, tells it something, and reads what the node knows",
    () =>
      Effect.gen(function* () {
        const { awaitTuple, endpoint, gossip } = yield* server
        yield* gossip.publish("config/level", "1 2")
        const script = [
          'directory=$1; mkfifo "$directory/in" "$directory/out"',
          '$ZGOSSIP pipe --quiet <"$directory/in" >"$directory/out" & exec 3>"$directory/in" 4<"$directory/out"',
          'echo "CONNECT $ENDPOINT" >&3',
          'read -r command key value <&4; echo "$command [$key] [$value]"',
          'echo "PUBLISH host/$key up" >&3',
          'read -r command key value <&4; echo "$command [$key] [$value]"',
          'exec 3>&-; wait $!; echo "ended with $?"'
        ].join("\n")
        const shell = yield* runs("sh", ["-eu", "-c", script, "sh", yield* temporaryDirectory], { ENDPOINT: endpoint })
        assert.deepStrictEqual(shell, {
          code: 0,
          stdout: "DELIVER [config/level] [1%202]\nDELIVER [host/config/level] [up]\nended with 0\n",
          stderr: ""
        })
        yield* awaitTuple("host/config/level", "up")
      }),
    options
  )

  const python = `
import os, shlex, subprocess, urllib.parse
node = subprocess.Popen(shlex.split(os.environ["ZGOSSIP"]) + ["pipe", "-q"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def send(*fields):
    node.stdin.write(b" ".join(urllib.parse.quote_from_bytes(field, safe="").encode() for field in fields) + b"\\n")
    node.stdin.flush()
def receive():
    return [urllib.parse.unquote_to_bytes(field) for field in node.stdout.readline().rstrip(b"\\n").split(b" ")]
octets = bytes(range(1, 256))
send(b"CONNECT", os.environ["ENDPOINT"].encode())
assert receive() == [b"DELIVER", octets, octets[::-1]]
send(b"PUBLISH", b"from python " + octets[:200], b"")
assert receive() == [b"DELIVER", b"from python " + octets[:200], b""]
node.stdin.close()
assert node.wait() == 0
print("done")
`
  const key = Buffer.concat([Buffer.from("from python "), octets.subarray(0, 200)])

  withProgram("python3")(
    "a Python program and a node of ours tell each other any octets",
    () =>
      Effect.gen(function* () {
        const { awaitTuple, endpoint, gossip } = yield* server
        yield* gossip.publish(octets, octets.toReversed())
        const ended = yield* runs("python3", ["-c", python], { ENDPOINT: endpoint })
        assert.deepStrictEqual(ended, { code: 0, stdout: "done\n", stderr: "" })
        yield* awaitTuple(key, "")
      }),
    options
  )

  czmqTest(
    "it and CZMQ tell each other any octets, whoever connects",
    () =>
      Effect.gen(function* () {
        const czmq = yield* Czmq.make
        const serves = yield* czmq.node("serves")
        const where = yield* place("tcp")
        yield* serves.bind(where)
        yield* serves.publish(octets, octets.toReversed())
        const zgossip = yield* open("-q")
        zgossip.process.stdin.write(`CONNECT ${where}\nBIND tcp://127.0.0.1:!\nPORT\n`)
        const [, port = ""] = yield* zgossip.await("stdout", /^PORT (\d+)$/m)
        yield* zgossip.await("stdout", /^DELIVER /m)
        const delivery = zgossip.stdout.split("\n").find((line) => line.startsWith("DELIVER "))
        const [, deliveredKey = "", deliveredValue = ""] = delivery?.split(" ") ?? []
        assert.strictEqual(unescape(deliveredKey), Buffer.from(octets).toString("latin1"))
        assert.strictEqual(unescape(deliveredValue), Buffer.from(octets.toReversed()).toString("latin1"))
        const connects = yield* czmq.node("connects")
        yield* connects.connect(`tcp://127.0.0.1:${port}`)
        yield* connects.publish("from CZMQ", "%")
        yield* zgossip.await("stdout", /^DELIVER from%20CZMQ %25$/m)
        zgossip.process.stdin.write(`PUBLISH mine ${escaped}\n`)
        yield* serves.awaitTuple("mine", octets)
        yield* connects.awaitTuple("mine", octets)
        // The last words before the end of input
        zgossip.process.stdin.end("PUBLISH last words\n")
        assert.deepInclude(yield* zgossip.exit, { code: 0 }, zgossip.shown())
        yield* serves.awaitTuple("last", "words")
      }),
    options.timeout
  )
})

describe("zgossip completion", () => {
  const script = (shell: string) => Effect.map(ran({}, "completion", shell), ({ stdout }) => stdout)

  it.live(
    "refuses a shell that it does not know in one line",
    () =>
      Effect.gen(function* () {
        const ended = yield* ran({}, "completion", "tcsh")
        assert.deepInclude(ended, { code: 1, stdout: "" })
        assert.match(ended.stderr, /^zgossip: .*"tcsh".*"bash".*"zsh".*"fish".*\n$/)
      }),
    options
  )

  withProgram("bash")(
    "bash completes commands, flags and their values with it",
    () =>
      Effect.gen(function* () {
        const complete = [
          'eval "$COMPLETION"',
          "complete -p zgossip",
          'try() { COMP_LINE="$*"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_POINT=${#COMP_LINE}; COMPREPLY=()',
          '_zgossip zgossip "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"; echo "${COMPREPLY[*]}"; }',
          "try zgossip pu",
          "try zgossip list --ke",
          "try zgossip pip",
          "try zgossip -e tcp://127.0.0.1:5670 wat",
          "try zgossip watch --up",
          "try zgossip watch service/ --onc",
          "try zgossip watch --output j",
          "try zgossip pipe --hel",
          "try zgossip serve --certificate vitest.conf",
          "try zgossip completion f"
        ].join("\n")
        const bash = yield* runs("bash", ["-c", complete], { COMPLETION: yield* script("bash") })
        assert.deepStrictEqual(bash, {
          code: 0,
          stdout: [
            "complete -F _zgossip zgossip",
            ...["publish", "--keys-only", "pipe", "watch", "--updates-only", "--once", "json", "--help"],
            ...["vitest.config.ts", "fish"],
            ""
          ].join("\n"),
          stderr: ""
        })
      }),
    options
  )

  withProgram("zsh")(
    "zsh can read its script",
    () =>
      Effect.gen(function* () {
        const text = yield* script("zsh")
        assert.match(text, /^#compdef zgossip\n/)
        const zsh = yield* runs("zsh", ["-n", "-c", text], {})
        assert.deepStrictEqual(zsh, { code: 0, stdout: "", stderr: "" })
      }),
    options
  )

  withProgram("fish")(
    "fish completes with it",
    () =>
      Effect.gen(function* () {
        const complete = 'echo "$COMPLETION" | source; complete -C "zgossip wat"; complete -C "zgossip watch --onc"'
        const home = yield* temporaryDirectory
        const fish = yield* runs("fish", ["-N", "-c", complete], { COMPLETION: yield* script("fish"), HOME: home })
        assert.deepInclude(fish, { code: 0, stderr: "" })
        assert.match(fish.stdout, /^watch\t.*\n--once\t.*\n$/)
      }),
    options
  )
})

const unescape = (field: string): string =>
  field.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
