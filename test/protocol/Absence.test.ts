import { assert, describe, it } from "@effect/vitest"
import { Absence } from "../../src/protocol/Absence.ts"

const retention = 100

/** One that starts at 1000, and in the life before heard of the network at 500. */
const back = () => {
  const absence = new Absence(1000, 500)
  absence.hear(1001, retention)
  return absence
}

describe("a node", () => {
  it("that has heard of nobody before is not away", () => {
    const absence = new Absence(1000, undefined)
    absence.hear(5000, retention)
    assert.isFalse(absence.isAway)
    assert.strictEqual(absence.sinceAt(0, retention), 1000)
    assert.isUndefined(absence.doubtedUpTo(0))
  })

  it("that comes back after too long does not say that it was there", () => {
    const absence = new Absence(1000, undefined)
    absence.hear(1001, retention)
    assert.strictEqual(absence.sinceAt(1101, retention), 1000)
    assert.strictEqual(absence.sinceAt(1102, retention), 1102)
  })

  it("that heard of the network all the time is not away, however long that was", () => {
    const absence = new Absence(1000, 950)
    for (let now = 1000; now < 5000; now += retention) absence.hear(now, retention)
    assert.isFalse(absence.isAway)
    assert.strictEqual(absence.sinceAt(0, retention), 1000)
  })

  it("that did not for too long believes who has been there all the while, and nobody else", () => {
    const absence = back()
    assert.isTrue(absence.isAway)
    assert.strictEqual(absence.sinceAt(0, retention), 1001)
    assert.strictEqual(absence.doubtedUpTo(500), 500)
    assert.isUndefined(absence.doubtedUpTo(501))
  })

  it("is back when it agrees with such a one, and then has been there as long", () => {
    const absence = back()
    absence.agree(501)
    assert.isTrue(absence.isAway)
    absence.agree(300)
    assert.isFalse(absence.isAway)
    assert.isUndefined(absence.doubtedUpTo(300))
    assert.strictEqual(absence.sinceAt(0, retention), 300)
  })

  it("is away from when it went away first, though it heard of others that were away", () => {
    const absence = back()
    absence.hear(1050, retention)
    absence.hear(2000, retention)
    assert.strictEqual(absence.doubtedUpTo(400), 500)
  })

  it("that agrees with one that has been there for less has been there no shorter", () => {
    const absence = new Absence(1000, undefined)
    absence.agree(2000)
    assert.strictEqual(absence.sinceAt(0, retention), 1000)
  })
})
