/**
 * An outbox whose reader can wait.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Reply } from "../protocol/Command.ts"
import * as Batch from "../protocol/Batch.ts"
import type { Flight } from "../protocol/Flight.ts"
import * as Message from "../protocol/Message.ts"
import type { Limits } from "../protocol/Outbox.ts"
import { Outbox } from "../protocol/Outbox.ts"
import type { Rules } from "../protocol/Security.ts"
import { allows } from "../protocol/Security.ts"
import type { Settings } from "../protocol/Settings.ts"
import * as Trailer from "../protocol/Trailer.ts"
import type { Tuple } from "../protocol/Tuple.ts"
import * as TupleMap from "../protocol/TupleMap.ts"
import type { Change, Entry, Known } from "../protocol/TupleMap.ts"
import type { GossipError } from "../services/Gossip.ts"
import type { TupleStore } from "../services/TupleStore.ts"
import type { Item } from "./GossipLink.ts"

/** One chunk: what a sender hands to its socket at a time, and the grain of fairness between peers. */
const chunkItems = 512
const chunkSize = 256 * 1024

/** The least of a chunk, and how many items the chunks of all readers together have where there are many of them. */
const fewestItems = 16
const itemsAtOnce = 4096

/**
 * Closed while what was merged is committed: nobody is told of it before. Who comes meanwhile waits.
 *
 * @since 0.1.0
 * @category models
 */
export class Gate {
  #isClosed = false
  readonly #waiting = new Set<{ wake(): void }>()

  close(): void {
    this.#isClosed = true
  }

  open(): void {
    this.#isClosed = false
    for (const reader of this.#waiting) reader.wake()
    this.#waiting.clear()
  }

  /** Whether one may take; if not, it is woken when the gate opens. */
  lets(reader: { wake(): void }): boolean {
    if (this.#isClosed) this.#waiting.add(reader)
    return !this.#isClosed
  }
}

/**
 * The readers of a node that are being given something. The more of them there are the smaller are their chunks: one
 * with a short answer waits for a chunk of each.
 *
 * @since 0.1.0
 * @category models
 */
export class Load {
  busy = 0
  readonly gate: Gate

  constructor(gate = new Gate()) {
    this.gate = gate
  }

  get chunk(): number {
    return Math.min(chunkItems, Math.max(fewestItems, Math.floor(itemsAtOnce / this.busy)))
  }
}

/**
 * The inbox fiber puts, one fiber takes.
 *
 * @since 0.1.0
 * @category models
 */
export class Mailbox<A, B = A> {
  readonly outbox: Outbox<A>
  #wake: (() => void) | undefined
  #roomy: (() => void) | undefined
  #closed = false
  #busy = false
  readonly #load: Load

  readonly #pack: (items: ReadonlyArray<A>) => ReadonlyArray<B>
  readonly #window: Window | undefined

  /**
   * `pack` makes of the items that were taken what their reader gets. While a `window` has no room nothing is taken but
   * replies.
   */
  constructor(outbox: Outbox<A>, load: Load, pack: (items: ReadonlyArray<A>) => ReadonlyArray<B>, window?: Window) {
    this.outbox = outbox
    this.#load = load
    this.#pack = pack
    this.#window = window
    if (window !== undefined) window.flight.reader = this
  }

  /** Waits until there is something to take, and takes a chunk of it; an empty one once the mailbox is closed. */
  readonly take: Effect.Effect<ReadonlyArray<B>> = Effect.callback<ReadonlyArray<B>>((resume) => {
    const ready = this.#ready()
    if (ready !== undefined) return resume(Effect.succeed(ready))
    if (this.#wake !== undefined) return resume(Effect.die(new Error("a mailbox has one reader at a time")))
    this.#wake = () => {
      const ready = this.#ready()
      if (ready === undefined) return
      this.#wake = undefined
      resume(Effect.succeed(ready))
    }
    return Effect.sync(() => {
      this.#wake = undefined
    })
  })

  /** Waits until a reply would be taken, because its reader took from it. */
  readonly room: Effect.Effect<void> = Effect.callback<void>((resume) => {
    if (this.outbox.takesReplies || this.#closed) return resume(Effect.void)
    this.#roomy = () => resume(Effect.void)
    return Effect.sync(() => {
      this.#roomy = undefined
    })
  })

  /** All that was put has been taken, and its reader came back for more. */
  get isDone(): boolean {
    return this.outbox.isEmpty && !this.#busy
  }

  /** Tells a waiting reader to look again. */
  wake(): void {
    this.#wake?.()
  }

  /** The reader gets what is there, then nothing any more. */
  close(): void {
    this.#closed = true
    this.wake()
  }

  /** Its reader takes no more. */
  rest(): void {
    this.#note(false)
  }

  #note(busy: boolean): void {
    if (busy === this.#busy) return
    this.#busy = busy
    this.#load.busy += busy ? 1 : -1
  }

  #ready(): ReadonlyArray<B> | undefined {
    if (!this.#load.gate.lets(this)) return undefined
    const taken = this.takeNow()
    return taken.length > 0 || this.#closed ? taken : undefined
  }

  /** Takes a chunk of what there is, and does not wait; of `most` items where that is less. */
  takeNow(most = chunkItems): ReadonlyArray<B> {
    const taken = this.#pack(this.#items(Math.min(most, this.#load.chunk)))
    this.#note(taken.length > 0)
    if (this.outbox.takesReplies || this.#closed) this.#roomy?.()
    return taken
  }

  #items(chunk: number): ReadonlyArray<A> {
    const window = this.#window
    if (window === undefined) return this.outbox.take(chunk, chunkSize)
    const { room } = window.flight
    const items =
      room > 0
        ? this.outbox.take(chunk, Math.min(chunkSize, room))
        : this.outbox.takeReplies(chunk, window.flight.overtakes)
    if (window.flight.note(window.flight.room <= 0 && !this.outbox.isEmpty)) window.onFull()
    return items
  }
}

/**
 * What of its reader is under way, and whom to tell where that is as much as may be.
 *
 * @since 0.1.0
 * @category models
 */
export interface Window {
  readonly flight: Flight
  readonly onFull: () => void
}

/** A peer counts its PONGs, and may have a hundred due at once: after a stall of all the silence that it bears. */
const leastReplies = 256

/**
 * @since 0.1.0
 * @category limits
 */
export const limits = ({ queueOctets, queueTuples }: Settings): Limits => ({
  maxItems: queueTuples,
  maxReplies: Math.max(2 * queueTuples, leastReplies),
  maxSize: queueOctets
})

/**
 * For a peer: frames. Entries become batches behind the `carrier` if it is one of `ours`. What it missed is looked up
 * when its turn comes, save what came by `link`, which is its own, and what the rule does not let it read; `told` hears
 * of each.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofFrames = (
  store: TupleStore["Service"],
  {
    carrier,
    clock,
    limits,
    link,
    load,
    ours,
    rule,
    told,
    versions,
    window
  }: {
    readonly link: number
    readonly limits: Limits
    readonly load: Load
    readonly rule?: Rules["read"]
    readonly carrier: Message.Trailable
    readonly window: Window
    readonly ours: () => boolean
    readonly told: (entry: Entry) => void
    readonly versions: boolean
    /** That of entries. */
    readonly clock: () => number
  }
): Mailbox<Item, Uint8Array> =>
  new Mailbox(
    new Outbox<Item>(
      (synced) => itemsOf(since(store, { link, synced }), { ours: ours(), versions, rule, told, clock }),
      (item) => (item instanceof Uint8Array ? item.length : Batch.lengthOf(item)),
      limits
    ),
    load,
    (items) => window.flight.dispatch(pack(items, carrier, clock())),
    window
  )

/**
 * For a subscriber in this process: deliveries, and replies to its commands.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofReplies = (store: TupleStore["Service"], limits: Limits, gate?: Gate): Mailbox<Reply<GossipError>> =>
  new Mailbox(
    new Outbox<Reply<GossipError>>(
      (synced) => deliverAll(since(store, { link: nobody, synced })),
      (reply) => (reply._tag === "Deliver" ? reply.tuple.keyOctets.length + reply.tuple.valueOctets.length : 1),
      limits
    ),
    new Load(gate),
    (replies) => replies
  )

/** No link has this number: a subscriber is told of all. */
const nobody = -1

const since = (store: TupleStore["Service"], unknownTo: Known) => store.read({ upTo: store.sequence(), unknownTo })

/**
 * Items of the entries that the rule lets one read, made as they are taken: `told` is called with each, and `done` with
 * how many there were. Who is not one of `ours` gets frames, and hears nothing of what was deleted.
 *
 * @since 0.1.0
 * @category encoding
 */
export function* itemsOf(
  entries: Iterator<Entry, void>,
  {
    clock,
    done,
    ours,
    rule,
    told,
    versions
  }: {
    readonly ours: boolean
    readonly versions: boolean
    readonly clock: () => number
    readonly rule?: Rules["read"]
    readonly told?: (entry: Entry) => void
    readonly done?: ((count: number) => void) | undefined
  }
): Generator<Item, void> {
  let count = 0
  for (let next = entries.next(); next.done !== true; next = entries.next()) {
    if (!allows(rule, next.value.tuple.keyOctets) || (!ours && next.value.deleted)) continue
    told?.(next.value)
    yield ours ? next.value : frameOf(next.value, versions, clock())
    count += 1
  }
  done?.(count)
}

/** Entries that follow each other become batches; a long one is a PUBLISH, which all who wait for it share. */
const pack = (items: ReadonlyArray<Item>, carrier: Message.Trailable, clock: number): ReadonlyArray<Uint8Array> => {
  const frames: Array<Uint8Array> = []
  let batch: Array<Change> = []
  let octets = 0
  const end = () => {
    if (batch.length > 0) frames.push(carry(carrier, { tag: Trailer.tags.entries, body: Batch.encode(batch) }))
    batch = []
    octets = 0
  }
  for (const item of items) {
    const isEntry = !(item instanceof Uint8Array)
    if (isEntry && item.tuple.valueOctets.length <= Batch.mostOctets) {
      batch.push(item.lifetime === 0 ? item : { ...item, remaining: TupleMap.remaining(item, clock) })
      octets += Batch.lengthOf(item)
      if (octets >= Batch.enough) end()
    } else {
      end()
      frames.push(isEntry ? frameOf(item, true, clock) : item)
    }
  }
  end()
  return frames
}

/**
 * The frame of a PING or PONG that carries a section.
 *
 * @since 0.1.0
 * @category encoding
 */
export const carry = (carrier: Message.Trailable, section: Trailer.Section): Uint8Array =>
  Message.encode({ ...carrier, trailer: Trailer.make(section) })

/** Frames that were made for somebody else and still wait in a queue: all who wait for a long value wait for the same. */
const waiting = {
  bare: new WeakMap<Tuple, WeakRef<Uint8Array>>(),
  versioned: new WeakMap<Entry, WeakRef<Uint8Array>>()
}

/** Octets of a value for which looking is cheaper than another copy. */
const worthSharing = 4096

/**
 * The frame of a tuple, made anew unless the same is still in use. `clock` is that of entries.
 *
 * @since 0.1.0
 * @category encoding
 */
export const frameOf = (entry: Entry, versions: boolean, clock: number): Uint8Array => {
  const { lifetime, tuple, version } = entry
  const make = () => {
    if (!versions) return Message.encode(Message.publish(tuple))
    const ends = lifetime === 0 ? undefined : { lifetime, remaining: TupleMap.remaining(entry, clock) }
    return Message.encode(Message.publish(tuple, version, ends))
  }
  if (tuple.valueOctets.length < worthSharing || (versions && lifetime > 0)) return make()
  const known = (versions ? waiting.versioned.get(entry) : waiting.bare.get(tuple))?.deref()
  if (known !== undefined) return known
  const frame = make()
  if (versions) waiting.versioned.set(entry, new WeakRef(frame))
  else waiting.bare.set(tuple, new WeakRef(frame))
  return frame
}

function* deliverAll(entries: Iterator<Entry, void>): Generator<Reply<GossipError>, void> {
  for (let next = entries.next(); next.done !== true; next = entries.next()) {
    if (!next.value.deleted) yield { _tag: "Deliver", tuple: next.value.tuple }
  }
}
