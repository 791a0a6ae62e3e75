/** Files are written as a whole or not at all. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { writeFileAtomically, writeFilesTogether } from "../../src/layers/AtomicFile.ts"
import { temporaryDirectory } from "../interop/OurNode.ts"

const octets = (text: string) => Buffer.from(text)

describe("writeFileAtomically", () => {
  it.live("makes a file, and replaces one; nothing else stays", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = join(directory, "file")
      yield* writeFileAtomically(path, octets("one"))
      assert.strictEqual(readFileSync(path, "utf8"), "one")
      chmodSync(path, 0o600)
      yield* writeFileAtomically(path, [octets("t"), octets("wo")])
      assert.strictEqual(readFileSync(path, "utf8"), "two")
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
      assert.deepStrictEqual(readdirSync(directory), ["file"])
    })
  )

  it.live.skipIf(!existsSync("/dev/shm"))("a file in /dev/shm is a file, not a device", () =>
    Effect.gen(function* () {
      const path = `/dev/shm/zgossip-${process.pid}`
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(path, { force: true })))
      yield* writeFileAtomically(path, octets("one"))
      yield* writeFileAtomically(path, octets("two"))
      assert.strictEqual(readFileSync(path, "utf8"), "two")
    })
  )

  it.live("replaces the file behind a link", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const [path, link] = [join(directory, "file"), join(directory, "link")]
      writeFileSync(path, "old")
      symlinkSync("file", link)
      yield* writeFileAtomically(link, octets("new"))
      assert.strictEqual(readFileSync(path, "utf8"), "new")
      assert.isTrue(lstatSync(link).isSymbolicLink())
    })
  )

  it.live("what goes wrong half-way changes nothing", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = join(directory, "file")
      writeFileSync(path, "old")
      const pieces = function* () {
        yield octets("new")
        throw new Error("half-way")
      }
      const error = yield* Effect.flip(writeFileAtomically(path, pieces()))
      assert.strictEqual(error.message, `cannot write ${path}: half-way`)
      assert.strictEqual(readFileSync(path, "utf8"), "old")
      assert.deepStrictEqual(readdirSync(directory), ["file"])
    })
  )

  it.live("interrupted, it waits until nothing is left", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = join(directory, "file")
      const pieces = function* () {
        for (;;) yield octets("x")
      }
      const fiber = yield* Effect.forkChild(writeFileAtomically(path, pieces()), { startImmediately: true })
      while (!readdirSync(directory).some((name) => name.endsWith(".tmp"))) yield* Effect.sleep("1 millis")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(readdirSync(directory), [])
    })
  )

  it.live("errors name the file and say why, in one line", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const failures = [
        [join(directory, "none", "file"), "no such file or directory (ENOENT)"],
        [directory, "illegal operation on a directory (EISDIR)"],
        ["/dev/full", "no space left on device (ENOSPC)"]
      ] as const
      for (const [path, detail] of failures) {
        const error = yield* Effect.flip(writeFileAtomically(path, octets("x")))
        assert.deepInclude(error, { _tag: "FileError", path, detail })
        assert.strictEqual(error.message, `cannot write ${path}: ${detail}`)
      }
      assert.isFalse(existsSync(join(directory, "none")))
    })
  )
})

describe("writeFilesTogether", () => {
  const pair = (directory: string) => [
    { path: join(directory, "secret"), octets: octets("new secret"), mode: 0o600 },
    { path: join(directory, "public"), octets: octets("new public"), mode: 0o644 }
  ]

  /** What stands in the files of a directory; a directory in it is empty. */
  const all = (directory: string) =>
    Object.fromEntries(
      readdirSync(directory)
        .sort()
        .map((name) => {
          const path = join(directory, name)
          return [name, statSync(path).isDirectory() ? "" : readFileSync(path, "utf8")]
        })
    )

  it.live.each([false, true])("makes both, with their modes; may they replace others: %s", (replace) =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* writeFilesTogether(pair(directory), { replace })
      assert.deepStrictEqual(all(directory), { public: "new public", secret: "new secret" })
      const modes = ["secret", "public"].map((name) => statSync(join(directory, name)).mode & 0o777)
      assert.deepStrictEqual(modes, [0o600, 0o644])
    })
  )

  it.live("replaces both where it may, also the file behind a link", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      writeFileSync(join(directory, "secret"), "old", { mode: 0o644 })
      writeFileSync(join(directory, "behind"), "old")
      symlinkSync("behind", join(directory, "public"))
      yield* writeFilesTogether(pair(directory), { replace: true })
      assert.deepStrictEqual(all(directory), { behind: "new public", public: "new public", secret: "new secret" })
      assert.isTrue(lstatSync(join(directory, "public")).isSymbolicLink())
      assert.strictEqual(statSync(join(directory, "secret")).mode & 0o777, 0o600)
    })
  )

  it.live.each(["secret", "public"])("where the %s one is there, it stays, and the other is not made", (name) =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = join(directory, name)
      writeFileSync(path, "old")
      const error = yield* Effect.flip(writeFilesTogether(pair(directory), { replace: false }))
      assert.strictEqual(error.message, `cannot write ${path}: file already exists (EEXIST)`)
      assert.deepStrictEqual(all(directory), { [name]: "old" })
    })
  )

  it.live.each([false, true])("where the second cannot be written nothing is changed; was there a first: %s", (old) =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      if (old) writeFileSync(join(directory, "secret"), "old")
      mkdirSync(join(directory, "public"))
      const error = yield* Effect.flip(writeFilesTogether(pair(directory), { replace: true }))
      assert.strictEqual(error.path, join(directory, "public"))
      assert.deepStrictEqual(all(directory), old ? { public: "", secret: "old" } : { public: "" })
    })
  )

  it.live("on a disk that is full half-way, nothing is made", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const [secret, shown] = pair(directory)
      const full = function* () {
        yield octets("new")
        throw new Error("no space left on device")
      }
      const files = [secret!, { ...shown!, octets: full() }]
      const error = yield* Effect.flip(writeFilesTogether(files, { replace: false }))
      assert.strictEqual(error.message, `cannot write ${shown!.path}: no space left on device`)
      assert.deepStrictEqual(all(directory), {})
    })
  )
})
