/**
 * Rules of our nodes, broken on purpose: by what is put in the place of a store, a disk or a wire, never in `src`. The
 * simulation has to find each of them, or it would not find the same fault made by mistake.
 */
import * as Batch from "../../src/protocol/Batch.ts"
import * as Message from "../../src/protocol/Message.ts"
import * as Trailer from "../../src/protocol/Trailer.ts"
import { elsewhere, type Outcome } from "../../src/protocol/TupleMap.ts"
import { Dice } from "./Dice.ts"
import { maxDrift, type Wish } from "./generate.ts"
import { type Versioned, versionedIn } from "./Held.ts"
import type { Host } from "./Host.ts"
import type { Rules } from "./World.ts"

export interface Mutation {
  /** The rule, and what is done instead. */
  readonly rule: string
  readonly kind: Wish["kind"]
  /** All endpoints have rules, so that nobody finds out where two differ. */
  readonly ruled?: boolean
  /** A node is away for longer than it is remembered what was deleted. */
  readonly absence?: boolean
  /** Keys are deleted beside nodes of version 1. */
  readonly deletes?: boolean
  /** For one run. */
  readonly rules: () => Rules
  /** One of so many seeds finds it. */
  readonly within: number
}

const [HELLO, PUBLISH, PING, PONG, INVALID] = [1, 2, 3, 4, 5]

const isOurs = ({ spec }: Host): boolean => spec.kind === "ours"

/** The frame without what stands behind the fields of version 1. */
const bare = (frame: Uint8Array): Uint8Array => {
  const message = Message.decode([frame])
  if (message._tag === "Publish") return Message.encode(Message.publish(message.tuple))
  return message._tag === "Hello" ? Message.encode(Message.hello) : frame
}

/** Whether a PING or PONG carries this section: it is the first one of its trailer. */
const carries = (frame: Uint8Array, tag: number): boolean =>
  (frame[2] === PING || frame[2] === PONG) && frame[13] === tag

const dropping =
  (drops: (frame: Uint8Array, from: Host, to: Host) => boolean) =>
  (frame: Uint8Array, from: Host, to: Host): Uint8Array | undefined =>
    drops(frame, from, to) ? undefined : frame

const sometimes = (id: number, chance: number) => () => {
  const dice = new Dice(3)
  return { carry: dropping((frame) => frame[2] === id && dice.chance(chance)) }
}

/** The outcome of a merge is another one than it is. */
const saying =
  (outcome: Outcome, instead: Outcome): (() => Rules) =>
  () => ({
    store: (store) => ({
      ...store,
      merge: (change, arrival) => {
        const was = store.merge(change, arrival)
        return was === outcome ? instead : was
      }
    })
  })

/** The frame without what is to be held back. */
const withoutFuture = (frame: Uint8Array, by: Host): Uint8Array | undefined => {
  const isEarly = ({ version }: Versioned) => version.time > by.timeOfDay() + maxDrift
  const message = Message.decode([frame])
  if (!versionedIn(frame).some(isEarly)) return frame
  if (message._tag !== "Ping" && message._tag !== "Pong") return undefined
  const entries = { tag: Trailer.tags.entries, body: Batch.encode(versionedIn(frame).filter((one) => !isEarly(one))) }
  return Message.encode({ ...message, trailer: Trailer.make(entries) })
}

export const mutations = {
  "last to arrive wins": {
    rule: "the newer version is held: the one that comes last is",
    kind: "ours",
    within: 20,
    rules: () => ({
      store: (store) => ({ ...store, merge: ({ tuple }, arrival) => store.merge({ tuple }, arrival) })
    })
  },
  "time of day alone": {
    rule: "a version is greater than all that were seen: it is the time of day, which may be behind",
    kind: "ours",
    within: 50,
    rules: () => ({
      store: (store, map) => ({
        ...store,
        merge: (change, arrival) => {
          if (change.version === undefined) map.last = undefined
          return store.merge(change, arrival)
        }
      })
    })
  },
  "versions are not told": {
    rule: "who knows versions is told them: all are told bare tuples",
    kind: "ours",
    within: 20,
    rules: () => ({ carry: (frame) => bare(frame) })
  },
  "HELLO is bare": {
    rule: "a client says that it knows versions: it does not",
    kind: "ours",
    within: 20,
    rules: () => ({ carry: (frame) => (frame[2] === HELLO ? bare(frame) : frame) })
  },
  "a newer version of a value is not passed on": {
    rule: "who knows versions is told a newer one of the value that is held: nobody is",
    kind: "ours",
    within: 100,
    rules: saying("Renewed", "Duplicate")
  },
  "a server that is behind is not told": {
    rule: "a server that says something older than what is held is told that: it is not (where endpoints have rules)",
    kind: "ours",
    ruled: true,
    within: 200,
    rules: saying("Stale", "Duplicate")
  },
  "tuples get lost": {
    rule: "what was put into an outbox is sent: one tuple of fifty is not",
    kind: undefined,
    within: 100,
    rules: sometimes(PUBLISH, 0.02)
  },
  "PONGs get lost": {
    rule: "each PING has its PONG: one of five has none",
    kind: undefined,
    within: 400,
    rules: sometimes(PONG, 0.2)
  },
  "INVALID is not heard": {
    rule: "INVALID is answered with HELLO, and with what the server lacks: it is not heard",
    kind: undefined,
    within: 1500,
    rules: () => ({ carry: dropping((frame, _, to) => frame[2] === INVALID && isOurs(to)) })
  },
  "no PING": {
    rule: "a server hears from us within its timeout: nodes of version 1 hear no PING",
    kind: "mixed",
    within: 20,
    rules: () => ({ carry: dropping((frame, _, to) => frame[2] === PING && !isOurs(to)) })
  },
  "echo to version 1": {
    rule: "a tuple does not go back to a node of version 1 that sent it: it does",
    kind: "mixed",
    within: 200,
    rules: () => ({
      answer: (frame, from, to) => (frame[2] === PUBLISH && isOurs(to) && !isOurs(from) ? frame : undefined)
    })
  },
  "the dump ends early": {
    rule: "HELLO is answered with all tuples: the last one is missing",
    kind: undefined,
    within: 200,
    rules: () => ({
      store: (store) => ({
        ...store,
        read: (range) => {
          const all = store.read(range)
          if (range.whole === undefined) return all
          const keys = Math.max(0, range.whole.keys - 1)
          return store.read({ ...range, whole: { ...range.whole, keys } })
        }
      })
    })
  },
  "news are not said again": {
    rule: "what a peer missed, behind its queue or in a break, is looked up: nothing is found",
    kind: undefined,
    within: 100,
    rules: () => ({
      store: (store) => ({
        ...store,
        read: (range) => (range.unknownTo === undefined ? store.read(range) : store.read({ upTo: 0 }))
      })
    })
  },
  "what a server lost is not said again": {
    rule: "what a server had and turns out to lack is said again: it is not",
    kind: undefined,
    within: 500,
    rules: () => ({
      store: (store) => ({
        ...store,
        read: (range) => (range.knownTo === undefined ? store.read(range) : store.read({ upTo: 0 }))
      })
    })
  },
  "deletes are forgotten": {
    rule: "it is remembered that a key was deleted: it is forgotten at once",
    kind: "ours",
    within: 200,
    rules: () => ({
      store: (store) => ({
        ...store,
        merge: (change, arrival) => store.merge(change, { ...arrival, retention: 0 }),
        collect: (now, _, most) => store.collect(now, 0, most)
      })
    })
  },
  "the absent are believed": {
    rule: "who was away for too long says nothing that the network does not have: it does (where one was away)",
    kind: "ours",
    absence: true,
    within: 50,
    rules: () => ({ store: (store) => ({ ...store, apart: undefined }) })
  },
  "the absent forget what is theirs": {
    rule: "who was away for too long keeps what it has set itself: it does not (where one was away)",
    kind: "ours",
    absence: true,
    within: 50,
    rules: () => ({ store: (store) => ({ ...store, isOwn: () => false }) })
  },
  "hearsay counts": {
    rule: "what nobody knows the age of gives way to all that was set: it counts as set now (networks with version 1)",
    kind: "mixed",
    deletes: true,
    within: 200,
    rules: () => ({
      store: (store) => ({
        ...store,
        merge: (change, arrival) => {
          const isHearsay = change.version === undefined && store.get(change.tuple.keyOctets) === undefined
          return store.merge(isHearsay ? { ...change, lifetime: change.lifetime ?? 0 } : change, arrival)
        }
      })
    })
  },
  "what was deleted is taken from version 1": {
    rule: "a bare tuple is not news where it is what was deleted: it is (networks with version 1)",
    kind: "mixed",
    within: 200,
    rules: () => ({
      store: (store) => ({
        ...store,
        merge: (change, arrival) => {
          const isOld = change.version === undefined && store.get(change.tuple.keyOctets)?.deleted === true
          return store.merge(isOld ? { ...change, lifetime: 0 } : change, arrival)
        }
      })
    })
  },
  "deletes are not told": {
    rule: "who hears of a delete deletes: he does not",
    kind: "ours",
    within: 50,
    rules: () => ({
      store: (store) => ({
        ...store,
        merge: (change, arrival) =>
          change.deleted === true && arrival.link !== elsewhere ? "Duplicate" : store.merge(change, arrival)
      })
    })
  },
  "lifetimes are not told": {
    rule: "a value has its lifetime at every node: it has none where it was not published",
    kind: "ours",
    within: 50,
    rules: () => ({
      store: (store) => ({
        ...store,
        merge: (change, arrival) =>
          store.merge(arrival.link === elsewhere ? change : { ...change, lifetime: 0 }, arrival)
      })
    })
  },
  "differences are not found": {
    rule: "two nodes of ours find out where they differ: what they say for it does not arrive",
    kind: "ours",
    within: 200,
    rules: () => ({ carry: dropping((frame) => carries(frame, Trailer.tags.ranges)) })
  },
  "what is wanted is not given": {
    rule: "who lacks something asks for it, and is given it: he is not heard",
    kind: "ours",
    within: 200,
    rules: () => ({ carry: dropping((frame) => carries(frame, Trailer.tags.wanted)) })
  },
  "held stamps are dropped": {
    rule: "what is from beyond `clock/max-drift` is held until the clock is there: it is dropped",
    kind: undefined,
    within: 50,
    rules: () => ({ hear: withoutFuture })
  },
  "held stamps are taken at once": {
    rule: "what is from beyond `clock/max-drift` is not taken before the clock is there: it is",
    kind: undefined,
    within: 50,
    rules: () => ({ settings: { maxDrift: Number.POSITIVE_INFINITY } })
  },
  "the disk forgets": {
    rule: "what was acknowledged is there after a restart: it is not",
    kind: "ours",
    within: 500,
    rules: () => ({ disk: () => undefined })
  }
} satisfies Readonly<Record<string, Mutation>>

export type Name = keyof typeof mutations
