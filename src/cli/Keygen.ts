/**
 * `zgossip keygen`: a pair of keys for CURVE, in the files of CZMQ's zcert.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { writeFilesTogether } from "../layers/AtomicFile.ts"
import { makeKeys } from "../layers/Guards.ts"
import * as Certificate from "../protocol/Certificate.ts"
import * as Octets from "../protocol/Octets.ts"
import { usage } from "./Failure.ts"
import type { Globals } from "./Root.ts"
import { printable, say, write } from "./Terminal.ts"

/** Everybody may read the one, its owner alone the other. */
const modes = { public: 0o644, secret: 0o600 }

/**
 * @since 0.1.0
 * @category commands
 */
export const keygen = Effect.fnUntraced(function* (
  { format, quiet }: Globals,
  { file, force, name }: { readonly file: string; readonly force: boolean; readonly name: string | undefined }
) {
  if (file === "" || file.endsWith("/") || file.endsWith("_secret")) {
    return yield* usage(`${JSON.stringify(file)} is no name for a certificate: keygen writes FILE and FILE_secret`)
  }
  const secretFile = `${file}_secret`
  const there = [secretFile, file].find((path) => existsSync(path))
  if (there !== undefined && !force) {
    return yield* usage(`${printable(there)} is there already, and who has its keys would be locked out: see --force`)
  }
  const metadata: Certificate.Certificate["metadata"] = name === undefined ? [] : [["name", name]]
  const keys = yield* makeKeys
  const [secret, shown] = [
    Certificate.printSecret({ ...keys, metadata }),
    Certificate.printPublic({ publicKey: keys.publicKey, metadata })
  ]
  // Each is good for nothing without the other.
  yield* writeFilesTogether(
    [
      { path: secretFile, octets: Octets.toBytes(secret), mode: modes.secret },
      { path: file, octets: Octets.toBytes(shown), mode: modes.public }
    ],
    { replace: force }
  ).pipe(Effect.mapError(({ message }) => usage(message)))
  if (format === "json") return yield* write(`${JSON.stringify({ publicKey: keys.publicKey, file, secretFile })}\n`)
  yield* write(`${keys.publicKey}\n`)
  if (!quiet) yield* say(`wrote ${file}, the public key, for others, and ${secretFile}, which is for nobody else`)
})
