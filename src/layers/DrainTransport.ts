/**
 * A transport that knows whether what was sent has arrived, for a node that wants to have its last words heard before it
 * ends.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Message from "../protocol/Message.ts"
import type { Transport } from "../services/Transport.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface DrainTransport {
  readonly transport: Transport["Service"]
  /**
   * Nothing is being sent, and every remote has answered a PING that was sent behind the last PUBLISH to it, and the
   * last one that had anything behind it. What a client of ours was sent is with its socket: clients are not asked.
   */
  readonly isDrained: () => boolean
}

/** One connection to a remote. PINGs are answered in order, one PONG each. */
interface Link {
  pings: number
  pongs: number
  /** The number of the PONG that says that every PUBLISH has arrived. */
  awaited: number
}

/** By the octet that tells them apart: to decode a frame is to copy it. */
const is = (frame: Uint8Array | undefined, id: "ping" | "pong" | "publish"): boolean =>
  frame?.[Message.idAt] === Message.ids[id]

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ bind, connect }: Transport["Service"]): DrainTransport => {
  const links = new Set<Link>()
  let sending = 0

  const counted = <A, E, R>(send: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      sending += 1
      return Effect.ensuring(
        send,
        Effect.sync(() => void (sending -= 1))
      )
    })

  return {
    isDrained: () => sending === 0 && Array.from(links).every(({ awaited, pongs }) => pongs >= awaited),
    transport: {
      bind: (...to) =>
        Effect.map(bind(...to), (listener) => ({
          ...listener,
          send: (peer, messages) => counted(listener.send(peer, messages))
        })),
      connect: Effect.fnUntraced(function* (...to) {
        const connection = yield* connect(...to)
        // Until the first PONG it is not known what the remote is to be told; the second PING is behind that.
        const link: Link = { pings: 0, pongs: 0, awaited: 2 }
        yield* Effect.acquireRelease(
          Effect.sync(() => links.add(link)),
          () => Effect.sync(() => links.delete(link))
        )
        /** What was heard and is not worked off yet: it may make us say something. */
        let heard = 0
        return {
          ...connection,
          send: (messages) =>
            Effect.suspend(() => {
              for (const frame of messages) {
                if (is(frame, "publish") || Message.cargoOf(frame) !== undefined) link.awaited = link.pings + 1
                else if (is(frame, "ping")) link.pings += 1
              }
              return counted(connection.send(messages))
            }),
          receive: Effect.suspend(() => {
            link.pongs += heard
            heard = 0
            return Effect.tap(connection.receive, (batch) =>
              Effect.sync(() => {
                for (const [frame] of batch) {
                  if (frame !== undefined && is(frame, "pong") && Message.cargoOf(frame) === undefined) heard += 1
                }
              })
            )
          })
        }
      })
    }
  }
}
