/**
 * `--help` behind the name of a command that there is not: the parser would show the help of all commands, as if
 * nothing was wrong.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"

/** The names of those that do something, not of those that only have others below them. */
const namesOf = (command: Command.Command.Any): ReadonlyArray<string> => {
  const below = command.subcommands.flatMap(({ commands }) => commands)
  return below.length > 0
    ? below.flatMap(namesOf)
    : [command.name, ...(command.alias === undefined ? [] : [command.alias])]
}

const isHelp = (arg: string): boolean => arg === "--help" || arg === "-h"

/**
 * The arguments, without `--help` where the parser knows no command of that name: then it says so. Where the name of one
 * that does something stands among them it is not asked, for it would be run.
 *
 * @since 0.1.0
 * @category parsing
 */
export const withoutHelp = <const Name extends string, Input, ContextInput, E, R>(
  command: Command.Command<Name, Input, ContextInput, E, R>,
  args: ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    const end = args.indexOf("--")
    const words = end < 0 ? args : args.slice(0, end)
    const names = namesOf(command)
    if (!words.some(isHelp) || words.some((word) => names.includes(word))) return args
    const rest = [...words.filter((word) => !isHelp(word)), ...args.slice(words.length)]
    let unknown = false
    const note = CliOutput.layerPresenter({
      present: (event) =>
        Effect.sync(() => {
          if (event._tag !== "InvalidInvocation") return
          unknown = event.errors.some(({ _tag }) => _tag === "UnknownSubcommand")
        })
    })
    yield* Command.runWith(command, { version: "" })(rest).pipe(Effect.provide(note), Effect.ignore)
    return unknown ? rest : args
  })
