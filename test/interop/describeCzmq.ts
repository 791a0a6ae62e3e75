/**
 * Tests that need real CZMQ. Where libczmq's headers are missing they are reported as skipped, by name, with the command
 * that enables them. With ZGOSSIP_REQUIRE_CZMQ=1 they fail instead: an unattended run must not turn green because a
 * package was not installed.
 */
import { it } from "@effect/vitest"
import type { Effect, Scope } from "effect"
import { beforeEach, describe, TestRunner } from "vitest"
import { availability, INSTALL_COMMAND } from "./Czmq.ts"

const explain = (reason: string): string => `real CZMQ is missing (${reason}): ${INSTALL_COMMAND}`

const required = (): boolean => process.env["ZGOSSIP_REQUIRE_CZMQ"] === "1"

/** Names of the tests that the suite under construction holds, nested ones included. */
const testNames = (tasks: ReadonlyArray<unknown>): ReadonlyArray<string> =>
  tasks.flatMap((task) => {
    const { name, tasks: nested, type } = task as { type: string; name: string; tasks?: ReadonlyArray<unknown> }
    return type === "test" ? [name] : testNames(nested ?? [])
  })

/** A suite of tests against real CZMQ: skipped by name where it is missing, failing where it is required. */
export const describeCzmq = (name: string, body: () => void): void => {
  const found = availability()
  if (found.available) {
    describe(name, body)
  } else if (required()) {
    describe(name, () => {
      beforeEach(() => {
        throw new Error(explain(found.reason))
      })
      body()
    })
  } else {
    describe.skip(`${name} [skipped: ${explain(found.reason)}]`, () => {
      body()
      const names = testNames(TestRunner.getCurrentSuite().tasks)
      console.warn([`skipped, ${explain(found.reason)}`, ...names.map((test) => `  ${name} > ${test}`)].join("\n"))
    })
  }
}

/** A single live test against real CZMQ, with the same manners as `describeCzmq`. */
export const czmqTest = <A, E>(name: string, self: () => Effect.Effect<A, E, Scope.Scope>, timeout?: number): void => {
  const found = availability()
  if (found.available) {
    it.live(name, self, timeout)
  } else if (required()) {
    it(name, () => {
      throw new Error(explain(found.reason))
    })
  } else {
    it.skip(`${name} [skipped: ${explain(found.reason)}]`, () => {})
    console.warn(`skipped, ${explain(found.reason)}\n  ${name}`)
  }
}
