/** Sets of keys and stamps to compare, and two sides that do. */
import { hash } from "node:crypto"
import * as Ranges from "../../src/protocol/Ranges.ts"
import * as Reconcile from "../../src/protocol/Reconcile.ts"
import * as Summary from "../../src/protocol/Summary.ts"

export const sha256: Summary.Hash = (octets) => hash("sha256", octets, "binary")

/** The same twenty octets for the same number. */
export const keyOf = (number: number): string => hash("sha1", `key ${number}`, "binary")

/** The same eighteen octets, as many as a version has. */
export const stampOf = (number: number): string => hash("sha1", `stamp ${number}`, "binary").slice(2)

/** Newer than any of {@link stampOf}. */
export const newer = "\xff".repeat(18)

export const summaryOf = (entries: Iterable<readonly [key: string, stamp: string]>): Summary.Summary => {
  const summary = Summary.make(sha256)
  for (const [key, stamp] of entries) Summary.set(summary, key, stamp)
  return summary
}

export function* numbered(from: number, to: number): Generator<[key: string, stamp: string]> {
  for (let number = from; number < to; number++) yield [keyOf(number), stampOf(number)]
}

export interface Side {
  readonly summary: Summary.Summary
  state: Reconcile.State
  readonly wants: Array<string>
  readonly offers: Array<string>
}

export const sideOf = (summary: Summary.Summary): Side => ({ summary, state: Reconcile.idle, wants: [], offers: [] })

/** What the side answers to these octets. */
export const hear = (side: Side, octets: string, length?: number): string | undefined => {
  const message = Ranges.decode(octets)
  if (message._tag === "Broken") throw new Error(message.reason)
  const { offers, reply, state, wants } = Reconcile.respond(side.state, side.summary, message, length)
  side.state = state
  side.wants.push(...wants)
  for (const range of offers) for (const { key } of Summary.entries(side.summary, range)) side.offers.push(key)
  return reply === undefined ? undefined : Ranges.encode(reply)
}

export interface Cost {
  readonly octets: number
  readonly messages: number
  readonly longest: number
  readonly mostKept: number
}

/** A whole round, which `one` opens. `between` is told before each message is heard. */
export const round = (one: Side, other: Side, length?: number, between?: (messages: number) => void): Cost => {
  const cost = { octets: 0, messages: 0, longest: 0, mostKept: 0 }
  let [speaker, listener] = [one, other]
  for (let said: string | undefined = Ranges.encode(Reconcile.open(one.summary)); said !== undefined;) {
    cost.octets += said.length
    cost.messages += 1
    cost.longest = Math.max(cost.longest, said.length)
    between?.(cost.messages)
    said = hear(listener, said, length)
    cost.mostKept = Math.max(cost.mostKept, listener.state.kept.length)
    ;[speaker, listener] = [listener, speaker]
  }
  return cost
}

/** The keys that `one` has newer, or that the other lacks, in order. */
export const newerIn = (one: Summary.Summary, other: Summary.Summary): ReadonlyArray<string> =>
  Array.from(Summary.entries(one, Summary.everything))
    .filter(({ key, stamp }) => {
      const theirs = Summary.find(other, key).stamp
      return theirs === undefined || theirs < stamp
    })
    .map(({ key }) => key)
