/**
 * All that a node holds, in a few octets: behind HELLO, and behind PING and PONG of those who compare what they hold.
 * See Summary for the fingerprint, and Reconcile for what is done where two differ.
 *
 *     digest = count 16OCTET ; how many entries, tombstones among them, and their fingerprint
 *     count  = 4OCTET        ; big-endian
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
export type Digest = Fingerprint

/**
 * @since 0.1.0
 * @category encoding
 */
export const section = ({ count, fingerprint }: Digest): Trailer.Section => {
  const octets = Buffer.allocUnsafe(4)
  octets.writeUInt32BE(count)
  return { tag: Trailer.tags.digest, body: Octets.slice(octets, 0, 4) + fingerprint }
}

/**
 * The digest among the sections of a trailer; nothing where there is none.
 *
 * @since 0.1.0
 * @category decoding
 */
export const find = (trailer: Trailer.Trailer | Trailer.Broken | undefined): Digest | undefined => {
  const body = Trailer.find(trailer, Trailer.tags.digest)
  if (body?.length !== 4 + fingerprintLength) return undefined
  const count = Buffer.from(Octets.toBytes(body.slice(0, 4))).readUInt32BE()
  return count > Ranges.maxCount ? undefined : { count, fingerprint: body.slice(4) }
}

/**
 * It says what a message says that begins a round of Reconcile.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toRanges = (digest: Digest): Ranges.Ranges => ({
  _tag: "Ranges",
  depth: 1,
  kept: 0,
  parts: [{ _tag: "Fingerprint", to: undefined, ...digest }]
})
