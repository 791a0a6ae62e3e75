/**
 * Tuples of a client that were not taken, by the reason why. Version 1 has no word for that but INVALID, which ends the
 * session and lets CZMQ ask for everything again; so nothing is said, unless a PING asks.
 *
 * @since 0.1.0
 */
import * as Octets from "./Octets.ts"
import * as Trailer from "./Trailer.ts"

/**
 * - `rule`: the endpoint does not let its clients set the key
 * - `value`, `frame`, `tuples`, `octets`: the settings `limits/value-octets`, `limits/frame-octets`, `limits/tuples`,
 *   `limits/octets`
 *
 * @since 0.1.0
 * @category models
 */
export type Reason = "rule" | "value" | "frame" | "tuples" | "octets"

/**
 * How many since the client connected.
 *
 * @since 0.1.0
 * @category models
 */
export type Refusals = { readonly [reason in Reason]?: number }

const reasons: ReadonlyArray<Reason> = ["rule", "value", "frame", "tuples", "octets"]

/**
 * Behind a PING: the question.
 *
 * @since 0.1.0
 * @category constructors
 */
export const request: Trailer.Trailer = Trailer.make({ tag: Trailer.tags.refusalsRequest, body: "" })

/**
 * Behind the PONG: the answer.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (refusals: Refusals): Trailer.Trailer =>
  Trailer.make({ tag: Trailer.tags.refusals, body: Octets.from(JSON.stringify(refusals)) })

/**
 * The answer behind a PONG; nothing where there is none, as CZMQ gives none. Total: what is no number does not count.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (trailer: Trailer.Trailer | Trailer.Broken | undefined): Refusals | undefined => {
  const body = Trailer.find(trailer, Trailer.tags.refusals)
  if (body === undefined) return undefined
  try {
    const found: unknown = JSON.parse(Octets.toText(body))
    if (typeof found !== "object" || found === null) return undefined
    return Object.fromEntries(
      reasons.flatMap((reason) => {
        const count: unknown = Reflect.get(found, reason)
        return Number.isSafeInteger(count) && Number(count) > 0 ? [[reason, Number(count)]] : []
      })
    )
  } catch {
    return undefined
  }
}

/**
 * How many in all.
 *
 * @since 0.1.0
 * @category getters
 */
export const total = (refusals: Refusals): number => reasons.reduce((sum, reason) => sum + (refusals[reason] ?? 0), 0)
