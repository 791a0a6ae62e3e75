import { Effect } from "effect"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import { transportSuite } from "./suite.ts"

const onOneNetwork = (options?: MemoryNetwork.Options) =>
  Effect.map(MemoryNetwork.make(options), (network) => ({
    server: MemoryTransport.make(network, "server"),
    client: MemoryTransport.make(network, "client")
  }))

transportSuite("memory", onOneNetwork(), { flood: 5_000 })

transportSuite("memory with latency", onOneNetwork({ seed: 7, latency: { min: 0, max: 3 } }), { flood: 5_000 })
