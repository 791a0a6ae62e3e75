/**
 * What each listener and each connection of a node has from the configuration: heartbeats, the longest frame, a guard or
 * credentials, rules.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Configuration } from "../protocol/Configuration.ts"
import { lists, securityOf } from "../protocol/Configuration.ts"
import * as Endpoint from "../protocol/Endpoint.ts"
import type { Security } from "../protocol/Security.ts"
import { rulesOf } from "../protocol/Security.ts"
import { GossipError } from "../services/Gossip.ts"
import type { GossipConfig } from "../services/GossipConfig.ts"
import type { FileError } from "./FileError.ts"
import * as Trailer from "../protocol/Trailer.ts"
import * as Guards from "./Guards.ts"
import type { LinkSettings } from "./NodeLinks.ts"

/** Hears of each who is not let in, and where. */
type TurnAway = (endpoint: string, line: string | undefined) => Effect.Effect<void>

/**
 * As the configuration is when a link is bound or connected.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (config: GossipConfig["Service"], turnAway: TurnAway): LinkSettings => ({
  bind: (endpoint, own, bound) =>
    Effect.flatMap(config.get, (now) =>
      forListener(now, endpoint, own ?? ownIn(now, "bind", endpoint), (line) => turnAway(bound(), line))
    ),
  connect: (endpoint, own) =>
    Effect.flatMap(config.get, (now) => forConnection(now, endpoint, own ?? ownIn(now, "connect", endpoint)))
})

/** Bound or connected by hand, an endpoint of the configuration has what that says of it. */
const ownIn = (configuration: Configuration, list: keyof typeof lists, endpoint: Endpoint.Endpoint) => {
  const text = Endpoint.format(endpoint)
  return configuration.security[list][configuration[list].findIndex((other) => Endpoint.normal(other) === text)]
}

/**
 * Reads all that a configuration names, and fails with what is wrong with the first of it.
 *
 * @since 0.1.0
 * @category checks
 */
export const check = Effect.fnUntraced(function* (configuration: Configuration) {
  const { bind, connect, security } = configuration
  for (const [index, text] of bind.entries()) {
    const endpoint = lists.bind.parse(text)
    if (Result.isFailure(endpoint)) continue
    yield* forListener(configuration, endpoint.success, security.bind[index], () => Effect.void)
  }
  for (const [index, text] of connect.entries()) {
    const endpoint = lists.connect.parse(text)
    if (Result.isSuccess(endpoint)) yield* forConnection(configuration, endpoint.success, security.connect[index])
  }
})

/** Short tuples come in long frames: one that a node of ours says may not end its connection, time and again. */
const longest = (frameOctets: number): number => Math.max(frameOctets, 2 * Trailer.maxLength)

const forListener = Effect.fnUntraced(function* (
  configuration: Configuration,
  endpoint: Endpoint.Endpoint,
  own: Security | undefined,
  turnAway: (line: string | undefined) => Effect.Effect<void>
) {
  const { clientsPerAddress, frameOctets, heartbeatInterval, heartbeatTimeout } = configuration.settings
  const text = Endpoint.format(endpoint)
  const security = securityOf(configuration, own)
  const guard =
    endpoint._tag === "Inproc"
      ? undefined
      : yield* Effect.mapError(Guards.guardOf(security, clientsPerAddress, turnAway), invalid("bind", text))
  return { frameOctets: longest(frameOctets), heartbeatInterval, heartbeatTimeout, guard, rules: rulesOf(security) }
})

const forConnection = Effect.fnUntraced(function* (
  configuration: Configuration,
  endpoint: Endpoint.Endpoint,
  own: Security | undefined
) {
  const { frameOctets, heartbeatInterval, heartbeatTimeout } = configuration.settings
  const text = Endpoint.format(endpoint)
  const credentials =
    endpoint._tag === "Inproc"
      ? undefined
      : yield* Effect.mapError(Guards.credentialsOf(securityOf(configuration, own), own), invalid("connect", text))
  return { frameOctets: longest(frameOctets), heartbeatInterval, heartbeatTimeout, credentials }
})

const invalid =
  (operation: string, endpoint: string) =>
  ({ detail, path }: FileError): GossipError =>
    new GossipError({ operation, endpoint, reason: { _tag: "InvalidCredentials", detail: `${path}: ${detail}` } })
