/**
 * How a command fails: one line, and an exit code.
 *
 * | code | means |
 * | --- | --- |
 * | 0 | done |
 * | 1 | wrong usage, or something refused: an address in use, a file that cannot be written, a node without room |
 * | 2 | the node could not be reached, or did not answer in time |
 * | 3 | there is no such key |
 * | 4 | what answered does not speak the protocol |
 * | 130 | interrupted; `serve` exits with 0 when it is told to stop |
 *
 * A `watch -- COMMAND` ends as the command does, where its end is that of the watch.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"

/**
 * @since 0.1.0
 * @category models
 */
export const exitCodes = { usage: 1, unreachable: 2, noSuchKey: 3, protocol: 4 } as const

/**
 * `message` says what happened, to which endpoint or file, and what to do.
 *
 * @since 0.1.0
 * @category errors
 */
export class Failure extends Data.TaggedError("Failure")<{
  readonly kind: keyof typeof exitCodes
  readonly message: string
  /** That of a command which was run here, and failed. */
  readonly exitCode?: number
}> {
  override readonly [Runtime.errorExitCode] = this.exitCode ?? exitCodes[this.kind]
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const usage = (message: string): Failure => new Failure({ kind: "usage", message })
