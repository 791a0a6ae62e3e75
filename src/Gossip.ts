/**
 * A gossip node for your program: the service, its errors, and the layers that provide it.
 *
 * ```ts
 * import { Effect } from "effect"
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
import * as Result from "effect/Result"
import * as ConfiguredTupleStore from "./layers/ConfiguredTupleStore.ts"
import * as FileConfig from "./layers/FileConfig.ts"
import * as GossipNode from "./layers/GossipNode.ts"
import * as MemoryConfig from "./layers/MemoryConfig.ts"
import type * as NodeConfig from "./layers/NodeConfig.ts"
import type { MemoryNetwork } from "./layers/MemoryNetwork.ts"
import * as MemoryTransport from "./layers/MemoryTransport.ts"
import * as ZmqTransport from "./layers/ZmqTransport.ts"
import type * as Octets from "./protocol/Octets.ts"
import type { ConfigurationError, EndpointInput } from "./protocol/Configuration.ts"
import type { Settings } from "./protocol/Settings.ts"
import * as Tuple from "./protocol/Tuple.ts"
import { Gossip, GossipError } from "./services/Gossip.ts"
import type { GossipConfig } from "./services/GossipConfig.ts"
import type { Transport } from "./services/Transport.ts"
import type { TupleStore } from "./services/TupleStore.ts"

export * from "./services/Gossip.ts"

/**
 * What a node does as it starts: its tuples first, then the endpoints it serves on, then the remotes it connects to.
 * And its settings, see `Settings`: times are milliseconds. Those of security hold for all endpoints; one that is an
 * object, `{ endpoint, allowKeys, ... }`, has its own. What stands here goes before what stands in the file `config`,
 * which is followed: what changes there, changes the node.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Partial<Settings> {
  readonly bind?: ReadonlyArray<EndpointInput>
  readonly connect?: ReadonlyArray<EndpointInput>
  readonly publish?:
    Readonly<Record<string, Octets.Input>> | Iterable<readonly [key: Octets.Input, value: Octets.Input]>
  readonly config?: string | undefined
}

/**
 * A node over real ZeroMQ that keeps its tuples in memory, and in `storeDirectory` where that is given. An endpoint that
 * cannot be bound, or a directory that cannot be used, fails the layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<Gossip, GossipError> => layerFrom(options, {})

/**
 * The same, configured by the environment too, through Effect's `ConfigProvider`: ZGOSSIP_BIND, ZGOSSIP_CONNECT,
 * ZGOSSIP_PUBLISH (lists with commas), ZGOSSIP_SERVER_TIMEOUT and so on. `options` go before it, the file behind it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (options: Options = {}): Layer.Layer<Gossip, GossipError> =>
  layerFrom(options, { environment: true })

const layerFrom = (options: Options, more: Pick<NodeConfig.Options, "environment">): Layer.Layer<Gossip, GossipError> =>
  layerStarted().pipe(
    Layer.provide([ZmqTransport.layer, ConfiguredTupleStore.layer]),
    Layer.provide(configured(options, (given) => FileConfig.layer({ ...more, given, file: options.config })))
  )

/**
 * A node on a simulated network in this process, for tests: `host` is its name there, `files` are its configuration
 * files.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory = (
  network: MemoryNetwork["Service"],
  options: Options & { readonly host?: string; readonly files?: Map<string, Octets.Octets> } = {}
): Layer.Layer<Gossip, GossipError> =>
  layerStarted().pipe(
    Layer.provide([MemoryTransport.layer(network, options.host), ConfiguredTupleStore.layer]),
    Layer.provide(configured(options, (given) => MemoryConfig.layer(given, options.files, { file: options.config })))
  )

/**
 * A node over a transport, a store and a configuration of your choice.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStarted = (): Layer.Layer<Gossip, GossipError, Transport | TupleStore | GossipConfig> =>
  Layer.effect(
    Gossip,
    Effect.gen(function* () {
      const { gossip, start } = yield* GossipNode.make
      yield* start
      return gossip
    })
  )

const givenBy = ({ publish = [], ...options }: Options): Effect.Effect<NodeConfig.Given, GossipError> => {
  const tuples = Tuple.makeAll(Symbol.iterator in publish ? publish : Object.entries(publish))
  return Result.isSuccess(tuples)
    ? Effect.succeed({ ...options, publish: tuples.success })
    : Effect.fail(GossipNode.tooLong(tuples.failure))
}

const configured = (
  options: Options,
  config: (given: NodeConfig.Given) => Layer.Layer<GossipConfig, ConfigurationError>
): Layer.Layer<GossipConfig, GossipError> =>
  Layer.effectContext(
    Effect.flatMap(givenBy(options), (given) =>
      Effect.mapError(Layer.build(config(given)), ({ operation, reason }) => new GossipError({ operation, reason }))
    )
  )
