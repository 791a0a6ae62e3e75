/**
 * Who is told of a change, and in which words: peers in frames, with versions if they know them, subscribers in this
 * process in deliveries, watchers in events. Only the engine calls it.
 *
 * @since 0.1.0
 */
import * as Remote from "../protocol/Remote.ts"
import * as Security from "../protocol/Security.ts"
import * as Session from "../protocol/Session.ts"
import type { Entry, Outcome } from "../protocol/TupleMap.ts"
import type { GossipEngine } from "./GossipEngine.ts"
import { isOurs, type Link, noteTold } from "./GossipLink.ts"
import * as Mailbox from "./Mailbox.ts"

/**
 * @since 0.1.0
 * @category models
 */
export class Tellings {
  readonly #node: Pick<GossipEngine, "joined" | "journal" | "now" | "served" | "subscribers" | "watchers">
  readonly #touched: Set<{ wake(): void }>
  #last: { entry?: Entry; bare?: Uint8Array; versioned?: Uint8Array } = {}

  /** Mailboxes that got something are put into `touched`. */
  constructor(
    node: Pick<GossipEngine, "joined" | "journal" | "now" | "served" | "subscribers" | "watchers">,
    touched: Set<{ wake(): void }>
  ) {
    this.#node = node
    this.#touched = touched
  }

  /**
   * All but its origin, and those who are known to hold it. Only nodes of ours hear of versions that are new where the
   * value is not, and of deletes.
   */
  tellAll(
    entry: Entry,
    origin: Link | undefined,
    outcome: Extract<Outcome, "Accepted" | "Deleted" | "Renewed">,
    agreeing?: ReadonlySet<Link>
  ): void {
    const isTold = (link: Link) =>
      link !== origin && agreeing?.has(link) !== true && (outcome === "Accepted" || isOurs(link))
    for (const { clients } of this.#node.served.values()) {
      for (const client of clients.values()) if (isTold(client)) this.tell(client, entry)
    }
    for (const joined of this.#node.joined.values()) if (isTold(joined)) this.tell(joined, entry)
    if (!entry.deleted) this.#node.watchers.put(entry, outcome === "Renewed")
    if (outcome !== "Accepted") return
    const delivery = { _tag: "Deliver", tuple: entry.tuple } as const
    for (const subscriber of this.#node.subscribers) this.#put(subscriber, delivery, entry)
  }

  /** What was there of a key, and is not any more; `entry` is what is held of it now. Peers find out by that. */
  tellGone(how: "Deleted" | "Expired", before: Entry, entry: Entry): void {
    this.#node.journal.trace(
      () => `${JSON.stringify(before.tuple.key)} ${how === "Expired" ? "had its time" : "was deleted"}`
    )
    this.#node.watchers.gone(how, before, entry)
  }

  /** One peer, if it is to be told; it holds another value. */
  tell(link: Link, entry: Entry): void {
    if ("served" in link) {
      if (!Security.allows(link.served.rules.read, entry.tuple.keyOctets)) return
      if (tells(Session.step(link.session, accepted).actions)) this.#tell(link, entry)
      // The times play no part in it.
    } else if (tells(Remote.step(link.remote, accepted, noTiming).actions)) {
      this.#tell(link, entry)
    } else if (link.remote._tag === "Joining") {
      // What comes behind its dump are the keys that it lacks; an older value is as good as none.
      link.remote.dumped.delete(entry.tuple.keyOctets)
    }
  }

  #tell(link: Link, entry: Entry): void {
    if (isOurs(link)) this.#put(link.mailbox, entry, entry)
    else if (!entry.deleted) {
      // What has to wait may be superseded before its turn comes: then it is never told.
      const isQueued = this.#put(link.mailbox, this.#frame(entry, !("served" in link)), entry)
      if (isQueued) noteTold(link, entry, this.#node.now, true)
    }
  }

  /** Encoded once for all who are told. A server may be one of ours that has not said so yet: versions harm no other. */
  #frame(entry: Entry, versions: boolean): Uint8Array {
    if (this.#last.entry !== entry) this.#last = { entry }
    return (this.#last[versions ? "versioned" : "bare"] ??= Mailbox.frameOf(entry, versions, this.#node.now))
  }

  /** Whether it is queued. A reader that is behind is not woken: it takes all the while. */
  #put<A, B>(mailbox: Mailbox.Mailbox<A, B>, item: A, { sequence, tuple }: Entry): boolean {
    const { outbox } = mailbox
    const before = outbox.isBehind
    const isQueued = outbox.put(sequence, item, tuple.keyOctets)
    if (isQueued) this.#touched.add(mailbox)
    else if (!before) this.#node.journal.counters.fellBehind += 1
    return isQueued
  }
}

const accepted = { _tag: "Accepted" } as const
const noTiming: Remote.Timing = { pingInterval: 0, timeout: 0, silence: 0 }

const tells = (actions: ReadonlyArray<Session.Action | Remote.Action>): boolean => actions[0]?._tag === "Tell"
