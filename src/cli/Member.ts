/**
 * A node for as long as one command takes: what a guest cannot do, it can, as it knows what the network knows.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Gossip from "../Gossip.ts"
import * as DrainTransport from "../layers/DrainTransport.ts"
import * as MemoryConfig from "../layers/MemoryConfig.ts"
import * as MemoryTupleStore from "../layers/MemoryTupleStore.ts"
import * as ZmqTransport from "../layers/ZmqTransport.ts"
import { Transport } from "../services/Transport.ts"
import { ask, securityOf, within } from "./Client.ts"
import { usage } from "./Failure.ts"
import type { Globals } from "./Root.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Member {
  readonly gossip: Gossip.Gossip["Service"]
  /** The node that it is connected to: the first of those asked for that answered. */
  readonly endpoint: string
  /** Waits until that has taken what was said so far, or for a second. */
  readonly drained: Effect.Effect<void>
}

/**
 * A member that has heard all there is, until the scope ends. Fails where no node of this make answers.
 *
 * @since 0.1.0
 * @category constructors
 */
export const join = Effect.fnUntraced(function* (globals: Globals) {
  const { endpoint, told } = yield* ask(globals, ({ endpoint, status }) =>
    Effect.map(status, (told) => ({ endpoint, told }))
  )
  if (told === undefined) return yield* usage(`${endpoint} is no node of this make: it does not know how to delete`)
  const sockets = Context.get(yield* Layer.build(ZmqTransport.layer), Transport)
  const { isDrained, transport } = DrainTransport.make(sockets)
  const node = Gossip.layerStarted().pipe(
    Layer.provide([
      Layer.succeed(Transport, transport),
      MemoryTupleStore.layer,
      Layer.orDie(MemoryConfig.layer(yield* securityOf(globals.security)))
    ])
  )
  const gossip = Context.get(yield* Layer.build(node), Gossip.Gossip)
  yield* gossip.connect(endpoint)
  yield* within(globals.timeout, [endpoint])(
    Effect.repeat(Effect.andThen(Effect.sleep("5 millis"), gossip.status), {
      until: ({ remotes }) => remotes.every(({ state }) => state === "Connected")
    })
  )
  const drained = Effect.ignore(Effect.timeout(settled(gossip, isDrained), "1 second"))
  const member: Member = { gossip, endpoint, drained }
  return member
})

/**
 * Waits until the remotes that can be reached have taken what was published.
 *
 * @since 0.1.0
 * @category combinators
 */
export const settled = (gossip: Gossip.Gossip["Service"], isDrained: () => boolean) =>
  Effect.sleep("5 millis").pipe(
    Effect.andThen(gossip.status),
    Effect.repeat({
      until: ({ remotes }) =>
        isDrained() &&
        remotes.every(({ error, state }) => state === "Connected" || (state === "Disconnected" && error !== undefined))
    })
  )
