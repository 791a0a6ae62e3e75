/**
 * The PINGs of one connection to a server, and what is known of its silences.
 *
 * @since 0.1.0
 */

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
  /** When the last silence ended: more than half the timeout without a word of the server. */
  readonly brokenAt: number
  /** The server may have forgotten us. */
  readonly doubted: boolean
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
  brokenAt: now,
  doubted: false,
  doubtedAt: Number.NEGATIVE_INFINITY,
  refusedAt: Number.NEGATIVE_INFINITY
})

/**
 * One more PING is sent.
 *
 * @since 0.1.0
 * @category combinators
 */
export const ask = (link: Pings, now: number): Pings => {
  const pings = link.pings + 1
  return { ...link, pings, open: link.open.length < maxOpen ? [...link.open, { pong: pings, at: now }] : link.open }
}

/**
 * Something was heard. `timeout` is that of the server.
 *
 * @since 0.1.0
 * @category combinators
 */
export const heard = (link: Pings, now: number, timeout: number): Pings => {
  if (now === link.heardAt) return link
  return { ...link, heardAt: now, brokenAt: now - link.heardAt > timeout / 2 ? now : link.brokenAt }
}

/**
 * A PONG: was its PING heard in time after the one before it, as far as we can know? One that nobody asked for says
 * nothing: it must not vouch for a PING that is still to come.
 *
 * @since 0.1.0
 * @category combinators
 */
export const answer = (link: Pings, now: number, timeout: number): Pings => {
  if (link.pongs === link.pings) return link
  const pongs = link.pongs + 1
  const [first, ...rest] = link.open
  const late = now - link.answered > timeout && link.brokenAt > link.answered
  return {
    ...link,
    pongs,
    open: first?.pong === pongs ? rest : link.open,
    answered: first?.pong === pongs ? Math.max(first.at, link.answered) : link.answered,
    doubted: link.doubted || late
  }
}
