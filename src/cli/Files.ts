/**
 * What commands read and write as a whole: a file, or standard input and standard output.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { fstatSync } from "node:fs"
import { FileError } from "../layers/FileError.ts"
import { readFile, readWhole, writeFileAtomically } from "../layers/AtomicFile.ts"
import type { Failure } from "./Failure.ts"
import { usage } from "./Failure.ts"
import type { Closed } from "./Terminal.ts"
import { write } from "./Terminal.ts"

/**
 * All octets of a file, or of standard input where there is no path. More than `most` of them are refused: an input
 * need not have an end.
 *
 * @since 0.1.0
 * @category input
 */
export const read = (path: string | undefined, most: number): Effect.Effect<Buffer, Failure> =>
  Effect.mapError(
    path === undefined
      ? Effect.andThen(
          checkInput,
          readWhole("standard input", () => process.stdin, most)
        )
      : readFile(path, most),
    ({ message }) => usage(message)
  )

/**
 * Node reads a directory as if it were empty.
 *
 * @since 0.1.0
 * @category input
 */
export const checkInput: Effect.Effect<void, FileError> = Effect.suspend(() =>
  fstatSync(0).isDirectory()
    ? Effect.fail(new FileError({ operation: "read", path: "standard input", detail: "it is a directory" }))
    : Effect.void
)

/** A write costs a call of the system; and a reader that leaves should not be written to for long. */
const chunkOctets = 64 * 1024

/**
 * Writes all pieces to a file, which has its old content until the last of them is there; or to standard output.
 *
 * @since 0.1.0
 * @category output
 */
export const writeTo = (
  path: string | undefined,
  pieces: Iterable<string | Uint8Array>
): Effect.Effect<void, Failure | Closed> =>
  path === undefined
    ? Effect.gen(function* () {
        for (const chunk of inChunks(pieces)) yield* write(chunk)
      })
    : Effect.mapError(writeFileAtomically(path, inChunks(pieces)), ({ message }) => usage(message))

const inChunks = function* (pieces: Iterable<string | Uint8Array>): Generator<Uint8Array> {
  let chunk: Array<Buffer> = []
  let octets = 0
  for (const piece of pieces) {
    const buffer = Buffer.from(piece)
    chunk.push(buffer)
    octets += buffer.length
    if (octets < chunkOctets) continue
    yield Buffer.concat(chunk)
    chunk = []
    octets = 0
  }
  if (octets > 0) yield Buffer.concat(chunk)
}

/**
 * The path that was given, if any: `-` stands for standard input or output, as everywhere.
 *
 * @since 0.1.0
 * @category options
 */
export const pathOf = (file: Option.Option<string>): Effect.Effect<string | undefined, Failure> => {
  const path = Option.getOrElse(file, () => "-")
  if (path === "") return Effect.fail(usage("FILE is empty: name one, or write - for standard input or output"))
  return Effect.succeed(path === "-" ? undefined : path)
}
