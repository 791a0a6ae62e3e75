/**
 * How two nodes find out in which keys they differ, at a cost that grows with the difference: range-based set
 * reconciliation. One sends a fingerprint of all that it holds. Whoever gets a fingerprint that is not that of what it
 * holds in this range itself answers with the fingerprints of parts of it, or, where it has only a few entries, with
 * these. So the ranges that are left get smaller, until one side has read the other's entries and knows.
 *
 * | what is said of a range | what it holds there | the answer |
 * | --- | --- | --- |
 * | skip | anything | skip |
 * | fingerprint | the same | skip |
 * | fingerprint of none | anything | skip; all of it is offered |
 * | fingerprint | {@link mostItems} entries at most | these, as items |
 * | fingerprint | more | fingerprints of up to {@link mostParts} parts, with as many entries each |
 * | items | anything | skip; what differs is wanted or offered |
 *
 * Every difference is found once, by one of the two, so each has to send what it offers and to ask for what it wants.
 *
 * An answer that would be longer than a message may be ends in time, and the rest of what it answers is kept
 * ({@link State}). A message has a depth, each answer one more, and says how deep the deepest is of which its sender has kept
 * something: whoever has nothing more to say and has kept the deepest of both goes on with that, the other sends a
 * message without ranges, so that it can. So there is one rest at most for each depth, and the round ends when both
 * have said that they keep nothing.
 *
 * Nothing else is remembered. The sets may change meanwhile, and messages may get lost with their link: what was missed
 * is found by the next round. Only one of the two should begin rounds, the client say: what begins anew ends what was
 * kept. A peer that lies misses what it lied about. It gets one message at most for one of its own; no range of it is
 * worked on more than twice; there are {@link mostKept} rests at most; and what is {@link deepest} is not split.
 *
 * @since 0.1.0
 */
import type { Octets } from "./Octets.ts"
import * as Ranges from "./Ranges.ts"
import * as Summary from "./Summary.ts"

/**
 * The rests of what was heard and has no answer yet, the deepest last.
 *
 * @since 0.1.0
 * @category models
 */
export interface State {
  readonly kept: ReadonlyArray<Ranges.Ranges>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Answer {
  readonly state: State
  /** To be sent. Where there is none the round has ended, and both sides know. */
  readonly reply: Ranges.Ranges | undefined
  /** Keys that the other has newer, or that are not held here; in order where they are from one message. */
  readonly wants: ReadonlyArray<Octets>
  /** What is held here in these ranges is newer than what the other has, or it has it not at all. */
  readonly offers: ReadonlyArray<Summary.Range>
}

/**
 * @since 0.1.0
 * @category models
 */
export const idle: State = { kept: [] }

/**
 * Entries of a range that are told rather than split.
 *
 * @since 0.1.0
 * @category limits
 */
export const mostItems = 8

/**
 * Parts that a range is split into.
 *
 * @since 0.1.0
 * @category limits
 */
export const mostParts = 16

/**
 * Octets of a message, unless the caller says otherwise.
 *
 * @since 0.1.0
 * @category limits
 */
export const defaultLength: number = Ranges.maxLength

/**
 * Octets that a message must be given: the answer to any single range fits.
 *
 * @since 0.1.0
 * @category limits
 */
export const leastLength: number = 2 ** 13

/**
 * Depth of messages that are not answered. Each answer leaves a third at most of what its sender has in a range: two
 * nodes with a thousand million entries need some 19 at most, and 8 for one change among a million.
 *
 * @since 0.1.0
 * @category limits
 */
export const deepest = 24

/**
 * Rests that are kept. Every second message is the other's, so there is no reason to have more.
 *
 * @since 0.1.0
 * @category limits
 */
export const mostKept: number = deepest / 2

/** What a part of a split has at least, save for rounding. */
const partSize = mostItems / 2

/**
 * The first message of a round.
 *
 * @since 0.1.0
 * @category rounds
 */
export const open = (summary: Summary.Summary): Ranges.Ranges => ({
  _tag: "Ranges",
  depth: 1,
  kept: 0,
  parts: [fingerprintOf(summary, Summary.everything)]
})

/**
 * What to do about a message of the other's. The reply has at most `length` octets.
 *
 * @since 0.1.0
 * @category rounds
 */
export const respond = (
  state: State,
  summary: Summary.Summary,
  message: Ranges.Ranges,
  length: number = defaultLength
): Answer => {
  const room = Math.max(length, leastLength) - Ranges.headLength
  // Of one peer there is nothing as deep as what it says now, or it has begun anew.
  const kept = message.parts.length === 0 ? [...state.kept] : state.kept.filter(({ depth }) => depth < message.depth)
  const wants: Array<Octets> = []
  const offers: Array<Summary.Range> = []
  const replyWith = (depth: number, parts: ReadonlyArray<Ranges.Part>): Answer => ({
    state: { kept: kept.slice(-mostKept) },
    reply: { _tag: "Ranges", depth, kept: kept.at(-1)?.depth ?? 0, parts },
    wants,
    offers
  })
  for (let next = message; ;) {
    const { later, said } = answer(summary, next, room, wants, offers)
    if (later.length > 0) kept.push({ ...next, parts: later })
    if (said.length > 0) return replyWith(next.depth + 1, said)
    const deepestKept = kept.at(-1)
    if (deepestKept === undefined || deepestKept.depth < message.kept) break
    next = deepestKept
    kept.pop()
  }
  const hasEnded = message.parts.length === 0 && message.kept === 0 && kept.length === 0
  return hasEnded ? { state: idle, reply: undefined, wants, offers } : replyWith(0, [])
}

/** What is said to a message, and what of it is left for later. */
const answer = (
  summary: Summary.Summary,
  { depth, parts }: Ranges.Ranges,
  room: number,
  wants: Array<Octets>,
  offers: Array<Summary.Range>
) => {
  const said = new Writer(room)
  const later = new Writer(Number.POSITIVE_INFINITY)
  let from: Octets = ""
  for (const part of parts) {
    const range = { from, to: part.to }
    if (part._tag === "Items") compare(summary, range, part.items, wants, offers)
    else if (part._tag === "Fingerprint" && depth < deepest) {
      const fits = later.parts.length === 0 && said.add(from, answersTo(summary, range, part, offers))
      if (!fits) later.add(from, [part])
    }
    if (part.to === undefined) break
    from = part.to
  }
  return { said: said.parts, later: later.parts }
}

/** Parts that are put together in the order of their keys, with nothing said of what lies between them. */
class Writer {
  readonly parts: Array<Ranges.Part> = []
  private to: Octets | undefined = ""
  private last: Octets = ""
  private room: number

  constructor(room: number) {
    this.room = room
  }

  /** All of them or, where there is no room, none. They begin with the key `from`. */
  add(from: Octets, parts: ReadonlyArray<Ranges.Part>): boolean {
    const added: ReadonlyArray<Ranges.Part> =
      parts.length === 0 || this.to === from ? parts : [{ _tag: "Skip", to: from }, ...parts]
    let [room, last] = [this.room, this.last]
    for (const part of added) {
      const measured = Ranges.measure(part, last)
      room -= measured.length
      last = measured.last
    }
    if (room < 0) return false
    this.parts.push(...added)
    this.room = room
    this.last = last
    if (parts.length > 0) this.to = parts.at(-1)?.to
    return true
  }
}

/** The answers to a fingerprint: for the whole range. */
const answersTo = (
  summary: Summary.Summary,
  range: Summary.Range,
  theirs: Summary.Fingerprint,
  offers: Array<Summary.Range>
): ReadonlyArray<Ranges.Part> => {
  const ours = Summary.fingerprint(summary, range)
  if (ours.fingerprint === theirs.fingerprint) return []
  if (theirs.count === 0) {
    if (ours.count > 0) offer(offers, range)
    return []
  }
  if (ours.count <= mostItems) {
    return [{ _tag: "Items", to: range.to, items: [...Summary.entries(summary, range)] }]
  }
  const first = Summary.find(summary, range.from).rank
  const parts = Math.min(mostParts, Math.ceil(ours.count / partSize))
  let from = range.from
  return Array.from({ length: parts }, (_, part) => {
    const end = first + Math.floor((ours.count * (part + 1)) / parts)
    const to = part === parts - 1 ? range.to : boundary(summary, end)
    const answer = fingerprintOf(summary, { from, to })
    from = to ?? from
    return answer
  })
}

const fingerprintOf = (summary: Summary.Summary, range: Summary.Range): Ranges.Fingerprint => ({
  _tag: "Fingerprint",
  to: range.to,
  ...Summary.fingerprint(summary, range)
})

/** As few octets as separate the entry of this rank from the one before it. */
const boundary = (summary: Summary.Summary, rank: number): Octets => {
  const before = Summary.entryAt(summary, rank - 1)?.key ?? ""
  const key = Summary.entryAt(summary, rank)?.key ?? ""
  let length = 0
  while (length < before.length && before.charCodeAt(length) === key.charCodeAt(length)) length += 1
  return key.slice(0, length + 1)
}

/** What the other has in a range, beside what is held here. */
const compare = (
  summary: Summary.Summary,
  { from, to }: Summary.Range,
  items: ReadonlyArray<Summary.Entry>,
  wants: Array<Octets>,
  offers: Array<Summary.Range>
): void => {
  let behind = from
  let seen = Summary.find(summary, from).rank
  for (const { key, stamp } of items) {
    const ours = Summary.find(summary, key)
    const next = Summary.after(key)
    if (ours.rank > seen) offer(offers, { from: behind, to: key })
    if (ours.stamp === undefined || ours.stamp < stamp) wants.push(key)
    else if (ours.stamp > stamp) offer(offers, { from: key, to: next })
    behind = next
    seen = ours.stamp === undefined ? ours.rank : ours.rank + 1
  }
  const end = to === undefined ? summary.size : Summary.find(summary, to).rank
  if (end > seen) offer(offers, { from: behind, to })
}

const offer = (offers: Array<Summary.Range>, range: Summary.Range): void => {
  const last = offers.at(-1)
  if (last?.to === range.from) offers[offers.length - 1] = { from: last.from, to: range.to }
  else offers.push(range)
}
