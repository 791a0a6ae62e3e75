/**
 * The first part of the client side of a link: from HELLO until we know what the server has. See Remote, which takes
 * these steps.
 *
 * @since 0.1.0
 */
import type * as Digest from "./Digest.ts"
import * as Message from "./Message.ts"
import * as Pings from "./Pings.ts"
import type { Action, Server, State, Step, Timing } from "./Remote.ts"

type Live = Exclude<State, { readonly _tag: "Disconnected" }>
type Joining = Extract<State, { readonly _tag: "Joining" }>

const forget: Action = { _tag: "Forget" }
const hello: Action = { _tag: "Send", message: Message.greeting }
const ping: Action = { _tag: "Send", message: Message.ping }

/**
 * Milliseconds, and the sequence number of our map.
 *
 * @since 0.1.0
 * @category models
 */
export interface Moment {
  readonly now: number
  readonly sequence: number
}

/**
 * What of a state is kept over the connections.
 *
 * @since 0.1.0
 * @category getters
 */
export const known = ({ answers, silences, synced }: Server): Server => ({ synced, answers, silences })

/**
 * HELLO is the first message of a connection.
 *
 * @since 0.1.0
 * @category steps
 */
export const hail = (server: Server, { now, sequence }: Moment, timing: Timing): Step => ({
  state: {
    _tag: "Joining",
    ...known(server),
    link: Pings.start(now, 1, now + timing.pingInterval),
    attempt: 1,
    refused: false,
    helloPong: 0,
    dumpPong: 1,
    helloAt: sequence,
    dumped: new Set()
  },
  actions: [forget, hello, ping]
})

/**
 * HELLO once more. The PING ahead of it tells an INVALID to it from older ones.
 *
 * @since 0.1.0
 * @category steps
 */
export const rejoin = (state: Live, attempt: number, { now, sequence }: Moment, timing: Timing): Step => {
  const { link } = state
  return {
    state: {
      _tag: "Joining",
      ...known(state),
      link: {
        // These PINGs are not among the open ones: their time is that of HELLO, which `answered` has.
        ...Pings.more(link, 2, now),
        pingAt: now + timing.pingInterval,
        answered: now,
        excused: Number.POSITIVE_INFINITY,
        doubtedFrom: Number.POSITIVE_INFINITY,
        doubtedAt: Number.isFinite(link.doubtedFrom) ? now : link.doubtedAt
      },
      attempt,
      refused: false,
      helloPong: link.pings + 1,
      dumpPong: link.pings + 2,
      helloAt: sequence,
      dumped: new Set()
    },
    actions: [forget, ping, hello, ping]
  }
}

/**
 * The dump is complete, or there will be none.
 *
 * @since 0.1.0
 * @category steps
 */
export const joined = (state: Joining, ours: boolean, { now, sequence }: Moment): Step => {
  const { dumped, synced } = state
  const link = Pings.ask(Pings.excuse(state.link), now)
  const fence = { pong: link.pings, sequence }
  return {
    state: { _tag: "Connected", ...known(state), link, ours, compared: false, fence },
    actions: [
      { _tag: "ReplayNews", synced, upTo: sequence },
      { _tag: "ReplayLost", synced, upTo: sequence, dumped },
      ping
    ]
  }
}

/**
 * The server says what it holds, and heard what we held when we said HELLO.
 *
 * @since 0.1.0
 * @category steps
 */
export const met = (state: Joining, digest: Digest.Digest, { now, sequence }: Moment): Step => {
  const link = Pings.ask(Pings.excuse(state.link), now)
  const fence = { pong: link.pings, sequence }
  return {
    state: { _tag: "Connected", ...known(state), link, ours: true, compared: true, fence },
    actions: [{ _tag: "Compare", digest }, { _tag: "ReplayNews", synced: state.helloAt, upTo: sequence }, ping]
  }
}

/**
 * HELLO was refused more than once: the next one waits.
 *
 * @since 0.1.0
 * @category steps
 */
export const refused = (state: Live, { sequence }: Moment): State => ({
  _tag: "Joining",
  ...known(state),
  link: state.link,
  attempt: 2,
  refused: true,
  helloPong: state.link.pings,
  dumpPong: state.link.pings,
  helloAt: sequence,
  dumped: new Set()
})
