/** `npm run chaos:log`: kills a process that writes to a log, again and again, and looks at what is left of it. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { mistakesOf, runAndKill } from "./LogKills.ts"

const { values } = parseArgs({ options: { seconds: { type: "string", default: "30" } } })
const directory = mkdtempSync(join(tmpdir(), "zgossip-log-"))
const end = performance.now() + Number(values.seconds) * 1000
let [kills, acknowledged] = [0, 0]
while (performance.now() < end) {
  acknowledged = await runAndKill(directory, Math.random() * 100)
  const wrong = await mistakesOf(directory, acknowledged)
  if (wrong.length > 0) {
    console.error(`after ${kills} kills that did no harm, in ${directory}: ${wrong.join("; ")}`)
    process.exit(1)
  }
  kills += 1
}
rmSync(directory, { recursive: true })
console.log(`killed ${kills} times; all ${acknowledged} batches that were acknowledged were there each time`)
