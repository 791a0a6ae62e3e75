/**
 * The server side of a link: one session for each peer of a listener. Beside the rows of CZMQ's zgossip.xml:
 *
 *     state             input              actions             next
 *     Start             HELLO              Dump                Connected
 *     Start             PING               PONG, or Report,    Start
 *                                          or Confess
 *     Start             PUBLISH PONG       INVALID             Start
 *                       INVALID malformed
 *     Start             PING of ours       INVALID, PONG       Start
 *     Start             PING with cargo    INVALID             Start
 *     Start             a new tuple        -                   Start
 *     Connected         PUBLISH            Accept              Connected
 *     Connected         PING               PONG, or Report,    Connected
 *                                          or Confess
 *     Connected         HELLO that answers Dump                Connected
 *                       INVALID to a tuple
 *     Connected         PING with cargo    Take                Connected
 *     Connected         HELLO of ours      Dump                Connected
 *     Connected         HELLO PONG         INVALID             Start
 *                       INVALID malformed
 *     Connected         a new tuple        Tell                Connected
 *     Connected         nothing for the    -                   Start
 *                       server timeout
 *
 * A session that ends is one that starts again: a peer may always say HELLO. A new tuple does not come back to the
 * peer that published it; the caller leaves that one out.
 *
 * CZMQ's client answers each INVALID with a HELLO, and forgets what was refused. One that comes back with a tuple on its
 * lips says PUBLISH, HELLO and all its tuples, and then, to the INVALID that it gets, HELLO: that one must not end the
 * session that it has by now, in the middle of its tuples. A peer that says PING is none of CZMQ's, and is not helped.
 *
 * A node of ours says so behind its HELLO, may say it again at any time, and has a digest behind each PING; where it is
 * forgotten it gets INVALID ahead of the PONG, which would not tell. A PING that carries something is no question.
 *
 * @since 0.1.0
 */
import * as Digest from "./Digest.ts"
import * as Message from "./Message.ts"
import * as Trailer from "./Trailer.ts"

/**
 * `heardAt` is the time of the peer's last message, in milliseconds; `refused` how many tuples were refused because the
 * peer had not said HELLO: it may yet answer each INVALID with HELLO.
 *
 * @since 0.1.0
 * @category models
 */
export type State =
  | { readonly _tag: "Start"; readonly refused: number }
  | { readonly _tag: "Connected"; readonly heardAt: number; readonly refused: number }

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
  | ({ readonly _tag: "Accept" } & Message.Said)
  /** Send this message to the peer. */
  | { readonly _tag: "Send"; readonly message: Message.Message }
  /** Send PONG, with the status of the node behind it if it is not asked for too often. */
  | { readonly _tag: "Report"; readonly now: number }
  /** Send PONG, and behind it what was not taken of this peer. */
  | { readonly _tag: "Confess" }
  /**
   * Send every tuple held, as of now, from now on as a node of ours has them if it is one; or what differs, if it says
   * what it holds.
   */
  | { readonly _tag: "Dump"; readonly ours: boolean; readonly digest: Digest.Digest | undefined }
  /** Take what is behind this PING. */
  | { readonly _tag: "Take"; readonly cargo: Trailer.Trailer }
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
export const start: State = { _tag: "Start", refused: 0 }

const none: ReadonlyArray<Action> = []
const tell: ReadonlyArray<Action> = [{ _tag: "Tell" }]
const pong: ReadonlyArray<Action> = [{ _tag: "Send", message: Message.pong }]
const confess: ReadonlyArray<Action> = [{ _tag: "Confess" }]
const invalid: ReadonlyArray<Action> = [{ _tag: "Send", message: Message.invalid }]
/** Each PING is answered with one PONG, so that these can be counted. */
const forgotten: ReadonlyArray<Action> = [...invalid, ...pong]

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
      return { state: due !== undefined && due <= input.now ? startAgain(state) : state, actions: none }
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
  const { refused } = state
  const connected: State =
    state._tag === "Connected" && state.heardAt === now ? state : { _tag: "Connected", heardAt: now, refused }
  switch (state._tag) {
    case "Start":
      switch (message._tag) {
        case "Hello":
          return { state: connected, actions: dump(message) }
        case "Ping":
          if (Trailer.carries(message.trailer)) return { state, actions: invalid }
          if (Trailer.isOfNode(message.trailer)) return { state, actions: forgotten }
          return { state: start, actions: answer(message, now) }
        case "Publish":
          return { state: { _tag: "Start", refused: Math.min(refused + 1, mostRefused) }, actions: invalid }
        default:
          return { state, actions: invalid }
      }
    case "Connected":
      switch (message._tag) {
        case "Publish":
          return { state: connected, actions: [accept(message)] }
        case "Ping":
          if (message.trailer?._tag === "Trailer" && Trailer.carries(message.trailer)) {
            return { state: connected, actions: [{ _tag: "Take", cargo: message.trailer }] }
          }
          return { state: refused === 0 ? connected : { ...connected, refused: 0 }, actions: answer(message, now) }
        case "Hello":
          if (Trailer.isOfNode(message.trailer)) return { state: connected, actions: dump(message) }
          return refused > 0
            ? { state: { _tag: "Connected", heardAt: now, refused: refused - 1 }, actions: dump(message) }
            : { state: startAgain(state), actions: invalid }
        default:
          return { state: startAgain(state), actions: invalid }
      }
  }
}

const startAgain = ({ refused }: State): State => ({ _tag: "Start", refused })

/** A peer that answers none of them need not be counted for ever. */
const mostRefused = 1000

const dump = ({ trailer }: Message.Trailable): ReadonlyArray<Action> => [
  { _tag: "Dump", ours: Trailer.isOfNode(trailer), digest: Digest.find(trailer) }
]

const accept = (message: Message.Publish): Action => ({ _tag: "Accept", ...Message.saidOf(message) })

/** A PING may ask for the status, or whether all was taken. */
const answer = ({ trailer }: Message.Trailable, now: number): ReadonlyArray<Action> => {
  if (trailer === undefined) return pong
  if (Trailer.find(trailer, Trailer.tags.refusalsRequest) !== undefined) return confess
  return Trailer.find(trailer, Trailer.tags.statusRequest) === undefined ? pong : [{ _tag: "Report", now }]
}
