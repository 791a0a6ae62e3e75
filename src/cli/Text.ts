/**
 * Tuples as text: for people, and as JSON that loses nothing.
 *
 * @since 0.1.0
 */
import * as Octets from "../protocol/Octets.ts"
import type { Said } from "../protocol/Message.ts"
import * as TupleJson from "../protocol/TupleJson.ts"
import type { Globals } from "./Root.ts"
import { paint, printable } from "./Terminal.ts"

/**
 * One line, as {@link TupleJson} has it.
 *
 * @since 0.1.0
 * @category JSON
 */
export const tupleJson = (said: Said, more: Readonly<Record<string, unknown>> = {}): string =>
  json({ ...more, ...TupleJson.toJson(said) })

/**
 * JSON that a terminal can show: it says the other control characters in the same way in which JSON says its own.
 *
 * @since 0.1.0
 * @category JSON
 */
export const json = (value: unknown): string => printable(JSON.stringify(value))

/** How many octets of a value are shown. */
const shownOctets = 1000

/**
 * A tuple in a stream without end: one line, also where a table is asked for. Values that are long are cut.
 *
 * @since 0.1.0
 * @category text
 */
export const tupleLine = (
  { color, format }: Pick<Globals, "color" | "format">,
  said: Said,
  more?: Readonly<Record<string, unknown>>
): string => {
  if (format === "json") return `${tupleJson(said, more)}\n`
  const { key, valueOctets } = said.tuple
  const shown = printable(Octets.toText(valueOctets.slice(0, shownOctets)))
  const rest = valueOctets.length > shownOctets ? ` ... (${valueOctets.length} octets)` : ""
  return `${paint("cyan", printable(key), { color })} = ${shown}${rest}\n`
}

/**
 * Columns under their names, aligned, in lines no longer than `width`.
 *
 * @since 0.1.0
 * @category text
 */
export const table = function* (
  names: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  width = Number.POSITIVE_INFINITY
): Generator<string> {
  const lines = [names, ...rows]
  // The last column ends where it ends. One of long texts leaves half of the line to the others.
  const widths = names
    .slice(0, -1)
    .map((_, column) => lines.reduce((widest, line) => Math.max(widest, columns(line[column] ?? "")), 0))
  const most = Math.max(10, Math.floor(width / 2))
  for (const line of lines) {
    const cells = line.map((text, column) => {
      const cellWidth = Math.min(widths[column] ?? 0, most)
      const cell = column < widths.length ? cut(text, cellWidth) : text
      return cell + " ".repeat(Math.max(0, cellWidth - columns(cell)))
    })
    yield cut(cells.join("  ").trimEnd(), width)
  }
}

/** How many columns of a terminal a text takes. */
const columns = (text: string): number => {
  if (/^[\u0020-\u007e]*$/.test(text)) return text.length
  let sum = 0
  for (const character of text) sum += /^[\p{M}\p{Cf}]$/u.test(character) ? 0 : wide.test(character) ? 2 : 1
  return sum
}

/** As East Asian terminals have it. */
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u

const cut = (text: string, width: number): string => {
  if (columns(text) <= width) return text
  let [shown, sum] = ["", 1]
  for (const character of text) {
    sum += columns(character)
    if (sum > width) break
    shown += character
  }
  return `${shown}…`
}

/**
 * `1 tuple`, `2 tuples`
 *
 * @since 0.1.0
 * @category text
 */
export const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`

/**
 * To the microsecond.
 *
 * @since 0.1.0
 * @category text
 */
export const milliseconds = (time: number): number => Math.round(time * 1000) / 1000
