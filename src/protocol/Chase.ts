/**
 * One key whose values chase each other: they go round in a cycle of links of version 1, where nothing says which of
 * them is the newer one. From then on the key is damped: what is said of it is heard, and not passed on. Where nobody
 * passes anything on they come to rest; then all agree on one of them.
 *
 * First on what was said last: that was right where nothing went round, and somebody set the key to and fro. If that
 * brings others again, on the greater one, which every node chooses alike. It is said to those who said another one,
 * and at intervals that double: so it ends. A change that has a version, or a value that was not among those that
 * chase, counts as newer than all of them, and is insisted on for a few times.
 *
 * A peer that goes on and on has what only its own links can end: two nodes of version 1 that are linked with each
 * other. It is left alone, and not waited for.
 *
 * @since 0.1.0
 */
import type { Digest } from "./Told.ts"
import { digestOf } from "./Told.ts"
import type { Tuple } from "./Tuple.ts"

/** In milliseconds: for how long nothing is said until it counts as quiet, at first and at most. */
const quiet = { least: 100, most: 6400 }

/** In quiet times: what comes back sooner after the key was free again had not come to rest. */
const rest = 4

/** In quiet times, and in milliseconds: after how much it is looked at all the same. */
const patience = { times: 2, least: 500, most: 2000 }

/** So many tuples of a key in one interval are a storm; so many, more than what goes round by our own doing. */
const storm = 64
const busy = 8

/** How often a newer change is insisted on, and how many values that did not chase are passed on. */
const mostInsists = 3
const mostFresh = 8

/** Values that are remembered. */
const mostRecent = 32

/** In milliseconds: a value that was held for less than that is on its way on other links for no longer. */
const glimpse = 100

/** A value that was held, by which link it came, and from when to when it was held. */
interface Past {
  readonly digest: Digest
  readonly link: number
  readonly from: number
  readonly until: number
}

interface Heard {
  /** What the peer said last, if that is not what is held, the number of that, and how much it said in this interval. */
  tuple: Tuple | undefined
  order: number
  count: number
  storms: boolean
}

interface Episode<L> {
  readonly heard: Map<L, Heard>
  /** Values that are older than the one held. */
  beaten: ReadonlySet<Digest>
  insists: number
  fresh: number
  order: number
  /** What was said last was agreed on already. */
  tried: boolean
  quietAt: number
  lookAt: number
}

/**
 * - `News`: it is to be taken
 * - `Copy`: it was held for a moment, a moment ago, as others had set it, and comes once more on another way
 * - `Damped`: it is not to be taken now
 *
 * @since 0.1.0
 * @category models
 */
export type Heeded = "News" | "Copy" | "Damped"

/**
 * What came of an interval: `winner` is to be held from now on, and to be passed on as what this peer said, save to
 * those in `agree`, who said it too; without one, `tell` are to be told what is held. `storms` are those who went on
 * and on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Resolution<L> {
  readonly winner: { readonly tuple: Tuple; readonly from: L } | undefined
  readonly agree: ReadonlySet<L>
  readonly tell: ReadonlyArray<L>
  readonly storms: ReadonlyArray<L>
}

/**
 * @since 0.1.0
 * @category models
 */
export class Chase<L extends { readonly link: number }> {
  /** When its value has changed last. */
  changedAt: number
  /** When it got its place among others, behind which are those that have changed since. */
  placedAt = Number.NEGATIVE_INFINITY
  readonly #recent: Array<Past> = []
  #episode: Episode<L> | undefined
  #comebacks = 0
  #since: number
  #rounds = 0
  #endedAt = Number.NEGATIVE_INFINITY

  /** Of a key whose value is held since then. */
  constructor(since: number) {
    this.changedAt = since
    this.#since = since
  }

  get isDamped(): boolean {
    return this.#episode !== undefined
  }

  /** Peers that hold this value, as they said while the key was damped. */
  agreeing(tuple: Tuple): ReadonlySet<L> | undefined {
    if (this.#episode === undefined) return undefined
    const agreeing = new Set<L>()
    for (const [peer, heard] of this.#episode.heard) {
      if (heard.tuple?.valueOctets === tuple.valueOctets) agreeing.add(peer)
    }
    return agreeing
  }

  /**
   * A value of this key, that came by `link`, is held no longer. `newer`: what took its place is newer than all that
   * chase each other.
   */
  superseded(digest: Digest, link: number, newer: boolean, now: number): void {
    const at = this.#recent.findIndex((past) => past.digest === digest)
    if (at >= 0) this.#recent.splice(at, 1)
    this.#recent.push({ digest, link, from: this.changedAt, until: now })
    if (this.#recent.length > mostRecent) this.#recent.shift()
    this.changedAt = now
    if (newer && this.#episode !== undefined) this.#episode.beaten = new Set(this.#recent.map(({ digest }) => digest))
  }

  /** A peer holds what is held here. */
  agree(peer: L): void {
    const heard = this.#episode?.heard.get(peer)
    if (heard === undefined) return
    // One that goes on and on says this as well.
    heard.count += 1
    heard.tuple = undefined
  }

  /**
   * A peer says another value than the one that is held, which came by the link `heldBy`. The key is damped where `most`
   * values that were held before have come back within `window` milliseconds.
   */
  hear(
    peer: L,
    tuple: Tuple,
    {
      digest,
      heldBy,
      most,
      now,
      window
    }: {
      readonly digest: Digest
      readonly heldBy: number
      readonly now: number
      readonly most: number
      readonly window: number
    }
  ): Heeded {
    const past = this.#recent.find((past) => past.digest === digest)
    const isComeback = past !== undefined
    if (this.#episode === undefined) {
      if (!isComeback) return "News"
      if (now - this.#since > window) {
        this.#since = now
        this.#comebacks = 0
      }
      if (now - this.#endedAt > rest * this.#quiet) this.#rounds = 0
      this.#comebacks += 1
      // One that did not come to rest is on slow links.
      if (this.#comebacks <= Math.max(1, most >> this.#rounds)) {
        const isOwn = past.link === peer.link || heldBy === peer.link
        return !isOwn && past.until - past.from < glimpse && now - past.until < glimpse ? "Copy" : "News"
      }
      this.#comebacks = 0
      this.#episode = {
        heard: new Map(),
        beaten: new Set(),
        insists: mostInsists,
        fresh: mostFresh,
        order: 0,
        tried: false,
        ...this.#next(now)
      }
    }
    const episode = this.#episode
    episode.quietAt = now + this.#quiet
    const heard = episode.heard.get(peer)
    if (heard === undefined) {
      if (!isComeback && episode.fresh-- > 0) return "News"
      episode.heard.set(peer, { tuple, order: ++episode.order, count: 1, storms: false })
      return "Damped"
    }
    heard.count += 1
    heard.tuple = tuple
    heard.order = ++episode.order
    if (isComeback || heard.storms || heard.count >= storm || episode.fresh-- <= 0) return "Damped"
    heard.tuple = undefined
    return "News"
  }

  /** When to {@link resolve}; infinity where the key is not damped. */
  get deadline(): number {
    return this.#episode === undefined
      ? Number.POSITIVE_INFINITY
      : Math.min(this.#episode.quietAt, this.#episode.lookAt)
  }

  /** The time of {@link deadline} has come, and this is held. */
  resolve(held: Tuple, now: number): Resolution<L> {
    const episode = this.#episode
    if (episode === undefined) return { ...nothing, storms: [] }
    const storms: Array<L> = []
    const words: Array<Word<L>> = []
    let count = 0
    for (const [from, heard] of episode.heard) {
      heard.storms = heard.count >= storm
      if (heard.storms) {
        storms.push(from)
        heard.count = 0
      } else {
        episode.heard.delete(from)
        count += heard.count
        if (heard.tuple !== undefined) words.push({ from, tuple: heard.tuple, order: heard.order })
      }
    }
    // One that goes on and on may have said what is held just now.
    const isAtRest = now >= episode.quietAt || count < busy
    if (words.length > 0 || !isAtRest) this.#rounds += 1
    else if (storms.length === 0) {
      this.#episode = undefined
      this.#endedAt = now
      return { ...nothing, storms }
    }
    Object.assign(episode, this.#next(now))
    const last = episode.tried && count < busy ? undefined : latest(words)
    const winner = last ?? greatest(episode, held, words)
    episode.tried ||= last !== undefined
    const value = (winner?.tuple ?? held).valueOctets
    const split = (same: boolean) =>
      words.filter(({ tuple }) => (tuple.valueOctets === value) === same).map(({ from }) => from)
    return { winner, agree: new Set(split(true)), tell: split(false), storms }
  }

  get #quiet(): number {
    return Math.min(quiet.most, quiet.least * 2 ** this.#rounds)
  }

  #next(now: number): Pick<Episode<L>, "lookAt" | "quietAt"> {
    const wait = Math.min(patience.most, Math.max(patience.least, patience.times * this.#quiet))
    return { quietAt: now + this.#quiet, lookAt: now + wait }
  }
}

/** What a peer said last, and is not held. */
interface Word<L> {
  readonly from: L
  readonly tuple: Tuple
  readonly order: number
}

const nothing = { winner: undefined, agree: new Set<never>(), tell: [] } as const

const latest = <L>(words: ReadonlyArray<Word<L>>): Word<L> | undefined =>
  words.toSorted((one, other) => one.order - other.order).at(-1)

const greatest = <L>(episode: Episode<L>, held: Tuple, words: ReadonlyArray<Word<L>>): Word<L> | undefined => {
  let best: Word<L> | undefined
  let insisted = false
  for (const word of words) {
    if (word.tuple.valueOctets <= (best?.tuple ?? held).valueOctets) continue
    if (episode.insists > 0 && episode.beaten.has(digestOf(word.tuple))) insisted = true
    else best = word
  }
  if (insisted) episode.insists -= 1
  return best
}
