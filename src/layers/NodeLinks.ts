/**
 * The loops that tie a node's engine to its sockets: one fiber for each listener, one for each remote, one sender for
 * each peer. A loop that fails says so and is started again, later each time.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Endpoint from "../protocol/Endpoint.ts"
import * as Message from "../protocol/Message.ts"
import type { Rules, Security } from "../protocol/Security.ts"
import { GossipError, stoppedError } from "../services/Gossip.ts"
import type { BindOptions, ConnectOptions, Listener, Peer, Transport } from "../services/Transport.ts"
import { TransportError } from "../services/Transport.ts"
import type { Joined, Served } from "./GossipLink.ts"
import type { Submit } from "./GossipNode.ts"
import { handOver } from "./Intake.ts"
import * as Spans from "./Spans.ts"

/** From 50 ms, doubling, to 2 s, each a little longer or shorter so that nodes do not come back in step. */
const backoff = Schedule.min([Schedule.exponential("50 millis", 2), Schedule.spaced("2 seconds")]).pipe(
  Schedule.jittered
)

/** Between the loss of a connection that was up and the first attempt to replace it. */
const breath = "20 millis"

/** What was up no longer than this, in ms, has failed: a server that takes connections and drops them is not courted. */
const healthy = 2000

/**
 * Time for timeouts, in whole milliseconds from an arbitrary moment: unlike the time of day it is never set.
 *
 * @since 0.1.0
 * @category time
 */
export const monotonicMillis: Effect.Effect<number> = Effect.map(Clock.monotonicTimeNanos, (nanos) =>
  Number(nanos / 1_000_000n)
)

/**
 * @since 0.1.0
 * @category models
 */
export interface NodeLinks {
  readonly bind: (endpoint: Endpoint.Endpoint, own?: Security) => Effect.Effect<string, GossipError>
  readonly unbind: (endpoint: Endpoint.Endpoint) => Effect.Effect<void, GossipError>
  readonly isBound: (endpoint: string) => boolean
  /** Whether it was not connected to before. */
  readonly connect: (endpoint: Endpoint.Endpoint, own?: Security) => Effect.Effect<boolean, GossipError>
  readonly disconnect: (endpoint: Endpoint.Endpoint) => Effect.Effect<void, GossipError>
  /** Ends every loop and closes every socket. */
  readonly close: Effect.Effect<void>
}

/**
 * What a link has from the configuration as it is now, and from `own`: asked for each time it is bound or connected.
 *
 * @since 0.1.0
 * @category models
 */
export interface LinkSettings {
  /** `bound` is for those who speak of it later: where it is bound by then, with its port. */
  readonly bind: (
    endpoint: Endpoint.Endpoint,
    own: Security | undefined,
    bound: () => string
  ) => Effect.Effect<BindOptions & { readonly rules: Rules }, GossipError>
  readonly connect: (
    endpoint: Endpoint.Endpoint,
    own: Security | undefined
  ) => Effect.Effect<ConnectOptions, GossipError>
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  submit: Submit,
  transport: Transport["Service"],
  settings: LinkSettings,
  linger: () => number
) {
  const scope = yield* Scope.fork(yield* Effect.scope, "parallel")
  /** By the endpoint as asked for; `bound` is the same with its port. */
  const listeners = new Set<{ readonly asked: string; readonly bound: string; readonly fiber: Fiber.Fiber<void> }>()
  const remotes = new Map<string, Fiber.Fiber<void>>()
  const semaphore = yield* Semaphore.make(1)
  const oneAtATime = <A, E>(self: Effect.Effect<A, E>) => Effect.uninterruptible(semaphore.withPermits(1)(self))

  // Server side

  const serveOnce = (
    endpoint: Endpoint.Endpoint,
    options: ReturnType<LinkSettings["bind"]>,
    onBound: (endpoint: Endpoint.Endpoint) => Effect.Effect<unknown>
  ) =>
    Effect.scoped(
      Effect.gen(function* () {
        const { rules, ...others } = yield* options
        const listener = yield* transport.bind(endpoint, { ...others, linger })
        const senders = yield* FiberMap.make<Peer, void, TransportError>()
        const run = yield* FiberMap.runtime(senders)<never>()
        const served: Served = {
          endpoint: Endpoint.format(listener.endpoint),
          rules,
          clients: new Map(),
          dumping: yield* Spans.dumps(Endpoint.format(listener.endpoint)),
          arrived: (peer, { mailbox }) => {
            const leave = Effect.ignore(submit((engine) => engine.leave(served, peer)))
            run(
              peer,
              Effect.onError(sendToClient(listener, peer, mailbox), () => leave)
            )
          },
          left: (peer) => Option.map(FiberMap.getUnsafe(senders, peer), (fiber) => fiber.interruptUnsafe())
        }
        yield* Effect.acquireRelease(
          submit((engine) => engine.serve(served)),
          () => Effect.ignore(submit((engine) => engine.unserve(served)))
        )
        yield* onBound(listener.endpoint)
        yield* Effect.annotateLogs(Effect.logInfo(`bound ${served.endpoint}`), { endpoint: served.endpoint })
        return yield* listener.receive.pipe(
          Effect.flatMap(handOver(submit, (engine, events, now) => engine.receivePeers(served, events, now))),
          Effect.forever
        )
      })
    )

  /** Binds; the outcome of the first time is `first`'s, after that the endpoint is bound again until it works. */
  const serve = (
    asked: Endpoint.Endpoint,
    own: Security | undefined,
    first: Deferred.Deferred<Endpoint.Endpoint, GossipError>
  ) => {
    let endpoint = asked
    // The configuration knows what was asked for, not which port it became.
    const options = settings.bind(asked, own, () => Endpoint.format(endpoint))
    const once = serveOnce(asked, options, (resolved) => {
      endpoint = resolved
      const bound = submit((engine) => void (engine.port = Endpoint.port(resolved)))
      return Effect.andThen(Effect.ignore(bound), Deferred.succeed(first, resolved))
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
          const back = Effect.ignore(submit((engine) => engine.lost.delete(text)))
          const loop = {
            once: (up: Effect.Effect<void>) => serveOnce(endpoint, options, () => Effect.andThen(back, up)),
            lost: `no longer serving on ${text}, binding again`,
            cannot: `cannot bind ${text} again, trying on`,
            onFailure: (detail: string) => Effect.ignore(submit((engine) => engine.lost.set(text, detail)))
          }
          return Effect.andThen(loop.onFailure(lineOf(cause)), warn(loop.lost, cause)).pipe(
            Effect.andThen(persist(loop)),
            Effect.ensuring(back),
            Effect.annotateLogs({ endpoint: text })
          )
        }
      )
    )
  }

  const bind: NodeLinks["bind"] = (endpoint, own) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const first = yield* Deferred.make<Endpoint.Endpoint, GossipError>()
        const fiber = yield* Effect.forkIn(Effect.interruptible(serve(endpoint, own, first)), scope)
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
      : Effect.andThen(Fiber.interrupt(entry.fiber), Effect.logInfo(`unbound ${entry.bound}`))
  }

  // Client side

  const joinOnce = (endpoint: Endpoint.Endpoint, own: Security | undefined, joined: Joined, up: Effect.Effect<void>) =>
    Effect.scoped(
      Effect.gen(function* () {
        const options = { ...(yield* settings.connect(endpoint, own)), linger }
        const connection = yield* Spans.within("zgossip.connect", {
          root: true,
          kind: "client",
          attributes: { endpoint: joined.endpoint }
        })(transport.connect(endpoint, options))
        yield* up
        const silent = yield* Deferred.make<never, TransportError>()
        joined.giveUp = (time) => void Deferred.doneUnsafe(silent, Exit.fail(silentFor(time, joined.endpoint)))
        yield* Effect.acquireRelease(
          submit((engine, now) => engine.up(joined, now)),
          () => Effect.ignore(submit((engine) => engine.down(joined)))
        )
        yield* Effect.logInfo(`connected to ${joined.endpoint}`)
        const send = Effect.flatMap(joined.mailbox.take, (frames) => {
          noteSent(joined, frames)
          return connection.send(frames)
        }).pipe(
          Effect.forever,
          // A loss is the reader's to report: what the remote said before it went is still to be read.
          Effect.catchIf(
            ({ reason }) => reason._tag === "Lost",
            () => Effect.never
          )
        )
        const receive = connection.receive.pipe(
          Effect.flatMap(handOver(submit, (engine, messages, now) => engine.receiveRemote(joined, messages, now))),
          Effect.forever
        )
        return yield* Effect.ensuring(
          Effect.raceAllFirst([send, receive, Deferred.await(silent)]),
          Effect.sync(() => joined.mailbox.rest())
        )
      })
    )

  const connect: NodeLinks["connect"] = (endpoint, own) =>
    oneAtATime(
      Effect.gen(function* () {
        const text = Endpoint.format(endpoint)
        if (remotes.has(text)) return false
        // What is wrong on this side is said at once; whether the other side is there does not matter.
        yield* settings.connect(endpoint, own)
        const joined = yield* submit((engine) => engine.join(text))
        const loop = persist({
          once: (up) => joinOnce(endpoint, own, joined, up),
          lost: `lost the connection to ${text}, connecting again`,
          cannot: `cannot connect to ${text}, trying on`,
          onFailure: (detail) => Effect.ignore(submit(() => void (joined.error = detail)))
        })
        const annotated = Effect.annotateLogs(loop, { endpoint: text })
        remotes.set(text, yield* Effect.forkIn(Effect.interruptible(annotated), scope))
        return true
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
        yield* Effect.logInfo(`disconnected from ${text}`)
      })
    )

  const isBound: NodeLinks["isBound"] = (endpoint) => Array.from(listeners).some(({ bound }) => bound === endpoint)

  const links: NodeLinks = { bind, unbind, isBound, connect, disconnect, close: Scope.close(scope, Exit.void) }
  return links
})

/** A loop that only ever ends by failing, and the words in which its failures are told. */
interface Loop<E> {
  /** Runs `up` once it has got as far as it should. */
  readonly once: (up: Effect.Effect<void>) => Effect.Effect<never, E>
  readonly lost: string
  readonly cannot: string
  readonly onFailure: (detail: string) => Effect.Effect<void>
}

/** Runs a loop again and again; the delays grow from one failure to the next, and start anew once it was healthy. */
const persist = <E extends TransportError | GossipError>(loop: Loop<E>): Effect.Effect<never> => {
  let upAt: number | undefined
  let wasHealthy = false
  let said = ""
  const up = Effect.map(monotonicMillis, (now) => {
    upAt = now
  })
  const failed = Effect.fnUntraced(function* (cause: Cause.Cause<E>) {
    if (Cause.hasInterruptsOnly(cause)) return
    wasHealthy = upAt !== undefined && (yield* monotonicMillis) - upAt > healthy
    if (wasHealthy) said = ""
    yield* loop.onFailure(lineOf(cause))
    const line = `${upAt === undefined ? loop.cannot : loop.lost}: ${lineOf(cause)}`
    // The same failure over and over is said once.
    if (line === said) return yield* Effect.logDebug(line)
    said = line
    yield* warn(upAt === undefined ? loop.cannot : loop.lost, cause)
  })
  return Effect.suspend(() => {
    upAt = undefined
    return loop.once(up)
  }).pipe(
    Effect.tapCause(failed),
    Effect.sandbox,
    Effect.catchIf(
      () => wasHealthy,
      () => Effect.sleep(breath)
    ),
    Effect.retry(backoff),
    Effect.orDie,
    Effect.forever
  )
}

/** A PING that is put from now on goes behind them, if they say something its PONG says that it was read. */
const noteSent = (joined: Joined, frames: ReadonlyArray<Uint8Array>): void => {
  const { remote } = joined
  if (remote._tag !== "Disconnected" && frames.some(Message.saysSomething)) joined.awaited = remote.link.pings + 1
}

/** Ends quietly when the client has left; where it ends otherwise the client has to start again. */
const sendToClient = (
  listener: Listener,
  peer: Peer,
  mailbox: Joined["mailbox"]
): Effect.Effect<void, TransportError> =>
  Effect.flatMap(mailbox.take, (frames) => listener.send(peer, frames)).pipe(
    Effect.forever,
    Effect.catchIf(
      ({ reason }) => reason._tag === "PeerGone" || reason._tag === "Closed",
      () => Effect.void
    ),
    Effect.ensuring(Effect.sync(() => mailbox.rest())),
    Effect.tapCause((cause) => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.void
      const endpoint = Endpoint.format(listener.endpoint)
      const line = warn(`cannot send to a client of ${endpoint}, it has to say HELLO again`, cause)
      return Effect.annotateLogs(line, { endpoint, peer })
    })
  )

/** A failure that is a fault of ours comes with its stack. */
const warn = (what: string, cause: Cause.Cause<TransportError | GossipError>): Effect.Effect<void> =>
  Cause.hasDies(cause) ? Effect.logError(what, cause) : Effect.logWarning(`${what}: ${lineOf(cause)}`)

const silentFor = (time: number, endpoint: string): TransportError =>
  new TransportError({
    operation: "receive",
    endpoint,
    reason: { _tag: "Silent", detail: `no answer for ${Math.floor(time / 1000)} s` }
  })

const lineOf = (cause: Cause.Cause<TransportError | GossipError>): string =>
  Option.match(Cause.findErrorOption(cause), {
    onNone: () => Cause.pretty(cause),
    onSome: (error) => error.reason.detail
  })

const asGossipError = (operation: string, error: TransportError | GossipError): GossipError =>
  error._tag === "GossipError" ? error : new GossipError({ operation, endpoint: error.endpoint, reason: error.reason })
