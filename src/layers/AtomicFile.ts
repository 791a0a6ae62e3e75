/**
 * Files as wholes. Reading has a bound; writing is done beside the file, which is then put in its place: whoever reads
 * meanwhile, or after a crash, finds the old content or the new one.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { FileHandle } from "node:fs/promises"
import type { Stats } from "node:fs"
import { constants, createReadStream } from "node:fs"
import { copyFile, link, open, realpath, rename, stat, unlink } from "node:fs/promises"
import { dirname } from "node:path"
import { getSystemErrorMessage } from "node:util"
import { FileError } from "./FileError.ts"
import { codeOf } from "./ZmqError.ts"

/**
 * @since 0.1.0
 * @category errors
 */
export const fileError = (operation: FileError["operation"], path: string, cause: unknown): FileError =>
  new FileError({ operation, path, detail: describe(cause) })

const describe = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  const code = codeOf(cause)
  return code !== undefined && "errno" in cause && typeof cause.errno === "number"
    ? `${getSystemErrorMessage(cause.errno)} (${code})`
    : (cause.message.split("\n", 1)[0] ?? "")
}

/**
 * All octets of a file, a device, a pipe. More than `most` of them are refused: it need not have an end.
 *
 * @since 0.1.0
 * @category files
 */
export const readFile = (path: string, most: number): Effect.Effect<Buffer, FileError> =>
  readWhole(path, (signal) => createReadStream(path, { signal }), most)

/**
 * The same of a stream that has this name.
 *
 * @since 0.1.0
 * @category files
 */
export const readWhole = (
  name: string,
  open: (signal: AbortSignal) => AsyncIterable<unknown>,
  most: number
): Effect.Effect<Buffer, FileError> =>
  Effect.tryPromise({
    try: async (signal) => {
      const pieces: Array<Buffer> = []
      let octets = 0
      for await (const piece of open(signal)) {
        if (!(piece instanceof Buffer)) throw new TypeError("it is no stream of octets")
        pieces.push(piece)
        octets += piece.length
        if (octets > most) throw new RangeError(`it has more than ${most} octets, the limit`)
      }
      return Buffer.concat(pieces)
    },
    catch: (cause) => fileError("read", name, cause)
  })

/**
 * Replaces the content of a file, or makes it. The file behind a link is replaced, not the link, and keeps its mode
 * unless one is given. What is no file but a device or a pipe is written to.
 *
 * @since 0.1.0
 * @category files
 */
export const writeFileAtomically = (
  path: string,
  octets: Uint8Array | Iterable<Uint8Array>,
  mode?: number
): Effect.Effect<void, FileError> => {
  const pieces = octets instanceof Uint8Array ? [octets] : octets
  const failed = (cause: unknown) => fileError("write", path, cause)
  return Effect.tryPromise({ try: () => stat(path).catch(orUndefined), catch: failed }).pipe(
    Effect.flatMap((found) =>
      // What a shell has opened for us must stay the one that it opened, also where it is a file.
      (found !== undefined && !found.isFile()) || /^\/(?:dev\/(?:fd\/|std)|proc\/)/.test(path)
        ? Effect.tryPromise({ try: (signal) => writeOnto(path, pieces, signal), catch: failed })
        : toItsEnd((signal) => replace(path, found, mode, pieces, signal), failed)
    )
  )
}

/** Interrupted, it waits until the promise has noticed: a file that is half done has to be removed. */
const toItsEnd = <E>(run: (signal: AbortSignal) => Promise<void>, failed: (cause: unknown) => E) =>
  Effect.callback<void, E>((resume, signal) => {
    const ended = run(signal).then(
      () => resume(Effect.void),
      (cause: unknown) => resume(Effect.fail(failed(cause)))
    )
    return Effect.promise(() => ended)
  })

const writeOnto = async (path: string, pieces: Iterable<Uint8Array>, signal: AbortSignal): Promise<void> => {
  const handle = await open(path, constants.O_WRONLY | constants.O_APPEND)
  try {
    await pour(handle, pieces, signal)
  } finally {
    await handle.close()
  }
}

const replace = async (
  path: string,
  found: Stats | undefined,
  given: number | undefined,
  pieces: Iterable<Uint8Array>,
  signal: AbortSignal
): Promise<void> => {
  const target = found === undefined ? path : await realpath(path)
  const { handle, temporary } = await openBeside(target, given)
  try {
    await fill(handle, given ?? found?.mode, pieces, signal)
    await rename(temporary, target)
  } catch (cause) {
    await unlink(temporary).catch(() => undefined)
    throw cause
  }
  await syncDirectory(dirname(target))
}

const fill = async (
  handle: FileHandle,
  mode: number | undefined,
  pieces: Iterable<Uint8Array>,
  signal: AbortSignal
): Promise<void> => {
  try {
    if (mode !== undefined) await handle.chmod(mode)
    await pour(handle, pieces, signal)
    // Only what has reached the disk may take the place of what is there.
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** A file that is written together with others. */
interface Whole {
  readonly path: string
  readonly octets: Uint8Array | Iterable<Uint8Array>
  readonly mode: number
}

/**
 * Writes several files, all of them or none. None that is there is replaced, also one that came a moment ago, unless
 * `replace` says so; then all are as they were where one could not be.
 *
 * @since 0.1.0
 * @category files
 */
export const writeFilesTogether = (
  files: ReadonlyArray<Whole>,
  { replace }: { readonly replace: boolean }
): Effect.Effect<void, FileError> =>
  Effect.suspend(() => {
    let path = ""
    return toItsEnd(
      (signal) => together(files, replace, signal, (now) => void (path = now)),
      (cause) => fileError("write", path, cause)
    )
  })

const together = async (
  files: ReadonlyArray<Whole>,
  mayReplace: boolean,
  signal: AbortSignal,
  on: (path: string) => void
): Promise<void> => {
  const temporaries: Array<string> = []
  const undo: Array<() => Promise<void>> = []
  try {
    const ready: Array<{ readonly path: string; readonly target: string; readonly temporary: string }> = []
    // A full disk shows before the first is in its place.
    for (const { mode, octets, path } of files) {
      on(path)
      const found = mayReplace ? await stat(path).catch(orUndefined) : undefined
      const target = found === undefined ? path : await realpath(path)
      const { handle, temporary } = await openBeside(target, mode)
      temporaries.push(temporary)
      await fill(handle, mode, octets instanceof Uint8Array ? [octets] : octets, signal)
      ready.push({ path, target, temporary })
    }
    for (const { path, target, temporary } of ready) {
      on(path)
      const old = `${temporary}.old`
      // Of a process that had our number, and was killed.
      await unlink(old).catch(() => undefined)
      const hasOld = mayReplace && (await copyTo(target, old).then(() => true, orUndefined)) === true
      if (hasOld) {
        temporaries.push(old)
        await rename(temporary, target)
      } else {
        await copyTo(temporary, target)
      }
      undo.push(() => (hasOld ? rename(old, target) : unlink(target)))
    }
    for (const directory of new Set(ready.map(({ target }) => dirname(target)))) await syncDirectory(directory)
  } catch (cause) {
    for (const back of undo.reverse()) await back().catch(() => undefined)
    throw cause
  } finally {
    for (const temporary of temporaries) await unlink(temporary).catch(() => undefined)
  }
}

/**
 * Gives a file a second name, that nothing has; or makes a second file, where a file has one name.
 *
 * @since 0.1.0
 * @category files
 */
export const copyTo = async (path: string, target: string): Promise<void> => {
  try {
    await link(path, target)
  } catch (cause) {
    if (!noLinks.includes(codeOf(cause) ?? "")) throw cause
    await copyFile(path, target, constants.COPYFILE_EXCL)
  }
}

const noLinks = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EXDEV"]

const pour = async (handle: FileHandle, pieces: Iterable<Uint8Array>, signal: AbortSignal): Promise<void> => {
  for (const piece of pieces) {
    signal.throwIfAborted()
    await handle.writeFile(piece)
  }
}

/**
 * A name that nobody has: one that is taken is the file of a process that was killed, or of another of this one. Nobody
 * may read a secret, not even for a moment: so it has its mode from the beginning.
 */
const openBeside = async (
  target: string,
  mode: number | undefined
): Promise<{ readonly handle: FileHandle; readonly temporary: string }> => {
  for (let n = 0; ; n++) {
    const temporary = `${target}.${process.pid}-${n}.tmp`
    const handle = await open(temporary, "wx", mode).catch((cause: unknown) => {
      if (codeOf(cause) === "EEXIST" && n < longestSearch) return undefined
      throw cause
    })
    if (handle !== undefined) return { handle, temporary }
  }
}

const longestSearch = 100

/**
 * The new name has to survive a loss of power too. Not every file system can do that, and then there is nothing to do.
 *
 * @since 0.1.0
 * @category files
 */
export const syncDirectory = async (path: string): Promise<void> => {
  const directory = await open(path, "r").catch(() => undefined)
  if (directory === undefined) return
  await directory.sync().catch(() => undefined)
  await directory.close()
}

const orUndefined = (cause: unknown): undefined => {
  if (codeOf(cause) !== "ENOENT") throw cause
}
