/**
 * The server side of a link: one session for each peer of a listener. Beside the rows of CZMQ's zgossip.xml:
 *
 *     state             input              actions             next
 *     Start             HELLO              Dump                Connected
 *     Start             PING               PONG, or Report,    Start
 *                                          or Confess
 *     Start             PUBLISH PONG       INVALID             Start
 *                       INVALID malformed
 *     Start             a new tuple        -                   Start
 *     Connected         PUBLISH            Accept              Connected
 *     Connected         PING               PONG, or Report,    Connected
 *                                          or Confess
 *     Connected         HELLO PONG         INVALID             Start
 *                       INVALID malformed
 *     Connected         a new tuple        Tell                Connected
 *     Connected         nothing for the    -                   Start
 *                       server timeout
 *
 * A session that ends is one that starts again: a peer may always say HELLO. A new tuple does not come back to the
 * peer that published it; the caller leaves that one out.
 *
 * @since 0.1.0
 */
import * as Message from "./Message.ts"
import * as Trailer from "./Trailer.ts"
import type { Tuple } from "./Tuple.ts"

/**
 * `heardAt` is the time of the peer's last message, in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export type State = { readonly _tag: "Start" } | { readonly _tag: "Connected"; readonly heardAt: number }

/**
 * @since 0.1.0
 * @category models
 */
export type Input =
  /** A message of the peer. */
  | { readonly _tag: "Received"; readonly message: Message.Message | Message.Malformed; readonly now: number }
  /** A tuple was accepted from elsewhere. */
  | { readonly _tag: "Accepted" }
  /** The time may have come for something; `timeout` as in {@link deadline}. */
  | { readonly _tag: "Tick"; readonly now: number; readonly timeout: number | undefined }

/**
 * @since 0.1.0
 * @category models
 */
export type Action =
  /** Merge this tuple, and tell the others if it is new. */
  | { readonly _tag: "Accept"; readonly tuple: Tuple }
  /** Send this message to the peer. */
  | { readonly _tag: "Send"; readonly message: Message.Message }
  /** Send PONG, with the status of the node behind it if it is not asked for too often. */
  | { readonly _tag: "Report"; readonly now: number }
  /** Send PONG, and behind it what was not taken of this peer. */
  | { readonly _tag: "Confess" }
  /** Send every tuple held, as of now. */
  | { readonly _tag: "Dump" }
  /** Send the tuple that was accepted. */
  | { readonly _tag: "Tell" }

/**
 * @since 0.1.0
 * @category models
 */
export interface Step {
  readonly state: State
  readonly actions: ReadonlyArray<Action>
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const start: State = { _tag: "Start" }

const none: ReadonlyArray<Action> = []
const dump: ReadonlyArray<Action> = [{ _tag: "Dump" }]
const tell: ReadonlyArray<Action> = [{ _tag: "Tell" }]
const pong: ReadonlyArray<Action> = [{ _tag: "Send", message: Message.pong }]
const confess: ReadonlyArray<Action> = [{ _tag: "Confess" }]
const invalid: ReadonlyArray<Action> = [{ _tag: "Send", message: Message.invalid }]

/**
 * @since 0.1.0
 * @category stepping
 */
export const step = (state: State, input: Input): Step => {
  switch (input._tag) {
    case "Received":
      return received(state, input.message, input.now)
    case "Accepted":
      return { state, actions: state._tag === "Connected" ? tell : none }
    case "Tick": {
      const due = deadline(state, input.timeout)
      return { state: due !== undefined && due <= input.now ? start : state, actions: none }
    }
  }
}

/**
 * When the session ends if nothing is heard: `timeout` milliseconds after the last message. Never where the timeout is
 * 0, as in CZMQ, or unset: then a session lives as long as its connection.
 *
 * @since 0.1.0
 * @category getters
 */
export const deadline = (state: State, timeout: number | undefined): number | undefined =>
  state._tag === "Connected" && timeout !== undefined && timeout > 0 ? state.heardAt + timeout : undefined

const received = (state: State, message: Message.Message | Message.Malformed, now: number): Step => {
  const connected: State =
    state._tag === "Connected" && state.heardAt === now ? state : { _tag: "Connected", heardAt: now }
  switch (state._tag) {
    case "Start":
      switch (message._tag) {
        case "Hello":
          return { state: connected, actions: dump }
        case "Ping":
          return { state, actions: answer(message, now) }
        default:
          return { state, actions: invalid }
      }
    case "Connected":
      switch (message._tag) {
        case "Publish":
          return { state: connected, actions: [{ _tag: "Accept", tuple: message.tuple }] }
        case "Ping":
          return { state: connected, actions: answer(message, now) }
        default:
          return { state: start, actions: invalid }
      }
  }
}

/** A PING may ask for the status, or whether all was taken. */
const answer = ({ trailer }: Message.Trailable, now: number): ReadonlyArray<Action> => {
  if (trailer === undefined) return pong
  if (Trailer.find(trailer, Trailer.tags.refusalsRequest) !== undefined) return confess
  return Trailer.find(trailer, Trailer.tags.statusRequest) === undefined ? pong : [{ _tag: "Report", now }]
}
