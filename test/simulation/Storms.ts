/**
 * Two nodes of version 1 that are linked with each other: two values of a key bounce between them for ever. Nobody can
 * end that, so it is no news; but nodes of ours have to come to rest all the same, and to agree.
 */
import * as Message from "../../src/protocol/Message.ts"
import type { Outcome } from "../../src/protocol/TupleMap.ts"
import type { Host } from "./Host.ts"
import type { Scenario } from "./Scenario.ts"

/** In ms: what was said over such a link within this time is a storm where all others are quiet. */
const recent = 1000

/** How often a node of ours may take values of a key after the last fault. */
const mostTaken = 50

/** Whether nodes of version 1 are linked with each other. */
export const hasPair = ({ links, nodes }: Scenario): boolean =>
  links.some(({ from, to }) => nodes[from]?.kind === "v1" && nodes[to]?.kind === "v1")

export class Storms {
  readonly #bounced = new Map<string, number>()
  readonly #taken = new Map<string, number>()

  /** A frame arrives; whether it is but the storm. */
  isStorm({ spec: { kind } }: Host, to: Host, frame: Uint8Array, now: number): boolean {
    if (kind !== "v1") return false
    const message = Message.decode([frame])
    if (message._tag !== "Publish") return to.spec.kind === "v1"
    const { key } = message.tuple
    if (to.spec.kind === "v1") this.#bounced.set(key, now)
    return this.isStormy(key, now)
  }

  isStormy(key: string, now: number): boolean {
    return now - (this.#bounced.get(key) ?? Number.NEGATIVE_INFINITY) < recent
  }

  /** A node of ours has heard something after the last fault. */
  merged({ name }: Host, key: string, outcome: Outcome): void {
    if (outcome !== "Accepted") return
    const what = `${key} at ${name}`
    this.#taken.set(what, (this.#taken.get(what) ?? 0) + 1)
  }

  violations(): ReadonlyArray<string> {
    return Array.from(this.#taken).flatMap(([what, count]) =>
      count > mostTaken ? [`no rest: ${what} was taken ${count} times after the last fault`] : []
    )
  }
}
