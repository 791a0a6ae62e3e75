/**
 * The commands, as `--help` shows them. What each of them does stands in a file of its own, which is loaded when it is
 * asked for: a question should not wait for a node that it does not need.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Stdio from "effect/Stdio"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { Failure } from "./Failure.ts"
import { config } from "./ConfigCommand.ts"
import { keygen } from "./KeygenCommand.ts"
import { nodeFlags } from "./NodeFlags.ts"
import { defaultEndpoint, globals, ownGlobals, root } from "./Root.ts"
import type { Closed } from "./Terminal.ts"
import { announce, publish, unpublish } from "./TupleCommands.ts"

const serve = Command.make(
  "serve",
  nodeFlags,
  Effect.fnUntraced(function* (flags) {
    const options = yield* ownGlobals("serve")
    const { serve } = yield* Effect.promise(() => import("./Serve.ts"))
    yield* serve(options, flags)
  })
).pipe(
  Command.withAlias("agent"),
  Command.withDescription("Runs a node of the gossip network in the foreground; prints each new tuple"),
  Command.withExamples([
    { command: "zgossip serve", description: `serve on ${defaultEndpoint}` },
    {
      command: "zgossip serve --bind 'tcp://127.0.0.1:*' --connect tcp://127.0.0.1:5670",
      description: "a second node, which joins the first one"
    },
    { command: "zgossip serve --config /etc/zgossip.zpl", description: "as the file says, and again when it changes" }
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

const list = Command.make(
  "list",
  {
    prefix: Argument.String("prefix").pipe(
      Argument.withDescription("Only keys that begin with this text"),
      Argument.optional
    ),
    keysOnly: Flag.Boolean("keys-only").pipe(
      Flag.withDescription("The keys without their values"),
      Flag.withDefault(false)
    ),
    raw: Flag.Boolean("raw").pipe(
      Flag.withDescription("Octets as they are: nothing is escaped"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* (input) {
    const options = yield* globals
    const { list } = yield* Effect.promise(() => import("./List.ts"))
    yield* list(options, input)
  })
).pipe(
  Command.withDescription("Prints the tuples of a node, sorted by key; nothing, and exit code 0, if there are none"),
  Command.withExamples([
    { command: "zgossip list service/", description: "the tuples whose key begins so, as key = value" },
    { command: "zgossip list --json | jq -r '.[].key'", description: "as one JSON array" }
  ])
)

const status = Command.make(
  "status",
  {
    ready: Flag.Boolean("ready").pipe(
      Flag.withDescription("Exit code 2 unless each node says that it is ready: connected to all its remotes"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* (input) {
    const options = yield* globals
    const { status } = yield* Effect.promise(() => import("./Status.ts"))
    yield* status(options, input)
  })
).pipe(
  Command.withDescription(
    "Says of each endpoint whether a node answers there, how many tuples it has and how long a round trip takes, the " +
      "best of three; of nodes of this make also whether they are ready and what they counted. Exit code 0 if all " +
      "answer; 2, or 4 where something else than a node does"
  ),
  Command.withShortDescription("Says whether nodes answer, and how many tuples they have"),
  Command.withExamples([
    { command: "zgossip status", description: `the node at ${defaultEndpoint}` },
    { command: "zgossip status -e tcp://10.0.0.7:5670 -e tcp://10.0.0.8:5670 -o table", description: "several" },
    {
      command: "zgossip status --ready --timeout 1s",
      description: "a readiness probe; without --ready, one of liveness"
    }
  ])
)

const ping = Command.make(
  "ping",
  {
    count: Flag.Int("count").pipe(
      Flag.withAlias("c"),
      Flag.withDescription("How many PINGs; without end unless given"),
      Flag.withMetavar("NUMBER"),
      Flag.optional
    ),
    interval: Flag.String("interval").pipe(
      Flag.withAlias("i"),
      Flag.withDescription("From one PING to the next: 200ms, 1s, 1m; 1s unless given"),
      Flag.withMetavar("TIME"),
      Flag.withDefault("1s")
    )
  },
  Effect.fnUntraced(function* (input) {
    const options = yield* globals
    const { ping } = yield* Effect.promise(() => import("./Ping.ts"))
    yield* ping(options, input)
  })
).pipe(
  Command.withDescription(
    "Sends PING after PING and prints how long each PONG took; at the end, also after Ctrl-C, the sums. A PING that is " +
      "not answered within --timeout is lost; the next one is sent on a new connection. Exit code 0 if any was " +
      "answered, 2 if none was, 130 after Ctrl-C"
  ),
  Command.withShortDescription("Measures the round trip to a node"),
  Command.withExamples([
    { command: "zgossip ping -c 5", description: `five times the node at ${defaultEndpoint}` },
    { command: "zgossip ping -e tcp://10.0.0.7:5670 -i 200ms --json", description: "a JSON object on each line" }
  ])
)

const exportCommand = Command.make(
  "export",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription("Where to; standard output if there is none, or for -"),
      Argument.optional
    ),
    prefix: Flag.String("prefix").pipe(
      Flag.withDescription("Only keys that begin with this text"),
      Flag.withMetavar("TEXT"),
      Flag.withDefault("")
    ),
    format: Flag.Literals("format", ["ndjson", "zpl"]).pipe(
      Flag.withDescription("A JSON object on each line, or a file as serve --config reads it; ndjson unless given"),
      Flag.withMetavar("ndjson|zpl"),
      Flag.withDefault("ndjson")
    )
  },
  Effect.fnUntraced(function* (input) {
    const options = yield* globals
    const { exportTuples } = yield* Effect.promise(() => import("./Export.ts"))
    yield* exportTuples(options, input)
  })
).pipe(
  Command.withDescription(
    "Writes the tuples of a node, sorted by key, so that import can read them, with any octets. A file has its old " +
      "content until all is written. What has a lifetime is written with it and with what remains of it"
  ),
  Command.withShortDescription("Writes the tuples of a node to a file"),
  Command.withExamples([
    { command: "zgossip export tuples.ndjson", description: "all of them" },
    {
      command: "zgossip export --prefix config/ | zgossip import -e tcp://10.0.0.7:5670",
      description: "some of them from one node to another"
    }
  ])
)

const importCommand = Command.make(
  "import",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription("Where from; standard input if there is none, or for -"),
      Argument.optional
    ),
    format: Flag.Literals("format", ["auto", "ndjson", "zpl"]).pipe(
      Flag.withDescription("How to read it; what begins with { or [ is JSON, unless given"),
      Flag.withMetavar("auto|ndjson|zpl"),
      Flag.withDefault("auto")
    )
  },
  Effect.fnUntraced(function* (input) {
    const options = yield* globals
    const { importTuples } = yield* Effect.promise(() => import("./Import.ts"))
    yield* importTuples(options, input)
  })
).pipe(
  Command.withDescription(
    "Publishes the tuples that export has written, and ends when the node has taken them all. Nothing is published if " +
      "a line is wrong. What has a lifetime is published for what remained of it"
  ),
  Command.withShortDescription("Publishes the tuples of a file"),
  Command.withExamples([
    { command: "zgossip import tuples.ndjson", description: "from a file" },
    {
      command: `echo '{"key":"printer","value":"tcp://10.0.0.7:9100"}' | zgossip import`,
      description: "from a program"
    }
  ])
)

const watch = Command.make(
  "watch",
  {
    prefix: Argument.String("prefix").pipe(
      Argument.withDescription("Only keys that begin with this text"),
      Argument.optional
    ),
    command: Argument.String("command").pipe(
      Argument.withDescription("Behind --: run this for each tuple instead of printing it"),
      Argument.atLeast(0)
    ),
    updatesOnly: Flag.Boolean("updates-only").pipe(
      Flag.withDescription("Not what there is already, only what changes from now on"),
      Flag.withDefault(false)
    ),
    deletes: Flag.Boolean("deletes").pipe(
      Flag.withDescription("Also what is deleted or has its time; with --json it is told anyway"),
      Flag.withDefault(false)
    ),
    once: Flag.Boolean("once").pipe(Flag.withDescription("End after the first tuple"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* ({ command, deletes, once, prefix, updatesOnly }) {
    const options = yield* globals
    const args = yield* Effect.flatMap(Stdio.Stdio, ({ args }) => args)
    const { watch } = yield* Effect.promise(() => import("./Watch.ts"))
    yield* watch(options, { operands: [...Option.toArray(prefix), ...command], deletes, once, updatesOnly }, args)
  })
).pipe(
  Command.withDescription(
    "Prints every tuple there is, then every one that is new or changes, until it is stopped. It only reads, and it " +
      "goes on when the node restarts.\n\n" +
      'What is deleted, or has its time, is told with --deletes as "KEY (deleted)", "KEY (expired)". As JSON each line ' +
      "has an event, put, deleted or expired, and what is gone has no value.\n\n" +
      "With -- COMMAND it prints nothing and runs the command for each tuple, one after the other: ZGOSSIP_EVENT is " +
      "put, or with --deletes also deleted or expired, then without a value; ZGOSSIP_KEY and ZGOSSIP_VALUE are the tuple, and standard input has the exact octets of the value. A value " +
      "over 64 KiB, one with NUL or that is no UTF-8 is on standard input only; for such a key there is " +
      "ZGOSSIP_KEY_BASE64. While the command runs tuples wait; of more than some 1000 only the newest value of each key."
  ),
  Command.withShortDescription("Prints each tuple and each change, or runs a command for it"),
  Command.withExamples([
    { command: "zgossip watch service/ --json", description: "the keys that begin so, a JSON object on each line" },
    {
      command: "zgossip watch config/ --updates-only -- sh -c 'cat > \"/etc/${ZGOSSIP_KEY##*/}\"'",
      description: "a command for each change"
    }
  ])
)

const pipe = Command.make(
  "pipe",
  { store: nodeFlags.store, storeSync: nodeFlags.storeSync },
  Effect.fnUntraced(function* (flags) {
    const options = yield* ownGlobals("pipe")
    const { pipe } = yield* Effect.promise(() => import("./Pipe.ts"))
    yield* pipe(options, flags)
  })
).pipe(
  Command.withDescription(
    "Runs a node that is driven by lines on standard input and answers by lines on standard output, for scripts and " +
      "for programs in any language.\n\n" +
      "In:   BIND endpoint, UNBIND endpoint, PORT, CONNECT endpoint, DISCONNECT endpoint, STATUS, PUBLISH key value " +
      "[lifetime=MILLISECONDS], UNPUBLISH key, SET path value, CONFIGURE file (or LOAD file), SAVE file, VERBOSE, $TERM\n" +
      "Out:  DELIVER key value for each new tuple, PORT number, STATUS number-of-tuples\n\n" +
      "One blank separates two fields; a blank in a field, % and what is not printable ASCII are written %XX, in " +
      "hexadecimal. Empty lines and lines that begin with # say nothing. What goes wrong is a line on standard error, " +
      "and the node lives on. It ends with its input, when all was carried out and what it published has arrived, or " +
      "after a second."
  ),
  Command.withShortDescription("Runs a node that is driven by lines on standard input"),
  Command.withExamples([
    {
      command: "printf 'BIND tcp://127.0.0.1:*\\nPORT\\nSTATUS\\n' | zgossip pipe",
      description: "the port, and how many tuples there are"
    },
    {
      command: "printf 'CONNECT tcp://127.0.0.1:5670\\nPUBLISH motd hi%%20all\\n' | zgossip pipe",
      description: "join a node, and publish a tuple"
    }
  ])
)

const completion = Command.make(
  "completion",
  {
    shell: Argument.Literals("shell", ["bash", "zsh", "fish"]).pipe(Argument.withDescription("bash, zsh or fish"))
  },
  // With its type, as it looks at the command that it is a part of.
  ({ shell }): Effect.Effect<void, Closed | Failure> =>
    Effect.flatMap(
      Effect.promise(() => import("./Completion.ts")),
      ({ completion }) => completion(command, { shell })
    )
).pipe(
  Command.withDescription("Prints the script that completes the arguments of zgossip in a shell"),
  Command.withExamples([
    { command: 'eval "$(zgossip completion bash)"', description: "a line for ~/.bashrc" },
    { command: "zgossip completion fish > ~/.config/fish/completions/zgossip.fish", description: "for fish, once" },
    { command: 'zgossip completion zsh > "${fpath[1]}/_zgossip"', description: "for zsh, once" }
  ])
)

/**
 * @since 0.1.0
 * @category commands
 */
export const command = root.pipe(
  Command.withSubcommands([
    serve,
    list,
    get,
    publish,
    unpublish,
    announce,
    status,
    ping,
    exportCommand,
    importCommand,
    watch,
    pipe,
    completion,
    config,
    keygen
  ]),
  Command.provide(({ quiet }) => (quiet ? onlyErrors : Layer.empty))
)

const onlyErrors = Layer.succeed(References.MinimumLogLevel, "Error")
