/**
 * What went wrong with a file.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * A file that could not be written, and has its old content still; one that could not be read. `detail` is one line.
 *
 * @since 0.1.0
 * @category errors
 */
export class FileError extends Data.TaggedError("FileError")<{
  readonly operation: "read" | "write"
  readonly path: string
  readonly detail: string
}> {
  override get message(): string {
    return `cannot ${this.operation} ${this.path}: ${this.detail}`
  }
}
