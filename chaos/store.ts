/** `npm run chaos:store`: kills a node that keeps its tuples on the disk, again and again, and looks at what it has. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { StoreKills } from "./StoreKills.ts"

const { values } = parseArgs({ options: { seconds: { type: "string", default: "60" } } })
const directory = mkdtempSync(join(tmpdir(), "zgossip-store-"))
const subject = new StoreKills(join(import.meta.dirname, "../src/bin.ts"), directory)
const end = performance.now() + Number(values.seconds) * 1000
let kills = 0
while (performance.now() < end) {
  const wrong = await subject.live(Math.random() * 1000)
  if (wrong.length > 0) {
    console.error(`after ${kills} kills that did no harm, in ${directory}: ${wrong.slice(0, 5).join("; ")}`)
    process.exit(1)
  }
  kills += 1
}
rmSync(directory, { recursive: true })
console.log(`killed ${kills} times; of ${subject.count} tuples each that was acknowledged was there, no version twice`)
