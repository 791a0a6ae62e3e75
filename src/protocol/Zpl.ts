/**
 * ZPL, the ZeroMQ property language, in which CZMQ keeps configurations (rfc.zeromq.org/spec/4): a tree of names, which
 * may have values.
 *
 *     #   a comment
 *     server
 *         timeout = 10000         # another one
 *     zgossip
 *         bind
 *             endpoint = "tcp://*:5670"
 *
 * The rules are those of CZMQ's parser (zconfig.c, tried against 4.2.1), where it differs from the specification:
 *
 * - A name has letters, digits and `$-_@.&+/`, a slash neither first nor last.
 * - Each level is four spaces deeper; none may be skipped. A line of comment may have any level, in fours too.
 * - A value may be in quotes of either kind; there are no escapes in them. A value that is not ends at `#`, also without
 *   a blank before it, and at the last character that is no blank. `a = # b` has the value `# b`, `a =# b` an empty one.
 * - A quote that is not closed, and anything but a comment behind one that is, is an error.
 * - A name with a value may have children; a name may come again, a lookup takes the first.
 * - A line may have any length. CR is a blank, so CR LF ends a line too.
 *
 * What differs, and all that does:
 *
 * - `a` and `a =` are the same to CZMQ; here the first one has no value.
 * - CZMQ drops what follows an octet 0 in its line. Here it is an error.
 * - There are at most {@link maxLevels} levels.
 * - Values that the language cannot say are written in pieces, `"it's " 'a "quote"' %0A "line two"`: quoted texts and
 *   octets in hexadecimal, the first one quoted. CZMQ refuses such a line, and so takes it for nothing else.
 *
 * Comments, and the way in which a value was written, are kept.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import * as Octets from "./Octets.ts"

/**
 * One name. `line` is where it was read, from 1.
 *
 * @since 0.1.0
 * @category models
 */
export interface Item {
  readonly name: string
  readonly value: Octets.Octets | undefined
  readonly children: ReadonlyArray<Item>
  readonly line: number | undefined
  /** As it stood in the file: the lines of comment before it, its own text, the comment behind it. */
  readonly before: ReadonlyArray<Octets.Octets>
  readonly spelling: Octets.Octets | undefined
  readonly comment: Octets.Octets
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Document {
  readonly items: ReadonlyArray<Item>
  /** Lines of comment behind the last item. */
  readonly after: ReadonlyArray<Octets.Octets>
}

/**
 * The text is not ZPL. Line and column count from 1, columns in characters, of which a tab is one.
 *
 * @since 0.1.0
 * @category errors
 */
export class ZplError extends Data.TaggedError("ZplError")<{
  readonly line: number
  readonly column: number
  readonly detail: string
}> {
  override get message(): string {
    return `line ${this.line}, column ${this.column}: ${this.detail}`
  }
}

/**
 * Spaces for each level.
 *
 * @since 0.1.0
 * @category definitions
 */
export const indent = 4

/**
 * How deep items may lie in each other: what walks through a document may call itself for each level.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxLevels = 1000

/**
 * @since 0.1.0
 * @category constructors
 */
export const empty: Document = { items: [], after: [] }

/**
 * An item that is in no file yet. The name has to be one: see {@link isName}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const item = (name: string, value?: Octets.Octets, children: ReadonlyArray<Item> = []): Item => ({
  name,
  value,
  children,
  line: undefined,
  before: [],
  spelling: undefined,
  comment: ""
})

/**
 * @since 0.1.0
 * @category constructors
 */
export const document = (items: ReadonlyArray<Item>): Document => ({ items, after: [] })

/**
 * Whether an item may have this name.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isName = (text: string): boolean =>
  /^[A-Za-z0-9$\-_@.&+/]+$/.test(text) && !text.startsWith("/") && !text.endsWith("/")

const byteOrderMark = Octets.from("\ufeff")

/** An item while its children are being read. */
interface Open extends Item {
  readonly children: Array<Item>
}

/**
 * Reads a document. What {@link print} gives are octets: they go through `Octets.toBytes`.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (input: Octets.Input): Result.Result<Document, ZplError> => {
  const items: Array<Item> = []
  /** The last item of each level. */
  const open: Array<Open> = []
  let before: Array<Octets.Octets> = []
  for (const [index, text] of Octets.from(input).split("\n").entries()) {
    const line = trimEnd(text)
    const read = readLine(line, index + 1)
    if (Result.isFailure(read)) return Result.fail(read.failure)
    const { item, level } = read.success
    if (item === undefined) {
      before.push(line)
      continue
    }
    const parent = open[level - 1]
    const fail = (detail: string) => Result.fail(new ZplError({ line: index + 1, column: level * indent + 1, detail }))
    if (level > 0 && parent === undefined) {
      const deepest = open.length * indent
      return fail(`indented by ${level * indent} spaces, where at most ${deepest} have a name above them`)
    }
    if (level >= maxLevels) return fail(`there are more than ${maxLevels} levels`)
    const opened: Open = { ...item, before, children: [] }
    ;(parent?.children ?? items).push(opened)
    open.splice(level, open.length, opened)
    before = []
  }
  // The text ends with a line end, or should have.
  if (before.at(-1) === "") before.pop()
  return Result.succeed({ items, after: before })
}

interface Line {
  readonly level: number
  /** None where there is nothing but a comment. */
  readonly item: Omit<Item, "before" | "children"> | undefined
}

const readLine = (text: Octets.Octets, line: number): Result.Result<Line, ZplError> => {
  const fail = (at: number, detail: string) =>
    Result.fail(new ZplError({ line, column: Array.from(Octets.toText(text.slice(0, at))).length + 1, detail }))
  const nul = text.indexOf("\0")
  if (nul >= 0) return fail(nul, "an octet 0, this is no text")
  if (text.startsWith(byteOrderMark)) return fail(0, "a byte order mark, save the file without one")
  let start = 0
  while (text[start] === " ") start += 1
  if (start % indent > 0) {
    return fail(start, `indented by ${start} spaces, write ${indent} for each level`)
  }
  const level = start / indent
  const name = /^[A-Za-z0-9$\-_@.&+/]*/.exec(text.slice(start))?.[0] ?? ""
  const nameEnd = start + name.length
  const next = skipBlanks(text, nameEnd)
  if (name === "") {
    if (next === text.length || text[next] === "#") return Result.succeed({ level, item: undefined })
    if (text[start] === "\t") return fail(start, `a tab, write ${indent} spaces for each level`)
    return fail(next, `a name was expected, of letters, digits and $-_@.&+/, not ${show(text.slice(next))}`)
  }
  if (name.startsWith("/")) return fail(start, "a name does not begin with /")
  if (name.endsWith("/")) return fail(nameEnd - 1, "a name does not end with /")
  const done = (value: Octets.Octets | undefined, end: number): Result.Result<Line, ZplError> =>
    Result.succeed({
      level,
      item: { name, value, line, spelling: text.slice(start, end), comment: text.slice(end) }
    })
  if (next === text.length || text[next] === "#") return done(undefined, nameEnd)
  if (text[next] !== "=") return fail(next, `= or the end of the line was expected, not ${show(text.slice(next))}`)

  const valueStart = skipBlanks(text, next + 1)
  if (isQuote(text[valueStart])) return readPieces(text, valueStart, done, fail)
  // CZMQ looks for the blank before the comment, and does not see that it is that behind the equals sign.
  const hash = text[valueStart] === "#" && valueStart > next + 1 ? -1 : text.indexOf("#", valueStart)
  const value = trimEnd(text.slice(valueStart, hash < 0 ? text.length : hash))
  return done(value, valueStart + value.length)
}

const readPieces = (
  text: Octets.Octets,
  start: number,
  done: (value: Octets.Octets, end: number) => Result.Result<Line, ZplError>,
  fail: (at: number, detail: string) => Result.Result<Line, ZplError>
): Result.Result<Line, ZplError> => {
  let value = ""
  for (let at = start; ;) {
    const first = text[at]
    let end: number
    if (isQuote(first)) {
      const closing = text.indexOf(first, at + 1)
      if (closing < 0) return fail(at, `the ${first} is not closed`)
      value += text.slice(at + 1, closing)
      end = closing + 1
    } else {
      const [octet] = /^%[0-9A-Fa-f]{2}/.exec(text.slice(at, at + 3)) ?? []
      if (octet === undefined) {
        return fail(at, `a comment or the end of the line was expected, not ${show(text.slice(at))}`)
      }
      value += String.fromCharCode(Number.parseInt(octet.slice(1), 16))
      end = at + octet.length
    }
    at = skipBlanks(text, end)
    if (at === text.length || text[at] === "#") return done(value, end)
  }
}

/**
 * Writes a document. Where CZMQ can read it at all, it reads the same.
 *
 * @since 0.1.0
 * @category printing
 */
export const print = (document: Document): Octets.Octets => {
  const lines: Array<Octets.Octets> = []
  const write = (items: ReadonlyArray<Item>, level: number): void => {
    for (const { before, children, comment, name, spelling, value } of items) {
      for (const line of before) lines.push(line)
      const text = spelling ?? (value === undefined ? name : `${name} = ${spell(value)}`)
      lines.push(`${" ".repeat(level * indent)}${text}${comment}`)
      write(children, level + 1)
    }
  }
  write(document.items, 0)
  return [...lines, ...document.after].map((line) => `${line}\n`).join("")
}

const spell = (value: Octets.Octets): Octets.Octets => {
  if (!/[\0\n]/.test(value)) {
    if (!value.includes('"')) return `"${value}"`
    if (!value.includes("'")) return `'${value}'`
    if (!/^['"]|#/.test(value) && !isBlank(value[0]) && !isBlank(value.at(-1))) return value
  }
  const pieces = (value.match(/[\0\n]|[^"\0\n]+|[^'\0\n]+/g) ?? []).map((piece) => {
    if (piece === "\0" || piece === "\n") return `%0${piece.charCodeAt(0).toString(16).toUpperCase()}`
    return piece.includes('"') ? `'${piece}'` : `"${piece}"`
  })
  return (pieces[0]?.startsWith("%") ? ['""', ...pieces] : pieces).join(" ")
}

/**
 * The first item at a path: names joined by slashes, one in front of all is ignored. Names that contain slashes are
 * found by nobody, as in CZMQ.
 *
 * @since 0.1.0
 * @category getters
 */
export const get = ({ items }: Pick<Document, "items">, path: string): Item | undefined => {
  let found: Item | undefined
  for (const name of segments(path)) {
    found = (found?.children ?? items).find((item) => item.name === name)
    if (found === undefined) return undefined
  }
  return found
}

/**
 * The document with this value at a path: at the first item there, or at a new one behind its siblings. The path has to
 * be one: see {@link isPath}.
 *
 * @since 0.1.0
 * @category combinators
 */
export const put = (document: Document, path: string, value: Octets.Octets): Document => ({
  ...document,
  items: putItem(document.items, segments(path), value)
})

const putItem = (
  items: ReadonlyArray<Item>,
  [name = "", ...rest]: ReadonlyArray<string>,
  value: Octets.Octets
): ReadonlyArray<Item> => {
  const found = items.find((item) => item.name === name)
  const old = found ?? item(name)
  const changed =
    rest.length > 0
      ? { ...old, children: putItem(old.children, rest, value) }
      : old.value === value
        ? old
        : { ...old, value, spelling: undefined }
  return found === undefined ? [...items, changed] : items.map((item) => (item === found ? changed : item))
}

/**
 * Whether {@link put} can make this path.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isPath = (path: string): boolean => {
  const names = segments(path)
  return names.length <= maxLevels && names.every(isName)
}

const segments = (path: string): ReadonlyArray<string> => path.replace(/^\//, "").split("/")

const isQuote = (character: string | undefined): character is '"' | "'" => character === '"' || character === "'"

/** As C has it: `isspace`. */
const isBlank = (character: string | undefined): boolean => character !== undefined && " \t\n\v\f\r".includes(character)

const skipBlanks = (text: string, at: number): number => {
  let end = at
  while (isBlank(text[end])) end += 1
  return end
}

/** A regular expression would need quadratic time for blanks in the middle. */
const trimEnd = (text: string): string => {
  let end = text.length
  while (isBlank(text[end - 1])) end -= 1
  return text.slice(0, end)
}

/** Its beginning, cut between characters: 30 of them have at most 120 octets. */
const show = (octets: Octets.Octets): string => {
  const characters = Array.from(Octets.toText(octets.slice(0, 124)))
  return JSON.stringify(characters.length > 30 ? `${characters.slice(0, 30).join("")}...` : characters.join(""))
}
