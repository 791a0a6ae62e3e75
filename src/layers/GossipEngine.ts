/**
 * The state of a node and everything that may change it: sessions, remotes, subscribers, the tuple store. Plain and
 * synchronous; the inbox fiber of `GossipNode` is the only caller. It steps the machines and carries out their actions
 * on the store and on the mailboxes; sockets, fibers and time are `GossipNode`'s.
 *
 * @since 0.1.0
 */
import type { Reply } from "../protocol/Command.ts"
import * as Message from "../protocol/Message.ts"
import type { Octets } from "../protocol/Octets.ts"
import * as Refusals from "../protocol/Refusals.ts"
import * as Remote from "../protocol/Remote.ts"
import * as Session from "../protocol/Session.ts"
import type * as Settings from "../protocol/Settings.ts"
import type { Tuple } from "../protocol/Tuple.ts"
import * as TupleMap from "../protocol/TupleMap.ts"
import type { GossipError, Status } from "../services/Gossip.ts"
import type { Frames, Peer, PeerEvent } from "../services/Transport.ts"
import type { TupleStore } from "../services/TupleStore.ts"
import { Acceptance } from "./Acceptance.ts"
import { Clients } from "./Clients.ts"
import * as Exchange from "./Exchange.ts"
import { Flights } from "./Flights.ts"
import type { Client, Joined, Link, Served, Subscriber } from "./GossipLink.ts"
import { isCompared, isOurs, nameOf, noteTold, timingOf } from "./GossipLink.ts"
import { Intake } from "./Intake.ts"
import { Journal } from "./Journal.ts"
import * as Mailbox from "./Mailbox.ts"
import type { Refusal } from "./Quota.ts"
import * as Remotes from "./Remotes.ts"
import { Quota } from "./Quota.ts"
import { StatusReport } from "./StatusReport.ts"
import { Tellings } from "./Tellings.ts"
import { Watchers } from "./Watchers.ts"

/**
 * @since 0.1.0
 * @category models
 */
export class GossipEngine {
  readonly served = new Map<string, Served>()
  /** Endpoints that were bound and are to be bound again, and why they are not. */
  readonly lost = new Map<string, string>()
  readonly joined = new Map<string, Joined>()
  readonly subscribers = new Set<Subscriber>()
  readonly watchers: Watchers
  settings: Settings.Settings
  /** When the last input came, in milliseconds. */
  now = 0
  /** What PORT says. */
  port = 0
  /** Tells whoever calls {@link tick} that it is due earlier than {@link deadline} said. */
  alarm: () => void = () => {}
  /** When the node had done what its configuration says. */
  startedAt: number | undefined
  readonly journal = new Journal()
  readonly intake = new Intake(this.journal)
  readonly #store: TupleStore["Service"]
  readonly #touched = new Set<{ wake(): void }>()
  readonly #acceptance: Acceptance
  readonly #clients: Clients
  readonly #exchange: Exchange.Exchange
  readonly #quota: Quota
  readonly #report: StatusReport
  readonly gate = new Mailbox.Gate()
  readonly #load = new Mailbox.Load(this.gate)
  readonly #flights: Flights
  #links = TupleMap.elsewhere
  /** What the store held from the beginning is no news: whoever has another value by now has a later one. */
  readonly #restored: number

  /** `timeOfDay` is in milliseconds; nobody knows the `secret`. */
  constructor(store: TupleStore["Service"], settings: Settings.Settings, timeOfDay: () => number, secret: string) {
    this.#store = store
    this.#restored = store.sequence()
    this.settings = settings
    this.journal.verbose = settings.verbose
    const told = (client: Client, entry: TupleMap.Entry) => noteTold(client, entry, this.now, false)
    const clock = () => this.now
    this.#flights = new Flights(this, this.#touched, secret)
    this.#clients = new Clients(store, this.journal, this.#load, this.#flights, () => ++this.#links, told, clock)
    this.#quota = new Quota({ [Symbol.iterator]: () => store.read({ upTo: store.sequence() }) })
    this.#exchange = new Exchange.Exchange(store, {
      timeOfDay,
      retention: () => this.settings.retention,
      maxDrift: () => this.settings.maxDrift,
      forget: (key) => this.#acceptance.forget(key),
      accept: (link, change) => {
        if ("served" in link) this.#accept(link, change)
        else {
          if (link.remote._tag === "Joining") link.remote.dumped.add(change.tuple.keyOctets)
          this.#acceptance.accept(change, link)
        }
      },
      mayGive: (link, size) =>
        !("served" in link) || this.#clients.mayGive(link, size, this.now, this.settings.dumpsPerSecond),
      count: (link, entries) => this.intake.count(link, entries, this.now, this.settings.totalMessagesPerSecond),
      pour: (link, entries) => this.#pour(link, entries, true),
      send: (link, section) => this.#push(link, Mailbox.carry("served" in link ? Message.pong : Message.ping, section))
    })
    this.watchers = new Watchers(this, store, this.#touched, timeOfDay)
    const tellings = new Tellings(this, this.#touched)
    this.#acceptance = new Acceptance(this, store, this.#quota, this.#exchange, tellings, timeOfDay)
    this.#report = new StatusReport(this, store, this.#clients, this.#quota)
  }

  configure(settings: Settings.Settings): void {
    this.settings = settings
    this.journal.verbose = settings.verbose
  }

  // Input from the network

  /** What the clients of a listener sent. */
  receivePeers(served: Served, events: ReadonlyArray<PeerEvent>, now: number): void {
    this.now = now
    for (const event of events) {
      if (event._tag === "Gone") {
        this.leave(served, event.peer)
        this.#flights.left({ served, peer: event.peer }, true)
        continue
      }
      const client = this.#clients.find(served, event.peer, this.settings)
      if (client === undefined) continue
      const inTime = this.#clients.isInTime(client, now, this.settings.messagesPerSecond)
      const message = inTime ? this.#flights.read(client, event.frames) : tooMany
      this.#guard(client, () => this.#stepSession(client, { _tag: "Received", message, now }))
    }
  }

  /** A client has left, or has to start again. */
  leave(served: Served, peer: Peer): void {
    this.#clients.leave(served, peer)
  }

  /** A connection to a remote is up: what is sent from now on goes there. */
  up(joined: Joined, now: number): void {
    joined.error = undefined
    joined.awaited = 2 // until the first one we do not know what it lacks
    // Who is there may be somebody else.
    this.#stepRemote(joined, { _tag: "Up", now, sequence: this.#store.sequence() })
  }

  /** Asks a remote whether it has read what was sent so far. */
  ask(joined: Joined): void {
    this.#stepRemote(joined, { _tag: "Ask", now: this.now })
  }

  down(joined: Joined): void {
    joined.mailbox.outbox.clear()
    joined.flight.clear()
    this.#stepRemote(joined, { _tag: "Down" })
  }

  /** What a remote sent. */
  receiveRemote(joined: Joined, messages: ReadonlyArray<Frames>, now: number): void {
    this.now = now
    for (const frames of messages) {
      const message = this.#flights.read(joined, frames)
      if (message._tag === "Invalid") this.journal.counters.invalidReceived += 1
      const sequence = this.#store.sequence()
      this.#guard(joined, () => this.#stepRemote(joined, { _tag: "Received", message, now, sequence }))
    }
  }

  /** A listener is bound. */
  serve(served: Served): void {
    this.served.set(served.endpoint, served)
  }

  unserve(served: Served): void {
    this.#clients.leaveAll(served)
    if (this.served.get(served.endpoint) === served) this.served.delete(served.endpoint)
  }

  /** An endpoint to connect to; the machine starts disconnected. */
  join(endpoint: string): Joined {
    const joined = Remotes.make(endpoint, {
      link: ++this.#links,
      store: this.#store,
      settings: this.settings,
      load: this.#load,
      flights: this.#flights,
      synced: this.#restored,
      clock: () => this.now
    })
    this.joined.set(endpoint, joined)
    return joined
  }

  // Input from the application

  /** For so many milliseconds, or without end. Gives the limit that does not let it. */
  publish(tuple: Tuple, lifetime = 0): Refusal | undefined {
    return this.#acceptance.accept({ tuple, lifetime }, undefined)
  }

  /** Says whether there was anything. */
  unpublish(key: Octets): boolean {
    return this.#acceptance.remove(key)
  }

  subscribe(): Subscriber {
    const subscriber = Mailbox.ofReplies(this.#store, Mailbox.limits(this.settings), this.gate)
    this.subscribers.add(subscriber)
    return subscriber
  }

  unsubscribe(subscriber: Subscriber): void {
    this.subscribers.delete(subscriber)
    subscriber.close()
  }

  /** Answers a command in the order of the deliveries. */
  reply(subscriber: Subscriber, reply: Reply<GossipError>): void {
    if (!subscriber.outbox.push(reply)) this.journal.counters.repliesDropped += 1
    this.#touched.add(subscriber)
  }

  status(): Status {
    return this.#report.status(this.now)
  }

  // Time

  /** The clock stood still for a while: the servers may have forgotten us. */
  slept(): void {
    this.journal.trace(() => "this machine slept, or its time of day was set: the servers may have forgotten us")
    for (const joined of this.joined.values()) this.#stepRemote(joined, { _tag: "Slept" })
  }

  tick(now: number): void {
    this.now = now
    this.#acceptance.tick(now)
    this.#flights.tick(now)
    for (const { mailbox } of this.#clients.permit(now, this.settings.dumpsPerSecond)) this.#touched.add(mailbox)
    for (const { clients } of this.served.values()) {
      for (const client of clients.values()) {
        const timeout = this.settings.serverTimeout
        this.#guard(client, () => this.#stepSession(client, { _tag: "Tick", now, timeout }))
      }
    }
    for (const joined of this.joined.values()) {
      const { isBehind: behind, isEmpty: idle, taken } = joined.mailbox.outbox
      const sequence = this.#store.sequence()
      this.#guard(joined, () => this.#stepRemote(joined, { _tag: "Tick", now, sequence, idle, behind, taken }))
    }
  }

  /** When the next tick is due, in milliseconds; infinity where none is. */
  deadline(now: number): number {
    const dumps = this.#clients.deadline(this.settings.dumpsPerSecond)
    let due = Math.min(dumps, this.#acceptance.deadline(now), this.#flights.deadline(now))
    for (const { remote } of this.joined.values()) due = Math.min(due, Remote.deadline(remote) ?? due)
    const timeout = this.settings.serverTimeout
    if (timeout === undefined || timeout === 0) return due
    for (const { clients } of this.served.values()) {
      for (const { session } of clients.values()) due = Math.min(due, Session.deadline(session, timeout) ?? due)
    }
    return due
  }

  // Output

  /** Wakes the readers of all mailboxes that got something since the last flush. */
  flush(): void {
    this.#report.look(this.now)
    for (const mailbox of this.#touched) mailbox.wake()
    this.#touched.clear()
  }

  // Machines and their actions

  #stepSession(client: Client, input: Session.Input): void {
    const before = client.session
    const { actions, state } = Session.step(before, input)
    client.session = state
    if (input._tag === "Received") this.journal.step(client, before._tag, input.message, state._tag)
    else if (before._tag !== state._tag) {
      this.journal.trace(() => `${client.name}: ${before._tag} -> ${state._tag}, timed out`, client)
    }
    if (before._tag !== state._tag) this.#clients.changed(client)
    for (const action of actions) {
      switch (action._tag) {
        case "Accept": {
          this.#accept(client, action)
          break
        }
        case "Send":
          if (action.message._tag === "Invalid") this.journal.counters.invalidSent += 1
          else this.#exchange.heard(client)
          this.#send(client, action.message)
          break
        case "Report":
          this.#push(client, this.#report.answer(client, action.now))
          break
        case "Confess":
          this.#push(client, Message.encode({ ...Message.pong, trailer: Refusals.encode(client.refusals ?? {}) }))
          break
        case "Dump":
          client.ours = action.ours
          client.told.clear()
          if (action.digest !== undefined && isCompared(client) && !this.#exchange.meet(client, action.digest)) break
          this.#clients.owe(client, this.#quota.octets, this.now, this.settings.dumpsPerSecond)
          this.#touched.add(client.mailbox)
          break
        case "Take":
          if (client.ours) this.#exchange.take(client, action.cargo)
          break
        case "Tell":
          break // by #accept
      }
    }
  }

  #stepRemote(joined: Joined, input: Remote.Input): void {
    const before = joined.remote
    const { actions, state } = Remote.step(before, input, timingOf(joined, this.settings))
    joined.remote = state
    if (input._tag === "Received") this.journal.step(joined, before._tag, input.message, state._tag)
    else if (before._tag !== state._tag)
      this.journal.trace(() => `${joined.endpoint}: ${before._tag} -> ${state._tag}`, joined)
    for (const action of actions) {
      switch (action._tag) {
        case "Accept": {
          const { synced } = action
          const known = synced === undefined ? undefined : { link: joined.link, synced }
          this.#acceptance.accept(action, joined, known)
          break
        }
        case "Send":
          this.#send(joined, action.message)
          break
        case "ReplayNews":
          this.#pour(
            joined,
            this.#store.read({ upTo: action.upTo, unknownTo: { link: joined.link, synced: action.synced } })
          )
          break
        case "ReplayLost": {
          const { dumped, synced, upTo } = action
          const known = { link: joined.link, synced }
          this.#pour(joined, this.#store.read({ upTo, knownTo: known, except: dumped }))
          break
        }
        case "Forget":
          joined.mailbox.outbox.forget()
          joined.progress = Exchange.begin()
          joined.told.clear()
          break
        case "Compare":
          this.#exchange.compare(joined, action.digest)
          break
        case "Take":
          this.#exchange.take(joined, action.cargo)
          break
        case "Close":
          joined.giveUp(action.silent)
          break
        case "Tell":
          break // by #accept
      }
    }
  }

  #accept(client: Client, said: TupleMap.Change & Pick<Message.Said, "ttl">): void {
    const change = this.settings.legacyTtl ? Message.heedingTtl(said) : said
    const refusal = this.#clients.mayPublish(client, change.tuple) ? this.#acceptance.accept(change, client) : "rule"
    if (refusal !== undefined) this.#clients.refuse(client, refusal)
  }

  #send(link: Link, message: Message.Message): void {
    this.#push(link, Message.encode(this.#exchange.dress(link, message)))
  }

  #push(link: Link, frame: Uint8Array): void {
    if (!link.mailbox.outbox.push(frame)) this.journal.counters.repliesDropped += 1
    this.#touched.add(link.mailbox)
  }

  #pour(link: Link, entries: Iterator<TupleMap.Entry, void>, ours = isOurs(link)): void {
    const told = (entry: TupleMap.Entry) => noteTold(link, entry, this.now, false)
    link.mailbox.outbox.pour(
      Mailbox.itemsOf(entries, { ours, versions: !("served" in link), told, clock: () => this.now })
    )
    this.#touched.add(link.mailbox)
  }

  /** A fault of ours is counted, and costs the one input that brought it out. */
  #guard(link: Link, run: () => void): void {
    try {
      run()
    } catch (defect) {
      this.journal.defect(nameOf(link), defect, link)
    }
  }
}

/** Stands for a message that is not even looked at: it costs its sender the session. */
const tooMany = Message.decode([])
