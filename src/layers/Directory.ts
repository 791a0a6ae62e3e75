/**
 * A directory, made where there is none.
 *
 * Node.js can make all that a path lacks by itself, and tries for ever where the system says of what is to be made in a
 * directory that the directory is not there, as Linux does in /proc.
 *
 * @since 0.1.0
 */
import { mkdir, stat } from "node:fs/promises"
import { dirname } from "node:path"
import { codeOf } from "./ZmqError.ts"

/**
 * Makes it, and those that it is in. It is our user's only.
 *
 * @since 0.1.0
 * @category files
 */
export const make = async (path: string): Promise<void> => {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (cause) {
    if (codeOf(cause) === "EEXIST" && !(await isDirectory(path))) throw new Error("it is no directory")
    if (codeOf(cause) === "EEXIST") return
    const parent = dirname(path)
    if (codeOf(cause) !== "ENOENT" || parent === path) throw cause
    // Another process may have made the parent by now, but where it was there all the while this fails again.
    if (!(await isDirectory(parent))) await make(parent)
    await mkdir(path, { mode: 0o700 }).catch(async (again: unknown) => {
      if (codeOf(again) !== "EEXIST" || !(await isDirectory(path))) throw again
    })
  }
}

const isDirectory = async (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false
  )
