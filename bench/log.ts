/** `npm run bench:log`: our log of records beside SQLite as Node.js has it, in a directory of the disk to be measured. */
import { Effect } from "effect"
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { parseArgs } from "node:util"
import * as RecordLog from "../src/layers/RecordLog.ts"

const { values } = parseArgs({ options: { directory: { type: "string", default: tmpdir() } } })
const root = mkdtempSync(join(values.directory, "zgossip-bench-"))

type Batch = ReadonlyArray<{ readonly key: string; readonly record: string }>

/** Keys of 20 octets and records of 44. */
const batchOf = (size: number, first: number): Batch =>
  Array.from({ length: size }, (_, n) => ({
    key: `service/${String(first + n).padStart(12, "0")}`,
    record: `value ${n}`.padEnd(44, "x")
  }))

interface Subject {
  readonly append: (batch: Batch) => Promise<unknown>
  readonly octets: () => number
  readonly close: () => Promise<unknown>
}

const ours = async (directory: string, sync: number): Promise<Subject> => {
  let end = () => {}
  const ended = new Promise<void>((resume) => (end = resume))
  const { promise, resolve } = Promise.withResolvers<RecordLog.RecordLog>()
  const running = Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const { resume } = yield* RecordLog.open({ directory, sync, spare: 2 ** 40 })
        resolve(yield* resume(() => []))
        yield* Effect.promise(() => ended)
      })
    )
  )
  const log = await Promise.race([promise, running.then(() => promise)])
  return {
    append: (batch) => Effect.runPromise(log.append(batch, "")),
    octets: log.octets,
    close: () => {
      end()
      return running
    }
  }
}

const asBuffer = (octets: unknown): Buffer =>
  octets instanceof Uint8Array ? Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength) : Buffer.alloc(0)

const sqlite = async (directory: string, sync: number): Promise<Subject> => {
  mkdirSync(directory)
  const path = join(directory, "records")
  const database = new DatabaseSync(path)
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${sync === 0 ? "FULL" : "OFF"}`)
  database.exec("CREATE TABLE record (n INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB UNIQUE, octets BLOB)")
  const put = database.prepare(
    "INSERT INTO record (key, octets) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET octets = excluded.octets"
  )
  return {
    append: async (batch) => {
      database.exec("BEGIN")
      for (const { key, record } of batch) put.run(Buffer.from(key, "latin1"), Buffer.from(record, "latin1"))
      database.exec("COMMIT")
    },
    octets: () => statSync(path).size,
    close: async () => database.close()
  }
}

const load = {
  ours: (directory: string) =>
    Effect.runPromise(Effect.scoped(Effect.map(RecordLog.open({ directory }), ({ records }) => records.size))),
  sqlite: async (directory: string) => {
    const database = new DatabaseSync(join(directory, "records"))
    const records = new Map<string, string>()
    for (const { key, octets } of database.prepare("SELECT key, octets FROM record ORDER BY n").iterate()) {
      records.set(asBuffer(key).toString("latin1"), asBuffer(octets).toString("latin1"))
    }
    database.close()
    return records.size
  }
}

const since = (start: number) => performance.now() - start
let directories = 0

for (const size of [1, 512]) {
  for (const sync of [1000, 0]) {
    for (const [name, make] of [["ours", ours] as const, ["sqlite", sqlite] as const]) {
      const directory = join(root, String(++directories))
      const subject = await make(directory, sync)
      const batches = Array.from({ length: 20 }, (_, n) => batchOf(size, n * size))
      const times: Array<number> = []
      for (const start = performance.now(); since(start) < 2000;) {
        const begin = performance.now()
        await subject.append(batches[times.length % batches.length] ?? [])
        times.push(since(begin))
        // Timers and others have their turn, as in a node.
        if (times.length % 16 === 0) await new Promise((resume) => setImmediate(resume))
      }
      await subject.close()
      rmSync(directory, { recursive: true })
      const rate = (times.length / times.reduce((sum, time) => sum + time, 0)) * 1000
      const sorted = times.sort((a, b) => a - b)
      const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(3)
      const what = `${name}, batches of ${size}, ${sync === 0 ? "each synced" : "not synced"}`
      console.log(`${what}: ${rate.toFixed(0)} commits/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`)
    }
  }
}

for (const size of [100_000, 1_000_000]) {
  for (const [name, make] of [["ours", ours] as const, ["sqlite", sqlite] as const]) {
    const directory = join(root, String(++directories))
    const subject = await make(directory, 1000)
    for (let n = 0; n < size; n += 500) await subject.append(batchOf(500, n))
    const written = subject.octets()
    await subject.close()
    const start = performance.now()
    const found = await load[name](directory)
    const took = since(start)
    if (found !== size) throw new Error(`${name} has ${found} of ${size}`)
    rmSync(directory, { recursive: true })
    console.log(`${name}, ${size} records: read in ${took.toFixed(0)} ms, ${(written / size).toFixed(1)} octets each`)
  }
}
rmSync(root, { recursive: true })
