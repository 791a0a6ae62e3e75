/**
 * The command-line program: the commands, the log, what a failure looks like, and how it ends.
 *
 * @since 0.1.0
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import { createRequire } from "node:module"
import { isatty } from "node:tty"
import { asFlags, complaint, separate } from "./cli/Arguments.ts"
import { command } from "./cli/Commands.ts"
import { exitCodes, Failure } from "./cli/Failure.ts"
import { formatter } from "./cli/Help.ts"
import { withoutHelp } from "./cli/Mistake.ts"
import { paint, printable } from "./cli/Terminal.ts"
import { ConfigurationError } from "./protocol/Configuration.ts"
import { GossipError } from "./services/Gossip.ts"

const { version } = createRequire(import.meta.url)("../package.json") as { readonly version: string }

/** What the arguments say before they are parsed: a log and an error may come first. */
const args = separate(asFlags(process.argv.slice(2)))
const end = args.indexOf("--")
const options = args.slice(0, end < 0 ? args.length : end)

const color = !options.includes("--no-color")
const debugging = /(?:^|\s)--log-level[=\s](?:debug|trace|all)(?:\s|$)/.test(options.join(" "))

/** One line each to standard error: time, level where it is not Info, text. */
const logger = Logger.make(({ cause, date, logLevel, message }) => {
  const text = (Array.isArray(message) ? message : [message]).map(String).join(" ")
  // A stack is for who asks for it, and for a fault of ours.
  const detail = cause.reasons.length > 0 && (debugging || Cause.hasDies(cause)) ? `\n${Cause.pretty(cause)}` : ""
  const level = logLevel === "Info" ? "" : `${logLevel.toUpperCase()} `
  const line = `${date.toISOString().slice(11, 23)} ${level}${printable(text)}${detail}\n`
  const style = logLevel === "Error" ? "red" : logLevel === "Warn" ? "yellow" : "dim"
  process.stderr.write(paint(style, line, { color, stream: process.stderr }))
})

/** A node that is told to stop (SIGINT, SIGTERM) has done what it was told. */
const teardown: Runtime.Teardown = (exit, onExit) => {
  const stopped = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
  if (isWrongUsage(exit)) return onExit(exitCodes.usage)
  return stopped && isNode ? onExit(0) : Runtime.defaultTeardown(exit, onExit)
}

const names = command.subcommands.flatMap(({ commands }) => commands.flatMap(({ alias, name }) => [name, alias]))
const isNode = ["serve", "agent"].includes(options.find((option) => names.includes(option)) ?? "")

/** What somebody took for an argument may be anything. */
const longestLine = 500

const line = (text: string): string =>
  printable(text.length > longestLine ? `${text.slice(0, longestLine - 100)} ... ${text.slice(-100)}` : text)

/** An error that its reader can mend is one line; a fault of ours comes with its stack. */
const report = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  if (Cause.hasDies(cause)) return Effect.logError("a fault of zgossip", cause)
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  if (!(error instanceof Failure || error instanceof GossipError || error instanceof ConfigurationError))
    return Effect.void
  return Effect.sync(() => {
    process.stderr.write(`zgossip: ${line(error.message)}\n`)
    if (debugging) process.stderr.write(`${Cause.pretty(cause)}\n`)
  })
}

/** Wrong arguments are one line; the help, which would scroll it away, is there for who asks. */
const present = (event: CliOutput.Presenter.Event): Effect.Effect<void> => {
  switch (event._tag) {
    case "InvalidInvocation":
      return Effect.sync(() => {
        const [first, second, ...more] = event.errors.map(({ message }) => line(complaint(message)))
        const errors = [first, second, more.length > 0 ? `and ${more.length} more` : undefined]
        const told = errors.filter((error) => error !== undefined).join("; ")
        process.stderr.write(`zgossip: ${told} (see ${event.commandPath.join(" ")} --help)\n`)
      })
    case "Help":
      // Who did not ask for it has left out the command: that is no data.
      return event.reason === "Implicit"
        ? Effect.sync(() => void process.stderr.write(`${help(process.stderr).formatHelpDoc(event.helpDoc)}\n`))
        : CliOutput.defaultPresenter.present(event)
    case "Version":
      return CliOutput.defaultPresenter.present(event)
  }
}

const help = (stream: NodeJS.WriteStream): CliOutput.Formatter =>
  formatter({ colors: color && stream.isTTY && stream.hasColors(), columns: stream.columns })

const output = Layer.mergeAll(CliOutput.layerPresenter({ present }), CliOutput.layer(help(process.stdout)))

/** Help that nobody asked for is shown because the command is missing. */
const isWrongUsage = (exit: Exit.Exit<unknown, unknown>): boolean => {
  const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined
  return CliError.isCliError(error) && error._tag === "ShowHelp"
}

/** There is a command for completions, and `--help` leads everywhere. */
const builtIns = CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.LogLevel] })

/**
 * Runs the command with the arguments of this process.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (): void => {
  // A closed standard error must not end the node; a closed standard output is found out when it is written to.
  process.stderr.on("error", () => {})
  process.stdout.on("error", () => {})
  // The terminal is gone: that ends it as any other signal does, with all that it has started. Where there was none
  // the signal is from somebody else's; nohup(1) leaves none, and Node hides that it ignores the signal.
  const atTerminal = [0, 1, 2].some((fd) => isatty(fd))
  process.on("SIGHUP", () => {
    if (atTerminal) process.kill(process.pid, "SIGTERM")
  })
  withoutHelp(command, args).pipe(
    Effect.flatMap(Command.runWith(command, { version })),
    Effect.tapCause(report),
    Effect.provide([NodeServices.layer, Logger.layer([logger]), output, builtIns]),
    NodeRuntime.runMain({ teardown, disableErrorReporting: true })
  )
}
