/**
 * A transport for a node that only reads: it joins and asks, and tells the nodes it connects to nothing of what it
 * holds. Such a node does not give back to a restarted node what that node had before, nor carry tuples from one
 * network to another.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Message from "../protocol/Message.ts"
import * as Trailer from "../protocol/Trailer.ts"
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
        send: (messages) => send(messages.filter((frame) => !tells(frame)))
      }))
  }))
)

const tells = (frame: Uint8Array): boolean =>
  frame[Message.idAt] === Message.ids.publish ||
  Trailer.find(Message.cargoOf(frame), Trailer.tags.entries) !== undefined
