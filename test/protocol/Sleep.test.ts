import { assert, describe, it } from "@effect/vitest"
import { Sleep } from "../../src/protocol/Sleep.ts"

describe("a sleep", () => {
  it.each([
    [0, false],
    [100, false],
    [101, true],
    [400, true],
    [86_400_000, true],
    [-86_400_000, false]
  ])("in which the time of day gained %s ms, with a timeout of a second: %s", (gained, noticed) => {
    const sleep = new Sleep(5000, 70)
    assert.strictEqual(sleep.hasBeen(5250 + gained, 320, 1000), noticed)
    assert.isFalse(sleep.hasBeen(5500 + gained, 570, 1000), "it is noticed once")
  })
})
