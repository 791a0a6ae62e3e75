/**
 * What errors of libzmq, of the resolver and of the file system mean to a caller of the transport.
 *
 * The table holds one line per errno that was seen to come out of the `zeromq` package or is documented in zmq_bind(3),
 * zmq_connect(3) or zmq_socket(3). Anything else is `Other` and keeps the words of the system.
 *
 * @since 0.1.0
 */
import type { TransportReason } from "../services/Transport.ts"
import { TransportError } from "../services/Transport.ts"

const meanings: Readonly<Record<string, readonly [TransportReason, string]>> = {
  EADDRINUSE: ["AddressInUse", "address in use: another socket is bound there"],
  EADDRNOTAVAIL: ["AddressNotAvailable", "no interface of this machine has that address"],
  ENAMETOOLONG: ["AddressNotAvailable", "the path is too long for a socket"],
  ENOENT: ["AddressNotAvailable", "no such file or directory"],
  ENOTDIR: ["AddressNotAvailable", "a part of the path is not a directory"],
  EROFS: ["PermissionDenied", "the file system is read-only"],
  EACCES: ["PermissionDenied", "permission denied"],
  EPERM: ["PermissionDenied", "permission denied"],
  ENODEV: ["UnknownHost", "no such host or interface"],
  ENOTFOUND: ["UnknownHost", "the host name is unknown"],
  ENODATA: ["UnknownHost", "the host name has no address"],
  EAI_AGAIN: ["UnknownHost", "the host name cannot be resolved now, the name server does not answer"],
  ECONNREFUSED: ["Refused", "nobody listens there"],
  ENETUNREACH: ["Unreachable", "there is no route to that network"],
  EHOSTUNREACH: ["PeerGone", "this peer has left"],
  EMFILE: ["Exhausted", "no file descriptors or sockets left in this process, see ulimit -n"],
  ENFILE: ["Exhausted", "no file descriptors left in the system"],
  ENOMEM: ["Exhausted", "no memory left"],
  ENOBUFS: ["Exhausted", "no buffer space left"],
  EBADF: ["Closed", "the socket is closed"],
  ENOTSOCK: ["Closed", "the socket is closed"],
  EPROTONOSUPPORT: ["Unsupported", "this build of libzmq does not know the transport"],
  EAFNOSUPPORT: ["Unsupported", "this machine does not speak that address family"],
  EINVAL: ["Unsupported", "libzmq does not accept this endpoint"]
}

/**
 * The code of a system error, or undefined for anything else that was thrown.
 *
 * @since 0.1.0
 * @category getters
 */
export const codeOf = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

/**
 * An error with a reason of our own; `code` is appended to the detail where there is one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const failure = (
  operation: TransportError["operation"],
  endpoint: string,
  tag: TransportReason,
  detail: string,
  code?: string
): TransportError =>
  new TransportError({
    operation,
    endpoint,
    reason: code === undefined ? { _tag: tag, detail } : { _tag: tag, code, detail: `${detail} (${code})` }
  })

/**
 * An error from something that was thrown. Only one line of a foreign text is kept: it goes to logs.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromCause = (operation: TransportError["operation"], endpoint: string, cause: unknown): TransportError => {
  const code = codeOf(cause)
  const meaning = code === undefined ? undefined : meanings[code]
  if (meaning !== undefined) return failure(operation, endpoint, meaning[0], meaning[1], code)
  const text = cause instanceof Error ? cause.message : String(cause)
  return failure(operation, endpoint, "Other", text.split("\n", 1)[0] ?? "", code)
}
