/**
 * The five messages of ZGP v1 and their octets. One message is one frame:
 *
 *     AA A0  id(1)  version(1) = 01  fields
 *
 *     01 HELLO    no fields
 *     02 PUBLISH  key-length(1) key  value-length(4) value  ttl(4, milliseconds)
 *     03 PING     no fields
 *     04 PONG     no fields
 *     05 INVALID  no fields
 *
 * Numbers are big-endian. Behind the last field may stand a trailer, see `Trailer`. Any other octets there are accepted
 * and ignored, as CZMQ does with all of them.
 *
 * Source: CZMQ's zgossip_msg.bnf; golden frames in test/protocol/Message.test.ts.
 *
 * @since 0.1.0
 */
import * as Lifetime from "./Lifetime.ts"
import * as Octets from "./Octets.ts"
import * as Trailer from "./Trailer.ts"
import * as Tuple from "./Tuple.ts"
import * as Version from "./Version.ts"

/**
 * @since 0.1.0
 * @category models
 */
export type Message = Trailable | { readonly _tag: "Invalid" }

/**
 * A message that may have a trailer. A broken one is for those who count it; it is not sent.
 *
 * @since 0.1.0
 * @category models
 */
export type Trailable = (
  | { readonly _tag: "Hello" }
  | ({ readonly _tag: "Publish" } & Said)
  | { readonly _tag: "Ping" }
  | { readonly _tag: "Pong" }
) & { readonly trailer?: Trailer.Trailer | Trailer.Broken }

/**
 * What a PUBLISH says. `lifetime`, of which so much is `remaining`, is in milliseconds, 0 where it does not end. `ttl`
 * is what one of version 1 says of that, if anything; we say nothing, as CZMQ would say it with other tuples, too. A
 * `trailer` that was read has the version and the lifetime as well, and is written instead of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Said {
  readonly tuple: Tuple.Tuple
  readonly version?: Version.Version
  readonly lifetime?: number
  readonly remaining?: number
  readonly ttl?: number
}

/**
 * With a ttl it is what one with a lifetime is.
 *
 * @since 0.1.0
 * @category combinators
 */
export const heedingTtl = <A extends Pick<Said, "ttl">>(said: A): A & Pick<Said, "lifetime"> =>
  said.ttl === undefined ? said : { ...said, lifetime: said.ttl }

/**
 * @since 0.1.0
 * @category models
 */
export type Publish = Extract<Message, { readonly _tag: "Publish" }>

/**
 * Octets that are no message, and why:
 *
 * - `Frames`: not exactly one frame
 * - `Short`: ends before its header or its fields do
 * - `Signature`, `Version`, `Id`: not AA A0, not 1, none of the five
 * - `Length`: a value longer than {@link Tuple.maxValueLength}
 *
 * @since 0.1.0
 * @category models
 */
export interface Malformed {
  readonly _tag: "Malformed"
  readonly reason: "Frames" | "Short" | "Signature" | "Version" | "Id" | "Length"
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const hello: Trailable = { _tag: "Hello" }

/**
 * @since 0.1.0
 * @category constructors
 */
export const publish = (tuple: Tuple.Tuple, version?: Version.Version, ends?: Lifetime.Lifetime): Publish => {
  const message: Publish = version === undefined ? { _tag: "Publish", tuple } : { _tag: "Publish", tuple, version }
  return ends === undefined ? message : { ...message, ...ends }
}

/**
 * @since 0.1.0
 * @category getters
 */
export const saidOf = ({ lifetime, remaining, ttl, tuple, version }: Publish): Said => ({
  tuple,
  ...(version !== undefined && { version }),
  ...(lifetime !== undefined && { lifetime }),
  ...(remaining !== undefined && { remaining }),
  ...(ttl !== undefined && { ttl })
})

/**
 * HELLO of a node of ours.
 *
 * @since 0.1.0
 * @category constructors
 */
export const greeting: Trailable = {
  _tag: "Hello",
  trailer: Trailer.make({ tag: Trailer.tags.node, body: "" })
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const ping: Trailable = { _tag: "Ping" }

/**
 * @since 0.1.0
 * @category constructors
 */
export const pong: Trailable = { _tag: "Pong" }

/**
 * @since 0.1.0
 * @category constructors
 */
export const invalid: Message = { _tag: "Invalid" }

/** What is malformed needs no memory of its own: a stranger may send a lot of it. */
const malformed = {
  frames: { _tag: "Malformed", reason: "Frames" },
  short: { _tag: "Malformed", reason: "Short" },
  signature: { _tag: "Malformed", reason: "Signature" },
  version: { _tag: "Malformed", reason: "Version" },
  id: { _tag: "Malformed", reason: "Id" },
  length: { _tag: "Malformed", reason: "Length" }
} as const satisfies Record<string, Malformed>

/**
 * Octets of the longest frame that is read: a PUBLISH of the longest key and value, and the longest trailer.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxLength: number = 4 + 1 + Tuple.maxKeyLength + 4 + Tuple.maxValueLength + 4 + Trailer.maxLength

const headerLength = 4
const version = 1

/**
 * Octets of the frame of a PUBLISH of this tuple.
 *
 * @since 0.1.0
 * @category getters
 */
export const publishLength = ({ keyOctets, valueOctets }: Tuple.Tuple, lifetime = 0): number =>
  bareLength(keyOctets, valueOctets) + Version.trailerLength + (lifetime > 0 ? Lifetime.sectionLength : 0)

const bareLength = (key: Octets.Octets, value: Octets.Octets): number =>
  headerLength + 1 + key.length + 4 + value.length + 4

/**
 * Reads the frames of one message. Total: every input has an answer, and none makes it read beyond the frame or take
 * memory for octets that are not there.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (frames: ReadonlyArray<Uint8Array>): Message | Malformed => {
  const frame = frames[0]
  return frame === undefined || frames.length > 1 ? malformed.frames : decodeFrame(frame)
}

const decodeFrame = (frame: Uint8Array): Message | Malformed => {
  if (frame.length < headerLength) return malformed.short
  if (frame[0] !== 0xaa || frame[1] !== 0xa0) return malformed.signature
  if (frame[3] !== version) return malformed.version
  switch (frame[2]) {
    case 1:
      return decodeTrailer(frame, headerLength, hello)
    case 2:
      return decodePublish(frame)
    case 3:
      return decodeTrailer(frame, headerLength, ping)
    case 4:
      return decodeTrailer(frame, headerLength, pong)
    case 5:
      return invalid
    default:
      return malformed.id
  }
}

const decodePublish = (frame: Uint8Array): Message | Malformed => {
  const keyStart = headerLength + 1
  const keyEnd = keyStart + (frame[headerLength] ?? 0)
  const valueStart = keyEnd + 4
  if (valueStart > frame.length) return malformed.short
  const valueLength = uint32(frame, keyEnd)
  if (valueLength > Tuple.maxValueLength) return malformed.length
  const valueEnd = valueStart + valueLength
  if (valueEnd + 4 > frame.length) return malformed.short
  const tuple = new Tuple.Tuple(Octets.slice(frame, keyStart, keyEnd), Octets.slice(frame, valueStart, valueEnd))
  const read = Version.read(frame, valueEnd + 4)
  if (read !== undefined) return publish(tuple, read)
  const ttl = uint32(frame, valueEnd)
  const message = decodeTrailer(frame, valueEnd + 4, ttl === 0 ? publish(tuple) : { ...publish(tuple), ttl })
  if (message._tag !== "Publish" || message.trailer === undefined) return message
  const { trailer } = message
  const [version, ends] = [Version.decode(trailer), Lifetime.decode(trailer)]
  return version === undefined && ends === undefined ? message : { ...publish(tuple, version, ends), trailer }
}

/** The message itself where nothing stands behind it: most have nothing, and cost nothing. */
const decodeTrailer = (frame: Uint8Array, end: number, message: Trailable): Message => {
  const trailer = frame.length === end ? undefined : Trailer.decode(frame, end)
  return trailer === undefined ? message : { ...message, trailer }
}

const uint32 = (frame: Uint8Array, at: number): number =>
  (frame[at] ?? 0) * 0x1000000 + (((frame[at + 1] ?? 0) << 16) | ((frame[at + 2] ?? 0) << 8) | (frame[at + 3] ?? 0))

/**
 * What a PING or PONG carries; nothing where the frame is none or carries nothing. For those who look at frames on their
 * way: the rest of a message is not read.
 *
 * @since 0.1.0
 * @category getters
 */
export const cargoOf = (frame: Uint8Array): Trailer.Trailer | undefined => {
  if (frame.length === headerLength || (frame[idAt] !== ids.ping && frame[idAt] !== ids.pong)) return undefined
  const trailer = Trailer.decode(frame, headerLength)
  return trailer?._tag === "Trailer" && Trailer.carries(trailer) ? trailer : undefined
}

/**
 * Whether a frame that we send says more than that we are there. It is not decoded, which would be to copy it.
 *
 * @since 0.1.0
 * @category getters
 */
export const saysSomething = (frame: Uint8Array): boolean => {
  if (frame[idAt] === ids.publish) return true
  return (frame[idAt] === ids.ping || frame[idAt] === ids.pong) && Trailer.seemsToCarry(frame, headerLength)
}

/**
 * The place of the octet that tells messages apart, and what it is.
 *
 * @since 0.1.0
 * @category decoding
 */
export const idAt = 2

/**
 * @since 0.1.0
 * @category decoding
 */
export const ids = { hello: 1, publish: 2, ping: 3, pong: 4, invalid: 5 } as const

/** Shared by all who send them: nobody changes a frame. */
const fixedFrames = {
  Hello: Buffer.from([0xaa, 0xa0, 1, version]),
  Ping: Buffer.from([0xaa, 0xa0, 3, version]),
  Pong: Buffer.from([0xaa, 0xa0, 4, version]),
  Invalid: Buffer.from([0xaa, 0xa0, 5, version])
}

/**
 * The frame of a message. It must not be changed: it may be shared.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (message: Message): Uint8Array => {
  const trailer = message._tag === "Invalid" ? undefined : message.trailer
  if (trailer?._tag !== "Trailer")
    return message._tag === "Publish" ? encodePublish(message) : fixedFrames[message._tag]
  const frame =
    message._tag === "Publish" ? writePublish(message.tuple, undefined, message.ttl) : fixedFrames[message._tag]
  return Buffer.concat([frame, Trailer.encode(trailer)])
}

const encodePublish = ({ lifetime, remaining = lifetime ?? 0, ttl, tuple, version }: Publish): Uint8Array => {
  if (lifetime === undefined || (lifetime === 0 && version !== undefined)) return writePublish(tuple, version, ttl)
  const sections = [
    ...(version === undefined ? [] : [Version.section(version)]),
    Lifetime.section({ lifetime, remaining })
  ]
  return Buffer.concat([writePublish(tuple, undefined), Trailer.encode(Trailer.make(...sections))])
}

const writePublish = (
  { keyOctets, valueOctets }: Tuple.Tuple,
  of: Version.Version | undefined,
  ttl = 0
): Uint8Array => {
  const end = bareLength(keyOctets, valueOctets)
  const valueAt = headerLength + 1 + keyOctets.length + 4
  const frame = Buffer.allocUnsafe(of === undefined ? end : end + Version.trailerLength)
  frame[0] = 0xaa
  frame[1] = 0xa0
  frame[2] = 2
  frame[3] = version
  frame[4] = keyOctets.length
  frame.write(keyOctets, headerLength + 1, "latin1")
  frame.writeUInt32BE(valueOctets.length, valueAt - 4)
  frame.write(valueOctets, valueAt, "latin1")
  frame.writeUInt32BE(ttl, valueAt + valueOctets.length)
  if (of !== undefined) Version.write(frame, end, of)
  return frame
}
