/**
 * Where a socket is bound or connected: host names, interface names, and the files of ipc sockets.
 *
 * libzmq takes interface names in `bind` only, resolves host names only when it connects (and then takes the first
 * address, of one family), and replaces any file that stands where an ipc socket is to be, also a living socket.
 *
 * @since 0.1.0
 */
import { lookup } from "node:dns/promises"
import { lstatSync, unlinkSync } from "node:fs"
import { connect, isIP } from "node:net"
import { networkInterfaces } from "node:os"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import type { TransportError } from "../services/Transport.ts"
import * as Descriptors from "./Descriptors.ts"
import { codeOf, failure, fromCause } from "./ZmqError.ts"

/**
 * A host as libzmq takes it: `*` or an address. `ipv6` says which family the socket has to be opened for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Host {
  readonly text: string
  readonly ipv6: boolean
}

const fromAddress = (address: string): Host => ({ text: address, ipv6: address.includes(":") })

/**
 * Writes a tcp endpoint for libzmq. `*` as the port lets the system pick one.
 *
 * @since 0.1.0
 * @category formatting
 */
export const tcp = (host: Host, port: number | "*"): string =>
  `tcp://${host.ipv6 ? `[${host.text}]` : host.text}:${port}`

/**
 * The address to bind for a host: `*`, an address, the name of an interface or of a host. IPv4 goes first where there
 * are both, as in CZMQ. `endpoint` is for the error.
 *
 * @since 0.1.0
 * @category resolving
 */
export const bindHost = (host: string, endpoint: string): Effect.Effect<Host, TransportError> =>
  Effect.suspend(() => {
    if (host === "*") return Effect.succeed({ text: host, ipv6: false })
    if (isIP(host) !== 0) return Effect.succeed(fromAddress(host))
    const addresses = networkInterfaces()[host]
    const own = addresses?.find((it) => it.family === "IPv4") ?? addresses?.[0]
    if (own !== undefined) {
      const linkLocal = own.family === "IPv6" && own.scopeid !== 0
      return Effect.succeed(fromAddress(linkLocal ? `${own.address}%${host}` : own.address))
    }
    return Effect.flatMap(resolveHost("bind", host, endpoint), ([first]) =>
      first === undefined
        ? Effect.fail(failure("bind", endpoint, "UnknownHost", "the host name has no address"))
        : Effect.succeed(first)
    )
  })

/**
 * All addresses of a host, IPv4 first. A server on `localhost` may listen on either family: try them in turn.
 *
 * @since 0.1.0
 * @category resolving
 */
export const connectHosts = (host: string, endpoint: string): Effect.Effect<ReadonlyArray<Host>, TransportError> =>
  resolveHost("connect", host, endpoint)

const resolveHost = (
  operation: "bind" | "connect",
  host: string,
  endpoint: string
): Effect.Effect<ReadonlyArray<Host>, TransportError> =>
  isIP(host) === 0
    ? Effect.tryPromise({
        try: () => lookup(host, { all: true, order: "ipv4first" }),
        catch: (cause) => fromCause(operation, endpoint, cause)
      }).pipe(Effect.map((found) => found.map(({ address }) => fromAddress(address))))
    : Effect.succeed([fromAddress(host)])

/**
 * Makes sure that descriptors are left for a bind: libzmq lists the interfaces first, and aborts the process where that
 * takes one too many.
 *
 * @since 0.1.0
 * @category resolving
 */
export const checkDescriptors = (endpoint: string): Effect.Effect<void, TransportError> =>
  Effect.try({
    try: () => Descriptors.probe(sparesOfBind),
    catch: (cause) => fromCause("bind", endpoint, cause)
  })

/** One for the list of interfaces, one for the listening socket, and two that the I/O thread may take meanwhile. */
const sparesOfBind = 4

/**
 * Whether an ipc path names a file. The others live in the abstract namespace (`@name`) or in a directory that libzmq
 * makes and removes (`*`).
 *
 * @since 0.1.0
 * @category predicates
 */
export const isFile = (path: string): boolean => path !== "*" && !path.startsWith("@")

/**
 * Makes sure that a bind takes no file from anybody: nothing is there, or a socket on which nobody listens any more.
 *
 * Two processes that bind the same path in the same moment are not kept apart.
 *
 * @since 0.1.0
 * @category ipc
 */
export const checkFree = (path: string, endpoint: string): Effect.Effect<void, TransportError> =>
  Effect.suspend(() => {
    const found = stat(path)
    if (found === undefined) return Effect.void
    if (!found.isSocket()) {
      return Effect.fail(
        failure("bind", endpoint, "AddressInUse", "a file that is not a socket is there, move it or take another path")
      )
    }
    return Effect.flatMap(probe(path), (code) => {
      switch (code) {
        case "ECONNREFUSED":
        case "ENOENT":
          return Effect.void
        case "EACCES":
        case "EPERM":
          return Effect.fail(failure("bind", endpoint, "PermissionDenied", "the socket there is not ours", code))
        case "EMFILE":
        case "ENFILE":
          return Effect.fail(failure("bind", endpoint, "Exhausted", "no file descriptors left", code))
        default:
          return Effect.fail(
            failure("bind", endpoint, "AddressInUse", "address in use: another socket listens there", "EADDRINUSE")
          )
      }
    })
  })

/**
 * Says why nobody answers on an ipc path: there is no file, it is not for us, or its owner is gone.
 *
 * @since 0.1.0
 * @category ipc
 */
export const whyRefused = (path: string, endpoint: string): Effect.Effect<TransportError> =>
  Effect.map(isFile(path) ? probe(path) : Effect.succeed("ECONNREFUSED"), (code) => {
    switch (code) {
      case "ENOENT":
        return failure("connect", endpoint, "Refused", "there is no socket file (yet)", code)
      case "EACCES":
      case "EPERM":
        return failure("connect", endpoint, "PermissionDenied", "permission denied", code)
      default:
        return failure("connect", endpoint, "Refused", "nobody listens there (yet)", code)
    }
  })

/**
 * The file of a bound ipc socket.
 *
 * @since 0.1.0
 * @category models
 */
export interface SocketFile {
  /** Absolute, since the working directory may change. */
  readonly path: string
  readonly identity: string
}

/**
 * Notes which file a bind has made.
 *
 * @since 0.1.0
 * @category ipc
 */
export const socketFile = (path: string): SocketFile => {
  const absolute = resolve(path)
  return { path: absolute, identity: identityOf(absolute) }
}

/**
 * Removes the file of a socket that is still bound, unless somebody else has put theirs in its place. While the socket
 * is bound its inode number is not given out again, so call this before it is closed.
 *
 * @since 0.1.0
 * @category ipc
 */
export const removeFile = (file: SocketFile): void => {
  try {
    if (identityOf(file.path) === file.identity) unlinkSync(file.path)
  } catch {
    // Gone already, or in a directory that was closed to us: the next bind replaces it.
  }
}

const identityOf = (path: string): string => {
  const found = stat(path)
  return found === undefined ? "" : `${found.dev}:${found.ino}:${found.birthtimeMs}`
}

const stat = (path: string) => {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined // what is wrong with the path is for bind to say
  }
}

/** Connects for a moment. The code of the error says how it is; undefined when somebody has accepted. */
const probe = (path: string): Effect.Effect<string | undefined> =>
  Effect.callback((resume) => {
    const socket = connect({ path })
    const done = (code: string | undefined) => {
      socket.destroy()
      resume(Effect.succeed(code))
    }
    socket.once("connect", () => done(undefined))
    socket.on("error", (cause) => done(codeOf(cause)))
    return Effect.sync(() => socket.destroy())
  })
