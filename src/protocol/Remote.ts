/**
 * The client side of a link: one machine for each endpoint that the node connects to, over all its connections.
 *
 *     state          input                  actions                                    next
 *     Disconnected   connected              HELLO, PING, Replay news, PING             Joining
 *     Disconnected   anything else          -                                          Disconnected
 *     any other      disconnected           -                                          Disconnected
 *     Joining        PUBLISH                Accept, unless we have news of the key     Joining
 *     Joining        PONG: dump complete    Replay what the dump should have had       Connected
 *     Joining        no PONG ever, long     the same                                   Connected
 *     Joining        INVALID to HELLO       PING, HELLO, PING, Replay news, PING;      Joining
 *                                           then not before the next PING is due
 *     Joining        INVALID to older       -                                          Joining
 *     Connected      PUBLISH                Accept                                     Connected
 *     Connected      INVALID                PING, HELLO, PING, Replay news, PING       Joining
 *     Connected      PONG, in doubt         PING, HELLO, PING; the news follow when    Joining
 *                                           the dump is complete, and PING
 *     Joining,       a new tuple            Tell, once Replay has begun                same
 *     Connected      time for it            PING                                       same
 *                    PING HELLO malformed   -                                          same
 *
 * A server answers each PING with one PONG, and in order. So the n-th PONG says that everything before the n-th PING
 * was read, and that everything the server sent before is here: PING is a fence. The first PONG behind HELLO ends the
 * dump; the one behind Replay says that the server took it. An INVALID that comes before the PONG to the PING ahead of
 * HELLO answers something older.
 *
 * News is what the server is not known to have: our changes after the sequence number `synced`, save what it told us
 * itself. A dump was made in ignorance of the news and does not undo it. What the server did have once and its dump
 * lacks, it has lost, and gets again. On the first connection everything is news: HELLO, then every tuple held.
 *
 * Doubt: a server forgets a client that it does not hear for its timeout, tells nobody, and goes on answering PING. So
 * where one PING was answered longer than that after the one before it was sent (the network, the server or this process
 * was held up), only a PUBLISH that follows proves that we were not forgotten. Else there is one sure way back, HELLO. If
 * it is refused, we were not forgotten, and are now; the next one is not refused. A PONG that is late because of what
 * the server said before it, as at the end of a long dump, casts no doubt: there was no silence.
 *
 * @since 0.1.0
 */
import * as Message from "./Message.ts"
import type { Octets } from "./Octets.ts"
import type { Tuple } from "./Tuple.ts"

/**
 * Milliseconds. `timeout` is the time after which servers forget a silent client: their `server/timeout`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Timing {
  readonly pingInterval: number
  readonly timeout: number
}

/** One connection. */
interface Link {
  readonly synced: number
  /** It has answered a PING, on this connection or an earlier one. */
  readonly answers: boolean
  /** PINGs sent and PONGs received. */
  readonly pings: number
  readonly pongs: number
  /** When the next PING is due. */
  readonly pingAt: number
  /** The PINGs that are not answered, the oldest first; of more than {@link maxOpen}, not all. */
  readonly open: ReadonlyArray<Ping>
  /** When the last PING that was answered was sent, or HELLO. */
  readonly answered: number
  /** When something was heard last. */
  readonly heardAt: number
  /** When the last silence ended: more than half the timeout without a word of the server. */
  readonly brokenAt: number
  /** The server may have forgotten us. */
  readonly doubted: boolean
  /** When HELLO was last said out of doubt. */
  readonly doubtedAt: number
}

/** The PING that PONG number `pong` answers, and when it was sent. */
interface Ping {
  readonly pong: number
  readonly at: number
}

/** What the server has seen of our map once the PONG number `pong` is here. */
interface Fence {
  readonly pong: number
  readonly sequence: number
}

/**
 * @since 0.1.0
 * @category models
 */
export type State =
  | { readonly _tag: "Disconnected"; readonly synced: number; readonly answers: boolean }
  | (Link & {
      readonly _tag: "Joining"
      /** HELLOs said since the link was last in order. */
      readonly attempt: number
      readonly refused: boolean
      /** An INVALID that comes before this PONG answers what was sent before HELLO. */
      readonly helloPong: number
      /** The dump ends at this PONG. */
      readonly dumpPong: number
      /** The end of the news, where they were sent already. */
      readonly replay: Fence | undefined
      /** Keys of the dump so far; owned by this state. */
      readonly dumped: Set<Octets>
    })
  | (Link & {
      readonly _tag: "Connected"
      readonly fence: Fence | undefined
    })

/**
 * `sequence` is that of the map now.
 *
 * @since 0.1.0
 * @category models
 */
export type Input =
  | { readonly _tag: "Up"; readonly now: number; readonly sequence: number }
  | { readonly _tag: "Down" }
  | {
      readonly _tag: "Received"
      readonly message: Message.Message | Message.Malformed
      readonly now: number
      readonly sequence: number
    }
  /** A tuple was accepted from elsewhere. */
  | { readonly _tag: "Accepted" }
  /**
   * The time may have come for something. `idle`: nothing waits to be sent. `late`: so many tuples wait behind what is
   * sent now.
   */
  | {
      readonly _tag: "Tick"
      readonly now: number
      readonly sequence: number
      readonly idle: boolean
      readonly late: number
    }

/**
 * @since 0.1.0
 * @category models
 */
export type Action =
  /** Merge this tuple, and tell the others if it is new. With `synced`, the server said it in ignorance of our news. */
  | { readonly _tag: "Accept"; readonly tuple: Tuple; readonly synced?: number }
  | { readonly _tag: "Send"; readonly message: Message.Message }
  /** Send the tuples up to `upTo` that the server, which has seen `synced`, does not have. */
  | { readonly _tag: "ReplayNews"; readonly synced: number; readonly upTo: number }
  /** Send those that it had, save the keys in `dumped`. */
  | {
      readonly _tag: "ReplayLost"
      readonly synced: number
      readonly upTo: number
      readonly dumped: ReadonlySet<Octets>
    }
  /** Send the tuple that was accepted. */
  | { readonly _tag: "Tell" }
  /** Do not send the tuples that still wait: they will be said anew. */
  | { readonly _tag: "Forget" }

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
export const start: State = { _tag: "Disconnected", synced: 0, answers: false }

/** In server timeouts: how long a server that never answered a PING may be silent before its dump is taken for complete. */
const patience = 10

/** In server timeouts: how long after a HELLO out of doubt the next one has to wait. Each may cost a dump. */
const spacing = 10

/** While so many PINGs are open and things wait to be sent, no more are added to them. */
const maxOpen = 16

const none: ReadonlyArray<Action> = []
const tell: ReadonlyArray<Action> = [{ _tag: "Tell" }]
const forget: Action = { _tag: "Forget" }
const hello: Action = { _tag: "Send", message: Message.hello }
const ping: Action = { _tag: "Send", message: Message.ping }

/**
 * @since 0.1.0
 * @category stepping
 */
export const step = (state: State, input: Input, timing: Timing): Step => {
  if (input._tag === "Up") return connected(state, input, timing)
  if (input._tag === "Down") return stay({ _tag: "Disconnected", synced: state.synced, answers: state.answers })
  if (state._tag === "Disconnected") return stay(state)
  switch (input._tag) {
    case "Accepted":
      return { state, actions: state._tag === "Joining" && state.replay === undefined ? none : tell }
    case "Tick":
      return tick(state, input, timing)
    case "Received": {
      const live = heard(state, input.now, timing)
      switch (input.message._tag) {
        case "Publish":
          return publish(live, input.message.tuple)
        case "Pong":
          return pong(live, input, timing)
        case "Invalid":
          return invalid(live, input, timing)
        default:
          return stay(live)
      }
    }
  }
}

/**
 * When the machine wants its next Tick.
 *
 * @since 0.1.0
 * @category getters
 */
export const deadline = (state: State): number | undefined => (state._tag === "Disconnected" ? undefined : state.pingAt)

type Live = Exclude<State, { readonly _tag: "Disconnected" }>
type Joining = Extract<State, { readonly _tag: "Joining" }>
type Connected = Extract<State, { readonly _tag: "Connected" }>

interface Moment {
  readonly now: number
  readonly sequence: number
}

const stay = (state: State): Step => ({ state, actions: none })

/** HELLO is the first message of a connection. The server does not know us: the news can follow at once. */
const connected = ({ answers, synced }: State, { now, sequence }: Moment, timing: Timing): Step => ({
  state: {
    _tag: "Joining",
    synced,
    answers,
    pings: 2,
    pongs: 0,
    pingAt: now + timing.pingInterval,
    open: [
      { pong: 1, at: now },
      { pong: 2, at: now }
    ],
    answered: now,
    heardAt: now,
    brokenAt: now,
    doubted: false,
    doubtedAt: Number.NEGATIVE_INFINITY,
    attempt: 1,
    refused: false,
    helloPong: 0,
    dumpPong: 1,
    replay: { pong: 2, sequence },
    dumped: new Set()
  },
  actions: [forget, hello, ping, { _tag: "ReplayNews", synced, upTo: sequence }, ping]
})

/**
 * HELLO once more. Where it may be refused the news wait until it was not, or each of them would be refused as well.
 */
const rejoin = (link: Live, attempt: number, certain: boolean, { now, sequence }: Moment, timing: Timing): Step => {
  const { answers, brokenAt, doubted, doubtedAt, heardAt, open, pings, pongs, synced } = link
  return {
    state: {
      _tag: "Joining",
      synced,
      answers,
      pings: pings + (certain ? 3 : 2),
      pongs,
      pingAt: now + timing.pingInterval,
      // The time of these PINGs is that of HELLO, which `answered` has.
      open,
      answered: now,
      heardAt,
      brokenAt,
      doubted: false,
      doubtedAt: doubted ? now : doubtedAt,
      attempt,
      refused: false,
      helloPong: pings + 1,
      dumpPong: pings + 2,
      replay: certain ? { pong: pings + 3, sequence } : undefined,
      dumped: new Set()
    },
    actions: certain
      ? [forget, ping, hello, ping, { _tag: "ReplayNews", synced, upTo: sequence }, ping]
      : [forget, ping, hello, ping]
  }
}

/** The dump is complete, or there will be none. */
const joined = (state: Joining, { now, sequence }: Moment): Step => {
  const { dumped, replay, synced } = state
  const lost: Action = { _tag: "ReplayLost", synced, upTo: replay?.sequence ?? sequence, dumped }
  const connected: Connected = {
    _tag: "Connected",
    synced,
    answers: state.answers,
    pings: state.pings,
    pongs: state.pongs,
    pingAt: state.pingAt,
    open: state.open,
    answered: state.answered,
    heardAt: state.heardAt,
    brokenAt: state.brokenAt,
    doubted: state.doubted,
    doubtedAt: state.doubtedAt,
    fence: replay
  }
  if (replay !== undefined) return { state: connected, actions: [lost] }
  const asked = ask(connected, now)
  return {
    state: { ...asked, fence: { pong: asked.pings, sequence } },
    actions: [{ _tag: "ReplayNews", synced, upTo: sequence }, lost, ping]
  }
}

const ask = <L extends Link>(link: L, now: number): L => {
  const { open } = link
  const pings = link.pings + 1
  return { ...link, pings, open: open.length < maxOpen ? [...open, { pong: pings, at: now }] : open }
}

const heard = (state: Live, now: number, timing: Timing): Live => {
  if (now === state.heardAt) return state
  return { ...state, heardAt: now, brokenAt: now - state.heardAt > timing.timeout / 2 ? now : state.brokenAt }
}

const publish = (state: Live, tuple: Tuple): Step => {
  if (state._tag === "Joining") {
    state.dumped.add(tuple.keyOctets)
    return { state, actions: [{ _tag: "Accept", tuple, synced: state.synced }] }
  }
  return { state: state.doubted ? { ...state, doubted: false } : state, actions: [{ _tag: "Accept", tuple }] }
}

const pong = (live: Live, moment: Moment, timing: Timing): Step => {
  const { now } = moment
  const pongs = live.pongs + 1
  const answered = live.open[0]?.pong === pongs ? live.open[0] : undefined
  const late = now - live.answered > timing.timeout && live.brokenAt > live.answered
  const state = {
    ...live,
    answers: true,
    pongs,
    open: answered === undefined ? live.open : live.open.slice(1),
    answered: Math.max(answered?.at ?? live.answered, live.answered)
  }
  if (state._tag === "Joining") {
    const next = { ...state, doubted: state.doubted || late }
    return next.pongs >= next.dumpPong && !next.refused ? joined(next, moment) : stay(next)
  }
  if (state.doubted && now - state.doubtedAt > spacing * timing.timeout) return rejoin(state, 1, false, moment, timing)
  const { fence } = state
  const reached = fence !== undefined && state.pongs >= fence.pong
  return stay({
    ...state,
    doubted: state.doubted || late,
    synced: reached ? fence.sequence : state.synced,
    fence: reached ? undefined : fence
  })
}

const invalid = (state: Live, moment: Moment, timing: Timing): Step => {
  if (state._tag === "Connected") return rejoin(state, 1, true, moment, timing)
  if (state.pongs < state.helloPong) return stay(state)
  return state.attempt === 1 ? rejoin(state, 2, true, moment, timing) : stay({ ...state, refused: true })
}

const tick = (live: Live, input: Extract<Input, { readonly _tag: "Tick" }>, timing: Timing): Step => {
  const { idle, late, now, sequence } = input
  if (now < live.pingAt) return stay(live)
  const state: Live = { ...live, pingAt: now + timing.pingInterval }
  if (state._tag === "Joining") {
    if (state.refused) return rejoin(state, state.attempt + 1, false, input, timing)
    if (!state.answers && now - state.heardAt > patience * timing.timeout) return joined(state, input)
  }
  // A peer that does not read would get them all at once.
  if (!idle && state.open.length >= maxOpen) return stay(state)
  const asked: Live = ask(state, now)
  // Tuples that wait are sent after this PING: its PONG will not vouch for them.
  const fenced = asked._tag === "Connected" && asked.fence === undefined && late === 0
  return { state: fenced ? { ...asked, fence: { pong: asked.pings, sequence } } : asked, actions: [ping] }
}
