/**
 * The commands that ask or tell a node something and end, as their user has them: processes, exit codes, what stands on
 * which stream. Against nodes of ours, real CZMQ, and what is no node at all.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Semaphore, Stream, type Scope } from "effect"
import { execFile } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer as createHttpServer } from "node:http"
import { createServer, type AddressInfo, type Server } from "node:net"
import { join } from "node:path"
import { Czmq } from "./Czmq.ts"
import { czmqTest } from "./describeCzmq.ts"
import { numbered, type OurNode, ourNode, place, temporaryDirectory } from "./OurNode.ts"
import { environment, long, program, ran, runWith, type ProgramOptions } from "./Program.ts"
import { rawRouter, Wire } from "./RawPeer.ts"
import * as NodeStatus from "../../src/protocol/NodeStatus.ts"

const options = { timeout: 60_000, concurrent: true }

/** `zgossip` with these endpoints. */
const at =
  (...endpoints: ReadonlyArray<string>) =>
  (...args: ReadonlyArray<string>) =>
    atWith({}, ...endpoints)(...args)

const atWith =
  (options: ProgramOptions, ...endpoints: ReadonlyArray<string>) =>
  (...args: ReadonlyArray<string>) =>
    start(ran(options, ...args, ...endpoints.flatMap((endpoint) => ["-e", endpoint])))

const ok = (stdout: string, stderr = "") => ({ code: 0, stdout, stderr })

/** More at once than there are processors would only make each of them late. */
const processes = Semaphore.makeUnsafe(3)
const start = Semaphore.withPermit(processes)
const together = { concurrency: "unbounded" } as const

/** A line of a shell, in which `zgossip` is the command; its octets as latin1. */
const shell = (line: string, endpoint: string) =>
  Effect.callback<{ readonly code: number; readonly stdout: string; readonly stderr: string }>((resume) => {
    const env = { ...environment, ZGOSSIP_ENDPOINT: endpoint }
    const script = `zgossip() { ${JSON.stringify(process.execPath)} ${JSON.stringify(program)} "$@"; }; ${line}`
    const child = execFile("sh", ["-c", script], { env, encoding: "latin1", maxBuffer: 2 ** 28 })
    let [stdout, stderr] = ["", ""]
    child.stdout?.on("data", (text: string) => (stdout += text))
    child.stderr?.on("data", (text: string) => (stderr += text))
    child.once("close", (code) => resume(Effect.succeed({ code: code ?? -1, stdout, stderr })))
  }).pipe(start)

/** Something else than a node, on a port of its own. */
const stranger = <S extends Server>(make: () => S): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<S>((resume) => {
      const server = make()
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  ).pipe(Effect.map((server) => `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`))

const everyOctet = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet))

/** What a format can lose: octets that are no text, line ends, quotes, nothing. */
const difficult: ReadonlyArray<readonly [Uint8Array, Uint8Array]> = [
  [Buffer.from(""), Buffer.from("empty key")],
  [Buffer.from("empty value"), Buffer.from("")],
  [Buffer.from("a\0b"), Buffer.from("NUL\0in\0it")],
  [Buffer.from("line\nend\r"), Buffer.from("two\nlines\n")],
  [Buffer.from(`"it's"`), Buffer.from(`"both" 'quotes' \\ # and more = `)],
  [Buffer.from([0xff, 0xfe]), everyOctet],
  [everyOctet.subarray(1), everyOctet],
  [Buffer.from("clé"), Buffer.from("🌍\u2028\u009b")]
]

describe("a guest", { concurrent: true }, () => {
  it.live(
    "list and get: text, table, JSON, octets",
    () =>
      Effect.gen(function* () {
        const publish = {
          "service/b": "two",
          "service/a": "one",
          printer: "tcp://10.0.0.7:9100",
          "é\u001b": "\u009b31m"
        }
        const { endpoint } = yield* ourNode({ bind: [yield* place("ipc")], publish })
        const zgossip = at(endpoint)
        const found = yield* Effect.all(
          {
            text: zgossip("list"),
            prefix: zgossip("list", "service/", "--keys-only"),
            table: zgossip("list", "-o", "table"),
            json: zgossip("list", "--json"),
            none: zgossip("list", "nothing/", "--json", "--keys-only"),
            raw: shell("zgossip list --raw é; zgossip get printer --raw", endpoint),
            getJson: zgossip("get", "printer", "--json"),
            missing: zgossip("get", "print")
          },
          together
        )
        assert.deepStrictEqual(found, {
          text: ok("printer = tcp://10.0.0.7:9100\nservice/a = one\nservice/b = two\né\\u001b = \\u009b31m\n"),
          prefix: ok("service/a\nservice/b\n"),
          table: ok(
            "KEY        VALUE\nprinter    tcp://10.0.0.7:9100\nservice/a  one\nservice/b  two\né\\u001b    \\u009b31m\n"
          ),
          json: ok(
            '[{"key":"printer","value":"tcp://10.0.0.7:9100"},\n {"key":"service/a","value":"one"},\n ' +
              '{"key":"service/b","value":"two"},\n {"key":"é\\u001b","value":"\\u009b31m"}]\n'
          ),
          none: ok("[]\n"),
          raw: ok(`${Buffer.from("é\u001b = \u009b31m\n").toString("latin1")}tcp://10.0.0.7:9100`),
          getJson: ok('{"key":"printer","value":"tcp://10.0.0.7:9100"}\n'),
          missing: {
            code: 3,
            stdout: "",
            stderr: `zgossip: ${endpoint} has no key "print" among its 4 tuples; zgossip list shows them\n`
          }
        })
      }),
    options
  )

  it.live(
    "publish: from an argument or from standard input, exactly; the node has it when the command ends",
    () =>
      Effect.gen(function* () {
        const node = yield* ourNode({ bind: [yield* place("tcp")] })
        const zgossip = at(node.endpoint)
        const results = yield* Effect.all(
          [
            zgossip("publish", "clé", "ü = 1"),
            start(ran({}, "publish", "-e", node.endpoint, "--", "-dash", "")),
            atWith({ stdin: everyOctet }, node.endpoint)("publish", "octets"),
            zgossip("publish", "k".repeat(255), "v")
          ],
          together
        )
        for (const result of results) assert.deepStrictEqual(result, ok(""))
        const tuples = (yield* node.gossip.entries).map(({ keyOctets, valueOctets }) => `${keyOctets}=${valueOctets}`)
        const latin1 = (text: string) => Buffer.from(text).toString("latin1")
        assert.sameMembers(tuples, [
          latin1("clé=ü = 1"),
          "-dash=",
          `octets=${everyOctet.toString("latin1")}`,
          `${"k".repeat(255)}=v`
        ])
      }),
    options
  )

  it.live(
    "export and import: any octets, both formats, by pipe and by file",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const source = yield* ourNode({ bind: [yield* place("tcp")], publish: difficult })
        const target = yield* ourNode({ bind: [yield* place("ipc")] })
        const other = yield* ourNode({ bind: [yield* place("ipc")] })
        yield* source.gossip.publish("ends", "1", { lifetime: "1 hour" })
        const count = difficult.length + 1
        const file = join(directory, "tuples")
        const byFile = Effect.gen(function* () {
          const exported = yield* at(source.endpoint)("export", file)
          return [exported, yield* at(target.endpoint)("import", file, "--quiet")] as const
        })
        const byPipe = shell(`zgossip export --format zpl | zgossip import -e ${other.endpoint}`, source.endpoint)
        const [[exported, imported], piped] = yield* Effect.all([byFile, byPipe], together)
        assert.deepStrictEqual(exported, ok("", `${count} tuples in ${file}\n`))
        assert.deepStrictEqual(imported, ok(""))
        assert.deepStrictEqual(piped, ok("", `${count} tuples\n`))
        const octets = (node: OurNode) =>
          Effect.map(node.gossip.entries, (tuples) =>
            tuples.map(({ keyOctets, valueOctets }) => JSON.stringify([keyOctets, valueOctets])).sort()
          )
        const wanted = yield* octets(source)
        assert.strictEqual(wanted.length, count)
        assert.deepStrictEqual(yield* octets(target), wanted)
        assert.deepStrictEqual(yield* octets(other), wanted)
        for (const { gossip } of [target, other]) {
          const [watched] = yield* Stream.runCollect(Stream.take(yield* gossip.watchNow("ends"), 1))
          const lifetime = watched?._tag === "Snapshot" ? watched.entries[0]?.lifetime : undefined
          assert.isAtLeast(lifetime ?? 0, 3_540_000)
          assert.isBelow(lifetime ?? 0, 3_600_000)
        }
        assert.deepStrictEqual(readdirSync(directory), ["tuples"])
      }),
    options
  )

  it.live(
    "import: one wrong line and nothing is published; a file that cannot be written keeps what it had",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const node = yield* ourNode({ bind: [yield* place("tcp")], publish: numbered("key", 3000) })
        const wrong = join(directory, "wrong")
        const old = join(directory, "old")
        writeFileSync(wrong, '{"key":"new","value":"1"}\n{"key":"new 2"}\n')
        writeFileSync(old, "old")
        const empty = atWith({ stdin: Buffer.from("zgossip\n    publish\n  a = 1\n") }, node.endpoint)
        const short = join(directory, "short")
        const [json, zpl, limited, cut, full] = yield* Effect.all(
          [
            at(node.endpoint)("import", wrong),
            empty("import"),
            // In blocks of 512 octets
            shell(`ulimit -f 20; zgossip export ${old}`, node.endpoint),
            shell(`ulimit -f 20; zgossip export > ${short}`, node.endpoint),
            shell("zgossip list > /dev/full", node.endpoint)
          ],
          together
        )
        const stderr = `zgossip: ${wrong}, line 2, column 1: this tuple has no value; nothing was published\n`
        assert.deepStrictEqual(json, { code: 1, stdout: "", stderr })
        assert.deepInclude(zpl, { code: 1, stdout: "" })
        assert.match(zpl.stderr, /^zgossip: standard input, line 3, column 3: .*; nothing was published\n$/)
        assert.deepInclude(limited, { code: 1, stderr: `zgossip: cannot write ${old}: file too large (EFBIG)\n` })
        assert.strictEqual(readFileSync(old, "utf8"), "old")
        // The last write before the limit was a short one.
        assert.deepInclude(cut, { code: 1, stderr: "zgossip: cannot write standard output: file too large (EFBIG)\n" })
        assert.deepInclude(full, { code: 1, stdout: "" })
        assert.match(full.stderr, /^zgossip: cannot write standard output: .*ENOSPC.*\n$/)
        assert.sameMembers(readdirSync(directory), ["wrong", "old", "short"])
        assert.strictEqual((yield* node.gossip.entries).length, 3000)
      }),
    options
  )

  it.live(
    "status and ping: times and sums; several nodes, dead ones too",
    () =>
      Effect.gen(function* () {
        const publish = { a: "1", b: "2" }
        const { endpoint, gossip } = yield* ourNode({ bind: [yield* place("tcp")], publish })
        const dead = yield* place("ipc")
        const [table, text, json, ready, pings, pingsJson] = yield* Effect.all(
          [
            at(endpoint, dead)("status", "-o", "table"),
            at(endpoint)("status"),
            at(endpoint, dead)("status", "--json"),
            at(endpoint)("status", "--ready", "-o", "table"),
            at(endpoint)("ping", "-c", "3", "-i", "10ms"),
            at(dead)("ping", "--count", "2", "--interval", "10ms", "--json")
          ],
          together
        )
        assert.deepInclude(text, { code: 0, stderr: "" })
        const make = `effect-zgossip ${NodeStatus.version}`
        const details = "  ready, up \\d+ s, 1 listener, \\d peers? \\(\\d members?\\)\n  counted: 2 accepted\n"
        assert.match(text.stdout, new RegExp(`^${endpoint}  ${make}, 2 tuples, [\\d.]+ ms\n${details}$`))
        assert.deepInclude(ready, { code: 0, stderr: "" })
        assert.match(ready.stdout, / +yes\n$/)
        const stderr = "zgossip: no node answers at 1 of 2 endpoints\n"
        assert.deepInclude(table, { code: 2, stderr })
        assert.match(
          table.stdout,
          /^ENDPOINT +KIND +TUPLES +ROUND TRIP +READY +ERROR\n.* effect-zgossip \S+ +2 +[\d.]+ ms +yes\n.*socket file/
        )
        assert.deepInclude(json, { code: 2, stderr })
        const [up, down] = json.stdout.split("\n", 2).map((line) => JSON.parse(line) as Record<string, unknown>)
        const { counters } = yield* gossip.status
        const { software: kind, version } = NodeStatus
        assert.deepInclude(up, {
          endpoint,
          reachable: true,
          kind,
          version,
          tuples: 2,
          ready: true,
          listeners: 1,
          counters
        })
        assert.isNumber(up?.["roundTripMs"])
        assert.deepStrictEqual(down, {
          endpoint: dead,
          reachable: false,
          error: "there is no socket file (yet) (ENOENT)"
        })
        assert.deepInclude(pings, { code: 0, stderr: "" })
        assert.match(
          pings.stdout,
          /^(PONG from \S+: seq=\d time=[\d.]+ ms\n){3}\n--- \S+ ---\n3 sent, 3 received, 0% lost\nround trip min\/avg\/max\/mdev = [\d./]+ ms\n$/
        )
        const error = "there is no socket file (yet) (ENOENT)"
        assert.deepStrictEqual(pingsJson, {
          code: 2,
          stdout:
            `{"endpoint":"${dead}","seq":1,"error":"${error}"}\n{"endpoint":"${dead}","seq":2,"error":"${error}"}\n` +
            '{"sent":2,"received":0,"lossPercent":100}\n',
          stderr: `zgossip: no PONG from ${dead}: ${error}\n`
        })
      }),
    options
  )

  it.live(
    "ping goes on while a node is suspended and when it is gone, and sums up when it is interrupted",
    () =>
      Effect.gen(function* () {
        const where = yield* place("tcp")
        const node = yield* runWith({}, "serve", "--bind", where)
        yield* node.bound()
        const ping = yield* runWith({}, "ping", "-e", where, "-i", "20ms", "--timeout", "100ms")
        yield* ping.await("stdout", /^PONG/m)
        node.process.kill("SIGSTOP")
        yield* ping.await("stdout", /^no PONG from .* no answer within 100 ms$/m)
        const late = yield* at(where)("get", "a", "--timeout", "500ms")
        assert.deepStrictEqual(late, {
          code: 2,
          stdout: "",
          stderr: `zgossip: no answer from ${where} within 500 ms: is it a zgossip node? --timeout waits longer\n`
        })
        node.process.kill("SIGCONT")
        yield* ping.await("stdout", /no answer[^]*^PONG/m)
        yield* node.signal("SIGKILL")
        yield* ping.await("stdout", /nobody listens there/)
        const { gossip } = yield* ourNode({})
        yield* gossip.bind(where)
        yield* ping.await("stdout", /nobody listens[^]*^PONG/m)
        assert.deepInclude(yield* ping.signal("SIGINT"), { code: 130 })
        assert.match(ping.stdout, /\n\n--- .* ---\n\d+ sent, \d+ received, [\d.]+% lost\nround trip .*\n$/)
        assert.strictEqual(ping.stderr, "")
      }),
    options
  )

  it.live(
    "nobody there, or somebody else: one line and the exit code that tells which",
    () =>
      Effect.gen(function* () {
        const dead = [yield* place("tcp"), yield* place("tcp")] as const
        const http = yield* stranger(() => createHttpServer((_, response) => response.end("hello")))
        const silent = yield* stranger(() => createServer((socket) => socket.on("error", () => {})))
        const node = yield* ourNode({ bind: [yield* place("tcp")], publish: { a: "1" } })
        const mute = yield* rawRouter(yield* place("tcp"))
        const usage = "write tcp://host:port, ipc://path or inproc://name"
        const cases: ReadonlyArray<readonly [ReturnType<typeof ran>, code: number, stderr: RegExp]> = [
          [
            at(dead[0])("get", "a"),
            2,
            /^zgossip: cannot reach tcp:\S+: nobody listens there \(yet\); start a node .*\n$/
          ],
          [at(...dead)("list"), 2, new RegExp(`^zgossip: cannot reach any of ${dead[0]}, ${dead[1]}: nobody .*\n$`)],
          [at(http)("status"), 4, /^zgossip: tcp:\S+ is not a zgossip node: .*\n$/],
          [at(silent)("get", "a", "--timeout", "300ms"), 2, /^zgossip: no answer from tcp:\S+ within 300 ms: .*\n$/],
          // The first that answers: not the first that takes the connection.
          [at(dead[0], http, silent, mute.endpoint, node.endpoint)("get", "a"), 0, /^$/],
          [atWith({ env: { ZGOSSIP_ENDPOINT: `${dead[0]}, ${node.endpoint}` } })("get", "a"), 0, /^$/],
          [at("foo")("list"), 1, new RegExp(`^zgossip: --endpoint "foo" is not an endpoint: ${usage}\n$`)],
          [
            at("tcp://*:5670")("ping"),
            1,
            /^zgossip: --endpoint "tcp:.*" is not an endpoint: a connection needs one host/
          ]
        ]
        const check = ([run, code, stderr]: (typeof cases)[number]) =>
          Effect.map(run, (ended) => {
            assert.strictEqual(ended.code, code, JSON.stringify(ended))
            assert.match(ended.stderr, stderr)
          })
        yield* Effect.forEach(cases, check, { ...together, discard: true })
      }),
    options
  )

  it.live(
    "wrong arguments are one line and exit code 1",
    () =>
      Effect.gen(function* () {
        const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, says: RegExp]> = [
          [["publish", "k".repeat(300), "v"], /the key has 300 octets, the limit is 255/],
          [["list", "--json", "--raw"], /contradict/],
          [["ping", "-c", "0"], /--count 0/],
          [["ping", "-i", "soon"], /--interval "soon" is no time/],
          [["export", ""], /FILE is empty/]
        ]
        const refused = ([args, says]: (typeof cases)[number]) =>
          Effect.map(start(ran({}, ...args)), (ended) => {
            assert.deepInclude(ended, { code: 1, stdout: "" })
            assert.match(ended.stderr, /^zgossip: [^\n]+\n$/)
            assert.match(ended.stderr, says)
          })
        yield* Effect.forEach(cases, refused, { ...together, discard: true })
      }),
    options
  )

  it.live(
    "10,000 tuples: import has them there, and a reader that leaves ends list quietly",
    () =>
      Effect.gen(function* () {
        const count = 10_000
        const file = join(yield* temporaryDirectory, "many")
        const lines = numbered("key", count).map(([key, value]) => `${JSON.stringify({ key, value })}\n`)
        writeFileSync(file, lines.join(""))
        const { endpoint, gossip } = yield* ourNode({ bind: [yield* place("tcp")] })
        assert.deepStrictEqual(yield* at(endpoint)("import", file), ok("", `${count} tuples\n`))
        assert.strictEqual((yield* gossip.status).tuples, count)
        const head = yield* shell("{ zgossip list --keys-only; echo $? >&2; } | head -1", endpoint)
        assert.deepStrictEqual(head, ok("key000001\n", "0\n"))
      }),
    options
  )

  it.live(
    "a node that has no room says so to who publishes, and takes what it has room for",
    () =>
      Effect.gen(function* () {
        const node = yield* ourNode({ bind: [yield* place("tcp")], tuples: 2, valueOctets: 10 })
        const to = at(node.endpoint)
        const notTaken = (what: string) => new RegExp(`^zgossip: ${node.endpoint} did not take ${what}: .*\n$`)
        const file = join(yield* temporaryDirectory, "three")
        writeFileSync(file, '[{"key":"a","value":"1"},{"key":"b","value":"1"},{"key":"c","value":"1"}]')
        const imported = yield* to("import", file)
        assert.deepInclude(imported, { code: 1, stdout: "" })
        assert.match(imported.stderr, notTaken("1 of 3 tuples"))
        const [long, right] = yield* Effect.all([to("publish", "a", "x".repeat(11)), to("publish", "b", "2")], together)
        assert.deepInclude(long, { code: 1, stdout: "" })
        assert.match(long.stderr, notTaken("1 of 1 tuple"))
        assert.deepStrictEqual(right, ok(""))
        writeFileSync(file, JSON.stringify({ key: "long", value: "x".repeat(2 ** 26) }))
        const lost = yield* to("import", file)
        assert.deepInclude(lost, { code: 2, stdout: "" })
        assert.match(
          lost.stderr,
          /^zgossip: lost .*; a tuple makes a frame of 67108915 octets, see limits\/frame-octets/
        )
        assert.deepStrictEqual(yield* node.holds, ["a=1", "b=2"])
      }),
    options
  )

  it.live(
    "a server that answers nonsense, INVALID, or without end",
    () =>
      Effect.gen(function* () {
        /** Says this to whoever says something. */
        const server = Effect.fnUntraced(function* (answer: (n: number) => Buffer, times: number) {
          const router = yield* rawRouter(yield* place("tcp"))
          yield* Effect.gen(function* () {
            for (;;) {
              const [peer = Buffer.of()] = yield* router.next(long)
              for (let n = 0; n < times; n++) {
                // It may have heard enough, and gone: others want an answer all the same.
                if (!(yield* Effect.isSuccess(router.send(peer, answer(n))))) break
                // Others want this process too.
                if (n % 100 === 99) yield* Effect.sleep("10 millis")
              }
            }
          }).pipe(Effect.ignore, Effect.forkScoped)
          return router.endpoint
        })
        const garbage = yield* server(() => Buffer.from("hello"), 1)
        const invalid = yield* server(() => Wire.INVALID, 1)
        const flood = yield* server((n) => Wire.PUBLISH(`key ${n}`, "x"), Number.POSITIVE_INFINITY)
        const [first, second, third, fourth] = yield* Effect.all(
          [
            at(garbage)("list", "--timeout", "15s"),
            at(invalid)("get", "a", "--timeout", "15s"),
            at(invalid)("publish", "a", "1", "--timeout", "15s"),
            at(flood)("list", "--timeout", "2s")
          ],
          together
        )
        assert.deepInclude(first, { code: 4, stdout: "" })
        assert.match(first.stderr, /^zgossip: \S+ is not a zgossip node: it sent what is no message .*\n$/)
        assert.deepInclude(second, { code: 4, stderr: `zgossip: ${invalid} refused HELLO: it answered INVALID\n` })
        assert.deepInclude(third, { code: 4, stderr: `zgossip: ${invalid} refused the tuples: it answered INVALID\n` })
        assert.deepInclude(fourth, { code: 2, stdout: "" })
        assert.match(fourth.stderr, /^zgossip: \S+ told \d+ tuples and came to no end within 2 s; .*\n$/)
      }),
    options
  )
})

describe("a guest of CZMQ", () => {
  czmqTest(
    "all commands, and 10,000 tuples each way",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const czmq = yield* Czmq.make
        const actor = yield* czmq.node("actor")
        const endpoint = `tcp://127.0.0.1:${yield* actor.bind("tcp://127.0.0.1:!")}`
        const zgossip = at(endpoint)
        assert.deepStrictEqual(yield* zgossip("publish", "printer", "tcp://10.0.0.7:9100"), ok(""))
        yield* actor.awaitTuple("printer", "tcp://10.0.0.7:9100")
        yield* actor.quiet
        yield* actor.publishMany({ prefix: "key", count: 10_000, valueSize: 32 })
        yield* actor.awaitStatus(10_001)
        const file = join(directory, "tuples")
        const [get, list, status, ready, ping, exported] = yield* Effect.all(
          [
            zgossip("get", "printer"),
            zgossip("list", "--keys-only"),
            zgossip("status"),
            zgossip("status", "--ready", "--json"),
            zgossip("ping", "-c", "2", "-i", "10ms"),
            zgossip("export", file)
          ],
          together
        )
        assert.deepStrictEqual(get, ok("tcp://10.0.0.7:9100\n"))
        assert.deepStrictEqual(list, ok([...numbered("key", 10_000).map(([key]) => key), "printer", ""].join("\n")))
        assert.deepInclude(status, { code: 0 })
        assert.include(status.stdout, `${endpoint}  zgossip v1 (CZMQ or an older node), 10001 tuples, `)
        assert.deepInclude(ready, {
          code: 2,
          stderr: `zgossip: not ready: ${endpoint} does not tell whether it is (CZMQ, or an older node)\n`
        })
        assert.include(ready.stdout, '"kind":"zgossip v1","tuples":10001,')
        assert.include(ready.stdout, '"version":null,"ready":null,"counters":null}')
        assert.deepInclude(ping, { code: 0 })
        assert.include(ping.stdout, "2 sent, 2 received, 0% lost")
        assert.deepStrictEqual(exported, ok("", `10001 tuples in ${file}\n`))
        const other = yield* czmq.node("other")
        yield* other.quiet
        const port = yield* other.bind("tcp://127.0.0.1:!")
        assert.deepStrictEqual(yield* at(`tcp://127.0.0.1:${port}`)("import", file), ok("", "10001 tuples\n"))
        yield* other.awaitStatus(10_001)
      }),
    60_000
  )
})
