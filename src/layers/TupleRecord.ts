/**
 * What is held of a key, as a record on the disk, and the greatest version that was seen.
 *
 *     record   = format length head value
 *     format   = %x01
 *     length   = 2OCTET                      ; of the head
 *     head     = version lifetime flags past ends
 *     version  = time counter origin         ; as in Version
 *     lifetime = 6OCTET                      ; milliseconds, 0: it does not end
 *     flags    = OCTET                       ; 01: a tombstone
 *     past     = OCTET *4OCTET               ; how many numbers, and the numbers
 *     ends     = 6OCTET                      ; when it ends, milliseconds since 1970 on the clock of this node; 0: never
 *     value    = *OCTET
 *
 *     meta     = format [version *origin [heard]]
 *                                            ; the greatest seen, and the origins of this node, the last one first
 *     heard    = 6OCTET                      ; when a node of ours was heard last, milliseconds since 1970
 *
 * Numbers are big-endian. What a head has behind that, and the meta, is of a later version and is passed by; what cannot
 * be passed by has another format.
 *
 * @since 0.1.0
 */
import type { Octets } from "../protocol/Octets.ts"
import type { Past } from "../protocol/Past.ts"
import { originLength, type Version } from "../protocol/Version.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Held {
  readonly value: Octets
  readonly version: Version
  readonly lifetime: number
  readonly deleted: boolean
  readonly past: Past
  /** Milliseconds since 1970, as this machine has it; infinity where it does not end, or is a tombstone. */
  readonly ends: number
}

const format = "\u0001"
const timeLength = 6
const versionLength = timeLength + 2 + originLength
const leastHead = versionLength + timeLength + 2
const beforeHead = 3

const tombstone = 1

/**
 * @since 0.1.0
 * @category encoding
 */
export const encode = ({ deleted, ends, lifetime, past, value, version }: Held): Octets => {
  let numbers = number(timeLength, lifetime) + number(1, deleted ? tombstone : 0) + number(1, past.length)
  for (const one of past) numbers += number(4, one)
  numbers += number(timeLength, Number.isFinite(ends) ? Math.max(1, Math.ceil(ends)) : 0)
  const head = encodeVersion(version) + numbers
  return format + number(2, head.length) + head + value
}

/**
 * Nothing where it is not a record, or one of a format that is not known.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (record: Octets): Held | undefined => {
  if (!isKnown(record)) return undefined
  const end = beforeHead + read(record, 1, 2)
  let at = beforeHead + versionLength
  const lifetime = read(record, at, timeLength)
  const flags = read(record, at + timeLength, 1)
  const count = read(record, at + timeLength + 1, 1)
  at = beforeHead + leastHead
  if (at + 4 * count > end) return undefined
  const first = at
  const past = Array.from({ length: count }, (_, n) => read(record, first + 4 * n, 4))
  at += 4 * count
  const ends = at + timeLength > end ? 0 : read(record, at, timeLength)
  return {
    ends: ends === 0 ? Number.POSITIVE_INFINITY : ends,
    value: copy(record.slice(end)),
    version: decodeVersion(record, beforeHead),
    lifetime,
    deleted: (flags & tombstone) !== 0,
    past
  }
}

/**
 * Whether it is a record of a format that is known.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isKnown = (record: Octets): boolean => {
  if (!record.startsWith(format) || record.length < beforeHead + leastHead) return false
  const head = read(record, 1, 2)
  return head >= leastHead && record.length >= beforeHead + head
}

/**
 * @since 0.1.0
 * @category encoding
 */
export const encodeMeta = ({ heardAt, last, origins }: Meta): Octets => {
  if (last === undefined) return format
  const heard = heardAt === undefined ? "" : number(timeLength, Math.max(0, Math.floor(heardAt)))
  return format + encodeVersion(last) + origins.slice(0, mostOrigins).join("") + heard
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Meta {
  readonly last: Version | undefined
  readonly origins: ReadonlyArray<Octets>
  /** When a node of ours was heard last, milliseconds since 1970. */
  readonly heardAt?: number | undefined
}

/** Of earlier lives: what was set in one before these is as anybody else's. */
const mostOrigins = 64

/**
 * @since 0.1.0
 * @category decoding
 */
export const decodeMeta = (meta: Octets): Meta => {
  if (!meta.startsWith(format) || meta.length <= versionLength) return { last: undefined, origins: [] }
  const origins = Array.from({ length: Math.floor((meta.length - 1 - versionLength) / originLength) }, (_, n) => {
    const at = 1 + versionLength + n * originLength
    return copy(meta.slice(at, at + originLength))
  })
  const end = 1 + versionLength + origins.length * originLength
  const heardAt = meta.length - end === timeLength ? read(meta, end, timeLength) : undefined
  return { last: decodeVersion(meta, 1), origins, heardAt }
}

const encodeVersion = ({ counter, origin, time }: Version): Octets =>
  number(timeLength, time) + number(2, counter) + origin

const decodeVersion = (octets: Octets, at: number): Version => ({
  time: read(octets, at, timeLength),
  counter: read(octets, at + timeLength, 2),
  origin: octets.slice(at + timeLength + 2, at + versionLength)
})

const number = (count: number, value: number): Octets => {
  let octets = ""
  for (let n = 0, left = value; n < count; n++, left = Math.floor(left / 256)) {
    octets = String.fromCharCode(left % 256) + octets
  }
  return octets
}

const read = (octets: Octets, start: number, count: number): number => {
  let value = 0
  for (let at = start; at < start + count; at++) value = value * 256 + octets.charCodeAt(at)
  return value
}

/** A part of a string holds the whole of it. */
const copy = (part: Octets): Octets => Buffer.from(part, "latin1").toString("latin1")
