/**
 * Standard output and standard error: data to the one, everything else to the other.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { fstatSync, writeSync } from "node:fs"
import { styleText } from "node:util"
import { fileError } from "../layers/AtomicFile.ts"
import * as Octets from "../protocol/Octets.ts"
import type { Failure } from "./Failure.ts"
import { usage } from "./Failure.ts"

/** Standard output was closed by its reader: nothing more to do. */
export class Closed extends Data.TaggedError("Closed") {
  override readonly [Runtime.errorExitCode] = 0
}

/**
 * Writes to standard output and waits until it was taken. A reader that left ends the command quietly.
 *
 * @since 0.1.0
 * @category output
 */
export const write = (data: string | Uint8Array): Effect.Effect<void, Closed | Failure> =>
  Effect.suspend(() => {
    const { fd } = process.stdout
    return fstatSync(fd).isFile()
      ? Effect.try({ try: () => writeToFile(fd, data), catch: failure })
      : writeToStream(data)
  })

/** Node's own stream takes a short write to a file, as one on a full disk is, for a whole one. */
const writeToFile = (fd: number, data: string | Uint8Array): void => {
  const octets = Buffer.from(data)
  for (let at = 0; at < octets.length;) at += writeSync(fd, octets, at)
}

const writeToStream = (data: string | Uint8Array): Effect.Effect<void, Closed | Failure> =>
  Effect.callback((resume) => {
    process.stdout.write(data, (error) => resume(error ? Effect.fail(failed(error)) : Effect.void))
  })

/** EIO is what a terminal says that is not there any more. */
const closed = ["EPIPE", "ECONNRESET", "ERR_STREAM_DESTROYED", "EIO"]

const failed = (cause: unknown): Closed | Failure => {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  return typeof code === "string" && closed.includes(code) ? new Closed() : failure(cause)
}

const failure = (cause: unknown): Failure => usage(fileError("write", "standard output", cause).message)

/**
 * A line to standard error. Nobody has to read it.
 *
 * @since 0.1.0
 * @category output
 */
export const say = (line: string): Effect.Effect<void> =>
  Effect.sync(() => void process.stderr.write(`${printable(line)}\n`))

/**
 * What is no UTF-8 shows as U+FFFD.
 *
 * @since 0.1.0
 * @category text
 */
export const printable = Octets.printable

/**
 * The text in a colour, if there is somebody on this stream who sees colours.
 *
 * @since 0.1.0
 * @category text
 */
export const paint = (
  colour: Parameters<typeof styleText>[0],
  text: string,
  options: { readonly color: boolean; readonly stream?: NodeJS.WriteStream }
): string => {
  const { color, stream = process.stdout } = options
  return color && stream.isTTY && stream.hasColors() ? styleText(colour, text, { validateStream: false }) : text
}
