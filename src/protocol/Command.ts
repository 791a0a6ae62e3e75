/**
 * The commands of the command pipe and what comes back, typed, and in the multipart-string form of the original's
 * actor interface (`["BIND", "tcp://*:*"]` in, `["PORT", "49152"]` out).
 *
 *     BIND endpoint        -               CONNECT endpoint      -
 *     UNBIND endpoint      -               DISCONNECT endpoint   -
 *     PORT                 PORT n          PUBLISH key value     -
 *     STATUS               STATUS n        UNPUBLISH key         -
 *     CONFIGURE file       -               SET path value        -
 *     VERBOSE              -               SAVE file             -
 *     $TERM                -
 *
 * DELIVER key value comes for every new tuple, also for those published here. LOAD is the older name of CONFIGURE.
 * UNBIND, DISCONNECT and UNPUBLISH are ours, and so is a third field of PUBLISH, lifetime=MILLISECONDS. With its name in
 * front of it no value with a blank that somebody forgot to escape is taken for one.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import * as Octets from "./Octets.ts"
import * as Tuple from "./Tuple.ts"

/**
 * @since 0.1.0
 * @category models
 */
export type Command =
  | { readonly _tag: "Bind"; readonly endpoint: string }
  | { readonly _tag: "Unbind"; readonly endpoint: string }
  | { readonly _tag: "Port" }
  | { readonly _tag: "Connect"; readonly endpoint: string }
  | { readonly _tag: "Disconnect"; readonly endpoint: string }
  | { readonly _tag: "Publish"; readonly tuple: Tuple.Tuple; readonly lifetime?: number }
  | { readonly _tag: "Unpublish"; readonly key: Octets.Octets }
  | { readonly _tag: "Status" }
  | { readonly _tag: "Set"; readonly path: string; readonly value: string }
  | { readonly _tag: "Configure"; readonly file: string }
  | { readonly _tag: "Save"; readonly file: string }
  | { readonly _tag: "Verbose" }
  | { readonly _tag: "Stop" }

/**
 * What a node says on its pipe. `port` is that of the last bind: 0 where there was none or it is not tcp, -1 where it
 * failed. A command that failed has no multipart form: the original says nothing then.
 *
 * @since 0.1.0
 * @category models
 */
export type Reply<E = never> =
  | { readonly _tag: "Port"; readonly port: number }
  | { readonly _tag: "Status"; readonly tuples: number }
  | { readonly _tag: "Deliver"; readonly tuple: Tuple.Tuple }
  | { readonly _tag: "Failed"; readonly command: Command; readonly error: E }

/**
 * The strings are no command.
 *
 * @since 0.1.0
 * @category errors
 */
export class CommandError extends Data.TaggedError("CommandError")<{
  readonly command: string
  readonly detail: string
}> {
  override get message(): string {
    return `${this.command === "" ? "the command" : this.command}: ${this.detail}`
  }
}

/** The fields behind each command's name, as its error message writes them; one in brackets may be missing. */
const fieldNames = {
  BIND: ["endpoint"],
  UNBIND: ["endpoint"],
  PORT: [],
  CONNECT: ["endpoint"],
  DISCONNECT: ["endpoint"],
  PUBLISH: ["key", "value", "[lifetime=MILLISECONDS]"],
  UNPUBLISH: ["key"],
  STATUS: [],
  SET: ["path", "value"],
  CONFIGURE: ["file"],
  LOAD: ["file"],
  SAVE: ["file"],
  VERBOSE: [],
  $TERM: []
} as const satisfies Record<string, ReadonlyArray<string>>

type Name = keyof typeof fieldNames

const isName = (name: string): name is Name => Object.hasOwn(fieldNames, name)

/**
 * Reads a command from its strings. Key and value may be octets.
 *
 * @since 0.1.0
 * @category multipart strings
 */
export const fromStrings = (strings: ReadonlyArray<Octets.Input>): Result.Result<Command, CommandError> => {
  const [first = "", ...fields] = strings
  const name = text(first)
  const fail = (detail: string) => Result.fail(new CommandError({ command: name, detail }))
  if (!isName(name)) return fail(`unknown, write one of ${Object.keys(fieldNames).join(", ")}`)
  const expected = fieldNames[name]
  if (fields.length > expected.length || fields.length < expected.filter((field) => !field.startsWith("[")).length) {
    return fail(`${fields.length} field${fields.length === 1 ? "" : "s"}, write ${[name, ...expected].join(" ")}`)
  }
  const [one = "", two = "", three] = fields
  switch (name) {
    case "BIND":
      return Result.succeed({ _tag: "Bind", endpoint: text(one) })
    case "UNBIND":
      return Result.succeed({ _tag: "Unbind", endpoint: text(one) })
    case "PORT":
      return Result.succeed({ _tag: "Port" })
    case "CONNECT":
      return Result.succeed({ _tag: "Connect", endpoint: text(one) })
    case "DISCONNECT":
      return Result.succeed({ _tag: "Disconnect", endpoint: text(one) })
    case "PUBLISH": {
      const [, lifetime] = three === undefined ? [] : (/^lifetime=([1-9]\d{0,13})$/.exec(text(three)) ?? [])
      if (three !== undefined && lifetime === undefined) {
        return fail("3 fields, and the last one is not lifetime=MILLISECONDS, from 1 to 99999999999999")
      }
      return Result.mapBoth(Tuple.make(one, two), {
        onSuccess: (tuple): Command =>
          lifetime === undefined ? { _tag: "Publish", tuple } : { _tag: "Publish", tuple, lifetime: Number(lifetime) },
        onFailure: (error) => new CommandError({ command: name, detail: error.message })
      })
    }
    case "UNPUBLISH":
      return Result.mapBoth(Tuple.make(one, ""), {
        onSuccess: ({ keyOctets }): Command => ({ _tag: "Unpublish", key: keyOctets }),
        onFailure: (error) => new CommandError({ command: name, detail: error.message })
      })
    case "STATUS":
      return Result.succeed({ _tag: "Status" })
    case "SET":
      return Result.succeed({ _tag: "Set", path: text(one), value: text(two) })
    case "CONFIGURE":
    case "LOAD":
      return Result.succeed({ _tag: "Configure", file: text(one) })
    case "SAVE":
      return Result.succeed({ _tag: "Save", file: text(one) })
    case "VERBOSE":
      return Result.succeed({ _tag: "Verbose" })
    case "$TERM":
      return Result.succeed({ _tag: "Stop" })
  }
}

/**
 * Writes a reply as its strings. Key and value are their octets, one character each.
 *
 * @since 0.1.0
 * @category multipart strings
 */
export const toStrings = (
  reply: Exclude<Reply, { readonly _tag: "Failed" }>
): readonly [string, ...ReadonlyArray<Octets.Octets>] => {
  switch (reply._tag) {
    case "Port":
      return ["PORT", String(reply.port)]
    case "Status":
      return ["STATUS", String(reply.tuples)]
    case "Deliver":
      return ["DELIVER", reply.tuple.keyOctets, reply.tuple.valueOctets]
  }
}

const text = (field: Octets.Input): string => (typeof field === "string" ? field : Octets.toText(Octets.from(field)))
