/**
 * A directory that one process has to itself, until it lets go of it or ends, however it ends.
 *
 * Node.js has no locks of files. SQLite, which it brings along, has those of the system: an empty database with a
 * transaction that never ends is one. A file with a process id in it is not: it stays behind when its process is killed,
 * and another process gets the number, in a container always the same.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DatabaseSync } from "node:sqlite"
import { accessSync, chmodSync, constants } from "node:fs"
import { dirname } from "node:path"
import { fileError } from "./AtomicFile.ts"
import type { FileError } from "./FileError.ts"

/**
 * Somebody else has it; or this process, a second time.
 *
 * @since 0.1.0
 * @category errors
 */
export class DirectoryLocked extends Data.TaggedError("DirectoryLocked")<{ readonly directory: string }> {
  override get message(): string {
    return `${this.directory} is in use by another node: each needs a directory of its own`
  }
}

/**
 * Takes the lock that is the file at `path`, which nothing else may open, and does not wait for it. The file stays.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lock = (path: string): Effect.Effect<void, DirectoryLocked | FileError, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.try({
        try: () => take(path),
        catch: (cause) =>
          isBusy(cause) ? new DirectoryLocked({ directory: dirname(path) }) : fileError("write", path, cause)
      }),
      (database) => Effect.sync(() => database.close())
    )
  )

const take = (path: string): DatabaseSync => {
  // SQLite takes what it can only read, and says little of what it cannot open.
  accessSync(dirname(path), constants.W_OK)
  const database = new (sqlite().DatabaseSync)(path, { timeout: 0 })
  try {
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
    chmodSync(path, 0o600)
    return database
  } catch (cause) {
    database.close()
    throw cause
  }
}

/** Node.js 22 warns of it, on the standard error of every program, as of something that may change. */
const sqlite = () => {
  const emitWarning = Object.getOwnPropertyDescriptor(process, "emitWarning")
  process.emitWarning = () => undefined
  try {
    return process.getBuiltinModule("node:sqlite")
  } finally {
    if (emitWarning !== undefined) Object.defineProperty(process, "emitWarning", emitWarning)
  }
}

/** SQLITE_BUSY */
const isBusy = (cause: unknown): boolean => cause instanceof Error && "errcode" in cause && cause.errcode === 5
