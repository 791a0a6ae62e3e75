/**
 * A log on a disk of its own, which becomes full, then free, then read-only. Prints what came of it as JSON. The
 * directory that it is given is a small file system, which it may mount anew.
 */
import { Effect, Logger } from "effect"
import { TestClock } from "effect/testing"
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, statSync, unlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as RecordLog from "../../src/layers/RecordLog.ts"

const disk = process.argv[2] ?? ""
const directory = join(disk, "store")
const lines: Array<string> = []

const fill = (name: string) => {
  try {
    for (let n = 0; ; n++) writeFileSync(join(disk, name), Buffer.alloc(4096), { flag: "a" })
  } catch {
    // It is full now.
  }
}

const remaining = Effect.map(RecordLog.open({ directory }), ({ isDamaged, records }) => ({
  isDamaged,
  keys: [...records.keys()]
})).pipe(Effect.scoped)

const live = new Map<string, string>()

const main = Effect.gen(function* () {
  const { resume } = yield* RecordLog.open({ directory })
  const log = yield* resume(function* () {
    for (const [key, record] of live) yield { key, record }
  })
  const put = (key: string, record: string) => {
    live.set(key, record)
    return Effect.result(log.append([{ key, record }], key))
  }
  yield* put("before", "1")
  fill("filler")
  const results = [yield* put("full", "x".repeat(10_000)), yield* put("still full", "2")].map(({ _tag }) => _tag)
  const failure = log.failure()?.message
  const length = statSync(join(directory, "log")).size
  const octets = log.octets()
  // It tries, and cannot.
  yield* TestClock.adjust("10 seconds")
  unlinkSync(join(disk, "filler"))
  while (log.failure() !== undefined) {
    yield* TestClock.adjust("10 seconds")
    yield* Effect.promise(() => new Promise((resume) => setTimeout(resume, 5)))
  }
  results.push((yield* put("after", "3"))._tag)
  return { results, failure, isWhole: length === octets }
}).pipe(Effect.scoped)

const readOnly = Effect.gen(function* () {
  spawnSync("mount", ["-o", "remount,ro", disk])
  const error = yield* Effect.flip(RecordLog.open({ directory }))
  return error.message
}).pipe(Effect.scoped)

/** Nothing is there yet, and no room for it. */
const fromTheBeginning = Effect.gen(function* () {
  fill("filler")
  const { resume } = yield* RecordLog.open({ directory: join(disk, "other") })
  const log = yield* resume(() => [{ key: "key", record: "x".repeat(10_000) }])
  const result = yield* Effect.result(log.append([{ key: "key", record: "1" }], ""))
  return { result: result._tag, failure: log.failure()?.message, hasLog: existsSync(join(disk, "other", "log")) }
}).pipe(Effect.scoped)

const report = await Effect.gen(function* () {
  const found = yield* main
  const [left, files] = [yield* remaining, readdirSync(directory)]
  return { ...found, left, files, late: yield* fromTheBeginning, readOnly: yield* readOnly, lines }
}).pipe(
  Effect.provide(TestClock.layer()),
  Effect.provide(Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])),
  Effect.runPromise
)
console.log(JSON.stringify(report))
