/**
 * Those in this process who watch what is held: each has a mailbox, in which a snapshot and what changed since waits for
 * it. One that does not read gets another snapshot in the place of what it would have missed. Only the engine calls it.
 *
 * A change and its telling are one step of the engine, and a snapshot is made in one go between two steps, so there is
 * nothing between a snapshot and what follows it, and nothing in both.
 *
 * @since 0.1.0
 */
import type { Octets } from "../protocol/Octets.ts"
import { Outbox } from "../protocol/Outbox.ts"
import type { Entry } from "../protocol/TupleMap.ts"
import * as TupleMap from "../protocol/TupleMap.ts"
import * as Watched from "../protocol/Watched.ts"
import type { WatchOptions } from "../services/Gossip.ts"
import type { TupleStore } from "../services/TupleStore.ts"
import type { GossipEngine } from "./GossipEngine.ts"
import * as Mailbox from "./Mailbox.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Watcher {
  readonly prefix: Octets
  readonly renewals: boolean
  readonly mailbox: Mailbox.Mailbox<Watched.Watched>
  /** What changes before it takes the snapshot that waits for it will be in there. */
  isBehind: boolean
  /** Keys that the snapshot left out, as they had their time, though the store has not let them end yet. */
  readonly over: Set<Octets>
}

/**
 * @since 0.1.0
 * @category models
 */
export class Watchers {
  readonly #node: Pick<GossipEngine, "gate" | "journal" | "now" | "settings">
  readonly #store: TupleStore["Service"]
  readonly #touched: Set<{ wake(): void }>
  readonly #timeOfDay: () => number
  readonly #all = new Set<Watcher>()

  /** Mailboxes that got something are put into `touched`. */
  constructor(
    node: Pick<GossipEngine, "gate" | "journal" | "now" | "settings">,
    store: TupleStore["Service"],
    touched: Set<{ wake(): void }>,
    timeOfDay: () => number
  ) {
    this.#node = node
    this.#store = store
    this.#touched = touched
    this.#timeOfDay = timeOfDay
  }

  /** From this moment on. */
  open(prefix: Octets, { renewals = false }: WatchOptions): Watcher {
    const outbox = new Outbox(() => nothing.values(), Watched.sizeOf, Mailbox.limits(this.#node.settings))
    const mailbox = new Mailbox.Mailbox(outbox, new Mailbox.Load(this.#node.gate), (events) => events)
    const watcher: Watcher = { prefix, renewals, mailbox, isBehind: false, over: new Set() }
    outbox.pour([this.#snapshot(watcher)].values())
    this.#all.add(watcher)
    return watcher
  }

  close(watcher: Watcher): void {
    this.#all.delete(watcher)
    watcher.mailbox.close()
  }

  closeAll(): void {
    for (const watcher of this.#all) this.close(watcher)
  }

  /** A key has a value that it did not have, or the same one with another version. */
  put(entry: Entry, isRenewal: boolean): void {
    let event: Watched.Put | undefined
    let renewal: Watched.Renewed | undefined
    for (const watcher of this.#attending(entry)) {
      const isNew = watcher.over.delete(entry.tuple.keyOctets) || !isRenewal
      if (isNew) this.#give(watcher, (event ??= Watched.put(entry, this.#ahead)), entry)
      else if (watcher.renewals) this.#give(watcher, (renewal ??= Watched.renewed(entry, this.#ahead)), entry)
    }
  }

  /** A key has no value any more; `entry` is what is held of it now. */
  gone(tag: "Deleted" | "Expired", before: Entry, entry: Entry): void {
    let event: Watched.Watched | undefined
    for (const watcher of this.#attending(entry)) {
      if (watcher.over.delete(entry.tuple.keyOctets)) continue
      this.#give(watcher, (event ??= Watched.gone(tag, before, entry)), entry)
    }
  }

  *#attending({ tuple }: Entry): Generator<Watcher, void> {
    for (const watcher of this.#all) if (!watcher.isBehind && tuple.keyOctets.startsWith(watcher.prefix)) yield watcher
  }

  #give(watcher: Watcher, event: Watched.Watched, { sequence, tuple }: Entry): void {
    const { mailbox } = watcher
    const { outbox } = mailbox
    this.#touched.add(mailbox)
    if (outbox.put(sequence, event, tuple.keyOctets)) return
    this.#node.journal.counters.fellBehind += 1
    outbox.clear()
    outbox.pour(this.#catchUp(watcher))
    watcher.isBehind = true
  }

  /** Made when it is taken. */
  *#catchUp(watcher: Watcher): Generator<Watched.Snapshot, void> {
    watcher.isBehind = false
    yield this.#snapshot(watcher)
  }

  get #ahead(): number {
    return this.#timeOfDay() - this.#node.now
  }

  #snapshot({ over, prefix }: Watcher): Watched.Snapshot {
    const time = this.#timeOfDay()
    const entries: Array<Watched.Held> = []
    over.clear()
    const all = this.#store.read({ upTo: this.#store.sequence() })
    for (let next = all.next(); next.done !== true; next = all.next()) {
      const entry = next.value
      if (entry.deleted || !entry.tuple.keyOctets.startsWith(prefix)) continue
      if (TupleMap.isLive(entry, this.#node.now)) entries.push(Watched.held(entry, this.#ahead))
      else over.add(entry.tuple.keyOctets)
    }
    return { _tag: "Snapshot", entries, time }
  }
}

const nothing: ReadonlyArray<never> = []
