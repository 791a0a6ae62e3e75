/** A process that writes to a log, is killed at some moment, and what of it is there afterwards. */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import * as RecordLog from "../src/layers/RecordLog.ts"
import { recordOf } from "./logWriter.ts"

const program = join(import.meta.dirname, "logWriter.ts")

/** Runs it for so many milliseconds from its first word on, and kills it. Gives the last batch that was acknowledged. */
export const runAndKill = async (directory: string, milliseconds: number, running?: () => Promise<void>) => {
  const child = spawn(process.execPath, [program, directory], { stdio: ["ignore", "pipe", "inherit"] })
  const ended = once(child, "close")
  let said = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-100)))
  await Promise.race([once(child.stdout, "data"), ended])
  await running?.()
  await new Promise((resume) => setTimeout(resume, milliseconds))
  child.kill("SIGKILL")
  await ended
  return Number(said.slice(0, said.lastIndexOf("\n")).split("\n").at(-1))
}

/** What is wrong with the log after that; nothing, if all is well. */
export const mistakesOf = (directory: string, acknowledged: number): Promise<ReadonlyArray<string>> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.map(RecordLog.open({ directory }), ({ isDamaged, meta, records }) => {
        const last = Number(meta)
        const wrong: Array<string> = []
        if (isDamaged) wrong.push("it is damaged")
        // One more may be there, of which it could not speak any more.
        if (!(last === acknowledged || last === acknowledged + 1)) {
          wrong.push(`it ends with ${last}, and ${acknowledged} was acknowledged`)
        }
        const expected = new Map<string, string>()
        for (let n = Math.max(1, last - 99); n <= last; n++) expected.set(String(n), recordOf(n))
        const held = new Map(records)
        if (held.get("counter") !== meta) wrong.push(`the counter is ${held.get("counter")} and not ${meta}`)
        held.delete("counter")
        const [order, wanted] = [[...held.keys()].join(" "), [...expected.keys()].join(" ")]
        if (order !== wanted) wrong.push(`it holds ${order} and not ${wanted}`)
        for (const [key, record] of held) if (record !== expected.get(key)) wrong.push(`${key} has another record`)
        return wrong
      })
    )
  )
