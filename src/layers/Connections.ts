/**
 * How many connections an address has to a port of this machine: libzmq does not tell, Linux does.
 *
 * @since 0.1.0
 */
import { readFileSync } from "node:fs"
import { BlockList, isIP } from "node:net"

const tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"]

/** ESTABLISHED, as the kernel writes it. */
const established = "01"

/**
 * Nothing where the system does not tell.
 *
 * @since 0.1.0
 * @category getters
 */
export const count = (port: number, address: string): number | undefined => {
  const plain = address.replace(/%.*$/, "")
  const version = isIP(plain)
  if (version === 0) return undefined
  const wanted = new BlockList()
  wanted.addAddress(plain, version === 4 ? "ipv4" : "ipv6")
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`
  let found: number | undefined
  for (const table of tables) {
    const text = read(table)
    if (text === undefined) continue
    found ??= 0
    for (const line of text.split("\n")) {
      const [, ours = "", theirs = "", state] = line.trim().split(/\s+/)
      if (state !== established || !ours.endsWith(local)) continue
      const [hex = ""] = theirs.split(":")
      if (wanted.check(decode(hex), hex.length === 8 ? "ipv4" : "ipv6")) found += 1
    }
  }
  return found
}

/**
 * Whether the system tells.
 *
 * @since 0.1.0
 * @category predicates
 */
export const areCounted = (): boolean => read(tables[0] ?? "") !== undefined

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, "latin1")
  } catch {
    return undefined
  }
}

/** Words of four octets, the last one first on the machines that we know. */
const decode = (hex: string): string => {
  const octets = (hex.match(/.{8}/g) ?? []).flatMap((word) => Array.from(Buffer.from(word, "hex")).reverse())
  if (octets.length === 4) return octets.join(".")
  return (Buffer.from(octets).toString("hex").match(/.{4}/g) ?? []).join(":")
}
