/**
 * The endpoints that the configuration has bound and connected, and how they change from one configuration to the next.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Configuration } from "../protocol/Configuration.ts"
import * as Configurations from "../protocol/Configuration.ts"
import * as Endpoint from "../protocol/Endpoint.ts"
import * as Security from "../protocol/Security.ts"
import type { Gossip, GossipError } from "../services/Gossip.ts"

/**
 * What of the node this needs.
 *
 * @since 0.1.0
 * @category models
 */
export interface LinksNode extends Pick<Gossip["Service"], "unbind" | "disconnect"> {
  /** One that fails does not change what PORT says. */
  readonly bind: (endpoint: Configurations.EndpointInput) => Effect.Effect<string, GossipError>
  /** By its resolved endpoint. */
  readonly isBound: (endpoint: string) => boolean
  /** Fails where what it would have to show to this endpoint is not there. */
  readonly checkConnect: (endpoint: Configurations.EndpointInput) => Effect.Effect<unknown, GossipError>
  /** Whether it was not connected to before. */
  readonly connect: (endpoint: Configurations.EndpointInput) => Effect.Effect<boolean, GossipError>
  /** What PORT says. */
  readonly port: Effect.Effect<number, GossipError>
  readonly setPort: (port: number) => Effect.Effect<void, GossipError>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ConfiguredLinks {
  /** Binds what is new and unbinds what is gone; where that fails, or `join` would, nothing has changed. */
  readonly listen: (configuration: Endpoints) => Effect.Effect<void, GossipError>
  /** Connects to what is new, and disconnects from what is gone. */
  readonly join: (configuration: Endpoints) => Effect.Effect<void, GossipError>
  /** This endpoint is not the configuration's any more. */
  readonly forget: (endpoint: string) => void
}

type Endpoints = Pick<Configuration, "bind" | "connect" | "security" | "settings">

/**
 * An endpoint in the one way to write it, and which it is of those that are the same: `tcp://*:*` may be there twice.
 * One with another security is another one. The security has no blanks in it, the endpoint may.
 */
type Asked = `${number} ${string} ${string}`

interface Bound {
  /** The endpoint with its port. */
  readonly resolved: string
  readonly security: Security.Security
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (node: LinksNode): ConfiguredLinks => {
  /** By the endpoint that was asked for. */
  const bound = new Map<Asked, Bound>()
  /** The security that they were connected with. */
  const connected = new Map<string, string>()

  const unbind = (endpoints: Iterable<readonly [asked: Asked, bound: Bound]>) =>
    Effect.forEach(endpoints, ([, { resolved }]) => Effect.ignore(node.unbind(resolved)), { discard: true })

  const listen = Effect.fnUntraced(function* (configuration: Endpoints) {
    for (const [endpoint, { own, security }] of remotesOf(configuration)) {
      if (connected.get(endpoint) !== security) yield* node.checkConnect({ endpoint, ...own })
    }
    const wanted = numbered(configuration)
    const gone = Array.from(bound).filter(([asked]) => !wanted.has(asked))
    // What was bound by hand is there already, and stays whoever else wants it.
    const ours = new Set(Array.from(bound.values(), ({ resolved }) => resolved))
    const byHand = (endpoint: string) => node.isBound(endpoint) && !ours.has(endpoint)
    const fresh = Array.from(wanted.keys()).filter((asked) => !bound.has(asked) && !byHand(endpointOf(asked)))
    for (const [asked, security] of wanted) {
      const endpoint = endpointOf(asked)
      if (bound.has(asked) || !byHand(endpoint) || !Security.isRestricted(security)) continue
      yield* Effect.logWarning(`${endpoint} was bound by hand and stays as it was, open or not: unbind it first`)
    }
    const made: Array<readonly [asked: Asked, bound: Bound]> = []
    const left: Array<readonly [asked: Asked, bound: Bound]> = []
    const port = yield* node.port

    /** Those that hold the address of what is new have to go first. */
    const inTheWay = (asked: Asked) =>
      gone.filter((it) => !left.includes(it) && mayCollide(it[1].resolved, endpointOf(asked)))
    const bind = (asked: Asked) => {
      // As it is now, so that it stays the same where it has to be bound again.
      const security = Security.whole(wanted.get(asked) ?? {})
      return Effect.map(
        node.bind({ endpoint: endpointOf(asked), ...security }),
        (resolved) => void made.push([asked, { resolved, security }])
      )
    }
    const attempt = Effect.gen(function* () {
      for (const asked of fresh) {
        yield* Effect.catchIf(
          bind(asked),
          ({ reason }) => reason._tag === "AddressInUse" && inTheWay(asked).length > 0,
          () => {
            const holders = inTheWay(asked)
            left.push(...holders)
            return Effect.andThen(unbind(holders), bind(asked))
          }
        )
      }
    })
    const undo = Effect.gen(function* () {
      yield* unbind(made)
      // The clients have to come back, but not to another port.
      for (const [asked, { resolved, security }] of left) {
        yield* node.bind({ endpoint: resolved, ...security }).pipe(
          Effect.catch(({ message }) => {
            bound.delete(asked)
            return Effect.logError(`no longer serving on ${resolved}, ${message}`)
          })
        )
      }
      yield* Effect.ignore(node.setPort(port))
    })
    yield* Effect.onError(attempt, () => undo)
    yield* unbind(gone.filter((it) => !left.includes(it)))
    for (const [asked] of gone) bound.delete(asked)
    for (const [asked, its] of made) bound.set(asked, its)
  })

  const join = Effect.fnUntraced(function* (configuration: Endpoints) {
    const wanted = remotesOf(configuration)
    for (const [endpoint, security] of Array.from(connected)) {
      if (wanted.get(endpoint)?.security === security) continue
      yield* Effect.ignore(node.disconnect(endpoint))
      connected.delete(endpoint)
    }
    for (const [endpoint, { own, security }] of wanted) {
      if (!connected.has(endpoint) && (yield* node.connect({ endpoint, ...own }))) connected.set(endpoint, security)
    }
  })

  return {
    listen,
    join,
    forget: (endpoint) => {
      const text = Endpoint.normal(endpoint)
      connected.delete(text)
      for (const [asked, { resolved }] of bound) {
        if (resolved === text || endpointOf(asked) === text) bound.delete(asked)
      }
    }
  }
}

const parse = (text: string): Endpoint.Endpoint | undefined => {
  const endpoint = Endpoint.parseBind(text)
  return Result.isSuccess(endpoint) ? endpoint.success : undefined
}

const fingerprint = (configuration: Endpoints, own: Security.Security | undefined): string =>
  encodeURIComponent(Security.fingerprint(Configurations.securityOf(configuration, own)))

/** What is to be connected to, and with which security. */
const remotesOf = (configuration: Endpoints) =>
  new Map(
    configuration.connect.map((text, index) => {
      const own = configuration.security.connect[index]
      return [Endpoint.normal(text), { own, security: fingerprint(configuration, own) }] as const
    })
  )

/** What is to be bound, and the whole security of each. */
const numbered = (configuration: Endpoints): ReadonlyMap<Asked, Security.Security> => {
  const counts = new Map<string, number>()
  return new Map(
    configuration.bind.map((text, index) => {
      const endpoint = Endpoint.normal(text)
      const own = configuration.security.bind[index]
      const id = `${fingerprint(configuration, own)} ${endpoint}`
      const count = counts.get(id) ?? 0
      counts.set(id, count + 1)
      return [`${count} ${id}` as Asked, Configurations.securityOf(configuration, own)]
    })
  )
}

const endpointOf = (asked: Asked): string => asked.slice(asked.indexOf(" ", asked.indexOf(" ") + 1) + 1)

/** Whether two endpoints may be one address, whatever the names of their hosts. */
const mayCollide = (one: string, other: string): boolean => {
  const [a, b] = [parse(one), parse(other)]
  if (a?._tag === "Tcp" && b?._tag === "Tcp") {
    return a.port._tag !== "Fixed" || b.port._tag !== "Fixed" || a.port.port === b.port.port
  }
  return one === other
}
