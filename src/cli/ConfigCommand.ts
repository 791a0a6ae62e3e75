/**
 * The command `config` and its two parts, as `--help` shows them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { nodeFlags } from "./NodeFlags.ts"
import { ownGlobals } from "./Root.ts"

const check = Command.make(
  "check",
  { file: Argument.String("file").pipe(Argument.withDescription("A configuration in ZPL, as CZMQ has it")) },
  Effect.fnUntraced(function* (input) {
    const options = yield* ownGlobals("config")
    const { check } = yield* Effect.promise(() => import("./Config.ts"))
    yield* check(options, input)
  })
).pipe(
  Command.withDescription(
    "Says whether a node would take this file, and which lines mean nothing; exit code 1 and the line and column if not"
  ),
  Command.withExamples([
    { command: "zgossip config check /etc/zgossip.zpl", description: "before the node reads it" },
    { command: "zgossip config check zgossip.zpl && sudo cp zgossip.zpl /etc/", description: "and only then" }
  ])
)

const show = Command.make(
  "show",
  nodeFlags,
  Effect.fnUntraced(function* (flags) {
    const options = yield* ownGlobals("config")
    const { show } = yield* Effect.promise(() => import("./Config.ts"))
    yield* show(options, flags)
  })
).pipe(
  Command.withDescription(
    "Shows the configuration that serve would have with the same flags, and where each value comes from: a flag, a " +
      "variable ZGOSSIP_..., a line of the file, or the default"
  ),
  Command.withExamples([
    { command: "zgossip config show", description: "all settings, and their variables where they are set" },
    { command: "ZGOSSIP_SERVER_TIMEOUT=5000 zgossip config show --config /etc/zgossip.zpl", description: "which wins" }
  ])
)

/**
 * @since 0.1.0
 * @category commands
 */
export const config = Command.make("config").pipe(
  Command.withDescription("Checks a configuration file, or shows the configuration and where it comes from"),
  Command.withExamples([
    { command: "zgossip config check /etc/zgossip.zpl", description: "is this file right?" },
    { command: "zgossip config show --config /etc/zgossip.zpl", description: "what would be?" }
  ]),
  Command.withSubcommands([check, show])
)
