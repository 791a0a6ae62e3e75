/**
 * The command pipe as lines of text, for shells and for programs in any language: one message on each line, its
 * strings separated by exactly one blank. What is empty between two blanks, or behind the last one, is an empty string.
 *
 *     PUBLISH greeting hello%20world        BIND tcp://127.0.0.1:*
 *     DELIVER greeting hello%20world        PORT 49152
 *
 * Every octet outside of `!` to `~`, and `%` itself, is written as `%` and two hexadecimal digits, so what is printed is
 * ASCII without control characters. Reading is more tolerant: an octet stands for itself unless it is `%`, a blank or a
 * line feed, so `PUBLISH grüße é` means what it looks like; the digits may be of either case; a carriage return at the
 * end of a line does not count. A line that is empty or begins with `#` says nothing.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import * as Octets from "./Octets.ts"

/**
 * 256 MiB. A value of 85 MiB always fits, one of nearly 256 MiB where none of its octets has to be escaped. The runtime
 * has no longer strings than 512 MiB.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxLineLength = 2 ** 28

/**
 * The text is no message. `detail` says where and why.
 *
 * @since 0.1.0
 * @category errors
 */
export class CommandTextError extends Data.TaggedError("CommandTextError")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

const malformed = /%(?![0-9a-fA-F]{2})/

/**
 * The strings of a line, without its line feed; none where it says nothing.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseLine = (line: Octets.Octets): Result.Result<ReadonlyArray<Octets.Octets>, CommandTextError> => {
  const text = line.endsWith("\r") ? line.slice(0, -1) : line
  if (text === "" || text.startsWith("#")) return Result.succeed([])
  const at = text.search(malformed)
  return at < 0
    ? Result.succeed(text.split(" ").map(unescape))
    : Result.fail(
        new CommandTextError({
          detail: `the % at position ${at + 1} needs two hexadecimal digits behind it; a % is written %25`
        })
      )
}

/** In place: a value may be long, and all of it escaped. */
const unescape = (field: string): Octets.Octets => {
  if (!field.includes("%")) return field
  const octets = Buffer.from(field, "latin1")
  let length = 0
  for (let at = 0; at < octets.length; at++) {
    const escaped = octets[at] === percent
    octets[length++] = escaped ? digit(octets[at + 1]) * 16 + digit(octets[at + 2]) : (octets[at] ?? 0)
    if (escaped) at += 2
  }
  return Octets.slice(octets, 0, length)
}

const percent = 0x25

/** 0 to 9, A to F, a to f by their codes. */
const digit = (code = 0): number => (code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x57)

const special = /[^!-$&-~]/
const digits = "0123456789ABCDEF"

const escape = (octets: Octets.Octets): string => {
  if (!special.test(octets)) return octets
  const text = Buffer.allocUnsafe(3 * octets.length)
  let length = 0
  for (let at = 0; at < octets.length; at++) {
    const octet = octets.charCodeAt(at)
    if (octet > 0x20 && octet < 0x7f && octet !== percent) {
      text[length++] = octet
    } else {
      text[length++] = percent
      text[length++] = digits.charCodeAt(octet >> 4)
      text[length++] = digits.charCodeAt(octet & 15)
    }
  }
  return Octets.slice(text, 0, length)
}

/**
 * A message as a line, without a line feed.
 *
 * @since 0.1.0
 * @category formatting
 */
export const formatLine = (fields: ReadonlyArray<Octets.Octets>): string => Array.from(formatPieces(fields)).join("")

/** How many octets go into one piece. */
const pieceLength = 1 << 20

/**
 * The same in pieces: escaped, the longest value is longer than the longest string.
 *
 * @since 0.1.0
 * @category formatting
 */
export function* formatPieces(fields: ReadonlyArray<Octets.Octets>): Generator<string, void> {
  for (const [index, field] of fields.entries()) {
    yield (index === 0 ? "" : " ") + escape(field.slice(0, pieceLength))
    for (let at = pieceLength; at < field.length; at += pieceLength) yield escape(field.slice(at, at + pieceLength))
  }
}

/**
 * Takes octets as they come, and gives the lines that they complete; `undefined` stands for a line that was longer than
 * the limit, of which nothing was kept.
 *
 * @since 0.1.0
 * @category models
 */
export class LineReader {
  readonly #limit: number
  #begun: Octets.Octets = ""
  #tooLong = false

  constructor(limit = maxLineLength) {
    this.#limit = limit
  }

  /** The lines that end in this chunk, without their line feeds. */
  *read(chunk: Uint8Array): Generator<Octets.Octets | undefined, void> {
    let start = 0
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
      this.#append(chunk, start, end)
      yield this.#take()
      start = end + 1
    }
    this.#append(chunk, start, chunk.length)
  }

  /** At the end of input, which may end a last line. */
  *end(): Generator<Octets.Octets | undefined, void> {
    if (this.#begun !== "" || this.#tooLong) yield this.#take()
  }

  #append(chunk: Uint8Array, start: number, end: number): void {
    if (this.#begun.length + end - start > this.#limit) this.#tooLong = true
    if (this.#tooLong) this.#begun = ""
    else if (end > start) this.#begun += Octets.slice(chunk, start, end)
  }

  #take(): Octets.Octets | undefined {
    const line = this.#tooLong ? undefined : this.#begun
    this.#begun = ""
    this.#tooLong = false
    return line
  }
}

const lineFeed = 10
