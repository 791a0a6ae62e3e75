/**
 * `npm run fuzz` for a moment: a node in a process of its own, and what has ended or held up one before. A busy machine
 * may make everybody wait, so here it counts that the node lives, answers, and has lost nothing.
 */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { type Deed, type Report, run } from "../../fuzz/run.ts"

const folder = new URL("../fixtures/fuzz/", import.meta.url)
const fixtures = readdirSync(folder).filter((name) => name.endsWith(".json"))

interface Fixture {
  readonly deeds: ReadonlyArray<Deed>
  readonly settings?: Readonly<Record<string, number>>
}

const fault = ({ faults }: Report) => faults.filter((text) => !/^a PONG took \d{1,4} ms$/.test(text))

describe("strangers", () => {
  it("of all kinds, from a seed", async () => {
    const report = await run({ seconds: 1, seed: 1, ms: 50, crowd: 20 })
    assert.deepStrictEqual(fault(report), [])
    assert.isAbove(report.deeds.length, 20)
    assert.isAbove(report.pings, 2)
    assert.strictEqual(report.status?.counters.defects, 0)
  }, 30_000)

  it.concurrent.each(fixtures)(
    "as in %s",
    async (name) => {
      const { deeds, settings = {} } = JSON.parse(readFileSync(new URL(name, folder), "utf8")) as Fixture
      const report = await run({ seconds: 1, seed: 1, deeds, settings, atOnce: deeds.length, ms: 1000, crowd: 50 })
      assert.deepStrictEqual(fault(report), [])
      assert.isAbove(report.readbacks, 0)
    },
    30_000
  )
})
