/**
 * The command `keygen`, as `--help` shows it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { ownGlobals } from "./Root.ts"

/**
 * @since 0.1.0
 * @category commands
 */
export const keygen = Command.make(
  "keygen",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription("The file for the public key; the secret one is FILE_secret")
    ),
    name: Flag.String("name").pipe(
      Flag.withDescription("Whose keys they are; it stands in both files, and nothing checks it"),
      Flag.withMetavar("TEXT"),
      Flag.optional
    ),
    force: Flag.Boolean("force").pipe(
      Flag.withDescription("In the place of keys that are there: who has those is locked out"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ file, force, name }) {
    const options = yield* ownGlobals("keygen")
    const { keygen } = yield* Effect.promise(() => import("./Keygen.ts"))
    yield* keygen(options, { file, force, name: Option.getOrUndefined(name) })
  })
).pipe(
  Command.withDescription(
    "Makes keys for CURVE and writes them to two files, as CZMQ has them: FILE is for others, FILE_secret for nobody " +
      "else. Prints the public key"
  ),
  Command.withShortDescription("Makes keys for CURVE"),
  Command.withExamples([
    { command: "zgossip keygen node.cert --name web-1", description: "for a node: serve --certificate node.cert" },
    {
      command: "zgossip keygen ~/me.cert",
      description: "for who asks with --certificate, once it is where --allow-keys looks"
    }
  ])
)
