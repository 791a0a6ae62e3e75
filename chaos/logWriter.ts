/**
 * Writes to the log of a directory until it is killed: batch after batch, and says of each when it was taken. Batch `n`
 * sets `n`, sets `counter` to `n`, and removes `n - 100`; now and then it has a long record.
 */
import { Effect } from "effect"
import { writeSync } from "node:fs"
import * as RecordLog from "../src/layers/RecordLog.ts"
import { codeOf } from "../src/layers/ZmqError.ts"

export const recordOf = (n: number): string => `record ${n} ${"x".repeat(n % 50 === 0 ? 20_000 : n % 40)}`

/** Nothing may come between what was taken and the word of it. */
const say = (line: string): void => {
  for (;;) {
    try {
      writeSync(1, line)
      return
    } catch (cause) {
      // Nobody has read the last ones yet.
      if (codeOf(cause) !== "EAGAIN") throw cause
    }
  }
}

const write = (directory: string) =>
  Effect.gen(function* () {
    const { meta, records, resume } = yield* RecordLog.open({ directory, spare: 2 ** 15 })
    const live = new Map(records)
    const log = yield* resume(function* () {
      for (const [key, record] of live) yield { key, record }
    })
    for (let n = Number(meta) + 1; ; n++) {
      const number = String(n)
      const old = String(n - 100)
      live.set(number, recordOf(n))
      live.set("counter", number)
      live.delete(old)
      yield* log.append(
        [
          { key: number, record: recordOf(n) },
          { key: "counter", record: number },
          { key: old, record: undefined }
        ],
        number
      )
      say(`${n}\n`)
    }
  })

const [, program, directory] = process.argv
if (import.meta.filename === program && directory !== undefined) {
  await Effect.runPromise(Effect.scoped(write(directory)))
}
