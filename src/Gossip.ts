/**
 * A gossip node for your program: the service, its errors, and the layers that provide it.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Gossip } from "effect-zgossip"
 *
 * const program = Effect.gen(function*() {
 *   const gossip = yield* Gossip.Gossip
 *   yield* gossip.publish("service/printer", "tcp://10.0.0.7:9100")
 * })
 *
 * program.pipe(Effect.provide(Gossip.layer({ bind: ["tcp://*:5670"] })))
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as GossipNode from "./layers/GossipNode.ts"
import * as MemoryConfig from "./layers/MemoryConfig.ts"
import type { MemoryNetwork } from "./layers/MemoryNetwork.ts"
import * as MemoryTransport from "./layers/MemoryTransport.ts"
import * as MemoryTupleStore from "./layers/MemoryTupleStore.ts"
import * as ZmqTransport from "./layers/ZmqTransport.ts"
import type * as Octets from "./protocol/Octets.ts"
import type { Settings } from "./protocol/Settings.ts"
import { Gossip, GossipError } from "./services/Gossip.ts"
import type { GossipConfig } from "./services/GossipConfig.ts"
import type { Transport } from "./services/Transport.ts"
import type { TupleStore } from "./services/TupleStore.ts"

export * from "./services/Gossip.ts"

/**
 * What a node does as it starts: its tuples first, then the endpoints it serves on, then the remotes it connects to.
 * And its settings, see `Settings`: times are milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Partial<Settings> {
  readonly bind?: ReadonlyArray<string>
  readonly connect?: ReadonlyArray<string>
  readonly publish?:
    Readonly<Record<string, Octets.Input>> | Iterable<readonly [key: Octets.Input, value: Octets.Input]>
}

/**
 * A node over real ZeroMQ that keeps its tuples in memory. An endpoint that cannot be bound fails the layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<Gossip, GossipError> =>
  layerStarted(options).pipe(Layer.provide([ZmqTransport.layer, MemoryTupleStore.layer, configOf(options)]))

/**
 * A node on a simulated network in this process, for tests: `host` is its name there.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory = (
  network: MemoryNetwork["Service"],
  options: Options & { readonly host?: string } = {}
): Layer.Layer<Gossip, GossipError> =>
  layerStarted(options).pipe(
    Layer.provide([MemoryTransport.layer(network, options.host), MemoryTupleStore.layer, configOf(options)])
  )

/**
 * A node over a transport, a store and a configuration of your choice.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStarted = (
  options: Pick<Options, "bind" | "connect" | "publish"> = {}
): Layer.Layer<Gossip, GossipError, Transport | TupleStore | GossipConfig> =>
  Layer.effect(
    Gossip,
    Effect.tap(GossipNode.make, (gossip) => start(gossip, options))
  )

const start = Effect.fnUntraced(function* (gossip: Gossip["Service"], options: Options) {
  const { bind = [], connect = [], publish = [] } = options
  yield* gossip.publishAll(isIterable(publish) ? publish : Object.entries(publish))
  yield* Effect.forEach(bind, gossip.bind, { discard: true })
  yield* Effect.forEach(connect, gossip.connect, { discard: true })
})

const isIterable = <A>(value: Iterable<A> | object): value is Iterable<A> => Symbol.iterator in value

const configOf = (options: Options): Layer.Layer<GossipConfig, GossipError> =>
  Layer.effectContext(
    Effect.mapError(
      Layer.build(MemoryConfig.layer(options)),
      ({ detail, path }) => new GossipError({ operation: `set ${path}`, reason: { _tag: "InvalidSetting", detail } })
    )
  )
