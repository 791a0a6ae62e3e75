/**
 * All that a node holds, in a few octets: behind HELLO, and behind PING and PONG of those who compare what they hold.
 * See Summary for the fingerprint, and Reconcile for what is done where two differ.
 *
 *     digest = count 16OCTET since ; how many entries, tombstones among them, and their fingerprint
 *     count  = 4OCTET
 *     since  = 6OCTET              ; milliseconds since 1970: since when the node has been there, see Absence
 *
 * Numbers are big-endian.
 *
 * @since 0.1.0
 */
import * as Octets from "./Octets.ts"
import * as Ranges from "./Ranges.ts"
import type { Fingerprint } from "./Summary.ts"
import { fingerprintLength } from "./Summary.ts"
import * as Trailer from "./Trailer.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Digest extends Fingerprint {
  readonly since: number
}

/**
 * @since 0.1.0
 * @category encoding
 */
export const section = ({ count, fingerprint, since }: Digest): Trailer.Section => {
  const octets = Buffer.allocUnsafe(countLength + sinceLength)
  octets.writeUInt32BE(count)
  octets.writeUIntBE(Math.max(0, Math.floor(since)), countLength, sinceLength)
  const body = Octets.slice(octets, 0, countLength) + fingerprint + Octets.slice(octets, countLength, octets.length)
  return { tag: Trailer.tags.digest, body }
}

const countLength = 4
const sinceLength = 6
const behind = countLength + fingerprintLength

/**
 * The digest among the sections of a trailer; nothing where there is none.
 *
 * @since 0.1.0
 * @category decoding
 */
export const find = (trailer: Trailer.Trailer | Trailer.Broken | undefined): Digest | undefined => {
  const body = Trailer.find(trailer, Trailer.tags.digest)
  if (body?.length !== behind + sinceLength) return undefined
  const octets = Buffer.from(body, "latin1")
  const count = octets.readUInt32BE()
  if (count > Ranges.maxCount) return undefined
  return { count, fingerprint: body.slice(countLength, behind), since: octets.readUIntBE(behind, sinceLength) }
}

/**
 * It says what a message says that begins a round of Reconcile.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toRanges = ({ count, fingerprint }: Digest): Ranges.Ranges => ({
  _tag: "Ranges",
  depth: 1,
  kept: 0,
  parts: [{ _tag: "Fingerprint", to: undefined, count, fingerprint }]
})
