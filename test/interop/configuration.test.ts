/**
 * Configurations in real files: nodes that follow them, SAVE, and the same files in the hands of CZMQ.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { chmodSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Gossip from "../../src/Gossip.ts"
import { build } from "../node/support.ts"
import { Czmq } from "./Czmq.ts"
import { describeCzmq } from "./describeCzmq.ts"
import { eventually, ourNode, place, temporaryDirectory } from "./OurNode.ts"
import { ran, run } from "./Program.ts"

const options = { timeout: 30_000, concurrent: true }

const bindTo = (...endpoints: ReadonlyArray<string>) =>
  `zgossip\n${endpoints.map((endpoint) => `    bind\n        endpoint = ${endpoint}\n`).join("")}`

const listeners = (gossip: Gossip.Gossip["Service"]) =>
  Effect.map(gossip.status, ({ listeners }) => listeners.map(({ endpoint }) => endpoint))

const serves = (gossip: Gossip.Gossip["Service"], ...endpoints: ReadonlyArray<string>) =>
  eventually(listeners(gossip), (found) => JSON.stringify(found) === JSON.stringify(endpoints))

const followed = Effect.gen(function* () {
  const folder = yield* temporaryDirectory
  const [a, b, c] = [yield* place("ipc"), yield* place("tcp"), yield* place("inproc")]
  const path = join(folder, "node.zpl")
  writeFileSync(path, bindTo(a))
  const gossip = yield* build(Gossip.layer({ config: path }))
  assert.deepStrictEqual(yield* listeners(gossip), [a])
  return { folder, path, gossip, a, b, c }
})

describe("a configuration file", () => {
  it.live(
    "is followed: written over, put in place of, behind a link, gone and back",
    () =>
      Effect.gen(function* () {
        const { a, b, c, folder, gossip, path } = yield* followed
        writeFileSync(path, bindTo(b))
        yield* serves(gossip, b)
        writeFileSync(`${path}.new`, bindTo(b, c))
        renameSync(`${path}.new`, path)
        yield* serves(gossip, b, c)
        rmSync(path)
        yield* Effect.sleep("1 second")
        assert.deepStrictEqual(yield* listeners(gossip), [b, c])
        writeFileSync(join(folder, "elsewhere.zpl"), bindTo(a))
        symlinkSync(join(folder, "elsewhere.zpl"), path)
        yield* serves(gossip, a)
        writeFileSync(join(folder, "elsewhere.zpl"), bindTo(a, b))
        yield* serves(gossip, a, b)
      }),
    options
  )

  it.live(
    "an address that is in use: the node stays as it was; clients of what stays are not disturbed",
    () =>
      Effect.gen(function* () {
        const { a, b, gossip, path } = yield* followed
        const other = yield* ourNode({ bind: [b] })
        const client = yield* ourNode({ connect: [a], publish: { k: "1" } })
        yield* eventually(gossip.get("k"), ({ _tag }) => _tag === "Some")
        const error = yield* Effect.flip(
          Effect.andThen(
            Effect.sync(() => writeFileSync(path, bindTo(a, b))),
            gossip.configure(path)
          )
        )
        assert.strictEqual(error.reason._tag, "AddressInUse")
        assert.deepStrictEqual(yield* listeners(gossip), [a])
        assert.strictEqual((yield* client.gossip.status).remotes[0]?.state, "Connected")
        assert.strictEqual(other.endpoint, b)
      }),
    options
  )
})

describe("what is no file", () => {
  it.live(
    "is refused at once, and holds nothing up",
    () =>
      Effect.gen(function* () {
        const { a, folder, gossip, path } = yield* followed
        const fifo = join(folder, "fifo")
        execFileSync("mkfifo", [fifo])
        for (const wrong of [fifo, "/dev/zero", "/dev/null", folder, join(folder, "none")]) {
          const error = yield* Effect.flip(gossip.configure(wrong))
          assert.strictEqual(error.reason._tag, "FileNotRead", wrong)
          assert.notInclude(error.message, "\n")
        }
        assert.strictEqual((yield* Effect.flip(gossip.save(fifo))).reason._tag, "FileNotWritten")
        rmSync(path)
        renameSync(fifo, path)
        yield* Effect.sleep("1 second")
        assert.deepStrictEqual(yield* listeners(gossip), [a])
        yield* gossip.stop
      }),
    options
  )
})

describe("save", () => {
  it.live(
    "replaces the file as a whole, with its mode and behind its link",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryDirectory
        const gossip = yield* build(Gossip.layer({ serverTimeout: 7 }))
        const path = join(folder, "node.zpl")
        writeFileSync(path, "old")
        chmodSync(path, 0o600)
        symlinkSync(path, join(folder, "link"))
        yield* gossip.save(join(folder, "link"))
        assert.strictEqual(readFileSync(path, "utf8"), 'server\n    timeout = "7"\n')
        assert.strictEqual(statSync(path).mode & 0o777, 0o600)
        assert.deepStrictEqual(readdirSync(folder).sort(), ["link", "node.zpl"])
      }),
    options
  )

  it.live(
    "where it cannot be written is an error of one line, and leaves nothing behind",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryDirectory
        const gossip = yield* build(Gossip.layer({ serverTimeout: 7 }))
        for (const path of [join(folder, "no/such/folder"), folder, "/dev/full", ""]) {
          const error = yield* Effect.flip(gossip.save(path))
          assert.strictEqual(error.reason._tag, "FileNotWritten", path)
          assert.notInclude(error.message, "\n")
        }
        assert.deepStrictEqual(readdirSync(folder), [])
        assert.strictEqual((yield* gossip.status).tuples, 0)
      }),
    options
  )
})

describeCzmq("files of CZMQ", () => {
  it.live(
    "one that CZMQ has saved is taken here, and one that is saved here by CZMQ",
    () =>
      Effect.gen(function* () {
        const czmq = yield* Czmq.make
        const folder = yield* temporaryDirectory
        const [first, second] = [yield* place("ipc"), yield* place("tcp")]
        const original = join(folder, "original.zpl")
        writeFileSync(
          original,
          `#   zgossip server example
server
    timeout = 10000     #   Client connection timeout
    background = 0
    verbose = 0
zgossip
    echo = I: starting
    bind
        endpoint = ${first}
    security
        mechanism = null
`
        )
        const theirs = yield* czmq.node("theirs")
        yield* theirs.send("CONFIGURE", original)
        yield* theirs.publish("from", "czmq")
        yield* theirs.send("SAVE", join(folder, "saved-by-czmq.zpl"))
        yield* theirs.status
        yield* theirs.destroy

        const ours = yield* build(Gossip.layer({ config: join(folder, "saved-by-czmq.zpl") }))
        assert.deepStrictEqual(yield* listeners(ours), [first])
        yield* ours.set("zgossip/bind/endpoint", second)
        yield* ours.save(join(folder, "saved-by-us.zpl"))
        yield* ours.stop

        const again = yield* czmq.node("again")
        yield* again.send("LOAD", join(folder, "saved-by-us.zpl"))
        yield* again.publish("from", "czmq again")
        const client = yield* ourNode({ connect: [second] })
        yield* client.awaitTuple("from", "czmq again")
      }),
    options
  )
})

describe("zgossip serve --config", () => {
  it.live(
    "flags go before variables, variables before the file; what is wrong is one line",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryDirectory
        const [inFile, inFlag] = [yield* place("ipc"), yield* place("tcp")]
        const path = join(folder, "node.zpl")
        writeFileSync(path, `${bindTo(inFile)}    publish\n        a = file\nserver\n    timeout = 5\n`)
        const zgossip = yield* run("serve", "--config", path, "--bind", inFlag)
        assert.strictEqual(yield* zgossip.bound(), inFlag)
        yield* zgossip.await("stdout", /^a = file$/m)
        const shown = yield* ran(
          { env: { ZGOSSIP_SERVER_TIMEOUT: "6" } },
          ...["config", "show", "--config", path, "--bind", inFlag, "--json"]
        )
        const rows = JSON.parse(shown.stdout) as ReadonlyArray<{ name: string; value: string; from: string }>
        const from = (name: string) => rows.find((row) => row.name === name)
        assert.deepInclude(from("server/timeout"), { value: "6", from: "ZGOSSIP_SERVER_TIMEOUT" })
        assert.deepInclude(from("bind"), { value: inFlag, from: "flag" })
        assert.deepInclude(from("publish a"), { value: "file" })

        writeFileSync(path, "server\n  timeout = 1\n")
        yield* zgossip.await("stderr", /stays as it was, .*node\.zpl line 2, column 3/)
        for (const args of [
          ["config", "check", path],
          ["serve", "--config", path],
          ["serve", "--config", join(folder, "none.zpl")],
          ["config", "check"],
          ["config", "chek"],
          ["serve", "--config", path, "--config", path]
        ]) {
          const { code, stderr, stdout } = yield* ran({}, ...args)
          assert.strictEqual(code, 1, args.join(" "))
          assert.strictEqual(stdout, "")
          assert.match(stderr, /^zgossip: [^\n]+\n$/)
        }
      }),
    { timeout: 60_000, concurrent: true }
  )

  it.live(
    "that says nothing is a node that serves nobody, which the log says",
    () =>
      Effect.gen(function* () {
        const [folder, endpoint] = [yield* temporaryDirectory, yield* place("tcp")]
        const path = join(folder, "node.zpl")
        writeFileSync(path, "")
        const zgossip = yield* run("serve", "--config", path)
        yield* zgossip.await("stderr", /^.*WARN this node serves on no endpoint and connects to none.*$/m)
        writeFileSync(path, bindTo(endpoint))
        assert.strictEqual(yield* zgossip.bound(), endpoint)
      }),
    { timeout: 60_000, concurrent: true }
  )
})
