/**
 * A transport for a node that only reads: it joins and asks, and tells the nodes it connects to nothing of what it
 * holds. Such a node does not give back to a restarted node what that node had before, nor carry tuples from one
 * network to another.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Transport } from "../services/Transport.ts"

/**
 * Over another transport.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Transport, never, Transport> = Layer.effect(
  Transport,
  Effect.map(Transport, ({ bind, connect }) => ({
    bind,
    connect: (...to) =>
      Effect.map(connect(...to), ({ send, ...connection }) => ({
        ...connection,
        send: (messages) => send(messages.filter((frame) => frame[idAt] !== publish))
      }))
  }))
)

/** A PUBLISH by the octet that tells messages apart: to decode a frame is to copy it. */
const idAt = 2
const publish = 2
