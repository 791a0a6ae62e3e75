/** Keys, lists and passwords on the command line: each as a user would, each refusal in one line. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { eventually, place, temporaryDirectory } from "./OurNode.ts"
import { ran, run } from "./Program.ts"

const options = { timeout: 60_000 }

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8)

/** The keys of a server and of somebody whom it lets in, and of somebody else. */
const keyring = Effect.gen(function* () {
  const folder = yield* temporaryDirectory
  mkdirSync(join(folder, "allowed"))
  const [server, friend, stranger] = ["server.cert", "allowed/friend.cert", "stranger.cert"].map((it) =>
    join(folder, it)
  )
  const made = [server, friend, stranger].map((path) => ran({}, "keygen", path ?? "", "-q"))
  const [serverKey = "", ...keys] = (yield* Effect.all(made, { concurrency: 3 })).map(({ stdout }) => stdout.trim())
  return {
    folder,
    allowed: join(folder, "allowed"),
    server: server!,
    friend: friend!,
    stranger: stranger!,
    serverKey,
    keys
  }
})

describe("zgossip keygen", () => {
  it.live(
    "writes two files with the right modes, and never over keys that are there",
    () =>
      Effect.gen(function* () {
        const file = join(yield* temporaryDirectory, "node.cert")
        const first = yield* ran({}, "keygen", file, "--name", "web 1")
        assert.deepInclude(first, { code: 0 })
        assert.match(first.stdout, /^\S{40}\n$/)
        assert.match(first.stderr, /^wrote .*node\.cert, .*node\.cert_secret.*\n$/)
        assert.deepStrictEqual([mode(file), mode(`${file}_secret`)], ["644", "600"])
        const [shown, secret] = [readFileSync(file, "utf8"), readFileSync(`${file}_secret`, "utf8")]
        assert.include(shown, first.stdout.trim())
        assert.include(shown, 'name = "web 1"')
        assert.notInclude(shown, "secret-key")
        assert.include(secret, "secret-key")
        const again = yield* ran({}, "keygen", file)
        assert.deepInclude(again, { code: 1, stdout: "" })
        assert.match(again.stderr, /^zgossip: .*there already.*--force\n$/)
        assert.strictEqual(readFileSync(`${file}_secret`, "utf8"), secret)
        chmodSync(`${file}_secret`, 0o644)
        const forced = yield* ran({}, "keygen", file, "--force", "--json")
        const { publicKey } = JSON.parse(forced.stdout) as { publicKey: string }
        assert.notInclude(shown, publicKey)
        assert.include(readFileSync(file, "utf8"), publicKey)
        assert.strictEqual(mode(`${file}_secret`), "600")
        for (const wrong of ["", "folder/", `${file}_secret`, "/nowhere/node.cert"]) {
          const { code, stderr, stdout } = yield* ran({}, "keygen", wrong)
          assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" }, wrong)
          assert.match(stderr, /^zgossip: [^\n]+\n$/)
        }
      }),
    options
  )
})

describe("a node with --certificate and --allow-keys", () => {
  it.live(
    "answers each command with the right keys, from flags or from the environment, and no other",
    () =>
      Effect.gen(function* () {
        const { allowed, folder, friend, server, serverKey, stranger } = yield* keyring
        const node = yield* run(
          ...["serve", "--bind", "tcp://127.0.0.1:*", "--certificate", server, "--allow-keys", allowed],
          ...["--publish", "a=1"]
        )
        const at = yield* node.bound()
        const mine = ["-e", at, "--certificate", friend, "--server-key", server]
        const env = {
          ZGOSSIP_ENDPOINT: at,
          ZGOSSIP_SECURITY_CERTIFICATE: friend,
          ZGOSSIP_SECURITY_SERVER_KEY: serverKey
        }
        const right = [
          [yield* ran({}, "get", "a", ...mine), "1\n"],
          [yield* ran({ env }, "publish", "b", "2"), ""],
          [yield* ran({ env }, "list"), "a = 1\nb = 2\n"],
          [yield* ran({}, "watch", "b", "--once", "-q", ...mine), "b = 2\n"]
        ] as const
        for (const [{ code, stderr, stdout }, says] of right) {
          assert.deepStrictEqual({ code, stdout }, { code: 0, stdout: says }, stderr)
        }
        assert.strictEqual((yield* ran({}, "ping", "-c", "2", "-i", "10ms", ...mine)).code, 0)
        assert.match((yield* ran({ env }, "status")).stdout, /2 tuples/)
        const pipe = yield* ran(
          { stdin: Buffer.from(`CONNECT ${at}\nPUBLISH c 3\n`) },
          ...["pipe", "--certificate", friend, "--server-key", server]
        )
        assert.deepInclude(pipe, { code: 0, stdout: "DELIVER c 3\nDELIVER a 1\nDELIVER b 2\n" }, JSON.stringify(pipe))
        assert.strictEqual((yield* ran({ env }, "get", "c")).stdout, "3\n")

        const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number, says: RegExp]> = [
          [["-e", at, "--certificate", stranger, "--server-key", server], 2, /not admitted.*public key/],
          [["-e", at, "--certificate", friend, "--server-key", stranger], 2, /not admitted.*server key/],
          [["-e", at], 2, /not admitted.*--server-key/],
          [["-e", at, "--server-key", server], 2, /not admitted/],
          [["-e", at, "--certificate", friend], 1, /give --server-key too/],
          [["-e", at, "--certificate", join(folder, "nobody"), "--server-key", server], 1, /nobody.*no such file/],
          [["-e", at, "--certificate", friend, "--server-key", "nokey"], 1, /nokey/],
          [["-e", at, "--certificate", "", "--server-key", server], 1, /./]
        ]
        for (const [args, code, says] of wrong) {
          const ended = yield* ran({}, "get", "a", ...args)
          assert.deepStrictEqual([ended.code, ended.stdout], [code, ""], `${args.join(" ")}: ${ended.stderr}`)
          assert.match(ended.stderr, /^zgossip: [^\n]+\n$/)
          assert.match(ended.stderr, says)
        }
        yield* node.await("stderr", /not admitted: 127\.0\.0\.1: the key \S{40} is not on the list/)
        const secrets = [server, friend, stranger].map(
          (it) => /secret-key = "(.*)"/.exec(readFileSync(`${it}_secret`, "utf8"))?.[1]
        )
        for (const secret of secrets) assert.notInclude(node.stderr, secret ?? "?")
      }),
    options
  )

  it.live(
    "says in one line what strangers can do there; a file whose keys others can read is refused",
    () =>
      Effect.gen(function* () {
        const { allowed, folder, server } = yield* keyring
        const warned = (...args: ReadonlyArray<string>) =>
          Effect.scoped(
            Effect.gen(function* () {
              const node = yield* run("serve", "--bind", "tcp://*:0", "--publish", "a=1", ...args)
              yield* node.await("stdout", /a = 1/)
              return node.stderr
            })
          )
        assert.match(yield* warned(), /WARN .*read and change every tuple.*--allow-keys/)
        assert.match(yield* warned("--certificate", server), /WARN .*knows the public key.*--allow-keys/)
        assert.notMatch(yield* warned("--certificate", server, "--allow-keys", allowed), /WARN/)
        assert.notMatch(yield* warned("--allow-addresses", "127.0.0.1"), /WARN/)
        const users = join(folder, "users")
        writeFileSync(users, "ann=secret word\n", { mode: 0o600 })
        assert.match(yield* warned("--users", users), /WARN .*clear text/)

        const file = join(folder, "node.zpl")
        const guarded = "zgossip\n    bind\n        endpoint = tcp://*:0\n        allow-addresses = 127.0.0.1\n"
        writeFileSync(file, guarded)
        const node = yield* run("serve", "--config", file)
        yield* node.bound()
        writeFileSync(file, guarded.replace(/ *allow.*/, ""))
        yield* node.await("stderr", /WARN whoever reaches tcp:\/\/\*:0 can read and change every tuple/)

        chmodSync(`${server}_secret`, 0o604)
        writeFileSync(
          file,
          `zgossip\n    bind\n        endpoint = ${yield* place("tcp")}\n    security\n        certificate = ${server}\n`
        )
        for (const args of [
          ["serve", "--config", file],
          ["config", "check", file],
          ["serve", "--certificate", server]
        ]) {
          const { code, stderr, stdout } = yield* ran({}, ...args)
          assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" }, args.join(" "))
          assert.match(stderr, /^zgossip: cannot bind .*others can read or change its secrets: chmod 600 it\n$/)
        }
      }),
    options
  )
})

describe("an endpoint with a rule, and a node that is full", () => {
  it.live(
    "say to publish and import what they did not take, and why",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryDirectory
        const file = join(folder, "node.zpl")
        writeFileSync(
          file,
          `limits
    tuples = 3
    value-octets = 5
zgossip
    bind
        endpoint = tcp://127.0.0.1:*
        may-publish = web/
    bind
        endpoint = tcp://127.0.0.1:*
`
        )
        const node = yield* run("serve", "--config", file)
        const [web, all] = [yield* node.bound(1), yield* node.bound(2)]
        assert.deepInclude(yield* ran({}, "publish", "web/1", "x", "-e", web), { code: 0, stderr: "" })
        const refused = yield* ran({}, "publish", "db/1", "x", "-e", web)
        assert.deepInclude(refused, { code: 1, stdout: "" })
        assert.strictEqual(
          refused.stderr,
          `zgossip: ${web} did not take 1 of 1 tuple: its clients may not set such keys, ask its operator for an ` +
            "endpoint where they may\n"
        )
        const stdin = Buffer.from(["a", "b", "c", "d"].map((key) => `{"key":"${key}","value":"1"}\n`).join(""))
        const full = yield* ran({ stdin }, "import", "-e", all)
        assert.deepInclude(full, { code: 1, stdout: "" })
        assert.match(full.stderr, /^zgossip: \S+ did not take 2 of 4 tuples: .*limits\/tuples there\n$/)
        assert.match((yield* ran({}, "publish", "a", "123456", "-e", all)).stderr, /limits\/value-octets there\n$/)
        assert.strictEqual((yield* ran({}, "list", "-e", all)).stdout, "a = 1\nb = 1\nweb/1 = x\n")
      }),
    options
  )
})

describe("a node with --users", () => {
  it.live(
    "asks for a password; a wrong one is said in one line that does not show it",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryDirectory
        const file = (name: string, text: string) => {
          writeFileSync(join(folder, name), text, { mode: 0o600 })
          return join(folder, name)
        }
        const node = yield* run(
          ...["serve", "--bind", "tcp://127.0.0.1:*", "--publish", "a=1"],
          ...["--users", file("users", "ann=right word\n")]
        )
        const at = yield* node.bound()
        const get = (user: string) => ran({}, "get", "a", "-e", at, "--user", user)
        assert.deepInclude(yield* get(file("ann", "ann=right word\n")), { code: 0, stdout: "1\n" })
        const refused = yield* get(file("eve", "ann=wrong word\n"))
        assert.deepInclude(refused, { code: 2, stdout: "" })
        assert.match(refused.stderr, /^zgossip: not admitted by .*user and password.*\n$/)
        yield* eventually(
          Effect.sync(() => node.stderr),
          (text) => text.includes('the user "ann"')
        )
        assert.notMatch(node.stderr + refused.stderr, /(?:right|wrong) word/)
        const inline = (yield* get("ann=right word")).stderr
        assert.match(inline, /^zgossip: .*goes into a file.*\n$/)
        assert.notInclude(inline, "right word")
        for (const wrong of ["nothing here", "", "a=1\nb=2\n"]) {
          assert.match((yield* get(file("bad", wrong))).stderr, /^zgossip: .*bad: .*user=password.*\n$/)
        }
      }),
    options
  )
})
