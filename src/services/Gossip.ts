/**
 * A gossip node, as applications use it.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type { Command, CommandError, Reply } from "../protocol/Command.ts"
import type { ConfigurationError, EndpointInput } from "../protocol/Configuration.ts"
import { brief } from "../protocol/Endpoint.ts"
import type { Malformed } from "../protocol/Message.ts"
import type * as Octets from "../protocol/Octets.ts"
import type { State as RemoteState } from "../protocol/Remote.ts"
import type { Broken } from "../protocol/Trailer.ts"
import type { Tuple } from "../protocol/Tuple.ts"
import type { Watched } from "../protocol/Watched.ts"
import type { TransportReason } from "./Transport.ts"
import type { Disk } from "./TupleStore.ts"

/**
 * Why an operation failed, as a tag a caller can act on, and in words. The tags of `TransportReason` come from the
 * transport, with the system's `code` where it has one; the others:
 *
 * - `InvalidEndpoint`: the text is no endpoint that this operation takes
 * - `NotBound`, `NotConnected`: there is no such endpoint to unbind, to disconnect
 * - `TupleTooLong`: a key over 255 octets, or a value over 256 MiB
 * - `InvalidSetting`, `InvalidConfiguration`, `FileNotRead`, `FileNotWritten`: those of `ConfigurationError`
 * - `InvalidCredentials`: a key, a list or a password that the operation needs is missing, wrong, or open to others
 * - `LimitReached`: the tuple is too long, or there is no room for it, see the settings `limits/...`
 * - `NoSuchKey`: there is nothing to delete; only a command of a pipe fails with it
 * - `StoreUnavailable`: the directory `store/directory` cannot be used, or another node uses it
 * - `Stopped`: the node was stopped
 *
 * @since 0.1.0
 * @category errors
 */
export type Reason = { readonly [Tag in ReasonTag]: ReasonOf<Tag> }[ReasonTag]

type ReasonTag =
  | TransportReason
  | ConfigurationError["reason"]["_tag"]
  | "InvalidEndpoint"
  | "NotBound"
  | "NotConnected"
  | "TupleTooLong"
  | "InvalidCredentials"
  | "LimitReached"
  | "NoSuchKey"
  | "StoreUnavailable"
  | "Stopped"

interface ReasonOf<Tag> {
  readonly _tag: Tag
  readonly detail: string
  readonly code?: string | undefined
}

/**
 * An operation failed, and changed nothing. `endpoint` is the one it was about, where it was about one.
 *
 * @since 0.1.0
 * @category errors
 */
export class GossipError extends Data.TaggedError("GossipError")<{
  readonly operation: string
  readonly endpoint?: string | undefined
  readonly reason: Reason
}> {
  override get message(): string {
    const { endpoint } = this
    const subject = endpoint === undefined ? "" : ` ${endpoint === "" ? '""' : brief(endpoint)}`
    return `cannot ${this.operation}${subject}: ${this.reason.detail}`
  }
}

/**
 * The error of every operation on a node that was stopped.
 *
 * @since 0.1.0
 * @category errors
 */
export const stoppedError: GossipError = new GossipError({
  operation: "carry that out",
  reason: { _tag: "Stopped", detail: "the node was stopped" }
})

/**
 * What the node counted since it started. Frames and tuples, not octets.
 *
 * @since 0.1.0
 * @category models
 */
export interface Counters {
  /** Tuples that were new here. */
  readonly accepted: number
  /** Tuples that were held already. */
  readonly duplicates: number
  /** Tuples held, with a newer version of the same value. */
  readonly renewed: number
  /** Keys that were deleted, here or elsewhere, and those whose value had its time. */
  readonly deleted: number
  readonly expired: number
  /** Tombstones that were forgotten after `tombstone/retention`. */
  readonly forgotten: number
  /** Tuples held back because their version is further ahead of our clock than `clock/max-drift`. */
  readonly held: number
  /**
   * Tuples older than the value held, those of a dump that our own, newer value outlived, and deleted values that
   * somebody without versions still has.
   */
  readonly stale: number
  /** Tuples without version that were not passed on, as values of their key chased each other. */
  readonly damped: number
  /** INVALID said to clients, and heard from remotes. */
  readonly invalidSent: number
  readonly invalidReceived: number
  /** Replies dropped because their peer asks and does not read. */
  readonly repliesDropped: number
  /** How often a peer or a subscriber had not read what there was room for: it skips values, or gets a snapshot. */
  readonly fellBehind: number
  /** How often a peer had not read what may be under way to it, so that what followed had to wait. */
  readonly windowsFull: number
  /** Messages that were read later because all senders together sent `limits/total-messages-per-second`. */
  readonly messagesDelayed: number
  /** Dumps that wait because their client had as many as it may have; those that a later HELLO took the place of. */
  readonly dumpsDelayed: number
  readonly dumpsMerged: number
  /** Messages dropped because of a fault of our own. */
  readonly defects: number
  readonly malformed: { readonly [reason in Malformed["reason"]]: number }
  /** Trailers that are none, behind messages that count. */
  readonly malformedTrailers: { readonly [reason in Broken["reason"]]: number }
  /**
   * Tuples and messages refused and clients not heard because of a limit, see the settings `limits/...`; and because of
   * `zgossip/security/...`: those who were not let in, and tuples against a rule.
   */
  readonly refused: {
    readonly [limit in "value" | "frame" | "tuples" | "octets" | "clients" | "rate" | "admission" | "rule"]: number
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Status {
  /** How many tuples the node holds: the number that the original's STATUS gives. */
  readonly tuples: number
  /**
   * Of how many keys it remembers that they were deleted or had their time. They count among those that `limits/tuples`
   * lets there be.
   */
  readonly tombstones: number
  /** Octets of all keys and values, of which `limits/octets` lets there be so many. */
  readonly octets: number
  /** Bound endpoints; `peers` have a connection and spoke, `members` of them said HELLO. */
  readonly listeners: ReadonlyArray<{ readonly endpoint: string; readonly peers: number; readonly members: number }>
  /** Endpoints the node serves on no longer, and tries to bind again; `error` tells why it cannot. */
  readonly lost: ReadonlyArray<{ readonly endpoint: string; readonly error: string }>
  /** Endpoints the node connects to; `error` tells why it is not connected. */
  readonly remotes: ReadonlyArray<{
    readonly endpoint: string
    readonly state: RemoteState["_tag"]
    readonly error: string | undefined
  }>
  /**
   * For how many milliseconds none of the remotes has been connected, of which one was, nor is anybody else linked with
   * this node: what it holds of others may be out of date, and what has a lifetime ends though it may have been renewed
   * elsewhere. Otherwise undefined; a node that only serves cannot know.
   */
  readonly aloneFor: number | undefined
  /** Where the tuples are kept on the disk, and whether that works; undefined where they are in memory only. */
  readonly store: Disk | undefined
  readonly counters: Counters
}

/**
 * The command pipe: commands in, replies and DELIVER out, as the original's actor has them. Commands are carried out
 * one after the other. The queue holds 1000 commands, then `Queue.offer` waits. A pipe whose replies nobody takes stops
 * taking commands once 1000 of them wait; deliveries that nobody takes hold up nothing.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommandPipe {
  readonly commands: Queue.Enqueue<Command>
  /** The next reply or delivery; `Done` once the node has stopped and all was taken. */
  readonly take: Effect.Effect<Reply<GossipError>, Cause.Done>
  /** A command as multipart strings: `["BIND", "tcp://*:*"]`. */
  readonly send: (strings: ReadonlyArray<Octets.Input>) => Effect.Effect<void, CommandError>
  /** The next reply or delivery as multipart strings: `["PORT", "49152"]`; key and value one character per octet. */
  readonly receive: Effect.Effect<readonly [string, ...ReadonlyArray<Octets.Octets>], Cause.Done>
}

/**
 * A tuple that is published as long as a scope is open.
 *
 * @since 0.1.0
 * @category models
 */
export interface Announcement {
  /** Waits until somebody else has changed the tuple, and says how. It does not end with the scope. */
  readonly ended: Effect.Effect<"Overwritten" | "Deleted">
}

/**
 * With `renewals` a watcher is told of values that are said again, as announced ones are at each third of their
 * lifetime.
 *
 * @since 0.1.0
 * @category models
 */
export interface WatchOptions {
  readonly renewals?: boolean | undefined
}

/**
 * A node of the gossip network. Every node is server (bind) and client (connect) at once.
 *
 * @since 0.1.0
 * @category services
 */
export class Gossip extends Context.Service<
  Gossip,
  {
    /**
     * Serves on an endpoint: `tcp://host:port`, `ipc://path`, `inproc://name`; as many as you like. The port may be a
     * number, `*` (the first free one from 49152), `!` (a random one), either with a range as in `*[6000-6100]`, or 0
     * (the system's choice). Gives the endpoint with its port. As an object it has
     * a security of its own: `{ endpoint, certificate, allowKeys, ... }`; the settings hold for the rest.
     */
    readonly bind: (endpoint: EndpointInput) => Effect.Effect<string, GossipError>
    /** Serves there no longer: its clients are disconnected. Takes what `bind` gave. */
    readonly unbind: (endpoint: string) => Effect.Effect<void, GossipError>
    /** The port of the last bind: 0 where there was none or it is not tcp, -1 where it failed. */
    readonly port: Effect.Effect<number, GossipError>
    /**
     * Connects to a remote node, and again whenever the connection is lost, until `disconnect`. Does not wait for the
     * remote: it may appear later. An endpoint that is connected to already stays as it is.
     */
    readonly connect: (endpoint: EndpointInput) => Effect.Effect<void, GossipError>
    readonly disconnect: (endpoint: string) => Effect.Effect<void, GossipError>
    /**
     * Sets a tuple here; the network gets it from here on. Key (at most 255 octets) and value are octets; text stands
     * for its UTF-8. Waits while the node is busy.
     *
     * With a `lifetime` it ends that long after it was set, on every node of ours at the same moment, however much
     * their clocks differ, as if it had been deleted; to publish it again before that moves its end. CZMQ's nodes do
     * not know of it.
     */
    readonly publish: (
      key: Octets.Input,
      value: Octets.Input,
      options?: { readonly lifetime?: Duration.Input }
    ) => Effect.Effect<void, GossipError>
    /** Sets many, in order; where one is too long, none. */
    readonly publishAll: (
      tuples: Iterable<readonly [key: Octets.Input, value: Octets.Input]>
    ) => Effect.Effect<void, GossipError>
    /**
     * Deletes a tuple, on all nodes of ours; says whether there was any. CZMQ's nodes do not know how to, and keep
     * theirs: what they say of it is ignored while the delete is remembered, see `tombstone/retention`, unless it is a
     * value that the key did not have lately.
     */
    readonly unpublish: (key: Octets.Input) => Effect.Effect<boolean, GossipError>
    /**
     * Publishes a tuple for as long as the scope is open. It has a lifetime, 10 seconds unless given, and is published
     * anew at each third of it; when the scope closes, or the node ends, it is deleted, and where this process or its
     * last link ends without a word it has its time. Where somebody else sets or deletes the key meanwhile, that
     * counts: this is `ended` then, says so in the log, and neither renews nor deletes anything.
     */
    readonly announce: (
      key: Octets.Input,
      value: Octets.Input,
      options?: { readonly lifetime?: Duration.Input }
    ) => Effect.Effect<Announcement, GossipError, Scope.Scope>
    readonly get: (key: Octets.Input) => Effect.Effect<Option.Option<Tuple>, GossipError>
    /** All tuples held, in order of first arrival. */
    readonly entries: Effect.Effect<ReadonlyArray<Tuple>, GossipError>
    readonly status: Effect.Effect<Status, GossipError>
    /** Changes a setting of the running node, see `Settings`, or a list of the configuration. */
    readonly set: (path: string, value: string) => Effect.Effect<void, GossipError>
    /**
     * Takes the configuration of this file in the place of that it had, and again whenever the file changes. Endpoints
     * that are not in it any more are unbound and disconnected, those of `bind` and `connect` stay.
     */
    readonly configure: (file: string) => Effect.Effect<void, GossipError>
    /** Writes the configuration to a file; not what came by `bind`, `connect` and `publish`, as in the original. */
    readonly save: (file: string) => Effect.Effect<void, GossipError>
    /**
     * Every tuple that is new here, in order, from the moment the stream runs; also those published here. A reader
     * that falls more than 1000 tuples behind skips values that were replaced meanwhile, and gets the newest of each
     * key. Ends when the node stops.
     */
    readonly deliveries: Stream.Stream<Tuple>
    /** `deliveries` from this moment on: nothing is missed between this and the first pull. For one reader. */
    readonly subscribe: Effect.Effect<Stream.Stream<Tuple>, GossipError, Scope.Scope>
    /**
     * What is held of the keys that begin so, of all where there is no prefix, and then each change of it: first a
     * `Snapshot`, then `Put`, `Deleted` and `Expired`, each once and in order, without a gap before, between or behind.
     * That a value was said again, perhaps with another end, is a `Renewed`, and told only where `renewals` asks for it.
     *
     * A reader that does not read what there is room for (`limits/queue-tuples`, `limits/queue-octets`) gets another
     * `Snapshot` in the place of all that waits: the state when it takes it. Ends when the node stops.
     *
     * A snapshot is made in one go, as `entries` is, and is as large as what it tells of. `Watched.follow` does with a
     * table what an event says, and finds out what has changed in it.
     */
    readonly watch: (prefix?: Octets.Input, options?: WatchOptions) => Stream.Stream<Watched>
    /** `watch` from this moment on: what changes between this and the first pull is told. For one reader. */
    readonly watchNow: (
      prefix?: Octets.Input,
      options?: WatchOptions
    ) => Effect.Effect<Stream.Stream<Watched>, GossipError, Scope.Scope>
    /** Opens a command pipe; its DELIVERs begin now. */
    readonly pipe: Effect.Effect<CommandPipe, GossipError, Scope.Scope>
    /**
     * Ends the node, as $TERM and the end of its scope do: what it announces is deleted, peers that read are told what
     * there is to tell them, for a second at most, and every socket is closed when this returns.
     */
    readonly stop: Effect.Effect<void>
    /** Waits until the node has been stopped. */
    readonly stopped: Effect.Effect<void>
  }
>()("effect-zgossip/services/Gossip") {}
