/**
 * What a node knows of those it is linked with: clients, remotes, subscribers. Only the engine changes it.
 *
 * @since 0.1.0
 */
import type { Allowance } from "../protocol/Allowance.ts"
import type { Reply } from "../protocol/Command.ts"
import type { Flight } from "../protocol/Flight.ts"
import * as Pings from "../protocol/Pings.ts"
import type { Refusals } from "../protocol/Refusals.ts"
import type * as Remote from "../protocol/Remote.ts"
import type { Rules } from "../protocol/Security.ts"
import type * as Session from "../protocol/Session.ts"
import type * as Settings from "../protocol/Settings.ts"
import { digestOf, type Told } from "../protocol/Told.ts"
import type { Entry } from "../protocol/TupleMap.ts"
import type { GossipError } from "../services/Gossip.ts"
import type { Peer } from "../services/Transport.ts"
import type { Progress } from "./Exchange.ts"
import type { Mailbox } from "./Mailbox.ts"

/** A client of one of our listeners. */
export interface Client {
  readonly name: string
  /** Its number in the tuple map. */
  readonly link: number
  readonly served: Served
  readonly peer: Peer
  /** How many messages it sent in which second. */
  spoke: number
  second: number
  /** When it was told the status. */
  reportedAt: number
  /** What was not taken of it; nothing as long as all was. */
  refusals: Refusals | undefined
  /** Of the dumps it may still have, and for how much of one the one counts that it is owed. */
  dumps: Allowance
  dumpPart: number
  /** It said that it is a node of ours. */
  ours: boolean
  progress: Progress
  /** What waits for its echo. */
  readonly told: Told
  session: Session.State
  readonly flight: Flight
  readonly mailbox: Mailbox<Item, Uint8Array>
}

/** A bound endpoint and its clients. */
export interface Served {
  readonly endpoint: string
  /** What its clients may set and are told. */
  readonly rules: Rules
  readonly clients: Map<Peer, Client>
  /** Gives the new client a sender; takes it away. */
  readonly arrived: (peer: Peer, client: Client) => void
  readonly left: (peer: Peer) => void
  /** Notes that a client is answered with a dump, if anybody wants to know, and gives what to call at its end. */
  readonly dumping: ((peer: Peer) => (tuples: number) => void) | undefined
}

/** An endpoint we connect to, over all its connections. */
export interface Joined {
  readonly endpoint: string
  /** Its number in the tuple map. */
  readonly link: number
  remote: Remote.State
  progress: Progress
  /** What waits for its echo. */
  readonly told: Told
  /** Why there is no connection. */
  error: string | undefined
  /** Ends the connection that there is, on which nothing was heard for so many ms. */
  giveUp: (silent: number) => void
  /** The number of the PONG that says that all that was sent on this connection has been read. */
  awaited: number
  readonly flight: Flight
  readonly mailbox: Mailbox<Item, Uint8Array>
}

/**
 * Whether the two compare what they hold: not where a rule keeps one from some keys.
 *
 * @since 0.1.0
 * @category getters
 */
export const isCompared = (link: Link): boolean => {
  if (!("served" in link)) return link.remote._tag === "Connected" && link.remote.compared
  const { publish, read } = link.served.rules
  return link.ours && publish === undefined && read === undefined
}

/** Somebody in this process who is told of new tuples. */
export type Subscriber = Mailbox<Reply<GossipError>>

export type Link = Client | Joined

/** What the mailbox of a peer has: a frame, or what becomes part of one. */
export type Item = Uint8Array | Entry

/**
 * Whether at the other end is a node of ours, as far as it has said so on this connection.
 *
 * @since 0.1.0
 * @category getters
 */
export const isOurs = (link: Link): boolean =>
  "served" in link ? link.ours : link.remote._tag === "Connected" && link.remote.ours

/**
 * Notes that a peer of version 1 is told of an entry; `sure` where it is known to hold another value.
 *
 * @since 0.1.0
 * @category notes
 */
export const noteTold = (link: Link, { tuple }: Entry, now: number, sure: boolean): void => {
  if (!isOurs(link)) link.told.tell(tuple.keyOctets, digestOf(tuple), now, sure)
}

/** In server timeouts: how long a server may be silent; and no less than this, in ms. */
const silence = { timeouts: 20, least: 1000 }

/**
 * Over inproc nothing comes between two nodes, and a connection waits for who will bind.
 *
 * @since 0.1.0
 * @category getters
 */
export const timingOf = ({ endpoint }: Joined, settings: Settings.Settings): Remote.Timing => ({
  pingInterval: Pings.interval(settings),
  timeout: settings.remoteTimeout,
  silence: endpoint.startsWith("inproc:")
    ? Number.POSITIVE_INFINITY
    : Math.max(silence.least, silence.timeouts * settings.remoteTimeout)
})

/**
 * Whom a line of the log is about.
 *
 * @since 0.1.0
 * @category models
 */
export interface About {
  readonly endpoint: string
  readonly peer?: Peer
}

/**
 * @since 0.1.0
 * @category getters
 */
export const aboutOf = (link: Joined | Pick<Client, "peer" | "served">): About =>
  "served" in link ? { endpoint: link.served.endpoint, peer: link.peer } : { endpoint: link.endpoint }

/**
 * @since 0.1.0
 * @category getters
 */
export const nameOf = (link: Link): string => ("name" in link ? link.name : link.endpoint)
