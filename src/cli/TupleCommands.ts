/**
 * The commands that set and delete tuples, as `--help` shows them: `publish`, `unpublish`, `announce`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { globals } from "./Root.ts"

const key = Argument.String("key").pipe(Argument.withDescription("The key, as text of up to 255 octets"))

const lifetime = Flag.String("lifetime").pipe(Flag.withMetavar("TIME"))

/**
 * @since 0.1.0
 * @category commands
 */
export const publish = Command.make(
  "publish",
  {
    key,
    value: Argument.String("value").pipe(
      Argument.withDescription("The value, as text; without it all of standard input, as it is"),
      Argument.optional
    ),
    lifetime: lifetime.pipe(
      Flag.withDescription(
        "It ends so long from now: 500ms, 30s, 5m, 2h, 7d; without, it does not. CZMQ's nodes keep it"
      ),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* (input) {
    const options = yield* globals
    const { publish } = yield* Effect.promise(() => import("./Publish.ts"))
    yield* publish(options, input)
  })
).pipe(
  Command.withDescription(
    "Sets a tuple, and ends silently when the node has taken it; what begins with a dash goes behind --"
  ),
  Command.withExamples([
    { command: "zgossip publish printer tcp://10.0.0.7:9100", description: "text" },
    { command: "zgossip publish logo < logo.png", description: "any octets, exactly" },
    { command: "zgossip publish --lifetime 30s alive yes", description: "gone in half a minute, unless said again" },
    { command: "zgossip publish -- offset -5", description: "a value that begins with a dash" }
  ])
)

/**
 * @since 0.1.0
 * @category commands
 */
export const unpublish = Command.make(
  "unpublish",
  {
    keys: Argument.String("key").pipe(Argument.withDescription("The keys, as text"), Argument.atLeast(1))
  },
  Effect.fnUntraced(function* (input) {
    const options = yield* globals
    const { unpublish } = yield* Effect.promise(() => import("./Unpublish.ts"))
    yield* unpublish(options, input)
  })
).pipe(
  Command.withDescription(
    "Deletes tuples, on all nodes of this make; ends silently when the node has none of them any more. Exit code 3 if a " +
      "key was not there; the others are deleted all the same. CZMQ's nodes do not know how to delete, and are refused"
  ),
  Command.withShortDescription("Deletes tuples"),
  Command.withExamples([
    { command: "zgossip unpublish printer", description: "one" },
    {
      command: "zgossip list service/ --keys-only | xargs -r zgossip unpublish",
      description: "all whose key begins so"
    }
  ])
)

/**
 * @since 0.1.0
 * @category commands
 */
export const announce = Command.make(
  "announce",
  {
    key,
    value: Argument.String("value").pipe(Argument.withDescription("The value, as text")),
    lifetime: lifetime.pipe(
      Flag.withDescription("How long it stays where this command ends without a word; 10s unless given"),
      Flag.withDefault("10s")
    )
  },
  Effect.fnUntraced(function* (input) {
    const options = yield* globals
    const { announce } = yield* Effect.promise(() => import("./Announce.ts"))
    yield* announce(options, input)
  })
).pipe(
  Command.withDescription(
    "Sets a tuple and keeps it until this command is stopped, then deletes it. Where the command is killed, or its host " +
      "is, the tuple ends by itself. If somebody else sets or deletes the key meanwhile, it gives way: exit code 1. " +
      "CZMQ's nodes keep the tuple"
  ),
  Command.withShortDescription("Sets a tuple for as long as it runs"),
  Command.withExamples([
    { command: "zgossip announce host/web-1 up", description: "until Ctrl-C" },
    {
      command: "zgossip announce service/db tcp://10.0.0.7:5432 & db-server; kill $!",
      description: "as long as a program runs"
    }
  ])
)
