/** Files of keys that are no files, or are not always there. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { vi } from "vitest"
import * as Guards from "../../src/layers/Guards.ts"
import * as KeyFiles from "../../src/layers/KeyFiles.ts"
import { FileError as KeyFilesError } from "../../src/layers/FileError.ts"
import { eventually, temporaryDirectory } from "../interop/OurNode.ts"

/** What the system has no descriptor for, and how often it was wanted. */
const broken = vi.hoisted(() => ({ path: "", times: 0 }))

vi.mock(import("../../src/layers/AtomicFile.ts"), async (original) => {
  const actual = await original()
  return {
    ...actual,
    readFile: (path, most) =>
      Effect.suspend(() => {
        if (path !== broken.path) return actual.readFile(path, most)
        broken.times += 1
        return Effect.fail(new KeyFilesError({ operation: "read", path, detail: "too many open files" }))
      })
  }
})

const keys = { publicKey: "O6&]jLuO^F=xwv(h[MDF[ZwTt3hPt0PRQ}#@A^/b", secretKey: Redacted.make("") }
const key = "O6&]jLuO^F=xwv(h[MDF[ZwTt3hPt0PRQ}#@A^/b"

describe("a pipe", () => {
  it.live("among the keys that may enter is told, and nobody waits for it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryDirectory
      const pipe = join(folder, "pipe")
      execFileSync("mkfifo", ["-m", "600", pipe])
      writeFileSync(join(folder, "list"), `${key}\n`)
      const { keys, notices } = yield* KeyFiles.allowed(folder)
      assert.deepStrictEqual([...keys], [key])
      assert.deepStrictEqual(notices, [`cannot read ${pipe}: it is no regular file`])
      const reads = [KeyFiles.allowed(pipe), KeyFiles.passwords(pipe), KeyFiles.keys(pipe), KeyFiles.publicKey(pipe)]
      for (const read of reads) {
        const { detail } = yield* Effect.flip(Effect.asVoid<unknown, KeyFilesError, never>(read))
        assert.strictEqual(detail, "it is no regular file")
      }
    })
  )
})

describe("public keys that others can write", () => {
  const detail = "others can write it, and say whose keys are good: chmod go-w it"

  it.live.each([0o620, 0o602, 0o666])("are refused, mode %o: a list, one in a directory, a server's key", (mode) =>
    Effect.gen(function* () {
      const folder = yield* temporaryDirectory
      const [list, good] = [join(folder, "list"), join(folder, "good")]
      for (const file of [list, good]) writeFileSync(file, `${key}\n`, { mode: 0o644 })
      chmodSync(list, mode)
      for (const path of [list, folder]) {
        const failure = yield* Effect.flip(KeyFiles.allowed(path))
        assert.deepStrictEqual([failure._tag, failure.path, failure.detail], ["FileError", list, detail])
      }
      assert.strictEqual((yield* Effect.flip(KeyFiles.publicKey(list))).detail, detail)
      chmodSync(list, 0o644)
      assert.deepStrictEqual([...(yield* KeyFiles.allowed(folder)).keys], [key])
      assert.strictEqual(yield* KeyFiles.publicKey(list), key)
    })
  )

  it.live.each([0o770, 0o707, 0o1777])("are refused, mode %o: a directory, to which they can add", (mode) =>
    Effect.gen(function* () {
      const folder = join(yield* temporaryDirectory, "clients")
      mkdirSync(folder)
      writeFileSync(join(folder, "one"), `${key}\n`)
      chmodSync(folder, mode)
      const failure = yield* Effect.flip(KeyFiles.allowed(folder))
      assert.deepStrictEqual([failure.path, failure.detail], [folder, detail])
      chmodSync(folder, 0o755)
      assert.deepStrictEqual([...(yield* KeyFiles.allowed(folder)).keys], [key])
    })
  )
})

describe("a directory of something else", () => {
  it.live("is told in few lines", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryDirectory
      for (const name of ["one", "two"]) writeFileSync(join(folder, name), "no key\n".repeat(100_000))
      const { keys, notices } = yield* KeyFiles.allowed(folder)
      assert.strictEqual(keys.size, 0)
      assert.lengthOf(notices, 21)
      assert.strictEqual(notices.at(-1), `${folder}: and 180 more like these`)
    })
  )
})

describe("a list that could not be read", () => {
  it.live("is read when it can be, also where it has not changed since", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryDirectory, "list")
      const other = key.replace("O6", "O7")
      writeFileSync(file, `${key}\n`)
      const guard = yield* Guards.guardOf({ certificate: keys, allowKeys: file }, 0, () => Effect.void)
      const admit = (key: string) => guard!.admit({ address: "", connections: () => 0, mechanism: "curve", key })
      assert.isUndefined(yield* admit(key))
      const revoked = yield* Effect.forkScoped(guard!.revoked)
      // Its owner is not on it any more, and the system has no descriptor left for that news.
      broken.path = file
      writeFileSync(file, `${other}\n`)
      yield* eventually(
        Effect.sync(() => broken.times),
        (times) => times > 0
      )
      assert.isUndefined(yield* admit(key))
      broken.path = ""
      assert.match(yield* Fiber.join(revoked), /may not stay/)
      assert.isString(yield* admit(key))
      assert.isUndefined(yield* admit(other))
    })
  )
})
