/**
 * Records on the disk: each change is written behind the others, and the file is made anew when most of it is of no use
 * any more.
 *
 * What {@link RecordLog.append} has taken is there again after the process was killed, at any moment. After a loss of
 * power it is what had reached the disk: all of it with `sync: 0`, else what is older than that. Where the disk is full
 * or fails, the log says so and goes on without it; it tries again, and then writes all that is live.
 *
 *     directory/lock       ; see DirectoryLock
 *     directory/log        ; see RecordFormat
 *     directory/log.next*  ; what is to become the log
 *     directory/log.2026-11-25T12-00-00.000Z.aside
 *                          ; a log in which something was not what was written
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { FileHandle } from "node:fs/promises"
import { constants, ftruncateSync, writeFileSync } from "node:fs"
import { open as openFile, readdir, rename, unlink } from "node:fs/promises"
import { join } from "node:path"
import type { Octets } from "../protocol/Octets.ts"
import type { FileError } from "./FileError.ts"
import { copyTo, fileError, syncDirectory, writeFileAtomically } from "./AtomicFile.ts"
import * as Directory from "./Directory.ts"
import { type DirectoryLocked, lock } from "./DirectoryLock.ts"
import type { Content, Entry } from "./RecordFormat.ts"
import * as RecordFormat from "./RecordFormat.ts"
import { codeOf } from "./ZmqError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** It is made where there is none. */
  readonly directory: string
  /**
   * After how many milliseconds, at most, what was appended is told to reach the disk; 0: before `append` ends. Default:
   * 1000.
   */
  readonly sync?: number
  /** The log is made anew when it is this many octets longer than {@link growth} times what is live. Default: 4 MiB. */
  readonly spare?: number
  /** Records of which this is not true are of another version: the log counts as damaged where they are. Default: all. */
  readonly isKnown?: (record: Octets) => boolean
}

/**
 * What was there when a log was opened.
 *
 * @since 0.1.0
 * @category models
 */
export interface Opened {
  /** In order of first arrival; not kept by the log. */
  readonly records: ReadonlyMap<Octets, Octets>
  /** What was given to the last `append`; empty where there was none. */
  readonly meta: Octets
  /** Something was lost: `records` need not be all, nor `meta` the newest. */
  readonly isDamaged: boolean
  /**
   * Goes on with the log. From now on `live` gives all that is to be in it whenever it is made anew: what was appended,
   * or is about to be, in order of first arrival. It is read a little at a time, and may change meanwhile: what is
   * removed then and comes again may change places with what else comes.
   */
  readonly resume: (live: () => Iterable<Entry>) => Effect.Effect<RecordLog, never, Scope.Scope>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface RecordLog {
  /**
   * Writes these changes, and `meta`, which takes the place of the one before. It fails once, when it cannot be
   * written; from then on, until it can be written again, it does nothing but remember `meta`. The program's log says
   * both. What must not be used twice, whatever happens, cannot rely on `meta` alone: a process that ends meanwhile
   * leaves an old one.
   */
  readonly append: (entries: Iterable<Entry>, meta: Octets) => Effect.Effect<void, FileError>
  /** Why nothing is written; undefined where all is well. */
  readonly failure: () => FileError | undefined
  /** Octets of the log. */
  readonly octets: () => number
}

/**
 * With less, more is written; with more, it takes longer to start, and more room.
 *
 * @since 0.1.0
 * @category limits
 */
export const growth = 3

/** Octets that are written at once without the way through another thread, which takes ten times as long. */
const small = 2 ** 18

/** Octets of what may be appended while the log is made anew. */
const mostMeanwhile = 2 ** 26

const again = Schedule.min([Schedule.exponential("1 second", 2), Schedule.spaced("1 minute")])

/**
 * Opens the log of a directory, or begins one. Whoever fails here has a directory that cannot be used, or that somebody
 * else uses. A log that is damaged, or of another version, is kept under another name, and what can be read of it is
 * taken: all but the frames that are wrong, and nothing behind a head that is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = (options: Options): Effect.Effect<Opened, DirectoryLocked | FileError, Scope.Scope> =>
  Effect.gen(function* () {
    const { directory } = options
    const path = join(directory, "log")
    yield* attempt("write", directory, () => Directory.make(directory))
    yield* lock(join(directory, "lock"))
    yield* attempt("write", directory, () => removeRemains(directory))
    const content = yield* attempt("read", path, () => read(path, options.isKnown))
    if (content === undefined) return opened(options, path, empty, true)
    const { faults, octets, records, torn } = content
    const isDamaged = faults.length > 0
    if (isDamaged) {
      const time = new Date(yield* Clock.currentTimeMillis).toISOString().replaceAll(":", "-")
      const aside = `${path}.${time}.aside`
      // A second name, so that there is a log at every moment.
      yield* attempt("write", aside, () => copyTo(path, aside))
      yield* Effect.logWarning(
        `${path} ${RecordFormat.describe(faults)}; it is kept as ${aside}, and the ${records.size} records that could be read are taken`
      )
    } else if (torn > 0) {
      yield* Effect.logInfo(`${path} ended in ${torn} octets of what was not written to its end; they are dropped`)
    }
    return opened(options, path, content, isDamaged || octets === 0)
  })

const empty: Content = { records: new Map(), meta: "", octets: 0, torn: 0, faults: [] }

const opened = (options: Options, path: string, content: Content, isAnew: boolean): Opened => {
  const { faults, meta, octets, records } = content
  let live = 0
  for (const [key, record] of records) live += RecordFormat.lengthOf(key, record)
  return {
    records,
    meta,
    isDamaged: faults.length > 0,
    resume: (entries) => resume(options, path, { octets: isAnew ? undefined : octets, live, meta }, entries)
  }
}

/** `octets` of a log that can be written on, `live` of them of use. */
interface Found {
  readonly octets: number | undefined
  readonly live: number
  readonly meta: Octets
}

const resume = (
  { directory, spare = 2 ** 22, sync = 1000 }: Options,
  path: string,
  found: Found,
  live: () => Iterable<Entry>
): Effect.Effect<RecordLog, never, Scope.Scope> =>
  Effect.gen(function* () {
    const turn = Semaphore.makeUnsafe(1)
    const mustRewrite = Latch.makeUnsafe(false)
    const mustSync = Latch.makeUnsafe(false)
    const next = `${path}.next`
    let { meta } = found
    let octets = found.octets ?? 0
    let limit = spare + growth * found.live
    let isSyncing = false
    let file: FileHandle | undefined
    let failure: FileError | undefined
    let said = ""
    /** While the log is made anew: the octets of what is live, and what is appended. */
    let written = 0
    let meanwhile: Array<Uint8Array> | undefined

    const write = async (to: FileHandle, pieces: ReadonlyArray<Uint8Array>): Promise<void> => {
      const length = lengthOfAll(pieces)
      // While a file is synced somebody who writes may have to wait, in the event loop if it is done there.
      const isSlow = length > small || isSyncing || meanwhile !== undefined
      for (const piece of pieces) {
        if (isSlow) await to.writeFile(piece)
        else writeFileSync(to.fd, piece)
      }
      octets += length
      if (octets > limit) mustRewrite.openUnsafe()
    }

    const suspend = (why: FileError) =>
      Effect.gen(function* () {
        const old = file
        file = undefined
        failure = why
        mustRewrite.openUnsafe()
        if (old !== undefined) {
          yield* Effect.promise(async () => {
            // What was not acknowledged need not be there, and what is half there should not.
            if (old.fd >= 0) attemptSync(() => ftruncateSync(old.fd, octets))
            await old.close().catch(() => undefined)
          })
        }
        yield* Effect.logWarning(`${why.message}; until it can be, all is kept in memory only`)
      })

    const append: RecordLog["append"] = (entries, newMeta) =>
      turn.withPermit(
        Effect.uninterruptible(
          Effect.suspend(() => {
            meta = newMeta
            const to = file
            if (to === undefined && meanwhile === undefined) return Effect.void
            const pieces = Array.from(RecordFormat.encode(entries, () => newMeta))
            for (const piece of pieces) meanwhile?.push(piece)
            if (to === undefined) return Effect.void
            return attempt("write", path, async () => {
              await write(to, pieces)
              if (sync === 0) await to.datasync()
              else mustSync.openUnsafe()
            }).pipe(Effect.tapError(suspend))
          })
        )
      )

    /** Writes all that is live into a file of its own, then what came meanwhile, and puts it into the log's place. */
    const rewrite = Effect.suspend(() => {
      const added: Array<Uint8Array> = []
      meanwhile = added
      return writeFileAtomically(next, snapshot(added), 0o600)
    }).pipe(
      Effect.andThen(turn.withPermit(Effect.uninterruptible(Effect.suspend(() => takeOver(meanwhile ?? []))))),
      Effect.ensuring(
        Effect.promise(async () => {
          meanwhile = undefined
          // It is there still where it could not take the log's place.
          await unlink(next).catch(() => undefined)
        })
      )
    )

    function* snapshot(added: Array<Uint8Array>): Generator<Uint8Array, void> {
      yield RecordFormat.beginning
      written = 0
      for (const piece of RecordFormat.encode(live(), () => meta)) {
        yield piece
        written += piece.length
        if (lengthOfAll(added) > mostMeanwhile) throw new Error("more comes than can be written")
      }
      // Each time it is what came during the last. Where that does not become less it would have no end.
      for (let round = 0; round < 3 && added.length > 0; round++) yield Buffer.concat(added.splice(0))
    }

    const takeOver = (rest: ReadonlyArray<Uint8Array>) =>
      attempt("write", path, async () => {
        // It is not made here: what is there is the whole of it.
        const to = await openFile(next, constants.O_WRONLY | constants.O_APPEND)
        try {
          await to.writeFile(Buffer.concat(rest))
          await to.datasync()
          const { size } = await to.stat()
          await rename(next, path)
          octets = size
        } catch (cause) {
          await to.close().catch(() => undefined)
          throw cause
        }
        await syncDirectory(directory)
        await file?.close().catch(() => undefined)
        file = to
        limit = spare + growth * written
        said = ""
        mustRewrite.closeUnsafe()
      }).pipe(
        Effect.andThen(
          Effect.suspend(() => {
            if (failure === undefined) return Effect.void
            failure = undefined
            return Effect.logInfo(`${path} can be written again, and has everything`)
          })
        )
      )

    const sayOnce = ({ message }: FileError) =>
      Effect.suspend(() => {
        if (failure !== undefined || message === said) return Effect.void
        said = message
        return Effect.logWarning(`${message}; the log grows meanwhile`)
      })

    const syncOnce = Effect.suspend(() => {
      const to = file
      if (to === undefined) return Effect.void
      isSyncing = true
      return attempt("write", path, () => to.datasync()).pipe(
        Effect.ensuring(Effect.sync(() => (isSyncing = false))),
        // What the system could not write it may have forgotten; nobody can tell what.
        Effect.catch((why) => turn.withPermit(Effect.suspend(() => (file === to ? suspend(why) : Effect.void))))
      )
    })

    yield* Effect.addFinalizer(() =>
      Effect.promise(async () => {
        await file?.datasync().catch(() => undefined)
        await file?.close().catch(() => undefined)
      })
    )
    if (found.octets !== undefined) {
      const end = found.octets
      // One that cannot be opened may be one that can be replaced.
      const opening = Effect.orElseSucceed(
        attempt("write", path, () => openToAppend(path, end)),
        () => undefined
      )
      file = yield* Effect.uninterruptible(opening)
    }
    if (file === undefined) yield* rewrite.pipe(Effect.catch(suspend))
    else if (octets > limit) mustRewrite.openUnsafe()
    yield* Effect.forkScoped(
      Effect.forever(
        mustRewrite.await.pipe(
          Effect.andThen(() => (failure === undefined ? Effect.void : Effect.sleep("1 second"))),
          Effect.andThen(rewrite.pipe(Effect.tapError(sayOnce), Effect.retry(again)))
        )
      )
    )
    if (sync > 0) {
      yield* Effect.forkScoped(
        Effect.forever(
          mustSync.await.pipe(
            Effect.andThen(Effect.sleep(sync)),
            Effect.andThen(Effect.sync(() => mustSync.closeUnsafe())),
            Effect.andThen(syncOnce)
          )
        )
      )
    }
    return { append, failure: () => failure, octets: () => octets }
  })

const lengthOfAll = (pieces: ReadonlyArray<Uint8Array>): number => pieces.reduce((sum, { length }) => sum + length, 0)

const attempt = <A>(operation: FileError["operation"], path: string, run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: (cause) => fileError(operation, path, cause) })

const attemptSync = (run: () => void): void => {
  try {
    run()
  } catch {
    // It is tried because it may help.
  }
}

/** Of a process that was killed while it made a log anew. */
const removeRemains = async (directory: string): Promise<void> => {
  for (const name of await readdir(directory)) if (name.startsWith("log.next")) await unlink(join(directory, name))
}

const read = async (path: string, isKnown?: Options["isKnown"]): Promise<Content | undefined> => {
  // To open a pipe is to wait for who writes to it.
  const file = await openFile(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    if (codeOf(cause) !== "ENOENT") throw cause
  })
  if (file === undefined) return undefined
  try {
    return await RecordFormat.decode(file, isKnown)
  } finally {
    await file.close()
  }
}

const openToAppend = async (path: string, octets: number): Promise<FileHandle> => {
  const file = await openFile(path, "a", 0o600)
  try {
    await file.truncate(octets)
    return file
  } catch (cause) {
    await file.close()
    throw cause
  }
}
