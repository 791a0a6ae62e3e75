/**
 * The `Transport` over ZeroMQ: a ROUTER per bound endpoint, a DEALER per connection, on the one context that all
 * sockets of a process share, so that inproc reaches the sockets of others too.
 *
 * - `ZmqListener` binds, tells peers apart and learns their departure
 * - `ZmqConnection` connects once and never again
 * - `ZmqSocket` creates, sends and closes with the habits that sockets of this package need; `ZmqReader` reads in batches
 * - `ZmqAddress` knows names, interfaces and socket files; `ZmqError` what errors mean
 * - `Descriptors` says when none is left
 *
 * Run it on the main thread: a worker thread that ends with an open socket aborts the process.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { context } from "zeromq"
import { Transport } from "../services/Transport.ts"
import * as Descriptors from "./Descriptors.ts"
import { bind } from "./ZmqListener.ts"
import { connect } from "./ZmqConnection.ts"

/**
 * Sockets of the process, of which a connection takes three. The default is 1023. Effective only until the first
 * socket exists; descriptors are the limit then.
 */
const maxSockets = 65_535

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Transport> = Layer.effect(
  Transport,
  Effect.gen(function* () {
    context.maxSockets = maxSockets
    yield* Effect.forkScoped(Descriptors.watch)
    return { bind, connect }
  })
)
