/**
 * What a row of the table needs of an implementation: processes that host gossip nodes. A row is written once against
 * this, so both implementations get the same topology, the same sizes and the same clock.
 *
 * Every time is in nanoseconds of the machine's monotonic clock, comparable between processes.
 */
import { Data, type Effect, type Scope } from "effect"

export class BenchError extends Data.TaggedError("BenchError")<{ readonly message: string }> {}

type Doing<A> = Effect.Effect<A, BenchError>

/** A node that counts what is delivered to its application, its own tuples included. The server timeout is off. */
export interface Node {
  /** Serves on a random port of 127.0.0.1, and gives the endpoint. */
  readonly bind: Doing<string>
  /** Gives the time at which the node was told to connect. */
  readonly connect: (endpoint: string) => Doing<number>
  /** Gives the time at which the node was told to publish. */
  readonly publish: (key: string, value: string) => Doing<number>
  /** Publishes so many new tuples in bulk, see `keyPrefix`; gives the time at which the node was told the first. */
  readonly publishMany: (prefix: string, count: number) => Doing<number>
  /** The time at which the application had `count` deliveries since the node was made. One waits at a time. */
  readonly awaitCount: (count: number) => Doing<number>
  readonly destroy: Doing<void>
}

/** One process. */
export interface Host {
  readonly node: Doing<Node>
  /** Octets of memory, after a garbage collection where there is one; `heap` is what is in use there, or NaN. */
  readonly memory: Doing<{ readonly resident: number; readonly heap: number }>
}

export interface Implementation {
  readonly name: "ours" | "CZMQ"
  /** Starts a process; closing the scope ends it. */
  readonly host: (role: string) => Effect.Effect<Host, BenchError, Scope.Scope>
}

/** Keys are a prefix of 14 octets and a number of 6, values 32 octets. */
export const valueSize = 32
export const keyPrefix = (what: string, number = 0): string => `${what}-${number}-`.padEnd(14, "k").slice(-14)
