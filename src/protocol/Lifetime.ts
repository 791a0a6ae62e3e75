/**
 * How long a value is to live, behind the PUBLISH that says it:
 *
 *     lifetime = 6OCTET    ; milliseconds from the time of the version on; 0: without end
 *
 * A PUBLISH with a version and without a lifetime is one that does not end. One with a lifetime and without a version is
 * meant now, by somebody who is no node and gives no versions: it gets its version where it enters, be it the value that
 * is held, or one that was deleted before.
 *
 * @since 0.1.0
 */
import type { Octets } from "./Octets.ts"
import * as Trailer from "./Trailer.ts"

const length = 6

/**
 * The longest, in milliseconds.
 *
 * @since 0.1.0
 * @category limits
 */
export const most: number = 2 ** (8 * length) - 1

/**
 * Octets of a section.
 *
 * @since 0.1.0
 * @category limits
 */
export const sectionLength: number = Trailer.lengthOf(length) - Trailer.lengthOf()

/**
 * @since 0.1.0
 * @category encoding
 */
export const section = (lifetime: number): Trailer.Section => ({
  tag: Trailer.tags.lifetime,
  body: Array.from({ length }, (_, at) =>
    String.fromCharCode(Math.floor(lifetime / 256 ** (length - 1 - at)) % 256)
  ).join("")
})

/**
 * Nothing where there is none, or what is there has another length.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (trailer: Trailer.Trailer | Trailer.Broken | undefined): number | undefined => {
  const body: Octets | undefined = Trailer.find(trailer, Trailer.tags.lifetime)
  if (body?.length !== length) return undefined
  let lifetime = 0
  for (let at = 0; at < length; at++) lifetime = lifetime * 256 + body.charCodeAt(at)
  return lifetime
}
