/**
 * What each listener and each connection of a node has from the configuration: heartbeats, a guard or credentials,
 * rules.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { securityOf } from "../protocol/Configuration.ts"
import * as Endpoint from "../protocol/Endpoint.ts"
import { rulesOf } from "../protocol/Security.ts"
import { GossipError } from "../services/Gossip.ts"
import type { GossipConfig } from "../services/GossipConfig.ts"
import type { FileError } from "./AtomicFile.ts"
import * as Guards from "./Guards.ts"
import type { LinkSettings } from "./NodeLinks.ts"

/**
 * `turnAway` hears of each who is not let in.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  config: GossipConfig["Service"],
  turnAway: (line: string | undefined) => Effect.Effect<void>
): LinkSettings => ({
  bind: Effect.fnUntraced(function* (endpoint, own) {
    const configuration = yield* config.get
    const { clientsPerAddress, heartbeatInterval, heartbeatTimeout } = configuration.settings
    const text = Endpoint.format(endpoint)
    const security = securityOf(configuration, "bind", text, own)
    const guard =
      endpoint._tag === "Inproc"
        ? undefined
        : yield* Effect.mapError(Guards.guardOf(security, clientsPerAddress, turnAway), invalid("bind", text))
    return { heartbeatInterval, heartbeatTimeout, guard, rules: rulesOf(security) }
  }),
  connect: Effect.fnUntraced(function* (endpoint, given) {
    const configuration = yield* config.get
    const { heartbeatInterval, heartbeatTimeout } = configuration.settings
    const text = Endpoint.format(endpoint)
    const own = given ?? configuration.security.connect.get(text)
    const credentials =
      endpoint._tag === "Inproc"
        ? undefined
        : yield* Effect.mapError(
            Guards.credentialsOf(securityOf(configuration, "connect", text, own), own),
            invalid("connect", text)
          )
    return { heartbeatInterval, heartbeatTimeout, credentials }
  })
})

const invalid =
  (operation: string, endpoint: string) =>
  ({ path, detail }: FileError): GossipError =>
    new GossipError({ operation, endpoint, reason: { _tag: "InvalidCredentials", detail: `${path}: ${detail}` } })
