/**
 * Octets as an immutable value. A `Uint8Array` is no key of a `Map`, and costs some 200 octets of its own; a string
 * with one character (U+0000 to U+00FF) per octet is compared, ordered and hashed by value and stays small. This is
 * the `ByteString` of Web IDL.
 *
 * @since 0.1.0
 */

/**
 * One character per octet, none above U+00FF. `<` orders it like memcmp.
 *
 * @since 0.1.0
 * @category models
 */
export type Octets = string

/**
 * What an application may give where octets are meant: text stands for its UTF-8 octets.
 *
 * @since 0.1.0
 * @category models
 */
export type Input = string | Uint8Array

const beyondAscii = /[^\u0000-\u007f]/

/**
 * @since 0.1.0
 * @category constructors
 */
export const from = (input: Input): Octets => {
  if (typeof input !== "string") return asBuffer(input).toString("latin1")
  return beyondAscii.test(input) ? Buffer.from(input, "utf8").toString("latin1") : input
}

/**
 * The octets from `start` to `end` of a frame.
 *
 * @since 0.1.0
 * @category constructors
 */
export const slice = (frame: Uint8Array, start: number, end: number): Octets =>
  asBuffer(frame).toString("latin1", start, end)

/**
 * @since 0.1.0
 * @category conversions
 */
export const toBytes = (octets: Octets): Uint8Array => new Uint8Array(Buffer.from(octets, "latin1"))

/**
 * The octets read as UTF-8; what is not UTF-8 becomes U+FFFD.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toText = (octets: Octets): string =>
  beyondAscii.test(octets) ? Buffer.from(octets, "latin1").toString("utf8") : octets

/**
 * Text that is safe in one line of a log or on a terminal: control characters, and marks that turn the direction of
 * writing, stand as `\\u000a`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const printable = (text: string): string =>
  text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

/** A view on the same memory: Node's own `Buffer` has the fast conversions. */
const asBuffer = (bytes: Uint8Array): Buffer =>
  bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
