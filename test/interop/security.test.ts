/** Keys, lists and passwords in files, on real sockets, with CZMQ's certificates and libzmq's own CURVE sockets. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { execFile, spawn } from "node:child_process"
import { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Dealer } from "zeromq"
import * as Certificate from "../../src/protocol/Certificate.ts"
import * as Guards from "../../src/layers/Guards.ts"
import * as KeyFiles from "../../src/layers/KeyFiles.ts"
import { availability } from "./Czmq.ts"
import { describeCzmq } from "./describeCzmq.ts"
import { eventually, ourNode, place, temporaryDirectory } from "./OurNode.ts"
import { run } from "./Program.ts"

const options = { timeout: 30_000 }

/** What `czmq-curve` says, line by line, when it has ended. */
const czmqCurve = (...args: ReadonlyArray<string>) =>
  Effect.callback<ReadonlyArray<string>>((resume) => {
    const found = availability("czmq-curve")
    if (!found.available) return resume(Effect.die(new Error(found.reason)))
    execFile(found.program, args, (_, stdout) => resume(Effect.succeed(stdout.split("\n").slice(0, -1))))
  })

/** A server of CZMQ until the scope ends: where it serves, and what it has received. */
const czmqServer = (file: string, directory: string) =>
  Effect.gen(function* () {
    const found = availability("czmq-curve")
    if (!found.available) return yield* Effect.die(new Error(found.reason))
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(found.program, ["server", "tcp://127.0.0.1:*", file, directory], { stdio: "pipe" })),
      (child) => Effect.sync(() => void child.kill("SIGKILL"))
    )
    let said = ""
    child.stdout.on("data", (data: Buffer) => (said += data.toString()))
    const lines = Effect.sync(() => said.split("\n").slice(0, -1))
    const [first = ""] = yield* eventually(lines, (lines) => lines.length > 0, 10_000)
    return { endpoint: `tcp://127.0.0.1:${first.replace("PORT ", "")}`, lines }
  })

/** New keys in `NAME` and `NAME_secret` of a folder. */
const certificate = (folder: string, name: string) =>
  Effect.map(Guards.makeKeys, (keys) => {
    const path = join(folder, name)
    writeFileSync(path, Certificate.printPublic({ publicKey: keys.publicKey, metadata: [["name", name]] }), "latin1")
    writeFileSync(`${path}_secret`, Certificate.printSecret({ ...keys, metadata: [["name", name]] }), {
      encoding: "latin1",
      mode: 0o600
    })
    return { path, ...keys }
  })

const error = (gossip: {
  readonly status: Effect.Effect<{ readonly remotes: ReadonlyArray<{ readonly error: string | undefined }> }, unknown>
}) => Effect.map(gossip.status, ({ remotes }) => remotes[0]?.error ?? "")

describeCzmq("certificates", () => {
  it.live("of CZMQ are read here, ours there", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryDirectory
      const theirs = join(folder, "theirs.cert")
      const [publicKey] = yield* czmqCurve("make", theirs)
      assert.strictEqual(yield* KeyFiles.publicKey(theirs), publicKey)
      const read = yield* KeyFiles.keys(theirs)
      assert.deepStrictEqual(
        [read.publicKey, Redacted.value(read.secretKey)],
        (yield* czmqCurve("show", theirs)).slice(0, 2)
      )
      const ours = yield* certificate(folder, "ours.cert")
      assert.deepStrictEqual(yield* czmqCurve("show", ours.path), [
        ours.publicKey,
        Redacted.value(ours.secretKey),
        "ours.cert"
      ])
    })
  )

  it.live(
    "a libzmq CURVE client whose certificate is in the directory gets the tuples, another one gets nothing",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryDirectory
        const allowed = join(folder, "allowed")
        mkdirSync(allowed)
        yield* czmqCurve("make", join(allowed, "friend.cert"))
        yield* czmqCurve("make", join(folder, "stranger.cert"))
        const server = yield* certificate(folder, "server.cert")
        for (const at of [yield* place("tcp"), yield* place("ipc")]) {
          const node = yield* ourNode({ bind: [at], certificate: server.path, allowKeys: allowed, publish: { a: "1" } })
          const ask = (file: string) => czmqCurve("client", node.endpoint, file, server.publicKey)
          assert.deepStrictEqual(yield* ask(join(allowed, "friend.cert")), [
            "AAA0020101610000000131" + "00000000",
            "AAA00401"
          ])
          assert.deepStrictEqual(yield* ask(join(folder, "stranger.cert")), ["TIMEOUT"])
          assert.strictEqual((yield* node.gossip.status).counters.refused.admission, 1)
        }
      }),
    options
  )

  it.live(
    "a libzmq CURVE server with CZMQ's zauth lets us in by our certificate, and us only",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryDirectory
        const allowed = join(folder, "allowed")
        mkdirSync(allowed)
        yield* czmqCurve("make", join(folder, "server.cert"))
        const ours = yield* certificate(folder, "ours.cert")
        copyFileSync(ours.path, join(allowed, "ours.cert"))
        const other = yield* certificate(folder, "other.cert")
        const { endpoint, lines } = yield* czmqServer(join(folder, "server.cert"), allowed)
        const enter = (path: string) =>
          ourNode({
            connect: [endpoint],
            certificate: path,
            serverKey: join(folder, "server.cert"),
            publish: { a: "1" }
          })
        const friend = yield* enter(ours.path)
        yield* eventually(lines, (lines) => lines.some((line) => line.startsWith("AAA00201016100")), 10_000)
        yield* eventually(
          Effect.map(friend.gossip.status, ({ remotes }) => remotes[0]?.state),
          (state) => state === "Connected"
        )
        const stranger = yield* enter(other.path)
        yield* eventually(error(stranger.gossip), (error) => /does not admit us.*public key/.test(error), 10_000)
      }),
    options
  )
})

describe("files", () => {
  it.live("with secrets that others can read are refused, in a line that shows none", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryDirectory
      const { path, secretKey } = yield* certificate(folder, "node.cert")
      chmodSync(`${path}_secret`, 0o644)
      const users = join(folder, "users")
      writeFileSync(users, "ann=secret word\n", { mode: 0o644 })
      const at = yield* place("tcp")
      for (const given of [{ certificate: path }, { users }]) {
        const failure = yield* Effect.flip(ourNode({ bind: [at], ...given }))
        assert.match(failure.message, /others can read or change its secrets: chmod 600 it$/)
        assert.strictEqual(failure.reason._tag, "InvalidCredentials")
      }
      chmodSync(`${path}_secret`, 0o600)
      writeFileSync(users, "no password here\n", { mode: 0o600 })
      chmodSync(users, 0o600)
      const failure = yield* Effect.flip(ourNode({ bind: [at], users }))
      assert.match(failure.message, /line 1 is not user=password/)
      assert.notInclude(failure.message, "no password")
      writeFileSync(
        `${path}_secret`,
        'curve\n    public-key = "x"\n    secret-key = "' + Redacted.value(secretKey).slice(1) + '"\n'
      )
      const broken = yield* Effect.flip(ourNode({ bind: [at], certificate: path }))
      assert.notInclude(broken.message, Redacted.value(secretKey).slice(1))
    })
  )

  it.live(
    "a key that is added enters within seconds, two of one friend overlap; one that is removed has to go",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryDirectory
        const allowed = join(folder, "allowed")
        mkdirSync(allowed)
        const server = yield* certificate(folder, "server.cert")
        const [old, fresh, other] = [
          yield* certificate(folder, "old.cert"),
          yield* certificate(folder, "fresh.cert"),
          yield* certificate(folder, "other.cert")
        ]
        const admit = ({ path }: { readonly path: string }, name: string) => copyFileSync(path, join(allowed, name))
        admit(other, "other.cert")
        const node = yield* ourNode({ bind: [yield* place("tcp")], certificate: server.path, allowKeys: allowed })
        const enter = ({ path }: { readonly path: string }, key: string) =>
          ourNode({ connect: [node.endpoint], certificate: path, serverKey: server.publicKey, publish: { [key]: "1" } })
        yield* enter(other, "other")
        yield* node.awaitTuple("other")
        const waiting = yield* enter(old, "old")
        yield* eventually(error(waiting.gossip), (error) => error.includes("does not admit"))
        admit(old, "old.cert")
        yield* node.awaitTuple("old", undefined, 5000)
        admit(fresh, "fresh.cert")
        const next = yield* enter(fresh, "fresh")
        yield* node.awaitTuple("fresh", undefined, 5000)
        assert.strictEqual((yield* waiting.gossip.status).remotes[0]?.state, "Connected")
        rmSync(join(allowed, "old.cert"))
        yield* eventually(error(waiting.gossip), (error) => error.includes("does not admit"), 10_000)
        // All the others are back, with what they have published meanwhile
        yield* next.gossip.publish("later", "1")
        yield* node.awaitTuple("later")
        // A list that cannot be read changes nothing
        rmSync(allowed, { recursive: true })
        yield* Effect.sleep("2 seconds")
        yield* next.gossip.publish("still", "1")
        yield* node.awaitTuple("still")
      }),
    options
  )

  it.live(
    "a password that is changed ends who came with the old one; the others return",
    () =>
      Effect.gen(function* () {
        const users = join(yield* temporaryDirectory, "users")
        const admit = (text: string) => writeFileSync(users, text, { mode: 0o600 })
        admit("# people\nann=one\nbob = two\n")
        const node = yield* ourNode({ bind: [yield* place("tcp")], users })
        const enter = (name: string, password: string) =>
          ourNode({
            connect: [node.endpoint],
            user: { name, password: Redacted.make(password) },
            publish: { [name]: "1" }
          })
        const [ann, bob] = [yield* enter("ann", "one"), yield* enter("bob", "two")]
        yield* node.awaitDelivered(2)
        admit("ann=three\nbob=two\n")
        yield* eventually(error(ann.gossip), (error) => error.includes("does not admit"), 10_000)
        yield* bob.gossip.publish("later", "1")
        yield* node.awaitTuple("later")
      }),
    options
  )
})

describe("a port that strangers reach", () => {
  it.live(
    "takes so many connections of one address, and counts them as the kernel does",
    () =>
      Effect.gen(function* () {
        for (const host of ["127.0.0.1", "[::1]"]) {
          const node = yield* ourNode({ bind: [`tcp://${host}:0`], clientsPerAddress: 2 })
          const enter = ourNode({ connect: [node.endpoint] })
          const connected = (n: number) =>
            eventually(
              Effect.map(node.gossip.status, ({ listeners }) => listeners[0]?.members),
              (members) => members === n
            )
          const first = yield* enter
          yield* connected(1)
          yield* enter
          yield* connected(2)
          const third = yield* enter
          yield* eventually(error(third.gossip), (error) => error.includes("does not admit"))
          yield* first.close
          yield* eventually(
            Effect.map(third.gossip.status, ({ remotes }) => remotes[0]?.state),
            (state) => state === "Connected",
            10_000
          )
        }
      }),
    options
  )

  /** Takes the routing ids that the first ROUTER of a process is about to give, and lets it give them. */
  const attack = (endpoint: string) =>
    Effect.gen(function* () {
      const first = 0x6b8b4567
      const hello = Buffer.from([0xaa, 0xa0, 1, 1])
      const knock = (routingId: Buffer | undefined) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            const dealer = new Dealer()
            dealer.linger = 0
            // Its type says text; octets are taken too, and text would not hold these.
            if (routingId !== undefined) Reflect.set(dealer, "routingId", routingId)
            dealer.connect(endpoint)
            dealer.send(hello).catch(() => {})
            dealer.receive().catch(() => {})
            return dealer
          }),
          (dealer) => Effect.sync(() => dealer.close())
        )
      const ids = Array.from({ length: 12 }, (_, n) => {
        const id = Buffer.alloc(5)
        id.writeUInt32BE(first + n, 1)
        return id
      })
      yield* Effect.forEach(ids, knock, { discard: true })
      yield* Effect.sleep("300 millis")
      yield* Effect.forEach(ids, () => knock(undefined), { discard: true })
      yield* Effect.sleep("500 millis")
    }).pipe(Effect.scoped)

  it.live(
    "is where libzmq can be made to abort; with a list of addresses, or with CURVE, it cannot",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryDirectory
        const server = yield* certificate(folder, "server.cert")
        const friend = yield* certificate(folder, "friend.cert")
        const outcome = (settings: string) =>
          Effect.gen(function* () {
            const file = join(folder, "node.zpl")
            writeFileSync(file, `zgossip\n    bind\n        endpoint = tcp://127.0.0.1:*\n    security\n${settings}`)
            const node = yield* run("serve", "--config", file)
            yield* attack(yield* node.bound())
            return node.ended
          }).pipe(Effect.scoped)
        // If this one survives some day, docs/security.md has a better story to tell.
        assert.deepInclude(yield* outcome("        mechanism = null\n"), { signal: "SIGABRT" })
        assert.strictEqual(yield* outcome("        allow-addresses = 10.0.0.0/8\n"), undefined)
        assert.strictEqual(
          yield* outcome(`        certificate = ${server.path}\n        allow-keys = ${friend.path}\n`),
          undefined
        )
      }),
    options
  )
})
