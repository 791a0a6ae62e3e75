/** Records on the disk, and what is left of them after all that can happen to a process and to its files. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Logger } from "effect"
import { TestClock } from "effect/testing"
import { execFile, spawnSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { open as openFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { mistakesOf, runAndKill } from "../../chaos/LogKills.ts"
import * as RecordFormat from "../../src/layers/RecordFormat.ts"
import * as RecordLog from "../../src/layers/RecordLog.ts"
import { temporaryDirectory } from "../interop/OurNode.ts"

type Records = Readonly<Record<string, string | undefined>>

const entriesOf = (records: Records) => Object.entries(records).map(([key, record]) => ({ key, record }))

/** A log, and the map that it is a copy of. */
const begin = (directory: string, options: Partial<RecordLog.Options> = {}) =>
  Effect.gen(function* () {
    const opened = yield* RecordLog.open({ directory, ...options })
    const live = new Map(opened.records)
    const log = yield* opened.resume(function* () {
      for (const [key, record] of live) yield { key, record }
    })
    const put = (records: Records, meta = "") => {
      for (const [key, record] of Object.entries(records)) {
        if (record === undefined) live.delete(key)
        else live.set(key, record)
      }
      return log.append(entriesOf(records), meta)
    }
    return { log, put, live, ...opened }
  })

/** What somebody finds who opens it, as a list, in order. */
const found = (directory: string) =>
  Effect.scoped(
    Effect.map(begin(directory), ({ isDamaged, meta, records }) => ({ isDamaged, meta, records: [...records] }))
  )

const lines: Array<string> = []
const listening = Effect.provide(
  Logger.layer([Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`))])
)

describe("a log", () => {
  it.live("gives back what was written, in order of first arrival", () =>
    Effect.gen(function* () {
      const directory = join(yield* temporaryDirectory, "a", "b")
      assert.deepStrictEqual(yield* found(directory), { isDamaged: false, meta: "", records: [] })
      const all = String.fromCharCode(...Array.from({ length: 256 }, (_, octet) => octet))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { put } = yield* begin(directory)
          yield* put({ one: "1", [all]: all, "": "", three: "3" }, "first")
          yield* put({ one: "changed" }, "second")
          yield* put({ three: undefined, never: undefined }, "third")
        })
      )
      const records = [
        ["one", "changed"],
        [all, all],
        ["", ""]
      ]
      assert.deepStrictEqual(yield* found(directory), { isDamaged: false, meta: "third", records })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { put } = yield* begin(directory, { sync: 0 })
          yield* put({ three: "again", one: undefined }, all)
          yield* put({ one: "last" }, all)
          yield* put({}, "meta alone")
        })
      )
      const later = [
        [all, all],
        ["", ""],
        ["three", "again"],
        ["one", "last"]
      ]
      assert.deepStrictEqual(yield* found(directory), { isDamaged: false, meta: "meta alone", records: later })
      assert.sameMembers(readdirSync(directory), ["lock", "log"])
      for (const name of ["lock", "log"]) assert.strictEqual(statSync(join(directory, name)).mode & 0o777, 0o600)
      assert.strictEqual(statSync(directory).mode & 0o777, 0o700)
    })
  )

  it.live("takes records longer than it reads at once, and many of them", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const long = Array.from({ length: 3 }, (_, n) => [`long ${n}`, String(n).repeat(3_000_000)] as const)
      const many = Array.from({ length: 5000 }, (_, n) => [`many ${n}`, "x".repeat(n % 100)] as const)
      const records = [...many, ...long]
      yield* Effect.scoped(Effect.flatMap(begin(directory), ({ put }) => put(Object.fromEntries(records), "meta")))
      const back = yield* found(directory)
      assert.strictEqual(back.meta, "meta")
      assert.isTrue(JSON.stringify(back.records) === JSON.stringify(records))
    })
  )

  it.live("is made anew when most of it is of no use, and nobody waits for that", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const live = yield* Effect.scoped(
        Effect.gen(function* () {
          const { live, log, put } = yield* begin(directory, { spare: 2 ** 18 })
          const fixed = Array.from({ length: 2000 }, (_, n) => [`key ${n}`, "x".repeat(100)] as const)
          yield* put(Object.fromEntries(fixed), "0")
          let shrunk = 0
          for (let n = 1; shrunk < 3; n++) {
            const before = log.octets()
            // A key goes to the end by and by, and a new one comes.
            yield* put({ [`key ${n}`]: undefined, [`new ${n}`]: `${n}`, counter: "c".repeat(1000) }, `${n}`)
            yield* put({ [`key ${n}`]: "again" }, `${n}`)
            if (log.octets() < before) shrunk += 1
            if (n % 5 === 0) yield* Effect.promise(() => new Promise((resume) => setImmediate(resume)))
          }
          assert.isBelow(log.octets(), 2 ** 21)
          return [...live]
        })
      )
      const back = yield* found(directory)
      assert.deepStrictEqual(new Map(back.records), new Map(live))
      // What was removed and came again may have changed places with what came at the same time.
      const stayed = (records: ReadonlyArray<readonly [string, string]>) =>
        records.flatMap(([key, record]) => (record === "again" ? [] : [key]))
      assert.deepStrictEqual(stayed(back.records), stayed(live))
      assert.sameMembers(readdirSync(directory), ["lock", "log"])
    })
  )

  it.effect("grows while it cannot be made anew, says so once, and is made anew later", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const obstacle = join(directory, "log.next")
      const { log, put } = yield* begin(directory, { spare: 1000 })
      mkdirSync(obstacle)
      lines.length = 0
      yield* put({ key: "x".repeat(2000) })
      const turns = (until: () => boolean) =>
        Effect.gen(function* () {
          for (let n = 0; n < 1000 && !until(); n++) {
            yield* TestClock.adjust("1 minute")
            yield* Effect.promise(() => new Promise((resume) => setTimeout(resume, 2)))
          }
          assert.isTrue(until())
        })
      let n = 0
      yield* turns(() => lines.length > 0 && n++ > 20)
      assert.deepStrictEqual(lines, [
        `Warn cannot write ${obstacle}: illegal operation on a directory (EISDIR); the log grows meanwhile`
      ])
      yield* put({ key: "1" })
      assert.strictEqual(log.failure(), undefined)
      rmdirSync(obstacle)
      yield* turns(() => log.octets() < 1000)
      yield* put({ late: "2" })
      const content = yield* decode(join(directory, "log"))
      assert.deepStrictEqual(
        [...content.records],
        [
          ["key", "1"],
          ["late", "2"]
        ]
      )
    }).pipe(listening)
  )

  it.live("has one user at a time", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { put } = yield* begin(directory)
          for (let n = 0; n < 2; n++) {
            const error = yield* Effect.flip(Effect.scoped(RecordLog.open({ directory })))
            assert.strictEqual(error._tag, "DirectoryLocked")
          }
          yield* put({ key: "1" })
        })
      )
      assert.deepStrictEqual((yield* found(directory)).records, [["key", "1"]])
    })
  )

  it.live("a directory that cannot be one", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryDirectory, "file")
      writeFileSync(file, "")
      const error = yield* Effect.flip(Effect.scoped(RecordLog.open({ directory: join(file, "store") })))
      assert.strictEqual(error.message, `cannot write ${file}/store: not a directory (ENOTDIR)`)
    })
  )
})

/** A log of three batches, and where each of them ends. */
const three = (directory: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { log, put } = yield* begin(directory)
      const ends = []
      for (const n of [1, 2, 3]) {
        yield* put({ [`key ${n}`]: `record ${n}` }, `meta ${n}`)
        ends.push(log.octets())
      }
      return ends as [number, number, number]
    })
  )

const decode = (path: string) =>
  Effect.promise(async () => {
    const file = await openFile(path)
    try {
      return await RecordFormat.decode(file)
    } finally {
      await file.close()
    }
  })

describe("a log that was not written to its end", () => {
  it.live("has what was acknowledged, wherever it ends", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const [, second, third] = yield* three(directory)
      const whole = readFileSync(join(directory, "log"))
      assert.strictEqual(whole.length, third)
      const path = join(directory, "cut")
      for (let end = 0; end < third; end++) {
        writeFileSync(path, whole.subarray(0, end))
        const { faults, octets, records, torn } = yield* decode(path)
        assert.deepStrictEqual(faults, [])
        assert.strictEqual(octets + torn, end)
        if (end < second) assert.isBelow(records.size, 2)
        else assert.deepStrictEqual([...records.keys()], ["key 1", "key 2"])
      }
      // The length reached the disk before the power was lost, and the octets did not.
      writeFileSync(path, Buffer.concat([whole.subarray(0, second), Buffer.alloc(3_000_000)]))
      assert.deepInclude(yield* decode(path), { faults: [], octets: second, torn: 3_000_000 })
    })
  )

  it.live("goes on behind that, and says at most how much it was", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const [, second, third] = yield* three(directory)
      for (const end of [third - 1, second + 1, second]) {
        lines.length = 0
        truncateSync(join(directory, "log"), end)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { isDamaged, meta, put, records } = yield* listening(begin(directory))
            assert.isFalse(isDamaged)
            assert.strictEqual(meta, "meta 2")
            assert.deepStrictEqual([...records.keys()], ["key 1", "key 2"])
            const said = `Info ${directory}/log ended in ${end - second} octets of what was not written to its end; they are dropped`
            assert.deepStrictEqual(lines, end === second ? [] : [said])
            yield* put({ "key 3": "record 3" }, "meta 3")
          })
        )
        assert.strictEqual(statSync(join(directory, "log")).size, third)
      }
      for (const end of [0, 3]) {
        truncateSync(join(directory, "log"), end)
        assert.deepStrictEqual(yield* listening(found(directory)), { isDamaged: false, meta: "", records: [] })
      }
    })
  )
})

describe("a log in which something changed", () => {
  it.live("any bit of it: it is noticed, and nothing wrong is taken", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* three(directory)
      const whole = readFileSync(join(directory, "log"))
      const right = new Map([1, 2, 3].map((n) => [`key ${n}`, `record ${n}`]))
      const path = join(directory, "changed")
      for (let at = 0; at < whole.length; at++) {
        const changed = Buffer.from(whole)
        changed[at]! ^= 1 << (at % 8)
        writeFileSync(path, changed)
        const { faults, records } = yield* decode(path)
        assert.strictEqual(faults.length, 1, `octet ${at}`)
        for (const [key, record] of records) assert.strictEqual(record, right.get(key))
      }
    })
  )

  const cases: ReadonlyArray<readonly [string, (ends: readonly [number, number, number]) => number, number, RegExp]> = [
    ["its beginning", () => 0, 0, /log is no log; it is kept as/],
    ["its version", () => 4, 0, /log is a log of another version; it is kept as/],
    ["a head", ([first]) => first, 1, /log is damaged, its checksums are wrong at octet \d+; it is kept as/],
    ["a body", ([, second]) => second - 1, 2, /and the 2 records that could be read are taken/]
  ]
  it.live.each(cases)("%s: it is kept beside a new one", ([, where, kept, says]) =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const at = where(yield* three(directory))
      const path = join(directory, "log")
      const changed = readFileSync(path)
      changed[at]! ^= 0x10
      writeFileSync(path, changed)
      lines.length = 0
      const first = yield* listening(found(directory))
      assert.isTrue(first.isDamaged)
      assert.strictEqual(first.records.length, kept)
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0]!, /^Warn /)
      assert.match(lines[0]!, says)
      const [aside, ...others] = readdirSync(directory).filter((name) => name.endsWith(".aside"))
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(readFileSync(join(directory, aside!)), changed)
      assert.deepStrictEqual(yield* listening(found(directory)), { ...first, isDamaged: false })
      assert.strictEqual(lines.length, 1)
    })
  )
})

describe.skipIf(process.platform === "win32")("a log whose process is killed", () => {
  const killed = (milliseconds: number) =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const whileItRuns = async () => {
        const exit = await Effect.runPromiseExit(Effect.scoped(RecordLog.open({ directory })))
        assert.match(String(Exit.isFailure(exit) && exit.cause), /DirectoryLocked/)
      }
      const acknowledged = yield* Effect.promise(() => runAndKill(directory, milliseconds, whileItRuns))
      assert.isAbove(acknowledged, 0)
      // What a process leaves that was killed just then.
      writeFileSync(join(directory, "log.next.1-0.tmp"), "half")
      assert.deepStrictEqual(yield* Effect.promise(() => mistakesOf(directory, acknowledged)), [])
      assert.sameMembers(readdirSync(directory), ["lock", "log"])
    })

  it.live("has all that was acknowledged, and lets the next in", () =>
    Effect.forEach([5, 60, 150], killed, { concurrency: "unbounded", discard: true })
  )
})

/** A small file system of its own for what is run in it. */
const smallDisk = (disk: string) => [
  "-Urm",
  "sh",
  "-c",
  `mount -t tmpfs -o size=256k none '${disk}' && exec "$@"`,
  "sh"
]

const hasNamespaces = spawnSync("unshare", [...smallDisk("/mnt"), "true"]).status === 0

it.live.skipIf(!hasNamespaces)("a disk that is full, and free again; one that is read-only", () =>
  Effect.gen(function* () {
    const disk = yield* temporaryDirectory
    const program = join(import.meta.dirname, "logOnFullDisk.ts")
    const { stdout } = yield* Effect.promise(() =>
      promisify(execFile)("unshare", [...smallDisk(disk), process.execPath, program, disk])
    )
    const store = join(disk, "store")
    const full = "no space left on device (ENOSPC)"
    const { late, left, lines, readOnly, ...found } = JSON.parse(stdout)
    assert.deepStrictEqual(found, {
      results: ["Failure", "Success", "Success"],
      failure: `cannot write ${store}/log: ${full}`,
      isWhole: true,
      files: ["lock", "log"]
    })
    assert.deepStrictEqual(left, { isDamaged: false, keys: ["before", "full", "still full", "after"] })
    assert.deepInclude(late, { result: "Success", hasLog: false })
    assert.include(late.failure, full)
    assert.match(readOnly, /read-only file system \(EROFS\)$/)
    assert.deepStrictEqual(lines, [
      `cannot write ${store}/log: ${full}; until it can be, all is kept in memory only`,
      `${store}/log can be written again, and has everything`,
      `${late.failure}; until it can be, all is kept in memory only`
    ])
  })
)
