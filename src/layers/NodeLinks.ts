/**
 * The loops that tie a node's engine to its sockets: one fiber for each listener, one for each remote, one sender for
 * each peer. A loop that fails says so and is started again, later each time.
 *
 * @since 0.1.0
 */
import { Cause, Deferred, Effect, Exit, Fiber, FiberMap, Option, Schedule, Scope, Semaphore } from "effect"
import * as Endpoint from "../protocol/Endpoint.ts"
import { GossipError, stoppedError } from "../services/Gossip.ts"
import type { Listener, Peer, Transport, TransportError } from "../services/Transport.ts"
import type { Joined, Served } from "./GossipEngine.ts"
import type { Submit } from "./GossipNode.ts"
import type { Mailbox } from "./Mailbox.ts"

/** From 50 ms, doubling, to 2 s, each a little longer or shorter so that nodes do not come back in step. */
const backoff = Schedule.min([Schedule.exponential("50 millis", 2), Schedule.spaced("2 seconds")]).pipe(
  Schedule.jittered
)

/** Between the loss of a connection that was up and the first attempt to replace it. */
const breath = "20 millis"

/**
 * @since 0.1.0
 * @category models
 */
export interface NodeLinks {
  readonly bind: (endpoint: Endpoint.Endpoint) => Effect.Effect<string, GossipError>
  readonly unbind: (endpoint: Endpoint.Endpoint) => Effect.Effect<void, GossipError>
  readonly connect: (endpoint: Endpoint.Endpoint) => Effect.Effect<void, GossipError>
  readonly disconnect: (endpoint: Endpoint.Endpoint) => Effect.Effect<void, GossipError>
  /** Ends every loop and closes every socket. */
  readonly close: Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (submit: Submit, transport: Transport["Service"]) {
  const scope = yield* Scope.fork(yield* Effect.scope, "parallel")
  /** By the endpoint as asked for; `bound` is the same with its port. */
  const listeners = new Set<{ readonly asked: string; readonly bound: string; readonly fiber: Fiber.Fiber<void> }>()
  const remotes = new Map<string, Fiber.Fiber<void>>()
  const semaphore = yield* Semaphore.make(1)
  const oneAtATime = <A, E>(self: Effect.Effect<A, E>) => Effect.uninterruptible(semaphore.withPermits(1)(self))

  // Server side

  const serveOnce = (endpoint: Endpoint.Endpoint, onBound: (endpoint: Endpoint.Endpoint) => Effect.Effect<void>) =>
    Effect.scoped(
      Effect.gen(function* () {
        const listener = yield* transport.bind(endpoint)
        const senders = yield* FiberMap.make<Peer, void>()
        const run = yield* FiberMap.runtime(senders)<never>()
        const served: Served = {
          endpoint: Endpoint.format(listener.endpoint),
          clients: new Map(),
          arrived: (peer, { mailbox }) => void run(peer, sendToClient(listener, peer, mailbox)),
          left: (peer) => Option.map(FiberMap.getUnsafe(senders, peer), (fiber) => fiber.interruptUnsafe())
        }
        yield* Effect.acquireRelease(
          submit((engine) => {
            engine.serve(served)
            engine.port = Endpoint.port(listener.endpoint)
          }),
          () => Effect.ignore(submit((engine) => engine.unserve(served)))
        )
        yield* onBound(listener.endpoint)
        yield* Effect.logInfo(`bound ${served.endpoint}`)
        return yield* listener.receive.pipe(
          Effect.flatMap((events) => submit((engine, now) => engine.receivePeers(served, events, now))),
          Effect.forever
        )
      })
    )

  /** Binds; the outcome of the first time is `first`'s, after that the endpoint is bound again until it works. */
  const serve = (asked: Endpoint.Endpoint, first: Deferred.Deferred<Endpoint.Endpoint, GossipError>) => {
    let endpoint = asked
    let bound = false
    const once = serveOnce(asked, (resolved) => {
      endpoint = resolved
      bound = true
      return Effect.asVoid(Deferred.succeed(first, resolved))
    })
    const again = Effect.suspend(() => {
      bound = false
      return serveOnce(endpoint, () => Effect.sync(() => void (bound = true)))
    })
    return Effect.catchCause(once, (cause) =>
      Effect.flatMap(
        Deferred.failCause(
          first,
          Cause.map(cause, (error) => asGossipError("bind", error))
        ),
        (unbound) => {
          if (unbound) return Effect.void
          const text = Endpoint.format(endpoint)
          const loop = {
            once: again,
            wasUp: () => bound,
            lost: `no longer serving on ${text}, binding again`,
            cannot: `cannot bind ${text} again, trying on`,
            onFailure: () => Effect.void
          }
          return Effect.andThen(warn(loop.lost, cause), persist(loop))
        }
      )
    )
  }

  const bind: NodeLinks["bind"] = (endpoint) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const first = yield* Deferred.make<Endpoint.Endpoint, GossipError>()
        const fiber = yield* Effect.forkIn(Effect.interruptible(serve(endpoint, first)), scope)
        // The node may stop before the first time had an outcome.
        fiber.addObserver(() => void Deferred.doneUnsafe(first, Exit.fail(stoppedError)))
        const resolved = yield* restore(Deferred.await(first)).pipe(Effect.onInterrupt(() => Fiber.interrupt(fiber)))
        const entry = { asked: Endpoint.format(endpoint), bound: Endpoint.format(resolved), fiber }
        listeners.add(entry)
        fiber.addObserver(() => void listeners.delete(entry))
        return entry.bound
      })
    )

  const unbind: NodeLinks["unbind"] = (endpoint) => {
    const text = Endpoint.format(endpoint)
    const entry = Array.from(listeners).find(({ asked, bound }) => bound === text || asked === text)
    return entry === undefined
      ? Effect.fail(
          new GossipError({
            operation: "unbind",
            endpoint: text,
            reason: { _tag: "NotBound", detail: "it is not bound" }
          })
        )
      : Effect.asVoid(Fiber.interrupt(entry.fiber))
  }

  // Client side

  const joinOnce = (endpoint: Endpoint.Endpoint, joined: Joined, onUp: () => void) =>
    Effect.scoped(
      Effect.gen(function* () {
        const connection = yield* transport.connect(endpoint)
        onUp()
        yield* Effect.acquireRelease(
          submit((engine, now) => engine.up(joined, now)),
          () => Effect.ignore(submit((engine) => engine.down(joined)))
        )
        yield* Effect.logInfo(`connected to ${joined.endpoint}`)
        const send = Effect.forever(Effect.flatMap(joined.mailbox.take, connection.send))
        const receive = connection.receive.pipe(
          Effect.flatMap((messages) => submit((engine, now) => engine.receiveRemote(joined, messages, now))),
          Effect.forever
        )
        return yield* Effect.raceFirst(send, receive)
      })
    )

  const connect: NodeLinks["connect"] = (endpoint) =>
    oneAtATime(
      Effect.gen(function* () {
        const text = Endpoint.format(endpoint)
        if (remotes.has(text)) return
        const joined = yield* submit((engine) => engine.join(text))
        let up = false
        const once = Effect.suspend(() => {
          up = false
          return joinOnce(endpoint, joined, () => {
            up = true
          })
        })
        const loop = persist({
          once,
          wasUp: () => up,
          lost: `lost the connection to ${text}, connecting again`,
          cannot: `cannot connect to ${text}, trying on`,
          onFailure: (detail) => Effect.ignore(submit(() => void (joined.error = detail)))
        })
        remotes.set(text, yield* Effect.forkIn(Effect.interruptible(loop), scope))
      })
    )

  const disconnect: NodeLinks["disconnect"] = (endpoint) =>
    oneAtATime(
      Effect.gen(function* () {
        const text = Endpoint.format(endpoint)
        const fiber = remotes.get(text)
        if (fiber === undefined) {
          return yield* new GossipError({
            operation: "disconnect",
            endpoint: text,
            reason: { _tag: "NotConnected", detail: "it was not connected to" }
          })
        }
        remotes.delete(text)
        yield* Fiber.interrupt(fiber)
        yield* submit((engine) => engine.joined.delete(text))
      })
    )

  const links: NodeLinks = { bind, unbind, connect, disconnect, close: Scope.close(scope, Exit.void) }
  return links
})

/** A loop that only ever ends by failing, and the words in which its failures are told. */
interface Loop<E> {
  readonly once: Effect.Effect<never, E>
  /** Whether it got as far as it should before it failed. */
  readonly wasUp: () => boolean
  readonly lost: string
  readonly cannot: string
  readonly onFailure: (detail: string) => Effect.Effect<void>
}

/** Runs a loop again and again; the delays grow from one failure to the next, and start anew once it was up. */
const persist = <E extends TransportError | GossipError>(loop: Loop<E>): Effect.Effect<never> => {
  let said = ""
  const tell = (cause: Cause.Cause<E>) => {
    if (loop.wasUp()) {
      said = ""
      return warn(loop.lost, cause)
    }
    // The same failure over and over is said once.
    const line = lineOf(cause)
    if (line === said) return Effect.logDebug(`${loop.cannot}: ${line}`)
    said = line
    return warn(loop.cannot, cause)
  }
  return loop.once.pipe(
    Effect.tapCause((cause) =>
      Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.andThen(loop.onFailure(lineOf(cause)), tell(cause))
    ),
    Effect.sandbox,
    Effect.catchIf(loop.wasUp, () => Effect.sleep(breath)),
    Effect.retry(backoff),
    Effect.orDie,
    Effect.forever
  )
}

const sendToClient = (listener: Listener, peer: Peer, mailbox: Mailbox<Uint8Array>): Effect.Effect<void> =>
  Effect.flatMap(mailbox.take, (frames) => listener.send(peer, frames)).pipe(
    Effect.forever,
    Effect.catchCause((cause) => {
      const error = Option.getOrUndefined(Cause.findErrorOption(cause))
      return error?.reason._tag === "PeerGone" || Cause.hasInterruptsOnly(cause)
        ? Effect.void
        : warn(`cannot send to a client of ${Endpoint.format(listener.endpoint)}`, cause)
    })
  )

/** A failure that is a fault of ours comes with its stack. */
const warn = (what: string, cause: Cause.Cause<TransportError | GossipError>): Effect.Effect<void> =>
  Cause.hasDies(cause) ? Effect.logError(what, cause) : Effect.logWarning(`${what}: ${lineOf(cause)}`)

const lineOf = (cause: Cause.Cause<TransportError | GossipError>): string =>
  Option.match(Cause.findErrorOption(cause), {
    onNone: () => Cause.pretty(cause),
    onSome: (error) => error.reason.detail
  })

const asGossipError = (operation: string, error: TransportError | GossipError): GossipError =>
  error._tag === "GossipError" ? error : new GossipError({ operation, endpoint: error.endpoint, reason: error.reason })
