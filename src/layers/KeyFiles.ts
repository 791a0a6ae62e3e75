/**
 * Keys, lists of keys and passwords in files. A file with secrets that others can read is refused, and one with public
 * keys that others can write. Lists are read again when they have changed, for as long as somebody asks; one that cannot
 * be read leaves everything as it was.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import * as Certificate from "../protocol/Certificate.ts"
import * as Octets from "../protocol/Octets.ts"
import * as Z85 from "../protocol/Z85.ts"
import { fileError, readFile } from "./AtomicFile.ts"
import { FileError } from "./FileError.ts"

/** Octets of a certificate, or of a list: 50,000 keys. While one is read the node does nothing else. */
const longest = 2 ** 21

/** Lines about what is wrong: a directory of something else has one for each of its files. */
const mostNotices = 20

/** Files of a directory. */
const most = 10_000

/** Octets of a user and of a password, as ZeroMQ has them. */
const longestName = 255

const secretSuffix = "_secret"

/**
 * A file with secrets: like PostgreSQL's keys, it may be read by its owner alone, or if that is root by a group too.
 *
 * @since 0.1.0
 * @category files
 */
export const readSecret = (path: string): Effect.Effect<Buffer, FileError> =>
  Effect.flatMap(statOf(path), ({ mode, uid }) => {
    const forbidden = uid === 0 ? 0o027 : 0o077
    return (mode & forbidden) === 0
      ? readRegular(path)
      : Effect.fail(
          new FileError({ operation: "read", path, detail: "others can read or change its secrets: chmod 600 it" })
        )
  })

/** Of files with public keys, and of their directory: as with sshd's `authorized_keys` its owner alone may write it. */
const othersWrite = 0o022

/** What is not there, or no file, is for who reads it to say. */
const checkWriters = (path: string): Effect.Effect<void, FileError> =>
  Effect.flatMap(Effect.option(statOf(path)), (found) =>
    Option.isSome(found) &&
    (found.value.isFile() || found.value.isDirectory()) &&
    (found.value.mode & othersWrite) !== 0
      ? wrong(path, "others can write it, and say whose keys are good: chmod go-w it")
      : Effect.void
  )

const statOf = (path: string) =>
  Effect.tryPromise({ try: () => stat(path), catch: (cause) => fileError("read", path, cause) })

/** A pipe would keep us waiting, and the end of the process too. */
const readRegular = (path: string): Effect.Effect<Buffer, FileError> =>
  Effect.flatMap(statOf(path), (found) =>
    found.isFile() || found.isDirectory()
      ? readFile(path, longest)
      : Effect.fail(new FileError({ operation: "read", path, detail: "it is no regular file" }))
  )

const exists = (path: string): Effect.Effect<boolean> => Effect.isSuccess(statOf(path))

const wrong = (path: string, detail: string) => new FileError({ operation: "read", path, detail })

/**
 * Our own keys. As in CZMQ `server.cert` names `server.cert_secret`, where there is one.
 *
 * @since 0.1.0
 * @category certificates
 */
export const keys = Effect.fnUntraced(function* (path: string) {
  const beside = `${path}${secretSuffix}`
  const file = (yield* exists(beside)) ? beside : path
  const certificate = Certificate.parse(yield* readSecret(file))
  if (Result.isFailure(certificate)) return yield* wrong(file, certificate.failure.message)
  const { publicKey, secretKey } = certificate.success
  if (secretKey === undefined) {
    return yield* wrong(file, `it has no secret key, and there is no ${beside}: zgossip keygen makes both`)
  }
  return { publicKey, secretKey } satisfies Certificate.Keys
})

/**
 * A public key, or the one in a file.
 *
 * @since 0.1.0
 * @category certificates
 */
export const publicKey = Effect.fnUntraced(function* (keyOrPath: string) {
  if (Z85.isKey(keyOrPath)) return keyOrPath
  yield* checkWriters(keyOrPath)
  const { keys } = Certificate.parseKeys(yield* readRegular(keyOrPath))
  const [key, ...others] = keys
  if (key === undefined) return yield* wrong(keyOrPath, "it has no public key, and its name is none")
  if (others.length > 0) return yield* wrong(keyOrPath, `it has ${keys.length} public keys, and one is needed`)
  return key
})

/**
 * Lines of `user=password`, as zauth has them; a line that begins with `#` is a comment.
 *
 * @since 0.1.0
 * @category passwords
 */
export const passwords = Effect.fnUntraced(function* (path: string) {
  if (path.includes("=") && !(yield* exists(path))) {
    return yield* wrong("the file of passwords", "no file has this name; a password goes into a file, and is not shown")
  }
  const found = new Map<string, Redacted.Redacted<string>>()
  for (const [index, text] of Octets.toText(Octets.from(yield* readSecret(path)))
    .split("\n")
    .entries()) {
    const line = text.trim()
    if (line === "" || line.startsWith("#")) continue
    const [, user = "", password = ""] = /^([^=]*?)\s*=\s*(.*)$/.exec(line) ?? []
    const fits = [user, password].every((it) => it !== "" && Buffer.byteLength(it) <= longestName)
    if (!fits) return yield* wrong(path, `line ${index + 1} is not user=password, of 1 to ${longestName} octets each`)
    found.set(user, Redacted.make(password, { label: "password" }))
  }
  return found
})

/** Keys that may enter, and what is wrong with the files, one line each. */
interface AllowList {
  readonly keys: ReadonlySet<string>
  readonly notices: ReadonlyArray<string>
}

/**
 * The public keys in a file, or in the files of a directory; those that end in `_secret` are passed over.
 *
 * @since 0.1.0
 * @category lists
 */
export const allowed = (path: string): Effect.Effect<AllowList, FileError> =>
  Effect.gen(function* () {
    const keys = new Set<string>()
    const notices: Array<string> = []
    yield* checkWriters(path)
    for (const file of yield* filesOf(path)) {
      // All of it is refused: one file more or less may be the key of somebody who was struck off.
      yield* checkWriters(file)
      const read = yield* Effect.result(readRegular(file))
      if (Result.isFailure(read)) {
        // A file of a directory may be on its way; the one that was named must be there.
        if (file === path) return yield* read.failure
        notices.push(read.failure.message)
        continue
      }
      const parsed = Certificate.parseKeys(read.success)
      for (const key of parsed.keys) keys.add(key)
      for (const { message } of parsed.wrong) notices.push(`${file}: ${message}`)
    }
    const more = notices.length - mostNotices
    if (more > 0) notices.splice(mostNotices, more, `${path}: and ${more} more like these`)
    return { keys, notices }
  })

const filesOf = Effect.fnUntraced(function* (path: string) {
  if (!(yield* statOf(path)).isDirectory()) return [path]
  const entries = yield* Effect.tryPromise({
    try: () => readdir(path, { withFileTypes: true }),
    catch: (cause) => fileError("read", path, cause)
  })
  const files = entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith(".") && !entry.name.endsWith(secretSuffix))
    .map(({ name }) => join(path, name))
    .sort()
  return files.length > most ? yield* wrong(path, `it has more than ${most} files`) : files
})

/**
 * Something that is another text once a file, or a file in a directory, has changed.
 *
 * @since 0.1.0
 * @category lists
 */
export const stamp = (path: string): Effect.Effect<string> =>
  Effect.flatMap(
    Effect.orElseSucceed(filesOf(path), () => []),
    (files) =>
      Effect.map(
        Effect.forEach([path, ...files], (file) =>
          Effect.match(statOf(file), {
            onFailure: () => "",
            onSuccess: ({ ctimeMs, ino, mtimeMs, size }) => [file, ino, mtimeMs, ctimeMs, size].join(" ")
          })
        ),
        (stamps) => stamps.join("\n")
      )
  )
