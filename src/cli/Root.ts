/**
 * The command without its subcommands: its name, and the flags that all of them take, before or behind their names.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { endpointVariable, strangers, tell } from "../layers/EnvironmentNotices.ts"
import { brief, parseConnect } from "../protocol/Endpoint.ts"
import type { Security } from "../protocol/Security.ts"
import type { Failure } from "./Failure.ts"
import { usage } from "./Failure.ts"
import { say } from "./Terminal.ts"

/** Where `serve` listens and where the others look for it, unless told otherwise. */
export const defaultEndpoint = "tcp://127.0.0.1:5670"

/**
 * @since 0.1.0
 * @category commands
 */
export const root = Command.make("zgossip").pipe(
  Command.withDescription(
    "ZeroMQ's zgossip: nodes that agree on a set of key/value tuples without a server.\n" +
      "Exit codes: 0 done, 1 wrong usage, 2 unreachable or timed out, 3 no such key, 4 not a zgossip node, 130 interrupted"
  ),
  Command.withExamples([
    { command: "zgossip serve --publish greeting=hello", description: `a node on ${defaultEndpoint}, with a tuple` },
    { command: "zgossip list", description: "what it holds; any command with --help says more" }
  ]),
  Command.withSharedFlags({
    endpoint: Flag.String("endpoint").pipe(
      Flag.withAlias("e"),
      Flag.withDescription(
        `The node to ask; repeatable, the first that answers; else ZGOSSIP_ENDPOINT, else ${defaultEndpoint}`
      ),
      Flag.withMetavar("ENDPOINT"),
      Flag.atLeast(0)
    ),
    output: Flag.Literals("output", ["text", "json", "table"]).pipe(
      Flag.withAlias("o"),
      Flag.withDescription("How to print; json is one line each where there is no end to it"),
      Flag.withMetavar("text|json|table"),
      Flag.optional
    ),
    json: Flag.Boolean("json").pipe(Flag.withDescription("The same as --output json"), Flag.withDefault(false)),
    timeout: Flag.String("timeout").pipe(
      Flag.withDescription("How long to wait for the node: 500ms, 5s, 1m; a bare number is seconds; 5s unless given"),
      Flag.withMetavar("TIME"),
      Flag.withDefault("5s")
    ),
    quiet: Flag.Boolean("quiet").pipe(
      Flag.withAlias("q"),
      Flag.withDescription("Say nothing on standard error but errors"),
      Flag.withDefault(false)
    ),
    serverKey: Flag.String("server-key").pipe(
      Flag.withDescription("The public key that the node must have, or a file with it: CURVE, encrypted"),
      Flag.withMetavar("KEY|FILE"),
      Flag.optional
    ),
    certificate: Flag.String("certificate").pipe(
      Flag.withDescription("Our own keys, as zgossip keygen writes them: FILE_secret, or else FILE"),
      Flag.withMetavar("FILE"),
      Flag.optional
    ),
    user: Flag.String("user").pipe(
      Flag.withDescription("Where PLAIN is asked: a file with one line of user=password; it goes in clear text"),
      Flag.withMetavar("FILE"),
      Flag.optional
    ),
    noColor: Flag.Boolean("no-color").pipe(
      Flag.withDescription("No colours, as with NO_COLOR; there are none in files and pipes anyway"),
      Flag.withDefault(false)
    )
  })
)

/**
 * The shared flags, read.
 *
 * @since 0.1.0
 * @category models
 */
export interface Globals {
  /** At least one; not checked. */
  readonly endpoints: readonly [string, ...ReadonlyArray<string>]
  readonly format: "text" | "json" | "table"
  /** Milliseconds. */
  readonly timeout: number
  readonly quiet: boolean
  /** What the flags say of it: what to show, and whom to expect. */
  readonly security: Pick<Security, "certificate" | "serverKey" | "user">
  /** Colours were not forbidden; whether the stream takes any is for the stream to say. */
  readonly color: boolean
}

const read = (
  fromEnvironment: (quiet: boolean) => Effect.Effect<ReadonlyArray<string>, Failure>
): Effect.Effect<Globals, Failure, Command.CommandContext<"zgossip"> | Stdio.Stdio> =>
  Effect.gen(function* () {
    const { certificate, endpoint, json, noColor, output, quiet, serverKey, timeout, user } = yield* root
    const args = yield* Effect.flatMap(Stdio.Stdio, ({ args }) => args)
    const garbled = args.find((arg) => arg.includes("\ufffd"))
    if (garbled !== undefined) {
      // Node has put this character in the place of each octet that it could not read.
      return yield* usage(
        `${JSON.stringify(brief(garbled))} is no UTF-8: give such a value on standard input, or import it`
      )
    }
    if (json && Option.isSome(output) && output.value !== "json") {
      return yield* usage(`--json and --output ${output.value} contradict each other: give one of them`)
    }
    const milliseconds = parseTime(timeout)
    if (milliseconds === undefined) {
      return yield* usage(`--timeout ${JSON.stringify(timeout)} is no time: write 500ms, 5s or 1m`)
    }
    const [first = defaultEndpoint, ...rest] = endpoint.length > 0 ? endpoint : yield* fromEnvironment(quiet)
    return {
      endpoints: [first, ...rest],
      format: json ? "json" : Option.getOrElse(output, () => "text"),
      timeout: milliseconds,
      quiet,
      security: {
        certificate: Option.getOrUndefined(certificate),
        serverKey: Option.getOrUndefined(serverKey),
        user: Option.getOrUndefined(user)
      },
      color: !noColor
    }
  })

/** Several are separated by commas or blanks. Where it is misspelt another node would be asked. */
const fromEnvironment = Effect.fnUntraced(function* (quiet: boolean) {
  const found = yield* Config.option(Config.String(endpointVariable)).pipe(
    Effect.mapError((error) => usage(`cannot read ${endpointVariable}: ${error.message}`))
  )
  if (Option.isSome(found)) {
    const parts = found.value.split(/[\s,]+/).filter((part) => part !== "")
    for (const part of parts) {
      const parsed = parseConnect(part)
      if (Result.isFailure(parsed)) return yield* usage(`${endpointVariable}: ${parsed.failure.message}`)
    }
    return parts
  }
  const misspelt = (yield* strangers).filter(({ meant }) => meant === endpointVariable)
  if (!quiet) yield* Effect.forEach(misspelt, (stranger) => say(`zgossip: ${tell(stranger)}`))
  return []
})

/**
 * @since 0.1.0
 * @category getters
 */
export const globals = read(fromEnvironment)

/**
 * The shared flags, for a command that asks no node.
 *
 * @since 0.1.0
 * @category getters
 */
export const ownGlobals = (command: string): typeof globals =>
  Effect.flatMap(root, ({ endpoint }) =>
    endpoint.length === 0
      ? read(() => Effect.succeed([]))
      : Effect.fail(usage(`${command} asks no node and takes no --endpoint`))
  )

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, "": 1000 }

/**
 * The milliseconds of a time as `--timeout` takes it, from 1 ms to an hour unless told otherwise.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseTime = (text: string, most = 3_600_000): number | undefined => {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|)$/.exec(text) ?? []
  const milliseconds = Math.round(Number(number) * units[(unit ?? "") as keyof typeof units])
  return milliseconds >= 1 && milliseconds <= most ? milliseconds : undefined
}
