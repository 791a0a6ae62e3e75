/**
 * A gossip node in a program that is not written with Effect: a `ManagedRuntime` and plain promises.
 *
 *     node examples/promises.ts
 */
import { ManagedRuntime, Stream } from "effect"
import { Gossip } from "../src/index.ts" // in your project: from "effect-zgossip"

const runtime = ManagedRuntime.make(Gossip.layer({ bind: ["inproc://promises"] }))
const gossip = await runtime.runPromise(Gossip.Gossip)

await runtime.runPromise(gossip.publish("greeting", "hello"))
const port = await runtime.runPromise(gossip.bind("tcp://127.0.0.1:*"))
process.stdout.write(`bound ${port.replace(/\d+$/, "PORT")}\n`)

// A failure rejects, and says why.
await runtime.runPromise(gossip.connect("nonsense")).catch((error: Gossip.GossipError) => {
  process.stdout.write(`${error.reason._tag}: ${error.message}\n`)
})

// Deliveries as an async iterable.
setTimeout(() => void runtime.runPromise(gossip.publish("greeting", "hello again")), 50)
for await (const tuple of Stream.toAsyncIterable(gossip.deliveries)) {
  process.stdout.write(`${tuple.key} = ${tuple.value}\n`)
  break
}

await runtime.dispose()
