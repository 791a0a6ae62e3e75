/** How many of 3000 seeds find each of them is in docs/reliability.md. */
import { assert, describe, it } from "@effect/vitest"
import { generate } from "./generate.ts"
import { type Mutation, mutations } from "./mutations.ts"
import { play } from "./World.ts"

describe("a rule that is broken on purpose is found", () => {
  it.each(Object.entries(mutations))("%s", { timeout: 60_000 }, (name, mutation: Mutation) => {
    const { rules, within } = mutation
    for (let seed = 1; seed <= within; seed++) {
      const scenario = generate(seed, mutation)
      if (play(scenario, { rules: rules() }).violations.length === 0) continue
      assert.deepStrictEqual(play(scenario).violations, [], "the fault is the rule's")
      return
    }
    assert.fail(`none of ${within} seeds finds it: ${name}`)
  })
})
