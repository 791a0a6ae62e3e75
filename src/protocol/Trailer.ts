/**
 * What stands behind the fields of a message: facts and questions that version 1 of the protocol has no place for. A
 * node of version 1 ignores octets there, so to it the message is the one that it knows.
 *
 *     trailer  = magic version length *section checksum
 *
 *     magic    = %x85 %x5A %x47 %x58     ; 85 "ZGX"
 *     version  = %x01
 *     length   = 4OCTET                  ; of the whole trailer, from magic to checksum: it ends with its frame
 *     section  = tag length *OCTET
 *     tag      = OCTET                   ; see tags; one that is not known is skipped
 *     length   = 4OCTET
 *     checksum = 4OCTET                  ; CRC-32C of everything before it in the trailer
 *
 * Numbers are big-endian. What does not begin with the magic is no trailer. What does and is wrong is a broken one: a
 * value, never an exception. Nothing of it counts, and the message that it stands behind counts as if it were not there.
 *
 * The checksum tells of faults, of memory or of code, not of enemies.
 *
 * @since 0.1.0
 */
import * as Octets from "./Octets.ts"

/**
 * The tags of all sections. A number is given once and for all.
 *
 * | tag | stands behind | body |
 * | --- | --- | --- |
 * | `statusRequest` | PING | none: please put your status behind the PONG |
 * | `status` | PONG | see NodeStatus |
 * | `refusalsRequest` | PING | none: please say behind the PONG what of ours you did not take |
 * | `refusals` | PONG | see Refusals |
 * | `node` | HELLO, PING, PONG | none: I know versions, batches of entries, and all that follows |
 * | `version` | PUBLISH | see Version |
 * | `fence` | PING, PONG | eight octets: please say them back, see Flight |
 * | `fenced` | PING, PONG | those of the last fence: what came before it was read |
 * | `lifetime` | PUBLISH | see Lifetime |
 * | `digest` | HELLO, PING, PONG | see Digest: compare it with yours |
 * | `entries` | PING, PONG | see Batch |
 * | `ranges` | PING, PONG | see Ranges |
 * | `wanted` | PING, PONG | keys, see Batch: please say what you hold of these |
 *
 * @since 0.1.0
 * @category models
 */
export const tags = {
  statusRequest: 1,
  status: 2,
  refusalsRequest: 3,
  refusals: 4,
  node: 5,
  version: 6,
  fence: 7,
  fenced: 8,
  lifetime: 9,
  digest: 10,
  entries: 11,
  ranges: 12,
  wanted: 13
} as const

/** A PING or PONG with one of these behind it carries them, and is no question and no answer. */
const cargo: ReadonlyArray<number> = [tags.fence, tags.fenced, tags.entries, tags.ranges, tags.wanted]

/**
 * @since 0.1.0
 * @category models
 */
export interface Section {
  /** 0 to 255. */
  readonly tag: number
  readonly body: Octets.Octets
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Trailer {
  readonly _tag: "Trailer"
  readonly sections: ReadonlyArray<Section>
}

/**
 * - `Short`: ends before its own length and checksum do
 * - `Version`: not 1
 * - `Length`: its length is not that of the octets that are there, or it is longer than {@link maxLength}
 * - `Checksum`: not that of its octets
 * - `Section`: a section ends behind the trailer, or there are more than {@link maxSections}
 *
 * @since 0.1.0
 * @category models
 */
export interface Broken {
  readonly _tag: "Broken"
  readonly reason: "Short" | "Version" | "Length" | "Checksum" | "Section"
}

/** Shared: a stranger may send a lot of them. */
const broken = {
  short: { _tag: "Broken", reason: "Short" },
  version: { _tag: "Broken", reason: "Version" },
  length: { _tag: "Broken", reason: "Length" },
  checksum: { _tag: "Broken", reason: "Checksum" },
  section: { _tag: "Broken", reason: "Section" }
} as const satisfies Record<string, Broken>

/**
 * Octets of the longest trailer that is read. A frame may be much longer, and to check a sum takes its time.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxLength: number = 2 ** 16

/**
 * A section costs more memory than octets.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxSections = 64

const magic = [0x85, 0x5a, 0x47, 0x58] as const
const version = 1
const headLength = magic.length + 1 + 4
const sectionHeadLength = 1 + 4
const checksumLength = 4

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (...sections: ReadonlyArray<Section>): Trailer => ({ _tag: "Trailer", sections })

/**
 * Octets of a trailer with sections whose bodies have so many.
 *
 * @since 0.1.0
 * @category limits
 */
export const lengthOf = (...bodies: ReadonlyArray<number>): number =>
  bodies.reduce((sum, body) => sum + sectionHeadLength + body, headLength + checksumLength)

/**
 * The body of the first section of this kind.
 *
 * @since 0.1.0
 * @category getters
 */
export const find = (trailer: Trailer | Broken | undefined, tag: number): Octets.Octets | undefined =>
  trailer?._tag === "Trailer" ? trailer.sections.find((section) => section.tag === tag)?.body : undefined

/**
 * Whether a PING or PONG with this trailer carries something, and is no question and no answer.
 *
 * @since 0.1.0
 * @category getters
 */
export const carries = (trailer: Trailer | Broken | undefined): boolean =>
  trailer?._tag === "Trailer" && trailer.sections.some(({ tag }) => cargo.includes(tag))

/**
 * Whether what begins at `start` would carry something, by the first of its sections: it is not decoded.
 *
 * @since 0.1.0
 * @category getters
 */
export const seemsToCarry = (frame: Uint8Array, start: number): boolean =>
  cargo.includes(frame[start + headLength] ?? 0)

/**
 * Whether its sender is a node of ours, which says HELLO so and hears INVALID where it is not known.
 *
 * @since 0.1.0
 * @category getters
 */
export const isOfNode = (trailer: Trailer | Broken | undefined): boolean =>
  trailer?._tag === "Trailer" && trailer.sections.some(({ tag }) => tag === tags.node || tag === tags.digest)

/**
 * What stands in a frame from `start` to its end; nothing where that is no trailer. Total, and keeps no hold on the
 * frame.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (frame: Uint8Array, start: number): Trailer | Broken | undefined => {
  for (let at = 0; at < magic.length; at++) if (frame[start + at] !== magic[at]) return undefined
  const length = frame.length - start
  if (length <= magic.length) return broken.short
  // Of another version nothing else is known.
  if (frame[start + magic.length] !== version) return broken.version
  if (length < headLength + checksumLength) return broken.short
  if (length > maxLength || uint32(frame, start + headLength - 4) !== length) return broken.length
  const end = frame.length - checksumLength
  return uint32(frame, end) === crc32c(frame, start, end)
    ? decodeSections(frame, start + headLength, end)
    : broken.checksum
}

const decodeSections = (frame: Uint8Array, start: number, end: number): Trailer | Broken => {
  const sections: Array<Section> = []
  for (let at = start; at < end;) {
    const bodyStart = at + sectionHeadLength
    if (bodyStart > end || sections.length === maxSections) return broken.section
    const bodyEnd = bodyStart + uint32(frame, at + 1)
    if (bodyEnd > end) return broken.section
    sections.push({ tag: frame[at] ?? 0, body: Octets.slice(frame, bodyStart, bodyEnd) })
    at = bodyEnd
  }
  return make(...sections)
}

const uint32 = (frame: Uint8Array, at: number): number =>
  (frame[at] ?? 0) * 0x1000000 + (((frame[at + 1] ?? 0) << 16) | ((frame[at + 2] ?? 0) << 8) | (frame[at + 3] ?? 0))

/**
 * The octets of a trailer. Its limits are for the caller to keep.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = ({ sections }: Trailer): Uint8Array => {
  const length = lengthOf(...sections.map(({ body }) => body.length))
  const octets = Buffer.allocUnsafe(length)
  octets.set(magic)
  octets[magic.length] = version
  octets.writeUInt32BE(length, magic.length + 1)
  let at = headLength
  for (const { body, tag } of sections) {
    octets[at] = tag
    octets.writeUInt32BE(body.length, at + 1)
    octets.write(body, at + sectionHeadLength, "latin1")
    at += sectionHeadLength + body.length
  }
  octets.writeUInt32BE(crc32c(octets, 0, at), at)
  return octets
}

/** What a sum becomes with each octet, by Castagnoli's polynomial turned round. */
const crcTable = Int32Array.from({ length: 256 }, (_, octet) => {
  let crc = octet
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

/**
 * CRC-32C of the octets from `start` to `end`, as iSCSI has it (RFC 3720).
 *
 * @since 0.1.0
 * @category checksums
 */
export const crc32c = (octets: Uint8Array, start: number, end: number): number => {
  let crc = -1
  for (let at = start; at < end; at++) crc = (crcTable[(crc ^ (octets[at] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8)
  return (crc ^ -1) >>> 0
}
