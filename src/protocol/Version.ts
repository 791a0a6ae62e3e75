/**
 * When a value of a key was set, and by whom: what two nodes need to choose the same one of two values, whichever they
 * heard first. A hybrid logical clock: the time of day, which people understand, and a counter for what follows within
 * the same millisecond, or follows a value from a clock that is ahead. The origin settles what is left.
 *
 *     version = time counter origin / hearsay
 *
 *     time    = 6OCTET   ; milliseconds since 1970, UTC, at least 1
 *     counter = 2OCTET
 *     origin  = 8OCTET   ; of the node that set the value, drawn anew each time it starts
 *     hearsay = 6%x00 heard digest
 *     heard   = 6OCTET   ; as time: when a node of ours heard the value first
 *     digest  = 4OCTET   ; of the value, as `Past` has it
 *
 * Hearsay is what a node of version 1 says of a key of which nothing is known: it may be very old, so its version is
 * less than all others. Numbers are big-endian, so the octets of two versions are in the order of the versions.
 *
 * Source: Kulkarni et al., Logical Physical Clocks (2014).
 *
 * @since 0.1.0
 */
import * as Octets from "./Octets.ts"
import * as Trailer from "./Trailer.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Version {
  /** Milliseconds since 1970, UTC. */
  readonly time: number
  /** 0 to 65535. */
  readonly counter: number
  /** {@link originLength} octets. */
  readonly origin: Octets.Octets
}

/**
 * @since 0.1.0
 * @category limits
 */
export const originLength = 8

const timeLength = 6

/**
 * Octets of a version.
 *
 * @since 0.1.0
 * @category limits
 */
export const length: number = timeLength + 2 + originLength
const mostTime = 2 ** 48 - 1
const mostCount = 2 ** 16 - 1

/**
 * An origin for whoever needs none of its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const nobody: Octets.Octets = "\0".repeat(originLength)

/**
 * Less than 0 where `a` is older. A total order: 0 only for the same version.
 *
 * @since 0.1.0
 * @category ordering
 */
export const compare = (a: Version, b: Version): number =>
  a.time - b.time || a.counter - b.counter || (a.origin < b.origin ? -1 : a.origin > b.origin ? 1 : 0)

/**
 * The version for a value that is set now: greater than `last`, which is the greatest seen, whatever the time of day.
 *
 * @since 0.1.0
 * @category constructors
 */
export const next = (last: Version | undefined, now: number, origin: Octets.Octets): Version => {
  const time = Math.min(mostTime, Math.max(1, Math.floor(now)))
  if (last === undefined || time > last.time) return { time, counter: 0, origin }
  return last.counter < mostCount
    ? { time: last.time, counter: last.counter + 1, origin }
    : { time: Math.min(mostTime, last.time + 1), counter: 0, origin }
}

/**
 * The version of a value that was heard of now, and of which nobody knows when it was set. `digest` tells two values of
 * one millisecond apart.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hearsay = (now: number, digest: number): Version => {
  const { time } = next(undefined, now, nobody)
  const octets = new Uint8Array(originLength)
  putNumber(octets, 0, 4, time % 2 ** 32)
  putNumber(octets, 4, 4, digest)
  return { time: 0, counter: Math.floor(time / 2 ** 32), origin: Octets.slice(octets, 0, originLength) }
}

/**
 * @since 0.1.0
 * @category getters
 */
export const isHearsay = ({ time }: Version): boolean => time === 0

/**
 * When the value was set, in milliseconds since 1970; of hearsay, when it was heard first.
 *
 * @since 0.1.0
 * @category getters
 */
export const setAt = ({ counter, origin, time }: Version): number => {
  let heard = counter
  if (time === 0) for (let at = 0; at < 4; at++) heard = heard * 256 + origin.charCodeAt(at)
  return time || heard
}

/** Most that follow each other are of few origins. */
let shown = { origin: nobody, text: "0".repeat(2 * originLength) }

/**
 * The origin as hexadecimal text.
 *
 * @since 0.1.0
 * @category conversions
 */
export const originText = ({ origin }: Version): string => {
  if (shown.origin !== origin) shown = { origin, text: Buffer.from(origin, "latin1").toString("hex") }
  return shown.text
}

/**
 * Octets of the trailer with a version.
 *
 * @since 0.1.0
 * @category limits
 */
export const trailerLength: number = Trailer.lengthOf(length)

/** A trailer with a version begins so, if there is nothing else in it. */
const head: Uint8Array = Trailer.encode(
  Trailer.make({ tag: Trailer.tags.version, body: "\0".repeat(length) })
).subarray(0, -length - 4)

/**
 * Writes the trailer with this version: as `Trailer.encode` does, in place. Each tuple has one.
 *
 * @since 0.1.0
 * @category encoding
 */
export const write = (frame: Uint8Array, start: number, version: Version): void => {
  frame.set(head, start)
  const at = start + head.length
  put(frame, at, version)
  putNumber(frame, at + length, 4, Trailer.crc32c(frame, start, at + length))
}

/**
 * Writes the octets of a version.
 *
 * @since 0.1.0
 * @category encoding
 */
export const put = (frame: Uint8Array, at: number, { counter, origin, time }: Version): void => {
  putNumber(frame, at, timeLength, time)
  putNumber(frame, at + timeLength, 2, counter)
  for (let n = 0; n < originLength; n++) frame[at + timeLength + 2 + n] = origin.charCodeAt(n)
}

/**
 * The octets of a version: of two, those of the newer one are greater.
 *
 * @since 0.1.0
 * @category encoding
 */
export const stamp = ({ counter, origin, time }: Version): Octets.Octets => {
  const high = Math.floor(time / 2 ** 24)
  return (
    String.fromCharCode(
      high >>> 16,
      (high >>> 8) & 0xff,
      high & 0xff,
      (time >>> 16) & 0xff,
      (time >>> 8) & 0xff,
      time & 0xff,
      counter >>> 8,
      counter & 0xff
    ) + origin
  )
}

/**
 * The section of a trailer that has others as well.
 *
 * @since 0.1.0
 * @category encoding
 */
export const section = (version: Version): Trailer.Section => ({ tag: Trailer.tags.version, body: stamp(version) })

const putNumber = (frame: Uint8Array, start: number, count: number, value: number): void => {
  for (let at = start + count - 1, left = value; at >= start; at--, left = Math.floor(left / 256))
    frame[at] = left % 256
}

/** Most tuples that follow each other are of few origins: their text is made once. */
let last: { readonly octets: Uint8Array; readonly origin: Octets.Octets } = {
  octets: new Uint8Array(originLength),
  origin: nobody
}

const originAt = (frame: Uint8Array, start: number): Octets.Octets => {
  for (let at = 0; at < originLength; at++) {
    if (frame[start + at] === last.octets[at]) continue
    last = {
      octets: Uint8Array.from(frame.subarray(start, start + originLength)), // slice of a Buffer is no copy
      origin: Octets.slice(frame, start, start + originLength)
    }
    break
  }
  return last.origin
}

/**
 * The version where the frame ends in a trailer that begins at `start` and has a version and nothing else: as
 * `Trailer.decode` and {@link decode} find it, several times as fast.
 *
 * @since 0.1.0
 * @category decoding
 */
export const read = (frame: Uint8Array, start: number): Version | undefined => {
  if (frame.length !== start + trailerLength) return undefined
  for (let n = 0; n < head.length; n++) if (frame[start + n] !== head[n]) return undefined
  const begin = start + head.length
  const end = begin + length
  return number(frame, end, 4) === Trailer.crc32c(frame, start, end) ? at(frame, begin) : undefined
}

/**
 * Reads the octets of a version.
 *
 * @since 0.1.0
 * @category decoding
 */
export const at = (frame: Uint8Array, start: number): Version => {
  const time = number(frame, start, timeLength)
  const begin = start + timeLength + 2
  return {
    time,
    counter: number(frame, start + timeLength, 2),
    // That of hearsay is of no other.
    origin: time === 0 ? Octets.slice(frame, begin, begin + originLength) : originAt(frame, begin)
  }
}

const number = (frame: Uint8Array, start: number, count: number): number => {
  let value = 0
  for (let at = start; at < start + count; at++) value = value * 256 + (frame[at] ?? 0)
  return value
}

/**
 * The version among other sections of a trailer; nothing where there is none, or what is there has another length.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (trailer: Trailer.Trailer | Trailer.Broken | undefined): Version | undefined => {
  const body = Trailer.find(trailer, Trailer.tags.version)
  if (body?.length !== length) return undefined
  return at(Octets.toBytes(body), 0)
}
