/**
 * What two nodes of ours tell each other of keys: many at a time, behind a PING of the client or a PONG of the server.
 *
 *     entries = *entry
 *     entry   = flags key-length key [version] [lifetime] [value-length value] [past]
 *
 *     flags        = OCTET     ; the sum of 1: deleted, without a value; 2: with a lifetime; 4: without a version, which
 *                              ; is for the receiver to give; 8: with a past
 *     key-length   = OCTET
 *     version      = 16OCTET   ; see Version
 *     lifetime     = 6OCTET 6OCTET ; milliseconds, and how many of them are left, see Lifetime
 *     value-length = 4OCTET
 *     past         = OCTET *4OCTET ; so many of the values that the key had, see Past
 *
 * Numbers are big-endian.
 *
 *     keys    = *(key-length key)
 *
 * @since 0.1.0
 */
import * as Octets from "./Octets.ts"
import * as Past from "./Past.ts"
import type { Change } from "./TupleMap.ts"
import { Tuple } from "./Tuple.ts"
import * as Version from "./Version.ts"

/**
 * Octets of a value that still goes into a batch: what is longer goes by PUBLISH.
 *
 * @since 0.1.0
 * @category limits
 */
export const mostOctets = 4096

/**
 * Octets of a batch, which a last entry may go beyond.
 *
 * @since 0.1.0
 * @category limits
 */
export const enough: number = 2 ** 14

/**
 * Entries of a batch that is read: each costs the more the shorter it is.
 *
 * @since 0.1.0
 * @category limits
 */
export const mostEntries = 1024

const flag = { deleted: 1, lifetime: 2, unversioned: 4, past: 8 } as const
const knownFlags = 15
const lifetimeLength = 12
const valueLength = 4
const digestLength = 4

/**
 * Octets of an entry.
 *
 * @since 0.1.0
 * @category encoding
 */
export const lengthOf = ({ deleted = false, lifetime = 0, past = Past.none, tuple, version }: Change): number =>
  2 +
  tuple.keyOctets.length +
  (version === undefined ? 0 : Version.length) +
  (lifetime === 0 ? 0 : lifetimeLength) +
  (deleted ? 0 : valueLength + tuple.valueOctets.length) +
  (past.length === 0 ? 0 : 1 + digestLength * past.length)

/**
 * @since 0.1.0
 * @category encoding
 */
export const encode = (changes: ReadonlyArray<Change>): Octets.Octets => {
  const octets = Buffer.allocUnsafe(changes.reduce((sum, change) => sum + lengthOf(change), 0))
  let at = 0
  for (const change of changes) {
    const { deleted = false, lifetime = 0, past = Past.none, remaining = lifetime, tuple, version } = change
    const { keyOctets, valueOctets } = tuple
    octets[at] =
      (deleted ? flag.deleted : 0) |
      (lifetime === 0 ? 0 : flag.lifetime) |
      (version === undefined ? flag.unversioned : 0) |
      (past.length === 0 ? 0 : flag.past)
    octets[at + 1] = keyOctets.length
    octets.write(keyOctets, at + 2, "latin1")
    at += 2 + keyOctets.length
    if (version !== undefined) {
      Version.put(octets, at, version)
      at += Version.length
    }
    if (lifetime !== 0) {
      octets.writeUIntBE(lifetime, at, 6)
      octets.writeUIntBE(deleted ? 0 : Math.max(0, Math.floor(remaining)), at + 6, 6)
      at += lifetimeLength
    }
    if (!deleted) {
      octets.writeUInt32BE(valueOctets.length, at)
      octets.write(valueOctets, at + valueLength, "latin1")
      at += valueLength + valueOctets.length
    }
    if (past.length === 0) continue
    octets[at++] = past.length
    for (const digest of past) {
      octets.writeUInt32BE(digest, at)
      at += digestLength
    }
  }
  return Octets.slice(octets, 0, at)
}

/**
 * Nothing where it is none: then nothing of it counts.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (body: Octets.Octets): ReadonlyArray<Change> | undefined => {
  // Keys and values must not hold the whole batch in memory, as slices of a string would.
  const octets = Buffer.from(body, "latin1")
  const end = octets.length
  const changes: Array<Change> = []
  for (let at = 0; at < end;) {
    const flags = octets[at] ?? 0
    if ((flags & ~knownFlags) !== 0) return undefined
    const keyAt = at + 2
    const keyEnd = keyAt + (octets[at + 1] ?? 0)
    const versionEnd = keyEnd + ((flags & flag.unversioned) === 0 ? Version.length : 0)
    const lifetimeEnd = versionEnd + ((flags & flag.lifetime) === 0 ? 0 : lifetimeLength)
    const deleted = (flags & flag.deleted) !== 0
    const valueAt = lifetimeEnd + (deleted ? 0 : valueLength)
    if (valueAt > end) return undefined
    const valueEnd = valueAt + (deleted ? 0 : octets.readUInt32BE(lifetimeEnd))
    if (valueEnd > end) return undefined
    const pastAt = valueEnd + ((flags & flag.past) === 0 ? 0 : 1)
    at = pastAt + (pastAt === valueEnd ? 0 : digestLength * (octets[valueEnd] ?? 0))
    if (at > end || changes.length === mostEntries) return undefined
    changes.push({
      tuple: new Tuple(Octets.slice(octets, keyAt, keyEnd), Octets.slice(octets, valueAt, valueEnd)),
      version: versionEnd === keyEnd ? undefined : Version.at(octets, keyEnd),
      lifetime: lifetimeEnd === versionEnd ? 0 : octets.readUIntBE(versionEnd, 6),
      ...(lifetimeEnd !== versionEnd && { remaining: octets.readUIntBE(versionEnd + 6, 6) }),
      deleted,
      past: at === pastAt ? Past.none : digestsOf(octets, pastAt, at)
    })
  }
  return changes
}

const digestsOf = (octets: Buffer, start: number, end: number): Past.Past =>
  Array.from({ length: (end - start) / digestLength }, (_, n) => octets.readUInt32BE(start + n * digestLength))

/**
 * As many keys from `start` on as have `most` octets at most.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodeKeys = (
  keys: ReadonlyArray<Octets.Octets>,
  start: number,
  most: number
): { readonly body: Octets.Octets; readonly next: number } => {
  const parts: Array<Octets.Octets> = []
  let [octets, next] = [0, start]
  for (let key = keys[next]; key !== undefined; key = keys[++next]) {
    octets += 1 + key.length
    if (octets > most) break
    parts.push(String.fromCharCode(key.length), key)
  }
  return { body: parts.join(""), next }
}

/**
 * @since 0.1.0
 * @category decoding
 */
export const decodeKeys = (body: Octets.Octets): ReadonlyArray<Octets.Octets> | undefined => {
  const keys: Array<Octets.Octets> = []
  for (let at = 0; at < body.length;) {
    const end = at + 1 + body.charCodeAt(at)
    if (end > body.length) return undefined
    keys.push(body.slice(at + 1, end))
    at = end
  }
  return keys
}
