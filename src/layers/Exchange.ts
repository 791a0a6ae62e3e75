/**
 * What nodes of ours do with each other beside telling news: they compare what they hold, find out what differs (see
 * Reconcile), and give each other that. Only the engine calls it.
 *
 * Each link has a queue of what the other is to be given, which waits until the other has taken what is before it. While
 * it is long no more is found out, so it does not get longer than a few messages of the other's, however much differs.
 *
 * @since 0.1.0
 */
import { hash } from "node:crypto"
import { Absence } from "../protocol/Absence.ts"
import * as Batch from "../protocol/Batch.ts"
import * as Digest from "../protocol/Digest.ts"
import type * as Message from "../protocol/Message.ts"
import type { Octets } from "../protocol/Octets.ts"
import * as Ranges from "../protocol/Ranges.ts"
import * as Reconcile from "../protocol/Reconcile.ts"
import * as Summary from "../protocol/Summary.ts"
import * as Trailer from "../protocol/Trailer.ts"
import type { Change, Entry } from "../protocol/TupleMap.ts"
import * as Version from "../protocol/Version.ts"
import type { TupleStore } from "../services/TupleStore.ts"
import { isCompared, isOurs, type Joined, type Link } from "./GossipLink.ts"

/** What is due beside what is being given: with so much no more is found out, and no more keys are heard. */
const busy = 1
const mostDue = 8

/** Octets of keys that are asked for at a time. */
const keysAtOnce = 2 ** 14

/** Changes that are noted, and not in the summary yet: some milliseconds of work. */
const mostChanged = 4096

/** Keys that are looked up ahead of what is taken. */
const keysAhead = 256

/**
 * How often two quiet sides have to differ before it is found out in what; twice as often each time that they still
 * differ then, as where one of them does not take what the other has, up to so often.
 */
const patience = { least: 2, most: 256 }

const isNode: Trailer.Section = { tag: Trailer.tags.node, body: "" }
const ofNode = Trailer.make(isNode)

/**
 * How far a link has got.
 *
 * @since 0.1.0
 * @category models
 */
export interface Progress {
  rounds: Reconcile.State
  /** Ranges or keys, of which the other is to be given the entries. */
  readonly due: Array<ReadonlyArray<Summary.Range> | ReadonlyArray<Octets>>
  /** The other is being given them. */
  giving: boolean
  /** What the other has said and was not answered, because it has to be given so much. */
  unanswered: Ranges.Ranges | undefined
  /** The other has said what it holds, and since when it has been there. */
  met: boolean
  /** What is not newer than this and not our own is forgotten where the other does not have it. */
  doubted: number | undefined
  /** How often the two differed since they were the same, the sequence number of our map then, and how often it may be. */
  unequal: number
  comparedAt: number
  patience: number
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const begin = (): Progress => ({
  rounds: Reconcile.idle,
  due: [],
  giving: false,
  unanswered: undefined,
  met: false,
  doubted: undefined,
  unequal: 0,
  comparedAt: -1,
  patience: patience.least
})

/**
 * So many entries, with values of so many octets; 0 where either is not to count.
 *
 * @since 0.1.0
 * @category models
 */
export interface Size {
  readonly entries: number
  readonly octets: number
}

/** Of more entries the octets are not counted: they are as much as a dump. */
const mostCounted = 1000

/** What the engine does for it. */
interface Engine {
  readonly send: (link: Link, section: Trailer.Section) => void
  readonly pour: (link: Link, entries: Iterator<Entry, void>) => void
  readonly timeOfDay: () => number
  readonly retention: () => number
  readonly maxDrift: () => number
  /** Forgets what is held of a key. */
  readonly forget: (key: Octets) => void
  readonly accept: (link: Link, change: Change) => void
  /** Whether the other may be given so much more, now. */
  readonly mayGive: (link: Link, size: Size) => boolean
  /** It has sent so many entries in one message. */
  readonly count: (link: Link, entries: number) => void
}

/**
 * @since 0.1.0
 * @category models
 */
export class Exchange {
  readonly #store: TupleStore["Service"]
  readonly #engine: Engine
  readonly #absence: Absence
  readonly #summary = Summary.make((octets) => hash("sha256", octets, "binary"))
  readonly #changed = new Set<Octets>()
  #digest: Summary.Fingerprint | undefined

  constructor(store: TupleStore["Service"], engine: Engine) {
    this.#store = store
    this.#absence = new Absence(engine.timeOfDay(), store.apart)
    this.#engine = engine
    const held = store.read({ upTo: store.sequence() })
    for (let next = held.next(); next.done !== true; next = held.next()) this.note(next.value.tuple.keyOctets)
  }

  /** What is held of a key has changed, or it is held no longer. */
  note(key: Octets): void {
    this.#changed.add(key)
    this.#digest = undefined
    if (this.#changed.size >= mostChanged) this.#update()
  }

  /** As it is now: a key that changes often is looked at when somebody asks. */
  #update(): Summary.Summary {
    for (const key of this.#changed) {
      const entry = this.#store.get(key)
      if (entry === undefined) Summary.remove(this.#summary, key)
      else Summary.set(this.#summary, key, Version.stamp(entry.version))
    }
    this.#changed.clear()
    return this.#summary
  }

  get digest(): Digest.Digest {
    this.#digest ??= Summary.fingerprint(this.#update(), Summary.everything)
    const since = this.#absence.sinceAt(this.#engine.timeOfDay(), this.#engine.retention())
    return { ...this.#digest, since }
  }

  /** The message as one of ours says it to this peer. Whom a rule keeps from some keys is not told what is held. */
  dress(link: Link, message: Message.Message): Message.Message {
    switch (message._tag) {
      case "Hello":
        return { ...message, trailer: Trailer.make(isNode, Digest.section(this.digest)) }
      case "Ping":
      case "Pong": {
        if (!isOurs(link)) return message
        const trailer = isCompared(link) ? Trailer.make(Digest.section(this.digest)) : ofNode
        return { ...message, trailer }
      }
      default:
        return message
    }
  }

  /**
   * A client asks whether we are there: so is it, and who only serves hears of nobody else for days. One that never said
   * what it holds is a guest.
   */
  heard(client: Link): void {
    if (isCompared(client) && client.progress.met) this.#hearOf()
  }

  /** There is a network. */
  #hearOf(): void {
    const now = this.#engine.timeOfDay()
    this.#absence.hear(now, this.#engine.retention())
    // Of who is not back yet it is still to be known when it went away.
    if (!this.#absence.isAway) this.#store.heard(now)
  }

  /** What a node of ours says it holds; whether it is what we hold. */
  #hear(link: Link, { fingerprint, since }: Digest.Digest): boolean {
    this.#hearOf()
    link.progress.doubted = this.#absence.doubtedUpTo(since)
    const same = fingerprint === this.digest.fingerprint
    if (same) this.#absence.agree(since)
    const { unanswered } = link.progress
    if (!link.progress.met && unanswered !== undefined) {
      link.progress.unanswered = undefined
      link.progress.met = true
      this.#answer(link, unanswered)
    }
    link.progress.met = true
    return same
  }

  /** A client has said what it holds. Says whether it is to be given all of it, in the order in which it came here. */
  meet(link: Link, digest: Digest.Digest): boolean {
    // What it is being given is cut short; there is never more than one such thing in its mailbox.
    link.progress.due.length = 0
    link.progress.unanswered = undefined
    link.progress.rounds = Reconcile.idle
    if (this.#hear(link, digest)) return false
    if (digest.count === 0 && link.progress.doubted === undefined) return true
    this.#answer(link, Digest.toRanges(digest))
    return false
  }

  /** A server has said what it holds. Where it is something else for a while, and nothing moves, something was missed. */
  compare(joined: Joined, digest: Digest.Digest): void {
    const { mailbox, progress } = joined
    const same = this.#hear(joined, digest)
    const changed = progress.comparedAt !== this.#store.sequence()
    progress.comparedAt = this.#store.sequence()
    if (same) {
      progress.patience = patience.least
      progress.unequal = 0
    } else if (!changed && mailbox.outbox.isEmpty && ++progress.unequal >= progress.patience) {
      progress.unequal = 0
      progress.patience = Math.min(patience.most, 2 * progress.patience)
      progress.unanswered = undefined
      progress.rounds = Reconcile.idle
      this.#say(joined, Reconcile.open(this.#update()))
    }
  }

  /** Takes what the other carries to us, of each kind once. Nothing of what is not well-formed. */
  take(link: Link, cargo: Trailer.Trailer): void {
    const entries = Batch.decode(Trailer.find(cargo, Trailer.tags.entries) ?? "") ?? []
    this.#engine.count(link, entries.length)
    for (const change of entries) this.#engine.accept(link, change)
    // Whom a rule keeps from some keys is not told which there are.
    if ("served" in link && !isCompared(link)) return
    const ranges = Ranges.decode(Trailer.find(cargo, Trailer.tags.ranges) ?? "")
    if (ranges._tag === "Ranges") {
      this.#hearOf()
      this.#answer(link, ranges)
    }
    const keys = new Set(Batch.decodeKeys(Trailer.find(cargo, Trailer.tags.wanted) ?? "") ?? [])
    if (keys.size > 0 && link.progress.due.length < mostDue && this.#engine.mayGive(link, this.#sizeOf(keys))) {
      this.#give(link, [...keys])
    }
  }

  /** To ask for many short ones is fine. */
  #sizeOf(keys: ReadonlySet<Octets>): Size {
    let octets = 0
    for (const key of keys) octets += this.#lengthOf(key)
    return { entries: 0, octets }
  }

  #sizeWithin(ranges: ReadonlyArray<Summary.Range>): Size {
    const entries = ranges.reduce((sum, range) => sum + Summary.fingerprint(this.#update(), range).count, 0)
    let octets = 0
    for (const range of entries <= mostCounted ? ranges : []) {
      for (const { key } of Summary.entries(this.#update(), range)) octets += this.#lengthOf(key)
    }
    return { entries, octets }
  }

  #lengthOf(key: Octets): number {
    return this.#store.get(key)?.tuple.valueOctets.length ?? 0
  }

  #answer(link: Link, ranges: Ranges.Ranges): void {
    const { progress } = link
    // Whoever was away first has to know with whom it speaks.
    if (progress.due.length >= busy || (this.#absence.isAway && !progress.met)) {
      progress.unanswered = ranges
      return
    }
    const { offers, reply, state, wants } = Reconcile.respond(progress.rounds, this.#update(), ranges)
    const offered = this.#sizeWithin(offers)
    // It would be a dump: who asks for that too often is heard later, when the two are compared again.
    if (offered.entries > 0 && !this.#engine.mayGive(link, offered)) return
    progress.rounds = state
    for (let next = 0; next < wants.length;) {
      const keys = Batch.encodeKeys(wants, next, keysAtOnce)
      next = keys.next
      this.#send(link, { tag: Trailer.tags.wanted, body: keys.body })
    }
    if (reply !== undefined) this.#say(link, reply)
    this.#give(link, offers)
  }

  /** What there is no room for is found out again. */
  #send(link: Link, section: Trailer.Section): void {
    if (link.mailbox.outbox.hasRoom) this.#engine.send(link, section)
  }

  #say(link: Link, ranges: Ranges.Ranges): void {
    this.#send(link, { tag: Trailer.tags.ranges, body: Ranges.encode(ranges) })
  }

  #give(link: Link, due: Progress["due"][number]): void {
    if (due.length === 0) return
    link.progress.due.push(due)
    if (link.progress.giving) return
    link.progress.giving = true
    this.#engine.pour(link, this.#entries(link, link.progress))
  }

  *#entries(link: Link, progress: Progress): Generator<Entry, void> {
    for (let due = progress.due.shift(); due !== undefined; due = progress.due.shift()) {
      for (const one of due) {
        if (typeof one === "string") {
          const entry = this.#known(one, progress)
          if (entry !== undefined) yield entry
        } else yield* this.#within(one, progress)
      }
      const { unanswered } = progress
      if (unanswered !== undefined && progress.due.length < busy) {
        progress.unanswered = undefined
        this.#answer(link, unanswered)
      }
    }
    progress.giving = false
  }

  /** What is held of a key, unless it is forgotten for the other, which has been there, does not have it. */
  #known(key: Octets, { doubted }: Progress): Entry | undefined {
    const entry = this.#store.get(key)
    if (entry === undefined || doubted === undefined || this.#store.isOwn(entry)) return entry
    // What we had by then may be from somebody whose clock is ahead of ours; what is only heard of is mostly our own hearsay.
    const ahead = Version.isHearsay(entry.version) ? 0 : this.#engine.maxDrift()
    if (Version.setAt(entry.version) > doubted + ahead) return entry
    this.#engine.forget(key)
    return undefined
  }

  /** Some keys at a time: what is held may change while the other takes its time. */
  *#within({ from, to }: Summary.Range, progress: Progress): Generator<Entry, void> {
    for (let next: Octets | undefined = from; next !== undefined;) {
      const keys: Array<Octets> = []
      for (const { key } of Summary.entries(this.#update(), { from: next, to })) {
        keys.push(key)
        if (keys.length === keysAhead) break
      }
      for (const key of keys) {
        const entry = this.#known(key, progress)
        if (entry !== undefined) yield entry
      }
      const last = keys.at(-1)
      next = keys.length < keysAhead || last === undefined ? undefined : Summary.after(last)
    }
  }
}
