/**
 * The PINGs of one connection to a server, and what is known of its silences.
 *
 * Doubt: a server forgets a client that it does not hear for its timeout, tells nobody, and goes on answering PING. So
 * where one PING was answered longer than that after the one before it was sent (the network, the server or this
 * process was held up), only a PUBLISH that follows proves that we were not forgotten. Else there is one sure way back,
 * HELLO. If it is refused, we were not forgotten, and are now; the next one is not refused. A PONG that is late without
 * a silence may have waited behind tuples; so we wait as well, and where it waited behind a dump there is no doubt. A
 * machine that slept learns it from another clock than ours; then the first PING after it casts doubt.
 *
 * Silence: a connection may outlive what was behind it, a process that is stopped, a way that swallows everything.
 * Where a PING was sent and nothing at all was heard for `silence` after it, the connection is closed, for a new one. A
 * time in which what waits is still taken from us, or in which we stood still ourselves, does not count. What a
 * transport has taken may be long on its way, and a server that is busy would get our news from each connection anew:
 * so each silence in a row may be twice as long as the one before, until the server has taken our news.
 *
 * @since 0.1.0
 */

import type { Settings } from "./Settings.ts"

/**
 * The time between two PINGs: as set, and short enough that one that is late does not cost the membership.
 *
 * @since 0.1.0
 * @category getters
 */
export const interval = ({ pingInterval, remoteTimeout }: Pick<Settings, "pingInterval" | "remoteTimeout">): number => {
  const most = Math.floor(remoteTimeout / 2)
  return Math.max(1, Math.min(pingInterval ?? Math.floor(remoteTimeout / 4), most))
}

/**
 * Times are milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pings {
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
  /** When the silence began that goes on: a PING was sent by then, and nothing heard since. */
  readonly silentFrom: number
  /** How much had been taken to be sent when the last PING was due. */
  readonly taken: number
  /** When the last silence ended: more than half the timeout without a word of the server. */
  readonly brokenAt: number
  /** From this moment on a HELLO is due, as the server may have forgotten us; infinity where nothing says so. */
  readonly doubtedFrom: number
  /** PONGs up to this number may be late for a reason, a dump; infinity while one is awaited. */
  readonly excused: number
  /** The PONG of this number is late, whatever our clock says: it stood still before the PING was sent. */
  readonly slept: number
  /** When HELLO was last said out of doubt. */
  readonly doubtedAt: number
  /** When HELLO was last said because of INVALID. */
  readonly refusedAt: number
}

/** The PING that PONG number `pong` answers, and when it was sent. */
interface Ping {
  readonly pong: number
  readonly at: number
}

/**
 * While so many PINGs are open and things wait to be sent, no more are added to them.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxOpen = 16

/**
 * A connection on which so many PINGs are sent at once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (now: number, pings: number, pingAt: number): Pings => ({
  pings,
  pongs: 0,
  pingAt,
  open: Array.from({ length: pings }, (_, index) => ({ pong: index + 1, at: now })),
  answered: now,
  heardAt: now,
  silentFrom: now,
  taken: 0,
  brokenAt: now,
  doubtedFrom: Number.POSITIVE_INFINITY,
  excused: Number.POSITIVE_INFINITY,
  slept: 0,
  doubtedAt: Number.NEGATIVE_INFINITY,
  refusedAt: Number.NEGATIVE_INFINITY
})

/**
 * So many more PINGs are sent.
 *
 * @since 0.1.0
 * @category combinators
 */
export const more = (link: Pings, count: number, now: number): Pings => ({
  ...link,
  pings: link.pings + count,
  silentFrom: link.pongs === link.pings ? now : link.silentFrom
})

/**
 * One more PING is sent.
 *
 * @since 0.1.0
 * @category combinators
 */
export const ask = (link: Pings, now: number): Pings => {
  const asked = more(link, 1, now)
  return link.open.length < maxOpen ? { ...asked, open: [...link.open, { pong: asked.pings, at: now }] } : asked
}

/**
 * Something was heard. `timeout` is that of the server.
 *
 * @since 0.1.0
 * @category combinators
 */
export const heard = (link: Pings, now: number, timeout: number): Pings => {
  if (now === link.heardAt) return link
  return { ...link, heardAt: now, silentFrom: now, brokenAt: now - link.heardAt > timeout / 2 ? now : link.brokenAt }
}

/**
 * A PING is due. Where we `stood` still, or where PINGs may still wait behind what is being taken, a silence says
 * nothing.
 *
 * @since 0.1.0
 * @category combinators
 */
export const watch = (
  link: Pings,
  now: number,
  { idle, stood, taken }: { readonly idle: boolean; readonly stood: boolean; readonly taken: number }
): Pings => ({ ...link, taken, silentFrom: stood || (!idle && taken !== link.taken) ? now : link.silentFrom })

/**
 * How long we have heard nothing that we waited for.
 *
 * @since 0.1.0
 * @category getters
 */
export const silence = (link: Pings, now: number): number => (link.pongs < link.pings ? now - link.silentFrom : 0)

/**
 * The clock that times this link stood still for a while, as that of a machine does that is suspended. What is heard
 * before the next PING is answered may be older.
 *
 * @since 0.1.0
 * @category combinators
 */
export const slept = (link: Pings): Pings => ({ ...link, slept: link.pings + 1 })

/**
 * The dump has ended: the PINGs sent meanwhile were answered behind it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const excuse = (link: Pings): Pings => ({ ...link, excused: link.pings })

/**
 * A tuple from the server: had it forgotten us when it answered the last PING, it would not have sent it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const trust = (link: Pings): Pings =>
  link.doubtedFrom === Number.POSITIVE_INFINITY ? link : { ...link, doubtedFrom: Number.POSITIVE_INFINITY }

/**
 * A PONG: was its PING heard in time after the one before it, as far as we can know? After a silence we act on it with
 * the next PONG. Where there was none, either our PINGs were held up while the server still talked, or the PONG waited
 * behind what it said: then we see for one timeout more whether it goes on. A PONG that nobody asked for says nothing:
 * it must not vouch for a PING that is still to come.
 *
 * @since 0.1.0
 * @category combinators
 */
export const answer = (link: Pings, now: number, timeout: number): Pings => {
  if (link.pongs === link.pings) return link
  const pongs = link.pongs + 1
  const [first, ...rest] = link.open
  const late = now - link.answered > timeout
  const silent = link.brokenAt > link.answered
  const doubtedFrom =
    pongs === link.slept || (late && silent)
      ? now
      : late && pongs > link.excused
        ? now + timeout
        : Number.POSITIVE_INFINITY
  return {
    ...link,
    pongs,
    open: first?.pong === pongs ? rest : link.open,
    answered: first?.pong === pongs ? Math.max(first.at, link.answered) : link.answered,
    doubtedFrom: Math.min(link.doubtedFrom, doubtedFrom)
  }
}
