/**
 * `zgossip completion SHELL`
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import type { Failure } from "./Failure.ts"
import type { Closed } from "./Terminal.ts"
import { write } from "./Terminal.ts"

/**
 * Prints the script that completes the arguments of a command in a shell.
 *
 * @since 0.1.0
 * @category commands
 */
export const completion = (
  command: Command.Command.Any,
  { shell }: { readonly shell: Completions.Shell }
): Effect.Effect<void, Closed | Failure> => {
  const script = Completions.generate(command.name, shell, complete(Completions.fromCommand(command)))
  // Its head says how to install it, in the words of a flag that this program does not have.
  return write(`${script.replaceAll(`${command.name} --completions`, `${command.name} completion`)}\n`)
}

/** With the flags that every command has, and without those that nobody types, such as --no-json. */
const complete = (command: Completions.CommandDescriptor): Completions.CommandDescriptor => ({
  ...command,
  flags: [
    ...command.flags.map((flag) => ({ ...flag, negation: false as const, ...(files.includes(flag.name) ? file : {}) })),
    ...everywhere
  ],
  arguments: command.arguments.map((argument) => (argument.name === "file" ? { ...argument, ...file } : argument)),
  subcommands: command.subcommands.map(complete)
})

/** Flags whose value is a file. */
const files = ["config", "certificate", "server-key", "user", "users", "allow-keys"]

const file = { type: { _tag: "Path", pathType: "file" } } as const

const everywhere: ReadonlyArray<Completions.FlagDescriptor> = [
  { name: "help", aliases: ["h"], description: "Show help information", type: { _tag: "Boolean" }, negation: false },
  {
    name: "log-level",
    aliases: [],
    description: "Sets the minimum log level",
    type: { _tag: "Choice", values: ["debug", "info", "warn", "error", "none"] }
  }
]
