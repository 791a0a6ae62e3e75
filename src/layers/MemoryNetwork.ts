/**
 * A whole network in one process, for deterministic tests and simulations: all time passes on Effect's `Clock`, all
 * chance comes from one seed, and the same seed gives the same deliveries in the same order. `MemoryTransport` gives
 * each node its access to it.
 *
 * Hosts are names. A link is the way from one host to another; the way back is a link of its own, so that a fault can
 * be one-sided. Addresses are shared by all hosts (see `MemoryFabric`).
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberHandle from "effect/FiberHandle"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Fabric } from "./MemoryFabric.ts"
import type { Link, Traffic } from "./MemoryPipe.ts"
import { Timeline } from "./MemoryTimeline.ts"

/**
 * How long a frame is under way: always the same, or drawn from a range for every frame. Frames of one connection
 * stay in order all the same. With a latency of 0 a frame can be read at once, without the clock.
 *
 * @since 0.1.0
 * @category models
 */
export type Latency = Duration.Input | { readonly min: Duration.Input; readonly max: Duration.Input }

/**
 * What a partition does to the links between its groups: `cut` ends their connections and lets none be made, `stall`
 * holds all frames back until it heals, and nobody is told.
 *
 * @since 0.1.0
 * @category models
 */
export type PartitionMode = "cut" | "stall"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Fixes every draw: latencies and random ports. Default 0. */
  readonly seed?: number
  /** Of all links, or of the one between two hosts. Default 0. */
  readonly latency?: Latency | ((from: string, to: string) => Latency)
  /** Messages that one direction of a connection holds, under way and unread together. Default 1000. */
  readonly highWaterMark?: number
  /** How long a connect over a stalled link waits before it is `Unreachable`. Default 5 seconds. */
  readonly handshakeTimeout?: Duration.Input
  /** Sees every frame at the moment it is delivered, before its reader does. It must not use the network. */
  readonly onFrame?: (from: string, to: string, frame: Uint8Array) => void
}

/**
 * Frames so far, and what is open now. The network is quiet when `inFlight` is 0 and `delivered` no longer grows.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  /** Taken from the senders. */
  readonly sent: number
  /** Handed to the other side, read there or not. */
  readonly delivered: number
  /** Lost by a cut or by a reader that left. */
  readonly dropped: number
  /** Neither delivered nor dropped yet: delayed, stalled, or waiting for a bind. */
  readonly inFlight: number
  readonly listeners: number
  readonly connections: number
}

/**
 * One simulated network, shared by all its nodes. Its scope ends the deliveries.
 *
 * @since 0.1.0
 * @category services
 */
export class MemoryNetwork extends Context.Service<
  MemoryNetwork,
  {
    /** Separates two groups of hosts, both ways, until `heal`. Hosts may be named before they exist. */
    readonly partition: (
      groupA: ReadonlyArray<string>,
      groupB: ReadonlyArray<string>,
      mode?: PartitionMode
    ) => Effect.Effect<void>
    /** Ends every partition and every stall. Stalled frames go on in order; cut connections stay lost. */
    readonly heal: Effect.Effect<void>
    /** Ends the connections between two hosts, once: what is under way is lost, new ones can be made at once. */
    readonly cut: (hostA: string, hostB: string) => Effect.Effect<void>
    /** Holds back what goes from one host to another. Senders wait once the pipes are full. */
    readonly stall: (from: string, to: string) => Effect.Effect<void>
    readonly resume: (from: string, to: string) => Effect.Effect<void>
    /** Of the frames sent from now on. */
    readonly setLatency: (from: string, to: string, latency: Latency) => Effect.Effect<void>
    /**
     * Delivered frames, of all links or of those that match. `id` is the third octet of a frame, which in ZGP is the
     * message id, 1 to 5; 0 counts the frames that have no such octet or another one there, and 6 the PINGs and PONGs
     * that carry something, which are not among those.
     */
    readonly count: (filter?: {
      readonly from?: string
      readonly to?: string
      readonly id?: number
    }) => Effect.Effect<number>
    /** Octets of delivered frames, of all links or of those that match. */
    readonly octets: (filter?: { readonly from?: string; readonly to?: string }) => Effect.Effect<number>
    readonly status: Effect.Effect<Status>
    /** @internal What `MemoryTransport` works on. */
    readonly fabric: Fabric
  }
>()("effect-zgossip/layers/MemoryNetwork") {}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<MemoryNetwork["Service"], never, Scope.Scope> =>
  Effect.gen(function* () {
    const run = yield* FiberHandle.makeRuntime<never, never, void>()
    const traffic: Traffic = { sent: 0, delivered: 0, dropped: 0 }
    const fabric = new Fabric(
      {
        timeline: new Timeline(yield* Clock.Clock, run),
        traffic,
        highWaterMark: options.highWaterMark ?? 1000,
        onFrame: options.onFrame
      },
      makeRandom(options.seed ?? 0),
      Duration.toMillis(Duration.fromInputUnsafe(options.handshakeTimeout ?? "5 seconds")),
      (link) => {
        const latency = options.latency ?? 0
        applyLatency(link, typeof latency === "function" ? latency(link.from, link.to) : latency)
      }
    )
    const bothWays = (hostA: string, hostB: string): ReadonlyArray<Link> => [
      fabric.link(hostA, hostB),
      fabric.link(hostB, hostA)
    ]
    const separate = (link: Link, mode: PartitionMode): void => {
      if (mode === "stall") link.stalled = true
      else {
        link.severed = true
        link.cut()
      }
    }
    return MemoryNetwork.of({
      partition: (groupA, groupB, mode = "cut") =>
        Effect.sync(() => {
          for (const hostA of groupA) {
            for (const hostB of groupB) {
              if (hostA !== hostB) bothWays(hostA, hostB).forEach((link) => separate(link, mode))
            }
          }
        }),
      heal: Effect.sync(() => {
        for (const link of fabric.links()) {
          link.severed = false
          link.resume()
        }
      }),
      cut: (hostA, hostB) => Effect.sync(() => bothWays(hostA, hostB).forEach((link) => link.cut())),
      stall: (from, to) =>
        Effect.sync(() => {
          fabric.link(from, to).stalled = true
        }),
      resume: (from, to) => Effect.sync(() => fabric.link(from, to).resume()),
      setLatency: (from, to, latency) => Effect.sync(() => applyLatency(fabric.link(from, to), latency)),
      count: (filter = {}) => Effect.sync(() => count(fabric.links(), filter)),
      octets: (filter = {}) =>
        Effect.sync(() => matching(fabric.links(), filter).reduce((sum, link) => sum + link.octets, 0)),
      status: Effect.sync(() => ({
        ...traffic,
        inFlight: traffic.sent - traffic.delivered - traffic.dropped,
        listeners: fabric.acceptors.size,
        connections: fabric.connections
      })),
      fabric
    })
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<MemoryNetwork> => Layer.effect(MemoryNetwork, make(options))

const count = (
  links: ReadonlyArray<Link>,
  filter: { readonly from?: string; readonly to?: string; readonly id?: number }
): number => {
  let sum = 0
  for (const { counts } of matching(links, filter)) {
    sum += filter.id === undefined ? counts.reduce((a, b) => a + b, 0) : (counts[filter.id] ?? 0)
  }
  return sum
}

const matching = (
  links: ReadonlyArray<Link>,
  { from, to }: { readonly from?: string; readonly to?: string }
): ReadonlyArray<Link> =>
  links.filter((link) => (from === undefined || from === link.from) && (to === undefined || to === link.to))

const isRange = (latency: Latency): latency is { readonly min: Duration.Input; readonly max: Duration.Input } =>
  typeof latency === "object" && "min" in latency && "max" in latency

const applyLatency = (link: Link, latency: Latency): void => {
  const [min, max] = isRange(latency) ? [latency.min, latency.max] : [latency, latency]
  link.min = Duration.toMillis(Duration.fromInputUnsafe(min))
  link.max = Duration.toMillis(Duration.fromInputUnsafe(max))
}

/** mulberry32: 32 bits of state are plenty for latencies, and the sequence is the same everywhere. */
const makeRandom = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
