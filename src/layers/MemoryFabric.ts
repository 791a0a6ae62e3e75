/**
 * The state of one in-memory network: which addresses are taken, which links there are, who waits for a bind. It is
 * one machine with many host names: a port, a path or a name exists once, whoever binds it.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Endpoint from "../protocol/Endpoint.ts"
import { type Guard, TransportError, type TransportReason } from "../services/Transport.ts"
import { Link, type Medium, Pipe, type Sink } from "./MemoryPipe.ts"

/**
 * The connecting side of a connection, before and after somebody answered: `up` leads to the listener, `down` back.
 *
 * @since 0.1.0
 * @category internals
 */
export interface Call {
  readonly host: string
  readonly up: Pipe
  readonly down: Pipe
  /** The reader of `down`. */
  readonly sink: Sink
}

/**
 * Whatever is bound to an address.
 *
 * @since 0.1.0
 * @category internals
 */
export interface Acceptor {
  readonly host: string
  readonly guard: Guard | undefined
  /** How many connections a host has there. */
  readonly connections: (host: string) => number
  readonly accept: (call: Call) => void
}

/** Where a port is looked for that nobody named: the dynamic ports of RFC 6335. */
const firstDynamicPort = 49152
const lastPort = 65535

/**
 * @since 0.1.0
 * @category internals
 */
export class Fabric {
  readonly medium: Medium
  readonly random: () => number
  /** How long a connect waits for a stalled link, in milliseconds. */
  readonly handshakeTimeout: number
  readonly hosts = new Set<string>()
  readonly acceptors = new Map<string, Acceptor>()
  connections = 0
  private readonly prepare: (link: Link) => void
  private readonly byFrom = new Map<string, Map<string, Link>>()
  private readonly callers = new Map<string, Set<Call>>()
  private serial = 0

  /** `prepare` gives every new link the latency that its ends are to have. */
  constructor(medium: Medium, random: () => number, handshakeTimeout: number, prepare: (link: Link) => void) {
    this.medium = medium
    this.random = random
    this.handshakeTimeout = handshakeTimeout
    this.prepare = prepare
  }

  /** A number that nothing else on this network has. */
  nextSerial(): number {
    return ++this.serial
  }

  pipe(): Pipe {
    return new Pipe(this.medium)
  }

  link(from: string, to: string): Link {
    let row = this.byFrom.get(from)
    if (row === undefined) {
      row = new Map()
      this.byFrom.set(from, row)
    }
    let link = row.get(to)
    if (link === undefined) {
      link = new Link(from, to, this.random)
      this.prepare(link)
      row.set(to, link)
    }
    return link
  }

  links(): ReadonlyArray<Link> {
    return Array.from(this.byFrom.values()).flatMap((row) => Array.from(row.values()))
  }

  /** Takes the address, resolved to one that is free, and answers those who called before. */
  bind(endpoint: Endpoint.Endpoint, acceptor: Acceptor): Result.Result<Endpoint.Endpoint, TransportError> {
    return Result.map(this.resolve(endpoint), (bound) => {
      const key = addressKey(bound)
      this.acceptors.set(key, acceptor)
      const callers = this.callers.get(key) ?? []
      this.callers.delete(key)
      for (const call of callers) {
        if (this.link(call.host, acceptor.host).severed) call.sink.end()
        else acceptor.accept(call)
      }
      return bound
    })
  }

  unbind(bound: Endpoint.Endpoint): void {
    this.acceptors.delete(addressKey(bound))
  }

  /** Who answers there. */
  find(endpoint: Endpoint.Endpoint): Result.Result<Acceptor, TransportError> {
    const fail = failure("connect", endpoint)
    if (endpoint._tag === "Tcp") {
      if (endpoint.host === "*" || endpoint.port._tag !== "Fixed") {
        return fail("Unsupported", "a connection needs one host and one port", "EINVAL")
      }
      if (!this.isLocal(endpoint.host)) {
        return isAddress(endpoint.host)
          ? fail("Unreachable", `there is no way to ${endpoint.host}`, "EHOSTUNREACH")
          : fail("UnknownHost", `no host is called ${endpoint.host}`, "ENOTFOUND")
      }
    }
    const acceptor = this.acceptors.get(addressKey(endpoint))
    return acceptor === undefined ? fail("Refused", "nobody listens there", "ECONNREFUSED") : Result.succeed(acceptor)
  }

  /** Lets a call wait for the bind to come. */
  wait(endpoint: Endpoint.Endpoint, call: Call): void {
    const key = addressKey(endpoint)
    const callers = this.callers.get(key)
    if (callers === undefined) this.callers.set(key, new Set([call]))
    else callers.add(call)
  }

  /** Nobody waits for an answer to this call any more. Says whether it was still waiting. */
  hangUp(endpoint: Endpoint.Endpoint, call: Call): boolean {
    const key = addressKey(endpoint)
    const callers = this.callers.get(key)
    const waited = callers?.delete(call) === true
    if (callers?.size === 0) this.callers.delete(key)
    return waited
  }

  private resolve(endpoint: Endpoint.Endpoint): Result.Result<Endpoint.Endpoint, TransportError> {
    const fail = failure("bind", endpoint)
    if (endpoint._tag === "Ipc" && endpoint.path === "*") {
      return Result.succeed({ _tag: "Ipc", path: `zgossip-${this.nextSerial()}` })
    }
    if (endpoint._tag !== "Tcp") {
      return this.acceptors.has(addressKey(endpoint))
        ? fail("AddressInUse", "the address is in use", "EADDRINUSE")
        : Result.succeed(endpoint)
    }
    if (endpoint.host !== "*" && !this.isLocal(endpoint.host)) {
      return isAddress(endpoint.host)
        ? fail("AddressNotAvailable", `${endpoint.host} is not an address of this machine`, "EADDRNOTAVAIL")
        : fail("UnknownHost", `no host or interface is called ${endpoint.host}`, "ENODEV")
    }
    const port = this.freePort(endpoint.port)
    return port === undefined
      ? fail("AddressInUse", "the port is in use, or all of the range are", "EADDRINUSE")
      : Result.succeed({ ...endpoint, port: { _tag: "Fixed", port } })
  }

  private freePort(port: Endpoint.Port): number | undefined {
    if (port._tag === "Fixed") return this.acceptors.has(portKey(port.port)) ? undefined : port.port
    const range = port._tag === "Range" ? port : { first: firstDynamicPort, last: lastPort, random: false }
    const size = range.last - range.first + 1
    const start = range.random ? Math.floor(this.random() * size) : 0
    for (let offset = 0; offset < size; offset++) {
      const candidate = range.first + ((start + offset) % size)
      if (!this.acceptors.has(portKey(candidate))) return candidate
    }
    return undefined
  }

  private isLocal(host: string): boolean {
    return /^(localhost|lo|127\.\d+\.\d+\.\d+|0\.0\.0\.0|::1?)$/i.test(host) || this.hosts.has(host)
  }
}

/**
 * Makes the errors of one operation on one endpoint.
 *
 * @since 0.1.0
 * @category internals
 */
export const failure =
  (operation: TransportError["operation"], endpoint: Endpoint.Endpoint) =>
  (tag: TransportReason, detail: string, code?: string): Result.Result<never, TransportError> =>
    Result.fail(transportError(operation, endpoint, tag, detail, code))

/**
 * @since 0.1.0
 * @category internals
 */
export const transportError = (
  operation: TransportError["operation"],
  endpoint: Endpoint.Endpoint,
  tag: TransportReason,
  detail: string,
  code?: string
): TransportError =>
  new TransportError({
    operation,
    endpoint: Endpoint.format(endpoint),
    reason: code === undefined ? { _tag: tag, detail } : { _tag: tag, code, detail }
  })

const isAddress = (host: string): boolean => host.includes(":") || /^\d+\.\d+\.\d+\.\d+$/.test(host)

const portKey = (port: number): string => `tcp:${port}`

/** What two texts of one address have in common. Every host of the one machine reaches every port. */
const addressKey = (endpoint: Endpoint.Endpoint): string => {
  switch (endpoint._tag) {
    case "Tcp":
      return portKey(Endpoint.port(endpoint))
    case "Ipc":
      return `ipc:${endpoint.path}`
    case "Inproc":
      return `inproc:${endpoint.name}`
  }
}
