/**
 * The commands, as `--help` shows them. What each of them does stands in a file of its own, which is loaded when it is
 * asked for: a question should not wait for a node that it does not need.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { defaultEndpoint, globals, root } from "./Root.ts"

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
  Effect.fnUntraced(function* (flags) {
    const options = yield* globals
    const { serve } = yield* Effect.promise(() => import("./Serve.ts"))
    yield* serve(options, flags)
  })
).pipe(
  Command.withAlias("agent"),
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

const get = Command.make(
  "get",
  {
    key: Argument.String("key").pipe(Argument.withDescription("The key, as text")),
    raw: Flag.Boolean("raw").pipe(
      Flag.withDescription("The octets of the value and nothing else, no line end"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* (input) {
    const options = yield* globals
    const { get } = yield* Effect.promise(() => import("./Get.ts"))
    yield* get(options, input)
  })
).pipe(
  Command.withDescription("Prints the value of a key, as the node has it now; exit code 3 if there is no such key"),
  Command.withExamples([
    { command: "zgossip get printer", description: `ask the node at ${defaultEndpoint}` },
    { command: "zgossip -e tcp://10.0.0.7:5670 get logo --raw > logo.png", description: "any octets" }
  ])
)

/**
 * @since 0.1.0
 * @category commands
 */
export const command = root.pipe(Command.withSubcommands([serve, get]))
