/**
 * The command-line program: `zgossip serve`, a node in the foreground. What it delivers goes to standard output, what
 * it has to say to standard error.
 *
 * @since 0.1.0
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { createRequire } from "node:module"
import { styleText } from "node:util"
import * as Gossip from "./Gossip.ts"
import * as Octets from "./protocol/Octets.ts"
import type { Tuple } from "./protocol/Tuple.ts"

const { version } = createRequire(import.meta.url)("../package.json") as { readonly version: string }

/** Where `serve` listens unless told otherwise. */
const defaultEndpoint = "tcp://127.0.0.1:5670"

/** The arguments are wrong: one line that says how to mend them. */
class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {}

const serve = Command.make(
  "serve",
  {
    bind: Flag.String("bind").pipe(
      Flag.withDescription(`Serve on this endpoint; repeatable; ${defaultEndpoint} unless given`),
      Flag.withMetavar("ENDPOINT"),
      Flag.atLeast(0)
    ),
    connect: Flag.String("connect").pipe(
      Flag.withDescription("Connect to the node at this endpoint, now or whenever it appears; repeatable"),
      Flag.withMetavar("ENDPOINT"),
      Flag.atLeast(0)
    ),
    publish: Flag.String("publish").pipe(
      Flag.withDescription("Publish this tuple; repeatable"),
      Flag.withMetavar("KEY=VALUE"),
      Flag.atLeast(0)
    ),
    verbose: Flag.Boolean("verbose").pipe(
      Flag.withDescription("Trace commands and state machines"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ bind, connect, publish, verbose }) {
    const tuples = yield* Effect.forEach(publish, parseTuple)
    yield* Effect.provide(node({ bind, connect, tuples }), Gossip.layer({ verbose }))
  }, Effect.scoped)
).pipe(
  Command.withDescription("Runs a node of the gossip network in the foreground; prints each new tuple"),
  Command.withExamples([
    { command: "zgossip serve", description: `serve on ${defaultEndpoint}` },
    {
      command:
        "zgossip serve --bind 'tcp://127.0.0.1:*' --connect tcp://127.0.0.1:5670 --publish printer=tcp://10.0.0.7:9100",
      description: "join the node there, and publish a tuple"
    }
  ])
)

const node = Effect.fnUntraced(function* ({
  bind,
  connect,
  tuples
}: {
  readonly bind: ReadonlyArray<string>
  readonly connect: ReadonlyArray<string>
  readonly tuples: ReadonlyArray<readonly [string, string]>
}) {
  const gossip = yield* Gossip.Gossip
  const deliveries = yield* gossip.subscribe
  yield* Effect.forEach(bind.length === 0 ? [defaultEndpoint] : bind, gossip.bind, { discard: true })
  yield* Effect.forEach(connect, gossip.connect, { discard: true })
  yield* gossip.publishAll(tuples)
  // The reader of a pipe may leave: then there is nothing more to do.
  yield* Stream.runForEachArray(deliveries, printTuples)
})

const parseTuple = (text: string): Effect.Effect<readonly [string, string], UsageError> => {
  const equals = text.indexOf("=")
  return equals < 0
    ? Effect.fail(
        new UsageError({ message: `--publish ${JSON.stringify(text)} has no value: write --publish key=value` })
      )
    : Effect.succeed([text.slice(0, equals), text.slice(equals + 1)])
}

/** How many octets of a value are shown. */
const shownOctets = 1000

/** Standard output was closed by its reader: nothing more to do. */
class Closed extends Data.TaggedError("Closed") {
  override readonly [Runtime.errorExitCode] = 0
}

/** What is read on standard output was lost, with the system's reason. */
class OutputError extends Data.TaggedError("OutputError")<{ readonly message: string }> {}

const printTuples = (tuples: ReadonlyArray<Tuple>): Effect.Effect<void, Closed | OutputError> => {
  const colour = process.stdout.isTTY && process.stdout.hasColors()
  const text = tuples
    .map(({ key, valueOctets }) => {
      const shown = printable(Octets.toText(valueOctets.slice(0, shownOctets)))
      const rest = valueOctets.length > shownOctets ? ` ... (${valueOctets.length} octets)` : ""
      return `${colour ? styleText("cyan", printable(key)) : printable(key)} = ${shown}${rest}\n`
    })
    .join("")
  return Effect.callback((resume) => {
    process.stdout.write(text, (error: NodeJS.ErrnoException | null | undefined) => {
      if (!error) return resume(Effect.void)
      const left = error.code === "EPIPE" || error.code === "ECONNRESET" || error.code === "ERR_STREAM_DESTROYED"
      resume(
        Effect.fail(
          left ? new Closed() : new OutputError({ message: `cannot write to standard output: ${error.message}` })
        )
      )
    })
  })
}

/** Control characters would move the cursor or forge a line; what is no UTF-8 shows as U+FFFD. */
const printable = (text: string): string =>
  text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

/** One line each to standard error: time, level where it is not Info, text. */
const logger = Logger.make(({ cause, date, logLevel, message }) => {
  const text = (Array.isArray(message) ? message : [message]).map(String).join(" ")
  const detail = cause.reasons.length === 0 ? "" : `\n${Cause.pretty(cause)}`
  const level = logLevel === "Info" ? "" : `${logLevel.toUpperCase()} `
  const line = `${date.toISOString().slice(11, 23)} ${level}${printable(text)}${detail}\n`
  const colour = process.stderr.isTTY && process.stderr.hasColors()
  process.stderr.write(
    !colour ? line : styleText(logLevel === "Error" ? "red" : logLevel === "Warn" ? "yellow" : "dim", line)
  )
})

/**
 * @since 0.1.0
 * @category commands
 */
export const command = Command.make("zgossip").pipe(
  Command.withDescription("ZeroMQ's zgossip: nodes that agree on a set of key/value tuples without a server"),
  Command.withSubcommands([serve])
)

/** A node that is told to stop (SIGINT, SIGTERM) has done what it was told. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)

/** An error that its reader can mend is one line; a fault of ours comes with its stack. */
const report = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  if (Cause.hasDies(cause)) return Effect.logError("a fault of zgossip", cause)
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  return Effect.sync(() => {
    if (error instanceof UsageError || error instanceof Gossip.GossipError || error instanceof OutputError) {
      process.stderr.write(`zgossip: ${printable(error.message)}\n`)
    }
  })
}

/** Wrong arguments are one line; the help, which would scroll it away, is there for who asks. */
const presenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.sync(() => {
          const errors = event.errors.map(({ message }) => message.replaceAll(/\s*\n\s*/g, " ")).join("; ")
          process.stderr.write(`zgossip: ${printable(errors)} (see ${event.commandPath.join(" ")} --help)\n`)
        })
      : CliOutput.defaultPresenter.present(event)
})

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
  command.pipe(
    Command.run({ version }),
    Effect.tapCause(report),
    Effect.provide([NodeServices.layer, Logger.layer([logger]), presenter]),
    NodeRuntime.runMain({ teardown, disableErrorReporting: true })
  )
}
