/**
 * What carries frames between nodes. A transport knows endpoints, connections and octets; it never looks into a
 * frame, so that every implementation, the in-memory one too, exercises the codec.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type { Keys } from "../protocol/Certificate.ts"
import type * as Endpoint from "../protocol/Endpoint.ts"

/**
 * One message as it arrived: its frames, behind the routing id. A v1 message has exactly one; what to do with any
 * other number is the protocol's business.
 *
 * @since 0.1.0
 * @category models
 */
export type Frames = ReadonlyArray<Uint8Array>

/**
 * One peer of a listener, from its first message until it is gone. Opaque; unique among the live peers of one
 * listener, and used again only for a socket that declares the same routing id.
 *
 * @since 0.1.0
 * @category models
 */
export type Peer = string

/**
 * What a listener reports. `Gone` follows the last message of a peer whose connection ended, also for a peer that
 * never sent one. One that was replaced by a new socket with the same routing id is not reported.
 *
 * @since 0.1.0
 * @category models
 */
export type PeerEvent =
  | { readonly _tag: "Received"; readonly peer: Peer; readonly frames: Frames }
  | { readonly _tag: "Gone"; readonly peer: Peer }

/**
 * A bound endpoint and the peers connected to it (a ROUTER socket). Its scope unbinds it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listener {
  /** The endpoint as bound: wildcard ports resolved. */
  readonly endpoint: Endpoint.Endpoint
  /** Waits for at least one event and gives all that are there, in order, up to a bound. One caller at a time. */
  readonly receive: Effect.Effect<ReadonlyArray<PeerEvent>, TransportError>
  /**
   * Sends one-frame messages to one peer, in order. Ends when the transport has taken them all, however long a slow
   * peer makes it wait; fails with `PeerGone` once the peer is. Other peers are not held up. One caller at a time per
   * peer. The frames must not be changed afterwards.
   */
  readonly send: (peer: Peer, messages: ReadonlyArray<Uint8Array>) => Effect.Effect<void, TransportError>
}

/**
 * One connection to a remote endpoint (a DEALER socket): it begins with nothing sent and ends at the first loss. It
 * never reconnects by itself, so that the first frame sent on it is the first frame that the remote reads.
 *
 * @since 0.1.0
 * @category models
 */
export interface Connection {
  readonly endpoint: Endpoint.Endpoint
  /** Waits for at least one message and gives all that are there, in order, up to a bound. Fails when it is lost. */
  readonly receive: Effect.Effect<ReadonlyArray<Frames>, TransportError>
  /** Sends one-frame messages in order; ends when the transport has taken them all. One caller at a time. */
  readonly send: (messages: ReadonlyArray<Uint8Array>) => Effect.Effect<void, TransportError>
}

/**
 * Why an operation of a transport failed. `code` is the system's name of the error where it has one.
 *
 * - `AddressInUse`, `AddressNotAvailable`, `PermissionDenied`, `UnknownHost`: bind, or connect for the last
 * - `Refused`: nobody listens there (yet); `Unreachable`: no handshake within the time; `Lost`: it was up, and ended;
 *   `Silent`: it was up, and PINGs were not answered any more, as the node says of it
 * - `Protocol`: what answers there does not speak ZeroMQ
 * - `NotAdmitted`: the other side knows neither our key nor our password or address, wants another mechanism, or is not
 *   the one whose key we have; of a listener: somebody who was let in may not stay, and all have to come again
 * - `PeerGone`: this peer of a listener has left; `Closed`: our own side was closed
 * - `Exhausted`: no descriptors, sockets or memory left
 * - `Unsupported`, `Other`: what the system said stands in `code` and `detail`
 *
 * @since 0.1.0
 * @category errors
 */
export type TransportReason =
  | "AddressInUse"
  | "AddressNotAvailable"
  | "PermissionDenied"
  | "UnknownHost"
  | "Refused"
  | "Unreachable"
  | "Protocol"
  | "NotAdmitted"
  | "Lost"
  | "Silent"
  | "PeerGone"
  | "Closed"
  | "Exhausted"
  | "Unsupported"
  | "Other"

/**
 * @since 0.1.0
 * @category errors
 */
export class TransportError extends Data.TaggedError("TransportError")<{
  readonly operation: "bind" | "connect" | "receive" | "send"
  readonly endpoint: string
  readonly reason: { readonly _tag: TransportReason; readonly code?: string; readonly detail: string }
}> {
  override get message(): string {
    return `cannot ${this.operation} ${this.endpoint}: ${this.reason.detail}`
  }
}

/**
 * How a link is kept: how long it is idle before it is asked whether the other host is still there, and how long after
 * that a silent one is given up, both in ms. A transport without hosts does not need them. And how long a frame may be
 * that the other side sends: a longer one ends the connection, which nobody is told the reason of, and takes no memory.
 * Over inproc any is read: it is in the memory already.
 *
 * `linger` is asked as the link is closed, and says how many ms that may wait, and only where it has to, until all that
 * was taken for sending has left this process. Where it says 0, or nothing, the close does not wait for it.
 *
 * @since 0.1.0
 * @category models
 */
export interface LinkOptions {
  readonly heartbeatInterval?: number
  readonly heartbeatTimeout?: number
  readonly frameOctets?: number
  readonly linger?: () => number
}

/**
 * Somebody who wants in, before a word was said: the address (none over ipc), how many connections it has to this
 * listener with this one, where the transport can tell, and what the mechanism has proven. A password has not been
 * checked yet.
 *
 * @since 0.1.0
 * @category security
 */
export type Applicant = { readonly address: string; readonly connections: () => number | undefined } & (
  | { readonly mechanism: "null" }
  | { readonly mechanism: "plain"; readonly user: string; readonly password: Redacted.Redacted<string> }
  | { readonly mechanism: "curve"; readonly key: string }
)

/**
 * Who may enter. `admit` gives nothing, or the reason why not: it is for our log, the other side learns only that it
 * is not let in. `revoked` ends, with a reason, when somebody whom `admit` has let in may not stay: then the listener
 * fails with `NotAdmitted`, since a transport cannot tell which connection is whose. inproc has no doors: who is in the
 * process is in.
 *
 * @since 0.1.0
 * @category security
 */
export interface Guard {
  readonly mechanism: Applicant["mechanism"]
  /** Our own keys, for `curve`. */
  readonly keys?: Keys | undefined
  /** What the doors are called where somebody is turned away. */
  readonly domain: string
  readonly admit: (applicant: Applicant) => Effect.Effect<string | undefined>
  readonly revoked: Effect.Effect<string>
}

/**
 * What we show where we connect: a name and a password, which go over the wire as they are, or a key, to one who has
 * the key that we expect.
 *
 * @since 0.1.0
 * @category security
 */
export type Credentials =
  | { readonly mechanism: "plain"; readonly user: string; readonly password: Redacted.Redacted<string> }
  | { readonly mechanism: "curve"; readonly keys: Keys; readonly serverKey: string }

/**
 * Without a guard everybody may enter.
 *
 * @since 0.1.0
 * @category models
 */
export interface BindOptions extends LinkOptions {
  readonly guard?: Guard | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ConnectOptions extends LinkOptions {
  readonly credentials?: Credentials | undefined
}

/**
 * @since 0.1.0
 * @category services
 */
export class Transport extends Context.Service<
  Transport,
  {
    /** Binds before it returns; closing the scope unbinds, drops the peers and leaves no socket file. */
    readonly bind: (
      endpoint: Endpoint.Endpoint,
      options?: BindOptions
    ) => Effect.Effect<Listener, TransportError, Scope.Scope>
    /**
     * Ends when the connection is up; where the transport cannot tell (inproc), at once. One attempt: trying again is
     * the caller's business.
     */
    readonly connect: (
      endpoint: Endpoint.Endpoint,
      options?: ConnectOptions
    ) => Effect.Effect<Connection, TransportError, Scope.Scope>
  }
>()("effect-zgossip/services/Transport") {}
