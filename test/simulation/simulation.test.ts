/**
 * A thousand networks from seeds. A seed that fails is shown with the command that shows what happened; what failed once
 * is in test/fixtures/simulation, as small as it could be made.
 */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { abilities, generate } from "./generate.ts"
import { mutations } from "./mutations.ts"
import { endOf, isConnected, type Scenario } from "./Scenario.ts"
import { shrink } from "./shrink.ts"
import { play } from "./World.ts"

const seeds = { from: Number(process.env["ZGOSSIP_SEED"] ?? 1), count: Number(process.env["ZGOSSIP_SEEDS"] ?? 1000) }
const fixtures = fileURLToPath(new URL("../fixtures/simulation/", import.meta.url))

describe("a network in which everything goes wrong, and then nothing any more", () => {
  it(
    `${seeds.count} seeds: all hold the same, nothing acknowledged is lost, and it is quiet`,
    { timeout: 60_000 },
    () => {
      for (let seed = seeds.from; seed < seeds.from + seeds.count; seed++) {
        const { violations } = play(generate(seed))
        assert.deepStrictEqual(violations, [], `npm run simulate -- --seed ${seed}`)
      }
    }
  )

  it.each(readdirSync(fixtures))("what failed once: %s", (file) => {
    const scenario = JSON.parse(readFileSync(`${fixtures}${file}`, "utf8")) as Scenario
    assert.deepStrictEqual(play(scenario).violations, [])
  })
})

describe("the simulation", () => {
  it("does the same again, to the letter", () => {
    for (const seed of [1, 2, 3]) {
      assert.deepStrictEqual(generate(seed), generate(seed))
      const again = JSON.parse(JSON.stringify(generate(seed))) as Scenario
      assert.deepStrictEqual(play(generate(seed), { trace: true }), play(again, { trace: true }))
    }
  })

  it("makes networks of all kinds, and all kinds of trouble", () => {
    const done = new Set<string>()
    for (let seed = 1; seed <= 300; seed++) {
      const scenario = generate(seed)
      assert.isTrue(isConnected(scenario))
      assert.isAtMost(endOf(scenario), 6000 + 7000)
      for (const event of scenario.events) done.add(event.do)
      if (scenario.retention !== undefined) done.add("absence")
      for (const { kind, ruled = false, timeout } of scenario.nodes) {
        done.add(`${kind}, ${timeout}`)
        if (ruled) done.add("rules")
      }
      const isV1 = (node: number) => scenario.nodes[node]?.kind === "v1"
      const pairs = scenario.links.filter(({ from, to }) => isV1(from) && isV1(to))
      assert.isAtMost(pairs.length, 1)
      if (pairs.length > 0) done.add("pair")
    }
    const events = [
      "absence",
      "pair",
      "rules",
      "clock",
      "cut",
      "partition",
      "pause",
      "publish",
      "restart",
      "slow",
      "stall"
    ]
    const kinds = ["ours, 1000", "ours, undefined", "v1, 0", "v1, 1000"]
    const more = abilities.deletes ? ["delete", "lease"] : []
    assert.deepStrictEqual([...done].toSorted(), [...events, ...kinds, ...more].toSorted())
  })

  it("makes what fails as small as it can, each time the same, and it still fails", () => {
    const { rules } = mutations["deletes are not told"]
    const fails = (scenario: Scenario) => play(scenario, { rules: rules() }).violations.length > 0
    const scenario = generate(1)
    const smallest = shrink(scenario, fails)
    assert.isTrue(fails(smallest))
    assert.deepStrictEqual(shrink(scenario, fails), smallest)
    assert.deepStrictEqual([smallest.nodes.length, smallest.links.length, smallest.events.length], [3, 2, 2])
  })

  it("tells what went over the links, and what happened", () => {
    const node = { kind: "ours", skew: 0, queue: 1000 } as const
    const scenario: Scenario = {
      seed: 1,
      maxDrift: 10_000,
      nodes: [node, { ...node, kind: "v1" }],
      links: [{ from: 0, to: 1, latency: [5, 5] }],
      events: [
        { at: 100, do: "publish", node: 0, key: "k", value: "1" },
        { at: 200, do: "cut", link: 0, loses: true, for: 300 }
      ]
    }
    assert.deepStrictEqual(play(scenario, { trace: true }).trace.slice(0, 7), [
      "    10  a - B  connected",
      "    15  a > B  HELLO",
      "   100  *  a publishes k=1",
      "   105  a > B  PUBLISH k=1 100@a1",
      "   110  B > a  PUBLISH k=1",
      "   200  *  a-B is cut for 300 ms, what is under way is lost",
      "   200  a - B  the connection ends"
    ])
  })
})
