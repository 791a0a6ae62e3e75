/**
 * The client side of a link: one machine for each endpoint that the node connects to, over all its connections.
 *
 *     state          input                  actions                                    next
 *     Disconnected   connected              HELLO, PING                                Joining
 *     Disconnected   anything else          -                                          Disconnected
 *     any other      disconnected           -                                          Disconnected
 *     Joining        PUBLISH                Accept, unless we have news of the key     Joining
 *     Joining        PONG: dump complete    Replay news and what the dump should have  Connected
 *                                           had, PING
 *     Joining        PONG with a digest     Compare, Replay what is new since HELLO,   Connected
 *                                           PING
 *     Joining        no PONG ever, long     as PONG                                    Connected
 *     Joining        INVALID to HELLO       PING, HELLO, PING;                         Joining
 *                                           then not before the next PING is due
 *     Joining        INVALID to older       -                                          Joining
 *     Connected      PUBLISH                Accept                                     Connected
 *     Connected      INVALID                PING, HELLO, PING;                         Joining
 *                                           soon after another: when PING is due
 *     Connected      PONG, in doubt         PING, HELLO, PING                          Joining
 *     Connected      PONG with a digest     Compare                                    Connected
 *     Joining,       PONG with cargo        Take                                       same
 *     Connected      a new tuple            Tell; while Joining it is news             same
 *                    time for it, or asked  PING                                       same
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
 * lacks, it has lost, and gets again. On the first connection everything is news, save
 * what a store had from the start: then `synced` is where that ends.
 *
 * A server of ours does not dump, it says by a digest what it holds, as we did behind HELLO: what differs is found by
 * Reconcile, and only what is new since HELLO is to be said. So are servers that have no digest for us, but know the
 * rest: `ours`. A PONG that carries something answers nothing. A server of ours that has forgotten us says INVALID to
 * our PING, so its PONG leaves no doubt.
 *
 * @since 0.1.0
 */
import * as Digest from "./Digest.ts"
import { hail, joined, known, met, type Moment, refused, rejoin } from "./Joining.ts"
import * as Message from "./Message.ts"
import type { Octets } from "./Octets.ts"
import * as Pings from "./Pings.ts"
import * as Trailer from "./Trailer.ts"

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

/**
 * What is known of the server over all connections.
 *
 * @since 0.1.0
 * @category models
 */
export interface Server {
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
      /** The sequence number of our map as the digest behind HELLO has it. */
      readonly helloAt: number
      /** Keys of the dump so far; owned by this state. */
      readonly dumped: Set<Octets>
    })
  | (Server & {
      readonly _tag: "Connected"
      readonly link: Pings.Pings
      /** The server is a node of ours. */
      readonly ours: boolean
      /** What it holds is compared with what we hold: there is no need to know what it has seen. */
      readonly compared: boolean
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
  /** It is to be known whether the server has read what was sent so far. */
  | { readonly _tag: "Ask"; readonly now: number }
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
  | ({ readonly _tag: "Accept"; readonly synced?: number } & Message.Said)
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
  /** Compare what we hold with what the server says it holds. */
  | { readonly _tag: "Compare"; readonly digest: Digest.Digest }
  /** Take what is behind this PONG. */
  | { readonly _tag: "Take"; readonly cargo: Trailer.Trailer }
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
const patience = 3

/** In server timeouts: how long after a HELLO out of doubt the next one has to wait. Each may cost a dump. */
const spacing = 10

/**
 * How often in a row the silence that is borne doubles: 20 s become 5.7 hours. ZeroMQ has room for 1000 messages,
 * however long they are, and a link that needs longer for them than the longest silence would never get through.
 */
const doublings = 10

const none: ReadonlyArray<Action> = []
const tell: ReadonlyArray<Action> = [{ _tag: "Tell" }]
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
      return { state, actions: state._tag === "Joining" ? none : tell }
    case "Slept":
      return stay({ ...state, link: Pings.slept(state.link) })
    case "Ask":
      // While Joining one is open.
      return state._tag === "Joining"
        ? stay(state)
        : { state: { ...state, link: Pings.ask(state.link, input.now) }, actions: [ping] }
    case "Tick":
      return tick(state, input, timing)
    case "Received": {
      const link = Pings.heard(state.link, input.now, timing.timeout)
      const live = link === state.link ? state : { ...state, link }
      switch (input.message._tag) {
        case "Publish":
          return publish(live, input.message)
        case "Pong":
          return pong(live, input.message, input, timing)
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

const stay = (state: State): Step => ({ state, actions: none })

const publish = (state: Live, message: Message.Publish): Step => {
  const accept = { _tag: "Accept", ...Message.saidOf(message) } as const
  if (state._tag === "Joining") {
    state.dumped.add(message.tuple.keyOctets)
    return { state, actions: [{ ...accept, synced: state.synced }] }
  }
  const link = Pings.trust(state.link)
  return {
    state: link === state.link ? state : { ...state, link },
    actions: [accept]
  }
}

const pong = (live: Live, { trailer }: Message.Trailable, moment: Moment, timing: Timing): Step => {
  if (trailer?._tag === "Trailer" && Trailer.carries(trailer)) {
    return { state: live, actions: [{ _tag: "Take", cargo: trailer }] }
  }
  const answered = Pings.answer(live.link, moment.now, timing.timeout)
  const ours = Trailer.isOfNode(trailer)
  const digest = Digest.find(trailer)
  if (live._tag === "Joining") {
    const state: Joining = { ...live, answers: true, link: answered }
    if (answered.pongs < state.dumpPong || state.refused) return stay(state)
    return digest === undefined ? joined(state, ours, moment) : met(state, digest, moment)
  }
  const link = ours ? Pings.trust(answered) : answered
  if (!ours && live.link.doubtedFrom <= moment.now && moment.now - link.doubtedAt > spacing * timing.timeout) {
    return rejoin({ ...live, link }, 1, moment, timing)
  }
  const { fence } = live
  // One that took longer than we waited for it.
  const compared = live.compared || digest !== undefined
  const same = { ...live, link, compared, ours: live.ours || ours }
  const state: Live =
    fence === undefined || link.pongs < fence.pong
      ? same
      : { ...same, silences: 0, fence: undefined, synced: compared ? live.synced : fence.sequence }
  if (digest !== undefined) return { state, actions: [{ _tag: "Compare", digest }] }
  // Until now it was not told what was deleted, and with this one nobody finds out.
  const isLate = ours && !live.ours && !compared
  return isLate ? { state, actions: [{ _tag: "ReplayNews", synced: 0, upTo: moment.sequence }] } : stay(state)
}

const invalid = (state: Live, moment: Moment, timing: Timing): Step => {
  const { link } = state
  const rejoining: Live = { ...state, link: { ...link, refusedAt: moment.now } }
  if (state._tag === "Connected") {
    // A HELLO costs both sides a dump: a server that refuses us again and again gets one with each PING.
    const again = moment.now - link.refusedAt < timing.pingInterval
    return again ? stay(refused(state, moment)) : rejoin(rejoining, 1, moment, timing)
  }
  if (link.pongs < state.helloPong) return stay(state)
  return state.attempt === 1 ? rejoin(rejoining, 2, moment, timing) : stay({ ...state, refused: true })
}

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
      return rejoin({ ...state, link: { ...link, refusedAt: now } }, state.attempt + 1, input, timing)
    }
    if (!state.answers && now - link.heardAt > patience * timing.timeout)
      return joined({ ...state, link }, false, input)
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
