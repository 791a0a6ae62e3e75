/**
 * Tuples as JSON that loses nothing: `{"key":"printer","value":"tcp://10.0.0.7:9100"}`. Octets that are no UTF-8 stand
 * as base64 under another name: `{"key":"a","valueBase64":"/w=="}`. One that ends has its `lifetime` as well, and how
 * much of that was `remaining` when it was written, both in milliseconds.
 *
 * Reading is strict, since what is read gets published: these fields and no others, each once. Tuples follow each
 * other, one a line (NDJSON) or with other blanks between them, or stand in one array.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import * as Lifetime from "./Lifetime.ts"
import type { Said } from "./Message.ts"
import * as Octets from "./Octets.ts"
import * as Tuple from "./Tuple.ts"

/**
 * What stands under a name: text, or base64 under a name that says so.
 *
 * @since 0.1.0
 * @category printing
 */
export const field = (name: string, octets: Octets.Octets): Readonly<Record<string, string>> => {
  const text = Octets.toText(octets)
  return Octets.from(text) === octets
    ? { [name]: text }
    : { [`${name}Base64`]: Buffer.from(octets, "latin1").toString("base64") }
}

/**
 * @since 0.1.0
 * @category printing
 */
export const toJson = ({
  lifetime = 0,
  remaining = lifetime,
  tuple: { keyOctets, valueOctets }
}: Said): Readonly<Record<string, string | number>> => ({
  ...field("key", keyOctets),
  ...field("value", valueOctets),
  ...(lifetime > 0 && { lifetime, remaining })
})

/**
 * The text is not JSON, or not of tuples. Line and column count from 1, columns in characters.
 *
 * @since 0.1.0
 * @category errors
 */
export class TupleJsonError extends Data.TaggedError("TupleJsonError")<{
  readonly line: number
  readonly column: number
  readonly detail: string
}> {
  override get message(): string {
    return `line ${this.line}, column ${this.column}: ${this.detail}`
  }
}

/**
 * All tuples of a text, in its order, or its first error.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (input: Octets.Input): Result.Result<ReadonlyArray<Said>, TupleJsonError> => {
  const scanner = new Scanner(Octets.from(input))
  try {
    return Result.succeed(scanner.tuples())
  } catch (error) {
    if (error instanceof TupleJsonError) return Result.fail(error)
    throw error
  }
}

const byteOrderMark = "\u00ef\u00bb\u00bf"

/** On octets: a string without escapes, most of them, is taken as it stands. */
class Scanner {
  private readonly text: Octets.Octets
  private at: number

  constructor(text: Octets.Octets) {
    this.text = text
    this.at = text.startsWith(byteOrderMark) ? byteOrderMark.length : 0
  }

  tuples(): ReadonlyArray<Said> {
    const tuples: Array<Said> = []
    if (this.take("[")) {
      if (!this.take("]")) {
        do tuples.push(this.tuple())
        while (this.take(","))
        this.expect("]", ", or ]")
      }
      if (this.next() !== undefined) this.fail(`the end was expected behind the array, not ${this.shown()}`)
    } else {
      while (this.next() !== undefined) tuples.push(this.tuple())
    }
    return tuples
  }

  private tuple(): Said {
    this.expect("{", "a tuple, { and so on,")
    const start = this.at - 1
    const fields: { key?: Octets.Octets; value?: Octets.Octets } = {}
    const times: { lifetime?: number; remaining?: number } = {}
    do {
      this.next()
      const nameAt = this.at
      const name = this.string()
      if (name === "lifetime" || name === "remaining") {
        if (times[name] !== undefined) this.fail(`a second ${name}`, nameAt)
        this.expect(":", ":")
        this.next()
        times[name] = this.milliseconds()
        continue
      }
      const field = name === "key" || name === "keyBase64" ? "key" : "value"
      if (field === "value" && name !== "value" && name !== "valueBase64") {
        this.fail(
          "a tuple has key and value, or keyBase64 and valueBase64, maybe lifetime and remaining, and nothing else",
          nameAt
        )
      }
      if (fields[field] !== undefined) this.fail(`a second ${field}`, nameAt)
      this.expect(":", ":")
      this.next()
      fields[field] = name === field ? this.string() : this.base64()
    } while (this.take(","))
    this.expect("}", ", or }")
    const { key, value } = fields
    if (key === undefined) return this.fail("this tuple has no key", start)
    if (value === undefined) return this.fail("this tuple has no value", start)
    const tuple = Tuple.fromOctets(key, value)
    if (Result.isFailure(tuple)) return this.fail(tuple.failure.message, start)
    const { lifetime, remaining = 0 } = times
    if (remaining > (lifetime ?? 0)) return this.fail("more remaining than the lifetime", start)
    return { tuple: tuple.success, ...times }
  }

  private milliseconds(): number {
    const [digits = ""] = /^\d{0,16}/.exec(this.text.slice(this.at, this.at + 16)) ?? []
    if (digits === "" || Number(digits) > Lifetime.most) {
      return this.fail(`a number of milliseconds was expected, not ${this.shown()}`)
    }
    this.at += digits.length
    return Number(digits)
  }

  /** Skips blanks, and looks at what comes behind them. */
  private next(): string | undefined {
    while (" \t\r\n".includes(this.text[this.at] ?? "end")) this.at += 1
    return this.text[this.at]
  }

  private take(character: string): boolean {
    if (this.next() !== character) return false
    this.at += 1
    return true
  }

  private expect(character: string, what: string): void {
    if (!this.take(character)) this.fail(`${what} was expected, not ${this.shown()}`)
  }

  private base64(): Octets.Octets {
    const start = this.at
    const text = this.string()
    const octets = Buffer.from(text, "base64")
    // Node's decoder passes over what is no base64
    if (octets.toString("base64") !== text) return this.fail("this is no base64", start)
    return octets.toString("latin1")
  }

  private string(): Octets.Octets {
    const start = this.at
    if (this.text[start] !== '"') return this.fail(`a string was expected, not ${this.shown()}`)
    let end = this.text.indexOf('"', start + 1)
    while (end >= 0 && this.escaped(end, start)) end = this.text.indexOf('"', end + 1)
    const inside = this.text.slice(start + 1, end < 0 ? undefined : end)
    const control = inside.search(/[\u0000-\u001f]/)
    if (control >= 0 && inside[control] !== "\n" && inside[control] !== "\r") {
      return this.fail("a control character in a string, write it as \\u and four digits", start + 1 + control)
    }
    if (end < 0 || control >= 0) return this.fail('the " is not closed', start)
    this.at = end + 1
    const text = Octets.toText(inside)
    if (Octets.from(text) !== inside) return this.fail("this is no UTF-8; other octets go as base64", start)
    return inside.includes("\\") ? this.unescape(text, start) : inside
  }

  /** Whether the quote there has an odd number of backslashes before it. */
  private escaped(quote: number, start: number): boolean {
    let first = quote
    while (first - 1 > start && this.text[first - 1] === "\\") first -= 1
    return (quote - first) % 2 === 1
  }

  private unescape(text: string, start: number): Octets.Octets {
    let value: unknown
    try {
      value = JSON.parse(`"${text}"`)
    } catch {
      return this.fail("a \\ that is no escape of JSON in this string", start)
    }
    if (typeof value !== "string" || !value.isWellFormed()) {
      return this.fail("half a pair of surrogates in this string: it has no UTF-8", start)
    }
    return Octets.from(value)
  }

  private shown(): string {
    const rest = /^[^\s,:[\]{}"]*/.exec(this.text.slice(this.at, this.at + 30))?.[0] || (this.text[this.at] ?? "")
    return rest === "" ? "the end" : JSON.stringify(Octets.toText(rest))
  }

  private fail(detail: string, at = this.at): never {
    const lineStart = this.text.lastIndexOf("\n", at - 1) + 1
    const line = this.text.slice(0, lineStart).split("\n").length
    const column = Octets.toText(this.text.slice(lineStart, at)).length + 1
    throw new TupleJsonError({ line, column, detail })
  }
}
