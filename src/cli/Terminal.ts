/**
 * Standard output and standard error: data to the one, everything else to the other.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { styleText } from "node:util"
import { Failure } from "./Failure.ts"

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
  Effect.callback((resume) => {
    process.stdout.write(data, (error: NodeJS.ErrnoException | null | undefined) => {
      if (!error) return resume(Effect.void)
      const left = error.code === "EPIPE" || error.code === "ECONNRESET" || error.code === "ERR_STREAM_DESTROYED"
      resume(
        Effect.fail(
          left
            ? new Closed()
            : new Failure({ kind: "usage", message: `cannot write to standard output: ${error.message}` })
        )
      )
    })
  })

/**
 * A line to standard error. Nobody has to read it.
 *
 * @since 0.1.0
 * @category output
 */
export const say = (line: string): Effect.Effect<void> =>
  Effect.sync(() => void process.stderr.write(`${printable(line)}\n`))

/**
 * Control characters would move the cursor or forge a line; what is no UTF-8 shows as U+FFFD.
 *
 * @since 0.1.0
 * @category text
 */
export const printable = (text: string): string =>
  text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

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
