/**
 * How long a value is to live, behind the PUBLISH that says it:
 *
 *     lifetime  = 6OCTET remaining  ; milliseconds from the moment on when the value was set; 0: without end
 *     remaining = 6OCTET            ; how many of them are left, as the sender has it
 *
 * Clocks may differ, so each node lets a value end when as much time has passed as was left when it heard of it.
 *
 * A PUBLISH with a version and without a lifetime is one that does not end. One with a lifetime and without a version is
 * meant now, by somebody who is no node and gives no versions: it gets its version where it enters, be it the value that
 * is held, or one that was deleted before.
 *
 * @since 0.1.0
 */
import * as Octets from "./Octets.ts"
import * as Trailer from "./Trailer.ts"

const length = 6

/**
 * In milliseconds, up to {@link most}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lifetime {
  readonly lifetime: number
  readonly remaining: number
}

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
export const sectionLength: number = Trailer.lengthOf(2 * length) - Trailer.lengthOf()

/**
 * @since 0.1.0
 * @category encoding
 */
export const section = ({ lifetime, remaining }: Lifetime): Trailer.Section => {
  const octets = Buffer.allocUnsafe(2 * length)
  octets.writeUIntBE(lifetime, 0, length)
  octets.writeUIntBE(Math.max(0, Math.floor(remaining)), length, length)
  return { tag: Trailer.tags.lifetime, body: Octets.slice(octets, 0, 2 * length) }
}

/**
 * Nothing where there is none, or what is there has another length.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (trailer: Trailer.Trailer | Trailer.Broken | undefined): Lifetime | undefined => {
  const body = Trailer.find(trailer, Trailer.tags.lifetime)
  if (body?.length !== 2 * length) return undefined
  const octets = Buffer.from(body, "latin1")
  return { lifetime: octets.readUIntBE(0, length), remaining: octets.readUIntBE(length, length) }
}
