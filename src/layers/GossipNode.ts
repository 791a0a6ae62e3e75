/**
 * The node: a `GossipEngine` with sockets, fibers and time around it.
 *
 * - One inbox queue, and one fiber that owns the engine and drains the inbox in batches: network input, commands,
 *   ticks. Nothing else changes the state.
 * - A fiber for each listener and each remote (`NodeLinks`) reads one batch, puts it into the inbox and waits until it
 *   was worked off before it reads the next: what a peer sends faster than the node works waits in its socket.
 * - A fiber for each peer takes from its mailbox and sends.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberHandle from "effect/FiberHandle"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { EndpointInput } from "../protocol/Configuration.ts"
import { endpointOf } from "../protocol/Configuration.ts"
import * as Endpoint from "../protocol/Endpoint.ts"
import * as Octets from "../protocol/Octets.ts"
import type { Security } from "../protocol/Security.ts"
import { Sleep } from "../protocol/Sleep.ts"
import * as Tuple from "../protocol/Tuple.ts"
import * as TupleMap from "../protocol/TupleMap.ts"
import type { Gossip } from "../services/Gossip.ts"
import { GossipError, stoppedError } from "../services/Gossip.ts"
import { GossipConfig } from "../services/GossipConfig.ts"
import { Transport } from "../services/Transport.ts"
import { TupleStore } from "../services/TupleStore.ts"
import * as Announcements from "./Announcements.ts"
import * as CommandPipe from "./CommandPipe.ts"
import { GossipEngine } from "./GossipEngine.ts"
import type { Subscriber } from "./GossipLink.ts"
import * as Journal from "./Journal.ts"
import * as LastWords from "./LastWords.ts"
import * as LinkSecurity from "./LinkSecurity.ts"
import * as NodeConfiguration from "./NodeConfiguration.ts"
import * as NodeLinks from "./NodeLinks.ts"
import type { Refusal } from "./Quota.ts"
import * as Spans from "./Spans.ts"

/** Inputs that wait; then commands wait too. Each link has at most one batch among them. */
const inboxCapacity = 1024

/** Inputs worked off before anybody gets to send or to be answered. */
const batchCapacity = 64

/** A burst of publishes is worked off in pieces of this many, so that peers are answered in between. */
const publishChunk = 512

/** A step of the engine, and how to tell who waits for it what came of it. */
interface Input {
  readonly run: (now: number) => void
  /** With what came of the batch: it was committed, or a fault of ours ended it. */
  readonly settle: (batch: Exit.Exit<void>) => void
}

/**
 * Hands a step to the inbox fiber and waits until it was carried out, and what it accepted was committed.
 *
 * @since 0.1.0
 * @category models
 */
export type Submit = <A>(run: (engine: GossipEngine, now: number) => A) => Effect.Effect<A, GossipError>

/** So many numbers that nobody guesses, and a test with a seed knows. */
const secret = Effect.map(Effect.all(Array.from({ length: 8 }, () => Random.nextInt)), (numbers) => numbers.join(" "))

/**
 * A node that has done nothing yet; `start` makes what its configuration says so.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.gen(function* () {
  const transport = yield* Transport
  const store = yield* TupleStore
  const config = yield* GossipConfig
  const patience = yield* LastWords.Patience

  const clock = yield* Clock.Clock
  const timeOfDay = () => clock.currentTimeMillisUnsafe()
  const engine = new GossipEngine(store, (yield* config.get).settings, timeOfDay, yield* secret)
  const isLive = (entry: TupleMap.Entry) => TupleMap.isLive(entry, engine.now)
  const inbox = yield* Queue.bounded<Input, Cause.Done>(inboxCapacity)
  const stopped = yield* Deferred.make<void>()
  const scope = yield* Scope.make()
  const timer = yield* FiberHandle.make<void>().pipe(Scope.provide(scope))

  const submit: Submit = <A>(run: (engine: GossipEngine, now: number) => A) =>
    Effect.flatMap(Deferred.make<A, GossipError>(), (done) => {
      let exit: Exit.Exit<A, GossipError> = Exit.fail(stoppedError)
      const input: Input = {
        run: (now) => {
          try {
            exit = Exit.succeed(run(engine, now))
          } catch (defect) {
            exit = Exit.die(defect)
          }
        },
        settle: (batch) => void Deferred.doneUnsafe(done, Exit.isSuccess(batch) ? exit : Exit.failCause(batch.cause))
      }
      return Effect.flatMap(Queue.offer(inbox, input), (taken) =>
        taken ? Deferred.await(done) : Effect.fail(stoppedError)
      )
    })

  // The timer sleeps until the engine's next deadline, or an earlier one that came up meanwhile.
  // In whole milliseconds: one that ends a fraction early would start again, and again, until the fraction has gone by.
  let armed = Number.POSITIVE_INFINITY
  const arm = (now: number) => {
    const due = engine.deadline(now)
    if (due >= armed) return Effect.void
    armed = due
    const tick = Effect.andThen(Effect.sleep(Math.max(0, Math.ceil(due - now))), Queue.offer(inbox, ticking))
    return Effect.asVoid(FiberHandle.run(timer, Effect.asVoid(tick)))
  }
  const sleep = new Sleep(timeOfDay(), yield* NodeLinks.monotonicMillis)
  const ticking: Input = {
    run: (now) => {
      armed = Number.POSITIVE_INFINITY
      if (sleep.hasBeen(timeOfDay(), now, engine.settings.remoteTimeout)) engine.slept()
      engine.tick(now)
    },
    settle: () => {}
  }

  // A batch without anything in it arms the timer; where the inbox is full there will be one anyway.
  const looking: Input = { run: () => {}, settle: () => {} }
  engine.alarm = () => void Queue.offerUnsafe(inbox, looking)

  /** Works off what waited in the inbox: one Effect for a batch, none for a message. */
  const work = (inputs: ReadonlyArray<Input>) =>
    Effect.gen(function* () {
      const now = yield* NodeLinks.monotonicMillis
      // Not all inputs say it: what somebody here sets for a time, maybe long after the last word of a peer, counts from now.
      engine.now = now
      engine.configure((yield* config.get).settings)
      for (const input of inputs) input.run(now)
      engine.gate.close()
      yield* Effect.catchCause(store.commit, (cause) => Effect.logError("the store could not commit", cause))
      engine.gate.open()
      engine.flush()
      return now
    }).pipe(
      Effect.onExit((batch) => Effect.sync(() => inputs.forEach(({ settle }) => settle(Exit.asVoid(batch))))),
      Effect.flatMap((now) => {
        const lines = engine.journal.take()
        if (lines.length === 0) return arm(now)
        return Effect.andThen(
          Effect.forEach(
            lines,
            ({ about = {}, level, text }) => Effect.annotateLogs(Effect.logWithLevel(level)(text), { ...about }),
            { discard: true }
          ),
          arm(now)
        )
      })
    )

  const guarded =
    (name: string) =>
    <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.tapCause(self, (cause) =>
        Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError(`${name} failed, and goes on`, cause)
      )

  const turnAway = (endpoint: string, line: string | undefined) =>
    Effect.ignore(submit((engine) => engine.journal.turnAway(endpoint, line)))
  const linkSettings = LinkSecurity.make(config, turnAway)
  /** When the node is to have ended. */
  let endsAt: number | undefined
  const linger = () =>
    endsAt === undefined ? 0 : Math.max(0, endsAt - Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n))
  const links = yield* NodeLinks.make(submit, transport, linkSettings, linger).pipe(Scope.provide(scope))

  // Ends with the inbox, which `stop` ends, so that everybody who put something into it gets an answer.
  const worker = yield* Queue.takeBetween(inbox, 1, batchCapacity).pipe(
    Effect.flatMap((inputs) =>
      work(inputs).pipe(
        guarded("the inbox"),
        Effect.catchCause(() => Effect.void)
      )
    ),
    Effect.forever,
    Effect.ignore,
    Effect.forkDetach
  )

  let stopping = false
  const stop = Effect.uninterruptible(
    Effect.gen(function* () {
      if (stopping) return yield* Deferred.await(stopped)
      stopping = true
      endsAt = (yield* NodeLinks.monotonicMillis) + patience
      yield* Effect.ignore(submit(announcements.endAll))
      const untold = yield* Effect.orElseSucceed(LastWords.say(submit, store, endsAt), () => [])
      if (untold.length > 0) yield* Effect.logWarning(LastWords.complaint(untold))
      // Sockets next, so that nothing comes in any more; then the inbox.
      yield* links.close
      yield* Scope.close(scope, Exit.void)
      yield* Queue.end(inbox)
      yield* Fiber.await(worker)
      for (const subscriber of engine.subscribers) engine.unsubscribe(subscriber)
      engine.watchers.closeAll()
      Deferred.doneUnsafe(stopped, Exit.void)
    })
  )
  yield* Effect.addFinalizer(() => stop)

  const subscriber = Effect.acquireRelease(
    submit((engine) => engine.subscribe()),
    (subscriber) => Effect.ignore(submit((engine) => engine.unsubscribe(subscriber)))
  )

  const subscribe = Effect.map(subscriber, deliveriesOf)

  const watchNow: Gossip["Service"]["watchNow"] = (prefix = "", options = {}) =>
    Effect.acquireRelease(
      submit((engine) => engine.watchers.open(Octets.from(prefix), options)),
      (watcher) => Effect.ignore(submit((engine) => engine.watchers.close(watcher)))
    ).pipe(Effect.map(({ mailbox }) => chunks(mailbox.take)))

  const running = Effect.suspend(() => (stopping ? Effect.fail(stoppedError) : Effect.void))

  const parsed = (
    operation: string,
    endpoint: string,
    parse: (text: string) => Result.Result<Endpoint.Endpoint, Endpoint.EndpointError>
  ) =>
    Effect.andThen(
      running,
      Effect.mapError(
        Effect.fromResult(parse(endpoint)),
        ({ detail }) => new GossipError({ operation, endpoint, reason: { _tag: "InvalidEndpoint", detail } })
      )
    )

  /** The first one that is refused is the last. */
  const publishAll = (tuples: ReadonlyArray<Tuple.Tuple>, lifetime = 0) =>
    Spans.within("zgossip.publish", {
      attributes: { tuples: tuples.length }
    })(publishChunks(tuples, lifetime))
  const publishChunks = (tuples: ReadonlyArray<Tuple.Tuple>, lifetime: number) =>
    Effect.gen(function* () {
      for (let start = 0; start < tuples.length; start += publishChunk) {
        const chunk = tuples.slice(start, start + publishChunk)
        const refusal = yield* submit((engine) => {
          for (const tuple of chunk) {
            const refusal = engine.publish(tuple, lifetime)
            if (refusal !== undefined) return refusal
          }
          return undefined
        })
        if (refusal !== undefined) return yield* limitReached(refusal)
      }
    })
  const made = (key: Octets.Input, value: Octets.Input) =>
    Effect.mapError(Effect.fromResult(Tuple.make(key, value)), tooLong)
  const announcements = Announcements.make(submit, store, limitReached)

  const bind = (input: EndpointInput) =>
    Effect.flatMap(parsed("bind", endpointOf(input), Endpoint.parseBind), (endpoint) =>
      links.bind(endpoint, ownOf(input))
    )
  const unbind = (endpoint: string) => Effect.flatMap(parsed("unbind", endpoint, Endpoint.parseBind), links.unbind)
  const remote = (input: EndpointInput) => parsed("connect", endpointOf(input), Endpoint.parseConnect)
  const checkConnect = (input: EndpointInput) =>
    Effect.flatMap(remote(input), (endpoint) => linkSettings.connect(endpoint, ownOf(input)))
  const connect = (input: EndpointInput) =>
    Effect.flatMap(remote(input), (endpoint) => links.connect(endpoint, ownOf(input)))
  const disconnect = (endpoint: string) =>
    Effect.flatMap(parsed("disconnect", endpoint, Endpoint.parseConnect), links.disconnect)
  const port = submit((engine) => engine.port)
  const setPort = (port: number) => submit((engine) => void (engine.port = port))
  // A changed setting may bring a deadline forward.
  const refresh = submit(() => {})

  const configuration = yield* NodeConfiguration.make(
    { bind, unbind, isBound: links.isBound, checkConnect, connect, disconnect, port, setPort, publishAll, refresh },
    config
  ).pipe(Scope.provide(scope))

  const gossip: Gossip["Service"] = {
    bind: (endpoint) => Effect.tapError(bind(endpoint), () => Effect.ignore(setPort(-1))),
    unbind: (endpoint) => configuration.byHand(endpoint, unbind(endpoint)),
    connect: (endpoint) => Effect.asVoid(configuration.byHand(endpointOf(endpoint), connect(endpoint))),
    disconnect: (endpoint) => configuration.byHand(endpoint, disconnect(endpoint)),
    port,
    publish: (key, value, { lifetime } = {}) =>
      Effect.flatMap(made(key, value), (tuple) => publishAll([tuple], Announcements.millis(lifetime))),
    publishAll: (tuples) => {
      const made = Tuple.makeAll(tuples)
      return Result.isSuccess(made) ? publishAll(made.success) : Effect.fail(tooLong(made.failure))
    },
    unpublish: (key) => submit((engine) => engine.unpublish(Octets.from(key))),
    announce: (key, value, { lifetime } = {}) =>
      Effect.andThen(running, made(key, value)).pipe(
        Effect.flatMap((tuple) => announcements.announce(tuple, Announcements.millis(lifetime ?? "10 seconds")))
      ),
    get: (key) =>
      submit(() =>
        Option.fromUndefinedOr(store.get(Octets.from(key))).pipe(
          Option.filter(isLive),
          Option.map(({ tuple }) => tuple)
        )
      ),
    entries: submit(() =>
      Array.from({ [Symbol.iterator]: () => store.read({ upTo: store.sequence() }) })
        .filter(isLive)
        .map(({ tuple }) => tuple)
    ),
    status: submit((engine) => engine.status()),
    set: (path, value) => Effect.andThen(running, configuration.set(path, value)),
    configure: (file) => Effect.andThen(running, configuration.configure(file)),
    save: (file) => Effect.andThen(running, configuration.save(file)),
    deliveries: Stream.unwrap(Effect.orElseSucceed(subscribe, () => Stream.empty)),
    subscribe,
    watch: (prefix, options) => Stream.unwrap(Effect.orElseSucceed(watchNow(prefix, options), () => Stream.empty)),
    watchNow,
    pipe: Effect.suspend(() =>
      Effect.flatMap(subscriber, (subscriber) => CommandPipe.make(gossip, limitReached, submit, subscriber))
    ),
    stop,
    stopped: Deferred.await(stopped)
  }
  const started = submit((engine, now) => void (engine.startedAt = now))
  return { gossip, start: Effect.andThen(configuration.start, started) }
})

/** What an endpoint has of its own; one that is but a text has what the configuration says of it, if it is there. */
const ownOf = (input: EndpointInput): Security | undefined => {
  if (typeof input === "string") return undefined
  const { endpoint: _, ...own } = input
  return own
}

/**
 * @since 0.1.0
 * @category errors
 */
export const tooLong = (error: Tuple.TupleTooLong): GossipError =>
  new GossipError({ operation: "publish", reason: { _tag: "TupleTooLong", detail: error.message } })

const limitReached = (refusal: Refusal): GossipError =>
  new GossipError({
    operation: "publish",
    reason: { _tag: "LimitReached", detail: `${tooMuch[refusal]}, see ${Journal.pathOf[refusal]}` }
  })

const tooMuch = {
  value: "the value is too long",
  frame: "the tuple does not fit into a frame",
  tuples: "there is no room for one more tuple",
  octets: "there is no room for so many octets"
} satisfies Record<Refusal, string>

/** The deliveries among what a subscriber is told, in chunks; they end when its mailbox is closed. */
const deliveriesOf = (subscriber: Subscriber): Stream.Stream<Tuple.Tuple> =>
  chunks(
    Effect.map(subscriber.take, (replies) =>
      replies.flatMap((reply) => (reply._tag === "Deliver" ? [reply.tuple] : []))
    )
  )

/** A stream of what is taken, until that is nothing. */
const chunks = <A>(take: Effect.Effect<ReadonlyArray<A>>): Stream.Stream<A> =>
  Stream.fromPull(
    Effect.succeed(
      Effect.flatMap(take, ([first, ...rest]) =>
        first === undefined ? Cause.done() : Effect.succeed([first, ...rest] as const)
      )
    )
  )
