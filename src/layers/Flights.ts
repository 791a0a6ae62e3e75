/**
 * What is under way to the peers of a node, see Flight: what they say is read here first, for what it proves of what
 * they have read. Only the engine calls it.
 *
 * @since 0.1.0
 */
import { hash } from "node:crypto"
import { Flight, type Means } from "../protocol/Flight.ts"
import { Pool } from "../protocol/FlightPool.ts"
import * as Message from "../protocol/Message.ts"
import type { Octets } from "../protocol/Octets.ts"
import * as Trailer from "../protocol/Trailer.ts"
import type { Frames, Peer } from "../services/Transport.ts"
import type { GossipEngine } from "./GossipEngine.ts"
import type { Client, Joined, Link, Served } from "./GossipLink.ts"
import type { Window } from "./Mailbox.ts"

/** Octets of what a fence says. */
const tokenLength = 8

/**
 * @since 0.1.0
 * @category models
 */
export class Flights {
  readonly #node: Pick<GossipEngine, "alarm" | "intake" | "journal" | "settings">
  readonly #touched: Set<{ wake(): void }>
  readonly #pool: Pool
  /** A connection outlives a client that has to start again, and so does what is under way on it. */
  readonly #ofPeers = new WeakMap<Served, Map<Peer, Flight>>()
  readonly #secret: string
  #tokens = 0

  /** Mailboxes that have room again are put into `touched`. Nobody knows the `secret`. */
  constructor(
    node: Pick<GossipEngine, "alarm" | "intake" | "journal" | "settings">,
    touched: Set<{ wake(): void }>,
    secret: string
  ) {
    this.#node = node
    this.#touched = touched
    this.#secret = secret
    this.#pool = new Pool(() => node.settings.flightOctets)
  }

  readonly #token = (): Octets => hash("sha256", `${this.#secret} ${++this.#tokens}`, "binary").slice(0, tokenLength)

  /** For a client that arrives, maybe not for the first time on its connection. */
  ofClient(served: Served, peer: Peer, isOurs: () => boolean): Window {
    let flights = this.#ofPeers.get(served)
    if (flights === undefined) this.#ofPeers.set(served, (flights = new Map()))
    const means = (): Means => (isOurs() ? "sections" : "none")
    let flight = flights.get(peer)
    if (flight === undefined) flights.set(peer, (flight = new Flight(this.#pool, Message.pong, means, this.#token)))
    else flight.means = means
    return this.#window(flight)
  }

  ofServer(isOurs: () => boolean): Window {
    return this.#window(new Flight(this.#pool, Message.ping, () => (isOurs() ? "sections" : "pings"), this.#token))
  }

  #window(flight: Flight): Window {
    const onFull = () => {
      this.#node.journal.counters.windowsFull += 1
      // Nothing may come in that would bring it about.
      if (flight.isHelpless) this.#node.alarm()
    }
    return { flight, onFull }
  }

  /** The client is none any more; where its connection has not `ended` what is under way still is. */
  left({ served, peer }: { readonly served: Served; readonly peer: Peer }, ended: boolean): void {
    const flights = this.#ofPeers.get(served)
    const flight = flights?.get(peer)
    if (flight === undefined || (!ended && flight.octets > 0)) return
    flight.clear()
    flights?.delete(peer)
  }

  /** The listener is gone, and all connections with it. */
  leftAll(served: Served): void {
    for (const peer of Array.from(this.#ofPeers.get(served)?.keys() ?? [])) this.left({ served, peer }, true)
  }

  /** What the frames of a peer say. The answer to a question that its machine did not ask is none to the machine. */
  read(link: Link, frames: Frames): Message.Message | Message.Malformed {
    const message = this.#node.intake.decode(link, frames)
    const { flight } = link
    const before = flight.octets
    switch (message._tag) {
      case "Hello":
        flight.greet()
        break
      case "Publish":
        if (frames[0] !== undefined) flight.echo(frames[0])
        break
      case "Ping":
      case "Pong": {
        const { trailer } = message
        if (trailer?._tag === "Trailer" && Trailer.carries(trailer)) {
          const asked = Trailer.find(trailer, Trailer.tags.fence)
          const fenced = Trailer.find(trailer, Trailer.tags.fenced)
          if (fenced !== undefined) flight.fenced(fenced)
          if (asked?.length === tokenLength && isKnown(link)) {
            flight.ask(asked)
            this.#touched.add(link.mailbox)
          }
        } else if (message._tag === "Pong" && !("served" in link) && flight.pong()) {
          this.#touched.add(link.mailbox)
          return fencedPong
        }
        break
      }
      default:
        break // it proves nothing
    }
    if (flight.octets < before) this.#touched.add(link.mailbox)
    return message
  }

  /** Helps those who wait and have no way to show what they read. */
  tick(now: number): void {
    for (const { reader } of this.#pool.trickle(now)) if (reader !== undefined) this.#touched.add(reader)
  }

  /** When the next tick is due. */
  deadline(now: number): number {
    return this.#pool.deadline(now)
  }
}

const isKnown = (link: Client | Joined): boolean =>
  "served" in link ? link.session._tag === "Connected" && link.ours : link.remote._tag !== "Disconnected"

/** Heard, and no answer. */
const fencedPong: Message.Message = {
  _tag: "Pong",
  trailer: Trailer.make({ tag: Trailer.tags.fenced, body: "" })
}
