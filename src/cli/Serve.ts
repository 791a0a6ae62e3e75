/**
 * `zgossip serve`: a node in the foreground. What it delivers goes to standard output, what it has to say to standard
 * error.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as ConfiguredTupleStore from "../layers/ConfiguredTupleStore.ts"
import * as FileConfig from "../layers/FileConfig.ts"
import * as GossipNode from "../layers/GossipNode.ts"
import * as ZmqTransport from "../layers/ZmqTransport.ts"
import type { Configuration } from "../protocol/Configuration.ts"
import { securityOf } from "../protocol/Configuration.ts"
import * as Endpoint from "../protocol/Endpoint.ts"
import { isGuarded, serverMechanism } from "../protocol/Security.ts"
import { GossipConfig } from "../services/GossipConfig.ts"
import type { Status } from "../services/Gossip.ts"
import type { NodeFlags } from "./NodeFlags.ts"
import { optionsOf } from "./NodeFlags.ts"
import type { Globals } from "./Root.ts"
import { write } from "./Terminal.ts"
import { tupleLine } from "./Text.ts"

/** In a line each what strangers can do at which endpoints. */
const dangers = (configuration: Configuration): ReadonlyArray<string> => {
  const listeners = configuration.bind
    .map((endpoint, index) => {
      const security = securityOf(configuration, configuration.security.bind[index])
      return { endpoint, mechanism: serverMechanism(security), security }
    })
    .filter(({ endpoint }) => isOpen(endpoint))
  const line = (found: typeof listeners, what: (endpoints: string) => string) =>
    found.length === 0 ? [] : [what(found.map(({ endpoint }) => endpoint).join(", "))]
  return [
    ...line(
      listeners.filter(({ security }) => !isGuarded(security)),
      (endpoints) =>
        `whoever reaches ${endpoints} can read and change every tuple, and end this process: use --certificate and ` +
        "--allow-keys, or --allow-addresses, see docs/security.md"
    ),
    ...line(
      listeners.filter(({ mechanism, security }) => mechanism === "curve" && security.allowKeys === undefined),
      (endpoints) => `whoever reaches ${endpoints} and knows the public key of this node can enter: use --allow-keys`
    ),
    ...line(
      listeners.filter(({ mechanism }) => mechanism === "plain"),
      (endpoints) => `passwords and tuples go to ${endpoints} in clear text: use --certificate and --allow-keys`
    )
  ]
}

/** Says them, and again what is new once the configuration has changed: a change that fails is taken back at once. */
const warnIfOpen = Effect.gen(function* () {
  const { changes, get } = yield* GossipConfig
  let told: ReadonlyArray<string> = []
  const warn = (configuration: Configuration) => {
    const before = told
    told = dangers(configuration)
    return Effect.forEach(
      told.filter((line) => !before.includes(line)),
      (line) => Effect.logWarning(line),
      { discard: true }
    )
  }
  yield* Effect.flatMap(get, warn)
  yield* changes.pipe(Stream.debounce("1 second"), Stream.runForEach(warn), Effect.forkScoped)
})

/** It may be meant, as a file can say more later. */
const warnIfAlone = ({ listeners, remotes }: Status): Effect.Effect<void> =>
  listeners.length + remotes.length > 0
    ? Effect.void
    : Effect.logWarning("this node serves on no endpoint and connects to none: see --bind and --connect")

const isOpen = (endpoint: string): boolean => {
  const parsed = Endpoint.parseBind(endpoint)
  return (
    Result.isSuccess(parsed) &&
    parsed.success._tag === "Tcp" &&
    !/^(?:127\.[\d.]+|localhost|::1|lo)$/.test(parsed.success.host)
  )
}

/** Writes to standard output, and says where that does not work: others need this node whoever reads what it prints. */
const printer = Effect.sync(() => {
  let trouble: "closed" | "full" | undefined
  return (text: string): Effect.Effect<void> => {
    if (trouble === "closed") return Effect.void
    // The last line may have been written in part.
    return write(trouble === undefined ? text : `\n${text}`).pipe(
      Effect.andThen(() => {
        if (trouble === undefined) return Effect.void
        trouble = undefined
        return Effect.logInfo("standard output can be written again")
      }),
      Effect.catchTags({
        Closed: () => {
          trouble = "closed"
          return Effect.logWarning("standard output was closed: deliveries are not printed any more")
        },
        Failure: ({ message }) => {
          if (trouble !== undefined) return Effect.void
          trouble = "full"
          return Effect.logWarning(`${message}; deliveries are not printed while that lasts`)
        }
      })
    )
  }
})

/**
 * @since 0.1.0
 * @category commands
 */
export const serve = Effect.fnUntraced(function* (globals: Globals, flags: NodeFlags) {
  const options = yield* optionsOf(globals, flags)
  yield* Effect.gen(function* () {
    const { gossip, start } = yield* GossipNode.make
    const deliveries = yield* gossip.subscribe
    yield* start
    yield* Effect.flatMap(gossip.status, warnIfAlone)
    yield* warnIfOpen
    const print = yield* printer
    yield* Stream.runForEachArray(deliveries, (tuples) =>
      print(tuples.map((tuple) => tupleLine(globals, { tuple })).join(""))
    )
  }).pipe(
    Effect.scoped,
    Effect.provide(
      Layer.mergeAll(ZmqTransport.layer, ConfiguredTupleStore.layer).pipe(Layer.provideMerge(FileConfig.layer(options)))
    )
  )
})
