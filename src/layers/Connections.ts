/**
 * How many connections an address has to a port of this machine: libzmq does not tell, Linux does.
 *
 * Its table has a line for each connection of the machine, also for those that are long closed: who knocks fast enough
 * makes it long. So it is not read for each of them, but for a tenth of the time at most; who comes in between is
 * counted on top, admitted or not.
 *
 * @since 0.1.0
 */
import { readFileSync } from "node:fs"
import { isIP } from "node:net"

const tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"]

/** Our port, and the address of the other side, where the connection is established: 01, as the kernel writes it. */
const established = /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]+):[0-9A-F]{4} 01 /gm

/** How many times as long as it took to read is the table good for. */
const share = 9

/**
 * Counts for one listener; the answer is nothing where the system does not tell. To be asked once for each connection;
 * `now` is the time in milliseconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const counter = (now: () => number): ((port: number, address: string) => number | undefined) => {
  /** By port and address. */
  let counts: Map<string, number> | undefined
  let goodUntil = Number.NEGATIVE_INFINITY
  return (port, address) => {
    const plain = address.replace(/%.*$/, "")
    if (isIP(plain) === 0) return undefined
    const key = `${port} ${normal(plain)}`
    const began = now()
    if (began < goodUntil && counts !== undefined) {
      const found = (counts.get(key) ?? 0) + 1
      counts.set(key, found)
      return found
    }
    counts = readAll()
    const ended = now()
    goodUntil = ended + share * (ended - began)
    return counts === undefined ? undefined : (counts.get(key) ?? 0)
  }
}

/**
 * Whether the system tells.
 *
 * @since 0.1.0
 * @category predicates
 */
export const areCounted = (): boolean => read(tables[0] ?? "") !== undefined

const readAll = (): Map<string, number> | undefined => {
  const texts = tables.flatMap((table) => read(table) ?? [])
  if (texts.length === 0) return undefined
  const raw = new Map<string, number>()
  for (const text of texts) {
    for (const [, port = "", hex = ""] of text.matchAll(established)) {
      const key = `${port} ${hex}`
      raw.set(key, (raw.get(key) ?? 0) + 1)
    }
  }
  const found = new Map<string, number>()
  for (const [text, number] of raw) {
    const [port = "", hex = ""] = text.split(" ")
    const key = `${Number.parseInt(port, 16)} ${normal(decode(hex))}`
    found.set(key, (found.get(key) ?? 0) + number)
  }
  return found
}

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, "latin1")
  } catch {
    return undefined
  }
}

/** The one way to write an address: a socket for both families has those of IPv4 as ::ffff:1.2.3.4. */
const normal = (address: string): string =>
  new URL(`http://[${isIP(address) === 4 ? `::ffff:${address}` : address}]`).hostname

/** Words of four octets, the last one first on the machines that we know. */
const decode = (hex: string): string => {
  const octets = (hex.match(/.{8}/g) ?? []).flatMap((word) => Array.from(Buffer.from(word, "hex")).reverse())
  if (octets.length === 4) return octets.join(".")
  return (Buffer.from(octets).toString("hex").match(/.{4}/g) ?? []).join(":")
}
