/**
 * Ports that no other test uses, in this process or in another: what one test has given back, others would knock at that
 * wait for its server to return.
 */
import { closeSync, mkdirSync, openSync, statSync, utimesSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"

const folder = join(import.meta.dirname, "../../node_modules/.cache/effect-zgossip/ports")

/** Whoever took one that long ago has ended, in ms. */
const old = 300_000

/** Whether it is this process's now: a file says so. */
const take = (port: number): boolean => {
  const mark = join(folder, `${port}`)
  mkdirSync(folder, { recursive: true })
  try {
    closeSync(openSync(mark, "wx"))
    return true
  } catch {
    if (Date.now() - statSync(mark).mtimeMs < old) return false
    utimesSync(mark, new Date(), new Date())
    return true
  }
}

/**
 * A random port that nobody listens on, above those that systems give to connections: so it is still free when its
 * server restarts, and a client that knocks there meanwhile never connects to itself.
 */
export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const port = 61_000 + Math.floor(Math.random() * 4536)
    if (!take(port)) return resolve(freePort())
    const server = createServer()
    server.once("error", () => resolve(freePort()))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(port)))
  })
