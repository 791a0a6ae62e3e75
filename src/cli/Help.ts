/**
 * What `--help` looks like: texts broken into lines that a terminal has room for.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as CliOutput from "effect/cli/CliOutput"
import type { ArgDoc, FlagDoc, HelpDoc, SubcommandDoc } from "effect/cli/HelpDoc"

/** Wide lines are hard to read; and what goes through a pager has no width of its own. */
const [narrowest, usual, widest] = [60, 80, 100] as const

/** The margin of all that the formatter writes, and what it leaves between the two columns of a table. */
const margin = 2
const gap = 4

/** The formatter gives the names of subcommands and operands no more columns than this. */
const mostFor = { subcommands: 20, operands: 25 }

/** What it writes behind an operand that may be left out. */
const optional = " (optional)".length

/**
 * @since 0.1.0
 * @category constructors
 */
export const formatter = (options: {
  readonly colors: boolean
  readonly columns?: number | undefined
}): CliOutput.Formatter => {
  const { colors, columns = 0 } = options
  const { formatHelpDoc, ...base } = CliOutput.defaultFormatter({ colors })
  const width = columns > 0 ? Math.min(Math.max(columns, narrowest), widest) : usual
  return {
    ...base,
    formatHelpDoc: (doc) =>
      // It leaves no line free between these two.
      formatHelpDoc(fit(doc, width)).replace(/\n(?=(?:\u001b\[1m)?EXAMPLES)(?<!\n\n)/, "\n\n")
  }
}

const fit = (doc: HelpDoc, width: number): HelpDoc => ({
  ...doc,
  description: wrap(doc.description, margin, width),
  flags: fitFlags(doc.flags, width),
  inheritedFlags: fitFlags((doc.inheritedFlags ?? []).filter(isFor(doc.commandPath?.[1])), width),
  globalFlags: fitFlags((doc.globalFlags ?? []).map(inOurWords), width),
  args: fitOperands(doc.args ?? [], width),
  subcommands: (doc.subcommands ?? []).map(({ commands, group }) => {
    const column = margin + Math.min(longest(commands.map(nameOf)) + gap, mostFor.subcommands)
    const [first, ...rest] = commands
    const fitted = (command: SubcommandDoc) => ({
      ...command,
      shortDescription: wrap(command.shortDescription ?? command.description, column, width)
    })
    return { group, commands: [fitted(first), ...rest.map(fitted)] }
  })
})

/** What these commands would refuse or ignore. */
const isFor = (command: string | undefined) => (flag: FlagDoc) =>
  !(asksNoNode.includes(command ?? "") && ["endpoint", "timeout"].includes(flag.name))

const asksNoNode = ["serve", "pipe", "config", "completion", "keygen"]

const longest = (texts: ReadonlyArray<string>): number => Math.max(...texts.map(({ length }) => length))

const nameOf = ({ alias, name }: SubcommandDoc): string => (alias === undefined ? name : `${name}, ${alias}`)

const flagOf = ({ aliases, name, type }: FlagDoc): string =>
  [`--${name}`, ...aliases].join(", ") + (type === "boolean" ? "" : ` ${type}`)

const operandOf = ({ name, type, variadic }: ArgDoc): string => `${name}${variadic ? "..." : ""} ${type}`

const fitOperands = (operands: ReadonlyArray<ArgDoc>, width: number): ReadonlyArray<ArgDoc> => {
  const column = margin + Math.min(longest(operands.map(operandOf)) + gap, mostFor.operands)
  return operands.map((operand) => ({
    ...operand,
    description: Option.map(operand.description, (text) => wrap(text, column, width - optional))
  }))
}

const fitFlags = (flags: ReadonlyArray<FlagDoc>, width: number): ReadonlyArray<FlagDoc> => {
  const column = margin + longest(flags.map(flagOf)) + gap
  return flags.map((flag) => ({
    ...flag,
    // The name of the value lists them already.
    description: Option.map(flag.description, (text) => wrap(text.replace(/ \(choices: .*\)$/, ""), column, width))
  }))
}

/** Nobody needs all nine levels, and certainly not twice. */
const inOurWords = (flag: FlagDoc): FlagDoc =>
  flag.name === "log-level"
    ? {
        ...flag,
        type: "LEVEL",
        description: Option.some("How much to log: debug, info, warn, error or none; debug shows the stacks of errors")
      }
    : flag

/**
 * Lines no longer than `width`, all but the first of them indented by `column`. What begins with a word and a colon has
 * its further lines below what stands behind that.
 *
 * @since 0.1.0
 * @category text
 */
export const wrap = (text: string, column: number, width: number): string =>
  text
    .split("\n")
    .flatMap((paragraph) => {
      const label = /^\w+: {2,}/.exec(paragraph)?.[0] ?? ""
      const lines: Array<string> = []
      let line = label
      for (const word of paragraph.slice(label.length).split(" ")) {
        const begun = line.length > label.length
        if (begun && column + line.length + 1 + word.length > width) {
          lines.push(line)
          line = " ".repeat(label.length) + word
        } else {
          line += begun ? ` ${word}` : word
        }
      }
      return [...lines, line]
    })
    .map((line, index) => (index === 0 || line === "" ? line : " ".repeat(column) + line))
    .join("\n")
