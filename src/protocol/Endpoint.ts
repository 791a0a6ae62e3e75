/**
 * ZeroMQ endpoints: `tcp://host:port`, `ipc://path`, `inproc://name`.
 *
 * Parsing checks what libzmq does not: libzmq takes port 99999 for 34463, for example. It resolves nothing: host
 * and interface names are the transport's business.
 *
 * Source: zmq_tcp(7), zmq_ipc(7), zmq_inproc(7); port ranges as in CZMQ's zsock_bind.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"

/**
 * A port to bind: one number, one that the system picks (`:0`), or the first free one of a range. CZMQ's `*` starts
 * at the low end, its `!` at a random place; both default to 49152 to 65535 and take a range: `*[60000-60010]`.
 *
 * @since 0.1.0
 * @category models
 */
export type Port =
  | { readonly _tag: "Fixed"; readonly port: number }
  | { readonly _tag: "System" }
  | { readonly _tag: "Range"; readonly first: number; readonly last: number; readonly random: boolean }

/**
 * A parsed endpoint. `host` is an address, an interface name, a host name, or `*`; an IPv6 address comes without its
 * brackets.
 *
 * @since 0.1.0
 * @category models
 */
export type Endpoint =
  | { readonly _tag: "Tcp"; readonly host: string; readonly port: Port }
  | { readonly _tag: "Ipc"; readonly path: string }
  | { readonly _tag: "Inproc"; readonly name: string }

/**
 * Why a text is not an endpoint: one sentence that says how to mend it.
 *
 * @since 0.1.0
 * @category errors
 */
export class EndpointError extends Data.TaggedError("EndpointError")<{
  readonly endpoint: string
  readonly detail: string
}> {
  override get message(): string {
    return `${JSON.stringify(brief(this.endpoint))} is not an endpoint: ${this.detail}`
  }
}

/**
 * For messages: no more of the text than a reader needs to know it again.
 *
 * @since 0.1.0
 * @category formatting
 */
export const brief = (text: string): string => (text.length > longestShown ? `${text.slice(0, longestShown)}...` : text)

const longestShown = 150

/** The dynamic ports of RFC 6335, where CZMQ's `*` looks for a free one. */
const firstDynamicPort = 49152
const lastPort = 65535

/** `sun_path` holds 108 octets with the closing NUL. */
const longestIpcPath = 107

const forms = "tcp://host:port, ipc://path or inproc://name"

/**
 * Parses an endpoint to bind. Wildcards and port ranges are welcome here.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseBind = (text: string): Result.Result<Endpoint, EndpointError> => parse(text)

/**
 * Parses an endpoint to connect to: one host, one port from 1 to 65535.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseConnect = (text: string): Result.Result<Endpoint, EndpointError> =>
  Result.flatMap(parse(text), (endpoint) => {
    if (endpoint._tag === "Tcp" && endpoint.host === "*") {
      return fail(text, "a connection needs one host, not *")
    }
    if (endpoint._tag === "Tcp" && endpoint.port._tag !== "Fixed") {
      return fail(text, `a connection needs one port from 1 to ${lastPort}`)
    }
    if (endpoint._tag === "Ipc" && endpoint.path === "*") {
      return fail(text, "a connection needs one path, not *")
    }
    return Result.succeed(endpoint)
  })

/**
 * Writes an endpoint the way `parseBind` reads it.
 *
 * @since 0.1.0
 * @category formatting
 */
export const format = (endpoint: Endpoint): string => {
  switch (endpoint._tag) {
    case "Tcp":
      return `tcp://${formatHost(endpoint.host)}:${formatPort(endpoint.port)}`
    case "Ipc":
      return `ipc://${endpoint.path}`
    case "Inproc":
      return `inproc://${endpoint.name}`
  }
}

/**
 * The port of a bound endpoint as PORT reports it: 0 where it is not tcp.
 *
 * @since 0.1.0
 * @category getters
 */
export const port = (endpoint: Endpoint): number =>
  endpoint._tag === "Tcp" && endpoint.port._tag === "Fixed" ? endpoint.port.port : 0

const fail = (endpoint: string, detail: string): Result.Result<never, EndpointError> =>
  Result.fail(new EndpointError({ endpoint, detail }))

const parse = (text: string): Result.Result<Endpoint, EndpointError> => {
  const separator = text.indexOf("://")
  if (separator < 0) return fail(text, `write ${forms}`)
  const rest = text.slice(separator + 3)
  // A NUL would cut the text short inside libzmq, a line break would forge log lines.
  if (/[\u0000-\u001f\u007f]/.test(text)) return fail(text, "it holds a control character")
  switch (text.slice(0, separator)) {
    case "tcp":
      return parseTcp(text, rest)
    case "ipc":
      if (rest === "" || rest === "@") return fail(text, "the path is missing")
      return new TextEncoder().encode(rest).length > longestIpcPath
        ? fail(text, `the path is longer than ${longestIpcPath} octets`)
        : Result.succeed({ _tag: "Ipc", path: rest })
    case "inproc":
      if (rest === "") return fail(text, "the name is missing")
      return rest.length > 255
        ? fail(text, "the name is longer than 255 characters")
        : Result.succeed({ _tag: "Inproc", name: rest })
    default:
      return fail(text, `the transport is unknown, write ${forms}`)
  }
}

const parseTcp = (text: string, rest: string): Result.Result<Endpoint, EndpointError> => {
  const colon = rest.lastIndexOf(":")
  if (colon < 0 || (rest.endsWith("]") && !rest.includes("[", colon))) {
    return fail(text, "the port is missing, write tcp://host:port")
  }
  const hostPart = rest.slice(0, colon)
  const bracketed = /^\[([^[\]]*)\]$/.exec(hostPart)
  const host = bracketed?.[1] ?? hostPart
  if (host === "") return fail(text, "the host is missing; for all addresses write *")
  if (bracketed ? !/^[0-9a-fA-F:.]+(%[\w.-]+)?$/.test(host) || !host.includes(":") : !/^(\*|[\w.-]+)$/.test(host)) {
    return fail(text, `${JSON.stringify(brief(hostPart))} is not a host; an IPv6 address goes in brackets`)
  }
  return Result.map(parsePort(text, rest.slice(colon + 1)), (port) => ({ _tag: "Tcp", host, port }) as const)
}

const parsePort = (text: string, port: string): Result.Result<Port, EndpointError> => {
  if (/^\d+$/.test(port)) {
    const value = Number(port)
    if (value > lastPort) return fail(text, `port ${brief(port)} is above ${lastPort}`)
    return Result.succeed(value === 0 ? { _tag: "System" } : { _tag: "Fixed", port: value })
  }
  const dynamic = /^([*!])(?:\[(\d*)-(\d*)\])?$/.exec(port)
  if (dynamic === null) return fail(text, `${JSON.stringify(brief(port))} is not a port; write a number, * or !`)
  const first = dynamic[2] ? Number(dynamic[2]) : firstDynamicPort
  const last = dynamic[3] ? Number(dynamic[3]) : lastPort
  if (first < 1 || last > lastPort || first > last) {
    return fail(text, `${first}-${last} is not a range of ports from 1 to ${lastPort}`)
  }
  return Result.succeed({ _tag: "Range", first, last, random: dynamic[1] === "!" })
}

const formatHost = (host: string): string => (host.includes(":") ? `[${host}]` : host)

const formatPort = (port: Port): string => {
  switch (port._tag) {
    case "Fixed":
      return String(port.port)
    case "System":
      return "0"
    case "Range": {
      const sign = port.random ? "!" : "*"
      return port.first === firstDynamicPort && port.last === lastPort ? sign : `${sign}[${port.first}-${port.last}]`
    }
  }
}

/**
 * A text in the one way to write the endpoint it names; as it is where it names none.
 *
 * @since 0.1.0
 * @category conversions
 */
export const normal = (text: string): string =>
  Result.match(parseBind(text), { onFailure: () => text, onSuccess: format })
