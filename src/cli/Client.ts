/**
 * A guest on a network: one connection to one node, for as long as one question takes. It says what any client says,
 * HELLO, PUBLISH and PING, so it works with every node of every make.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Endpoint from "../protocol/Endpoint.ts"
import * as Message from "../protocol/Message.ts"
import type * as Octets from "../protocol/Octets.ts"
import type { Tuple } from "../protocol/Tuple.ts"
import type { Connection, TransportError } from "../services/Transport.ts"
import { Transport } from "../services/Transport.ts"
import { Failure, usage } from "./Failure.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Client {
  /** The node that answered. */
  readonly endpoint: string
  /** HELLO, PING, until PONG: all tuples of the node, in the order in which it tells them. */
  readonly snapshot: Effect.Effect<ReadonlyMap<Octets.Octets, Tuple>, Failure>
  /** HELLO, PUBLISH, PING, until PONG: the node has taken them all. */
  readonly publish: (tuples: ReadonlyArray<Tuple>) => Effect.Effect<void, Failure>
  /** PING, until PONG. */
  readonly ping: Effect.Effect<void, Failure>
}

/**
 * Connects to the first of these endpoints that takes the connection; all are tried at once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const connect = (
  endpoints: readonly [string, ...ReadonlyArray<string>]
): Effect.Effect<Client, Failure, Transport | Scope.Scope> =>
  Effect.gen(function* () {
    const transport = yield* Transport
    const parsed = yield* Effect.forEach(endpoints, parse)
    // Those that lose the race are closed with the scope.
    const attempts = parsed.map((endpoint) => transport.connect(endpoint))
    const connection = yield* Effect.raceAll(attempts).pipe(
      Effect.catchCause((cause) => Effect.fail(unreachable(endpoints, cause)))
    )
    return make(connection)
  })

const parse = (text: string) => {
  const endpoint = Endpoint.parseConnect(text)
  return Result.isSuccess(endpoint)
    ? Effect.succeed(endpoint.success)
    : Effect.fail(usage(`--endpoint ${endpoint.failure.message}`))
}

const unreachable = (endpoints: ReadonlyArray<string>, cause: Cause.Cause<TransportError>): Failure => {
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  const which = endpoints.length > 1 ? `any of ${endpoints.join(", ")}` : endpoints[0]
  const detail = error?.reason.detail ?? Cause.pretty(cause)
  return error?.reason._tag === "Protocol"
    ? new Failure({ kind: "protocol", message: `${which} is not a zgossip node: ${detail}` })
    : new Failure({
        kind: "unreachable",
        message: `cannot reach ${which}: ${detail}; start a node with zgossip serve, or name another with --endpoint`
      })
}

const make = (connection: Connection): Client => {
  const endpoint = Endpoint.format(connection.endpoint)

  const failed = (error: TransportError) =>
    new Failure({ kind: "unreachable", message: `lost ${endpoint}: ${error.reason.detail}` })

  /** Says this, and listens at the same time, until the PONG to the PING at its end. */
  const ask = (messages: ReadonlyArray<Message.Message>, hear: (message: Message.Message) => Failure | undefined) =>
    Effect.raceFirst(
      Effect.andThen(connection.send([...messages, Message.ping].map(Message.encode)), Effect.never),
      untilPong(hear)
    ).pipe(Effect.catchTag("TransportError", (error) => Effect.fail(failed(error))))

  const untilPong = Effect.fnUntraced(function* (hear: (message: Message.Message) => Failure | undefined) {
    for (;;) {
      for (const frames of yield* connection.receive) {
        const message = Message.decode(frames)
        if (message._tag === "Malformed") return yield* noNode(message.reason)
        if (message._tag === "Pong") return
        const failure = hear(message)
        if (failure !== undefined) return yield* failure
      }
    }
  })

  const noNode = (reason: Message.Malformed["reason"]): Failure =>
    new Failure({
      kind: "protocol",
      message: `${endpoint} is not a zgossip node: it sent what is no message of the protocol (${reason})`
    })

  const refused = (what: string): Failure =>
    new Failure({ kind: "protocol", message: `${endpoint} refused ${what}: it answered INVALID` })

  return {
    endpoint,
    snapshot: Effect.suspend(() => {
      const tuples = new Map<Octets.Octets, Tuple>()
      return Effect.as(
        ask([Message.hello], (message) => {
          if (message._tag === "Publish") tuples.set(message.tuple.keyOctets, message.tuple)
          return message._tag === "Invalid" ? refused("HELLO") : undefined
        }),
        tuples
      )
    }),
    publish: (tuples) =>
      ask([Message.hello, ...tuples.map(Message.publish)], (message) =>
        message._tag === "Invalid" ? refused("the tuples") : undefined
      ),
    // Not a member, a guest may be told INVALID by CZMQ when a tuple comes by.
    ping: ask([], () => undefined)
  }
}

/**
 * Gives up after so many milliseconds.
 *
 * @since 0.1.0
 * @category combinators
 */
export const within =
  (timeout: number, endpoints: ReadonlyArray<string>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | Failure, R> =>
    Effect.timeoutOrElse(self, {
      duration: timeout,
      orElse: () =>
        Effect.fail(
          new Failure({
            kind: "unreachable",
            message: `no answer from ${endpoints.join(", ")} within ${timeout} ms: is it a zgossip node? --timeout waits longer`
          })
        )
    })
