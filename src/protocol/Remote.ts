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
 *     Connected      INVALID                PING, HELLO, PING, Replay news, PING;      Joining
 *                                           soon after another: when PING is due
 *     Connected      PONG, in doubt         PING, HELLO, PING; the news follow when    Joining
 *                                           the dump is complete, and PING
 *     Joining,       a new tuple            Tell, once Replay has begun                same
 *     Connected      time for it            PING                                       same
 *                    a silence, too long    Close                                      Disconnected
 *                    slept                  -: the next PONG is in doubt               same
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
 * it is refused, we were not forgotten, and are now; the next one is not refused. A PONG that is late without a silence
 * may have waited behind tuples; so we wait as well, and where it waited behind a dump there is no doubt. A machine that
 * slept learns it from another clock than ours; then the first PING after it casts doubt.
 *
 * Silence: a connection may outlive what was behind it, a process that is stopped, a way that swallows everything. Where
 * a PING was sent and nothing at all was heard for `silence` after it, the connection is closed, for a new one. A time in
 * which what waits is still taken from us, or in which we stood still ourselves, does not count. What a transport has
 * taken may be long on its way, and a server that is busy would get our news from each connection anew: so each silence
 * in a row may be twice as long as the one before, until the server has taken our news.
 *
 * @since 0.1.0
 */
import * as Message from "./Message.ts"
import type { Octets } from "./Octets.ts"
import * as Pings from "./Pings.ts"
import type { Tuple } from "./Tuple.ts"
import type * as Version from "./Version.ts"

/**
 * Milliseconds. `timeout` is the time after which servers forget a silent client: their `server/timeout`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Timing {
  readonly pingInterval: number
  readonly timeout: number
  /** After how much silence a connection is closed; infinity where it is kept. */
  readonly silence: number
}

/** What the server has seen of our map once the PONG number `pong` is here. */
interface Fence {
  readonly pong: number
  readonly sequence: number
}

/** What is known of the server over all connections. */
interface Server {
  /** It has seen our map up to this sequence number. */
  readonly synced: number
  /** It has answered a PING. */
  readonly answers: boolean
  /** Connections that were closed because of its silence since it last took our news. */
  readonly silences: number
}

/**
 * @since 0.1.0
 * @category models
 */
export type State =
  | (Server & { readonly _tag: "Disconnected" })
  | (Server & {
      readonly _tag: "Joining"
      readonly link: Pings.Pings
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
  | (Server & {
      readonly _tag: "Connected"
      readonly link: Pings.Pings
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
  /** The clock that `now` comes from stood still: more time went by than it says. */
  | { readonly _tag: "Slept" }
  /**
   * The time may have come for something. `idle`: nothing waits to be sent. `behind`: tuples wait behind what is sent
   * now. `taken`: how much was ever taken to be sent.
   */
  | {
      readonly _tag: "Tick"
      readonly now: number
      readonly sequence: number
      readonly idle: boolean
      readonly behind: boolean
      readonly taken: number
    }

/**
 * @since 0.1.0
 * @category models
 */
export type Action =
  /** Merge this tuple, and tell the others if it is new. With `synced`, the server said it in ignorance of our news. */
  | {
      readonly _tag: "Accept"
      readonly tuple: Tuple
      readonly version?: Version.Version | undefined
      readonly synced?: number
    }
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
  /** End this connection, on which the server has said nothing for so many ms, and make a new one. */
  | { readonly _tag: "Close"; readonly silent: number }

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
export const start: State = { _tag: "Disconnected", synced: 0, answers: false, silences: 0 }

/** In server timeouts: how long a server that never answered a PING may be silent before its dump is taken for complete. */
const patience = 10

/** In server timeouts: how long after a HELLO out of doubt the next one has to wait. Each may cost a dump. */
const spacing = 10

/**
 * How often in a row the silence that is borne doubles: 20 s become 5.7 hours. ZeroMQ has room for 1000 messages, however
 * long they are, and a link that needs longer for them than the longest silence would never get through.
 */
const doublings = 10

const none: ReadonlyArray<Action> = []
const tell: ReadonlyArray<Action> = [{ _tag: "Tell" }]
const forget: Action = { _tag: "Forget" }
const hello: Action = { _tag: "Send", message: Message.greeting }
const ping: Action = { _tag: "Send", message: Message.ping }

/**
 * @since 0.1.0
 * @category stepping
 */
export const step = (state: State, input: Input, timing: Timing): Step => {
  if (input._tag === "Up") return hail(state, input, timing)
  if (input._tag === "Down") return stay({ _tag: "Disconnected", ...known(state) })
  if (state._tag === "Disconnected") return stay(state)
  switch (input._tag) {
    case "Accepted":
      return { state, actions: state._tag === "Joining" && state.replay === undefined ? none : tell }
    case "Slept":
      return stay({ ...state, link: Pings.slept(state.link) })
    case "Tick":
      return tick(state, input, timing)
    case "Received": {
      const link = Pings.heard(state.link, input.now, timing.timeout)
      const live = link === state.link ? state : { ...state, link }
      switch (input.message._tag) {
        case "Publish":
          return publish(live, input.message)
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
export const deadline = (state: State): number | undefined =>
  state._tag === "Disconnected" ? undefined : state.link.pingAt

type Live = Exclude<State, { readonly _tag: "Disconnected" }>
type Joining = Extract<State, { readonly _tag: "Joining" }>

interface Moment {
  readonly now: number
  readonly sequence: number
}

const stay = (state: State): Step => ({ state, actions: none })

const known = ({ answers, silences, synced }: Server): Server => ({ synced, answers, silences })

/** HELLO is the first message of a connection. The server does not know us: the news can follow at once. */
const hail = (server: Server, { now, sequence }: Moment, timing: Timing): Step => ({
  state: {
    _tag: "Joining",
    ...known(server),
    link: Pings.start(now, 2, now + timing.pingInterval),
    attempt: 1,
    refused: false,
    helloPong: 0,
    dumpPong: 1,
    replay: { pong: 2, sequence },
    dumped: new Set()
  },
  actions: [forget, hello, ping, { _tag: "ReplayNews", synced: server.synced, upTo: sequence }, ping]
})

/** HELLO once more. Where it may be refused the news wait until it was not, or each of them would be refused as well. */
const rejoin = (state: Live, attempt: number, certain: boolean, { now, sequence }: Moment, timing: Timing): Step => {
  const { link, synced } = state
  return {
    state: {
      _tag: "Joining",
      ...known(state),
      link: {
        // These PINGs are not among the open ones: their time is that of HELLO, which `answered` has.
        ...Pings.more(link, certain ? 3 : 2, now),
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
      replay: certain ? { pong: link.pings + 3, sequence } : undefined,
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
  const link = Pings.excuse(state.link)
  const lost: Action = { _tag: "ReplayLost", synced, upTo: replay?.sequence ?? sequence, dumped }
  if (replay !== undefined) {
    return { state: { _tag: "Connected", ...known(state), link, fence: replay }, actions: [lost] }
  }
  const asked = Pings.ask(link, now)
  return {
    state: { _tag: "Connected", ...known(state), link: asked, fence: { pong: asked.pings, sequence } },
    actions: [{ _tag: "ReplayNews", synced, upTo: sequence }, lost, ping]
  }
}

const publish = (state: Live, { tuple, version }: Message.Publish): Step => {
  const accept = { _tag: "Accept", tuple, ...(version !== undefined && { version }) } as const
  if (state._tag === "Joining") {
    state.dumped.add(tuple.keyOctets)
    return { state, actions: [{ ...accept, synced: state.synced }] }
  }
  const link = Pings.trust(state.link)
  return {
    state: link === state.link ? state : { ...state, link },
    actions: [accept]
  }
}

const pong = (live: Live, moment: Moment, timing: Timing): Step => {
  const link = Pings.answer(live.link, moment.now, timing.timeout)
  if (live._tag === "Joining") {
    const state: Joining = { ...live, answers: true, link }
    return link.pongs >= state.dumpPong && !state.refused ? joined(state, moment) : stay(state)
  }
  if (live.link.doubtedFrom <= moment.now && moment.now - link.doubtedAt > spacing * timing.timeout) {
    return rejoin({ ...live, link }, 1, false, moment, timing)
  }
  const { fence } = live
  return stay(
    fence === undefined || link.pongs < fence.pong
      ? { ...live, link }
      : { ...live, link, synced: fence.sequence, silences: 0, fence: undefined }
  )
}

const invalid = (state: Live, moment: Moment, timing: Timing): Step => {
  const { link } = state
  const rejoining: Live = { ...state, link: { ...link, refusedAt: moment.now } }
  if (state._tag === "Connected") {
    // A HELLO costs both sides a dump: a server that refuses us again and again gets one with each PING.
    const again = moment.now - link.refusedAt < timing.pingInterval
    return again ? stay(refused(state)) : rejoin(rejoining, 1, true, moment, timing)
  }
  if (link.pongs < state.helloPong) return stay(state)
  return state.attempt === 1 ? rejoin(rejoining, 2, true, moment, timing) : stay({ ...state, refused: true })
}

const refused = (state: Live): State => ({
  _tag: "Joining",
  ...known(state),
  link: state.link,
  attempt: 2,
  refused: true,
  helloPong: state.link.pings,
  dumpPong: state.link.pings,
  replay: undefined,
  dumped: new Set()
})

const tick = (state: Live, input: Extract<Input, { readonly _tag: "Tick" }>, timing: Timing): Step => {
  const { behind, idle, now, sequence, taken } = input
  if (now < state.link.pingAt) return stay(state)
  // Who comes so late stood still: what was said meanwhile may wait to be read.
  const stood = now - state.link.pingAt > timing.timeout
  const link = { ...Pings.watch(state.link, now, { taken, idle, stood }), pingAt: now + timing.pingInterval }
  const silent = Pings.silence(link, now)
  if (silent >= timing.silence * 2 ** Math.min(state.silences, doublings)) {
    const closed: State = { _tag: "Disconnected", ...known(state), silences: state.silences + 1 }
    return { state: closed, actions: [{ _tag: "Close", silent }] }
  }
  if (state._tag === "Joining") {
    if (state.refused) {
      return rejoin({ ...state, link: { ...link, refusedAt: now } }, state.attempt + 1, false, input, timing)
    }
    if (!state.answers && now - link.heardAt > patience * timing.timeout) return joined({ ...state, link }, input)
  }
  // A peer that does not read would get them all at once.
  if (!idle && link.open.length >= Pings.maxOpen) return stay({ ...state, link })
  const asked = Pings.ask(link, now)
  // Tuples that wait are sent after this PING: its PONG will not vouch for them.
  const fenced = state._tag === "Connected" && state.fence === undefined && !behind
  return {
    state: fenced ? { ...state, link: asked, fence: { pong: asked.pings, sequence } } : { ...state, link: asked },
    actions: [ping]
  }
}
