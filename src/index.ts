/**
 * @since 0.1.0
 */
export * as Command from "./protocol/Command.ts"
export * as Endpoint from "./protocol/Endpoint.ts"
export * as Gossip from "./Gossip.ts"
export * as GossipConfig from "./services/GossipConfig.ts"
export * as MemoryConfig from "./layers/MemoryConfig.ts"
export * as MemoryNetwork from "./layers/MemoryNetwork.ts"
export * as MemoryTransport from "./layers/MemoryTransport.ts"
export * as MemoryTupleStore from "./layers/MemoryTupleStore.ts"
export * as Message from "./protocol/Message.ts"
export * as Octets from "./protocol/Octets.ts"
export * as Settings from "./protocol/Settings.ts"
export * as Transport from "./services/Transport.ts"
export * as Tuple from "./protocol/Tuple.ts"
export * as TupleMap from "./protocol/TupleMap.ts"
export * as TupleStore from "./services/TupleStore.ts"
export * as ZmqTransport from "./layers/ZmqTransport.ts"
