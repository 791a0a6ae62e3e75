/**
 * Who is a client of this node: they arrive, they leave, and there is room for so many, who may say so much. Only the
 * engine calls it.
 *
 * @since 0.1.0
 */
import type { Reason } from "../protocol/Refusals.ts"
import * as Allowance from "../protocol/Allowance.ts"
import * as Message from "../protocol/Message.ts"
import { allows } from "../protocol/Security.ts"
import * as Session from "../protocol/Session.ts"
import type { Settings } from "../protocol/Settings.ts"
import type { Tuple } from "../protocol/Tuple.ts"
import { Told } from "../protocol/Told.ts"
import type { Entry } from "../protocol/TupleMap.ts"
import type { Peer } from "../services/Transport.ts"
import type { TupleStore } from "../services/TupleStore.ts"
import type { Client, Served } from "./GossipLink.ts"
import * as Exchange from "./Exchange.ts"
import type { Flights } from "./Flights.ts"
import type { Journal } from "./Journal.ts"
import * as Mailbox from "./Mailbox.ts"

/** In milliseconds: dumps begin at multiples of it, so that many clients with one each do not cost a tick each. */
const grain = 10

/** A dump of less counts for less. */
const wholeDump = { tuples: 1000, octets: 2 ** 20 }

/** For how much of a dump that counts. */
const partOf = ({ entries, octets }: Exchange.Size): number =>
  Math.min(1, Math.max(entries / wholeDump.tuples, octets / wholeDump.octets))

/**
 * @since 0.1.0
 * @category models
 */
export class Clients {
  readonly #store: TupleStore["Service"]
  readonly #journal: Journal
  readonly #load: Mailbox.Load
  readonly #flights: Flights
  readonly #link: () => number
  readonly #told: (client: Client, entry: Entry) => void
  readonly #clock: () => number
  /** Clients that are no members, the oldest first: they go first where there is no room. */
  readonly #strangers = new Set<Client>()
  /** Clients whose dump waits until they may have it. */
  readonly #owed = new Set<Client>()
  /** Of all listeners. */
  #count = 0

  /** `link` gives a number for each that arrives, `told` is called with what one is given of what it missed. */
  constructor(
    store: TupleStore["Service"],
    journal: Journal,
    load: Mailbox.Load,
    flights: Flights,
    link: () => number,
    told: (client: Client, entry: Entry) => void,
    clock: () => number
  ) {
    this.#clock = clock
    this.#store = store
    this.#flights = flights
    this.#load = load
    this.#link = link
    this.#told = told
    this.#journal = journal
  }

  /** How many there are, of all listeners, and how many of them are members. */
  get counts(): { readonly peers: number; readonly members: number } {
    return { peers: this.#count, members: this.#count - this.#strangers.size }
  }

  /** The client of this name, also one that was none until now; nothing where there is no room for it. */
  find(served: Served, peer: Peer, settings: Settings): Client | undefined {
    return served.clients.get(peer) ?? this.#arrive(served, peer, settings)
  }

  #arrive(served: Served, peer: Peer, settings: Settings): Client | undefined {
    const name = `${served.endpoint} client ${peer}`
    if (this.#count >= settings.clients) {
      const [oldest] = this.#strangers
      const refused = oldest ?? { name, served, peer }
      this.#journal.refuse("clients", () => `no room for ${refused.name}`, refused)
      if (oldest === undefined) return undefined
      this.leave(oldest.served, oldest.peer)
    }
    const link = this.#link()
    const window = this.#flights.ofClient(served, peer, () => client.ours)
    const client: Client = {
      name,
      link,
      served,
      peer,
      spoke: 0,
      second: 0,
      reportedAt: Number.NEGATIVE_INFINITY,
      refusals: undefined,
      dumps: Allowance.whole,
      dumpPart: 1,
      ours: false,
      progress: Exchange.begin(),
      told: new Told(),
      session: Session.start,
      flight: window.flight,
      mailbox: Mailbox.ofFrames(this.#store, {
        link,
        limits: Mailbox.limits(settings),
        load: this.#load,
        rule: served.rules.read,
        carrier: Message.pong,
        window,
        ours: () => client.ours,
        told: (entry) => this.#told(client, entry),
        clock: this.#clock,
        versions: false
      })
    }
    served.clients.set(peer, client)
    this.#count += 1
    this.#strangers.add(client)
    served.arrived(peer, client)
    return client
  }

  /** A client has left, or has to start again. */
  leave(served: Served, peer: Peer): void {
    const client = served.clients.get(peer)
    if (client === undefined) return
    served.clients.delete(peer)
    this.#count -= 1
    this.#strangers.delete(client)
    this.#owed.delete(client)
    client.mailbox.outbox.clear()
    this.#flights.left(client, false)
    served.left(peer)
    this.#journal.trace(() => `${client.name}: gone`, client)
  }

  /** The listener is gone, and its clients with it. */
  leaveAll(served: Served): void {
    for (const peer of Array.from(served.clients.keys())) this.leave(served, peer)
    this.#flights.leftAll(served)
  }

  /** A tuple of it was not taken. */
  refuse(client: Client, reason: Reason): void {
    client.refusals = { ...client.refusals, [reason]: (client.refusals?.[reason] ?? 0) + 1 }
  }

  /** Whether it may set the key of this tuple. */
  mayPublish(client: Client, { keyOctets }: Tuple): boolean {
    if (allows(client.served.rules.publish, keyOctets)) return true
    this.#journal.refuse("rule", () => `${client.name} may not set the key of a tuple`, client)
    return false
  }

  /** It has become a member, or is none any more. */
  changed(client: Client): void {
    if (client.session._tag === "Connected") this.#strangers.delete(client)
    else this.#strangers.add(client)
  }

  /**
   * A client said HELLO. The dump is much more than that, so it may have so many a second: one more waits, with all that
   * comes behind it, and takes the place of one that waits already. `octets` are those of all that is held.
   */
  owe(client: Client, octets: number, now: number, perSecond: number): void {
    const { link, mailbox, ours, peer, served } = client
    const [upTo, keys, done] = [this.#store.sequence(), this.#store.size(), served.dumping?.(peer)]
    const { outbox } = mailbox
    const begun = !outbox.owes
    outbox.owe((changed) =>
      Mailbox.itemsOf(this.#store.read({ upTo, whole: { keys, link, changed } }), {
        ours,
        versions: false,
        clock: this.#clock,
        rule: served.rules.read,
        told: (entry) => this.#told(client, entry),
        done
      })
    )
    client.dumpPart = partOf({ entries: keys, octets })
    if (!begun) {
      this.#journal.counters.dumpsMerged += 1
    } else if (!this.#permit(client, now, perSecond)) {
      this.#journal.counters.dumpsDelayed += 1
      this.#owed.add(client)
    }
  }

  /** Lets those begin to read their dump whose time has come, and gives them. */
  permit(now: number, perSecond: number): ReadonlyArray<Client> {
    return Array.from(this.#owed).filter((client) => this.#permit(client, now, perSecond))
  }

  /** When the next one may begin. */
  deadline(perSecond: number): number {
    let due = Number.POSITIVE_INFINITY
    for (const { dumps } of this.#owed) due = Math.min(due, Allowance.from(dumps, perSecond))
    return Math.ceil(due / grain) * grain
  }

  /** Whether this client may be given so much now, for which it did not ask by HELLO. */
  mayGive(client: Client, size: Exchange.Size, now: number, perSecond: number): boolean {
    if (now < Allowance.from(client.dumps, perSecond)) return false
    client.dumps = Allowance.take(client.dumps, now, perSecond, partOf(size))
    return true
  }

  #permit(client: Client, now: number, perSecond: number): boolean {
    if (now < Allowance.from(client.dumps, perSecond)) return false
    client.dumps = Allowance.take(client.dumps, now, perSecond, client.dumpPart)
    client.mailbox.outbox.permit()
    this.#owed.delete(client)
    return true
  }

  /** Whether this message is one that the client may still send. */
  isInTime(client: Client, now: number, most: number): boolean {
    if (most === 0) return true
    const second = Math.floor(now / 1000)
    client.spoke = client.second === second ? client.spoke + 1 : 1
    client.second = second
    if (client.spoke <= most) return true
    this.#journal.refuse("rate", () => `${client.name} sends more than ${most} messages a second`, client)
    return false
  }
}
