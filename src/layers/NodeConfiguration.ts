/**
 * Makes what the configuration says so: settings, endpoints, tuples. A change is taken as a whole or not at all: what is
 * new is bound and connected, what is gone is unbound and disconnected, what is the same is not touched; if an endpoint
 * cannot be bound everything is as it was.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberHandle from "effect/FiberHandle"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { Configuration } from "../protocol/Configuration.ts"
import { ConfigurationError } from "../protocol/Configuration.ts"
import type { Tuple } from "../protocol/Tuple.ts"
import type { Gossip } from "../services/Gossip.ts"
import { GossipError } from "../services/Gossip.ts"
import type { GossipConfig } from "../services/GossipConfig.ts"

/** How often a file is looked at. One that has changed is read once it has not changed for as long again. */
const lookEvery = "400 millis"

/** What of the node this needs. */
type Node = Pick<Gossip["Service"], "bind" | "unbind" | "connect" | "disconnect"> & {
  readonly publishAll: (tuples: ReadonlyArray<Tuple>) => Effect.Effect<void, GossipError>
  /** The configuration may have changed: look at it. */
  readonly refresh: Effect.Effect<void, GossipError>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface NodeConfiguration {
  readonly set: (path: string, value: string) => Effect.Effect<void, GossipError>
  readonly configure: (path: string) => Effect.Effect<void, GossipError>
  readonly save: (path: string) => Effect.Effect<void, GossipError>
  /** Takes the configuration as it is now, and from then on follows it. */
  readonly start: Effect.Effect<void, GossipError>
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (node: Node, config: GossipConfig["Service"]) {
  const scope = yield* Effect.scope
  const semaphore = yield* Semaphore.make(1)
  const oneAtATime = <A, E>(self: Effect.Effect<A, E>) => Effect.uninterruptible(semaphore.withPermits(1)(self))
  const follower = yield* FiberHandle.make<void>()

  /** What was made so: the endpoint that was bound, by the one that was asked for. */
  const bound = new Map<Asked, string>()
  const connected = new Set<string>()
  let published: ReadonlyArray<Tuple> = []
  let taken: Configuration | undefined

  /** Binds what is new and unbinds what is gone; where that fails, nothing has changed. */
  const listen = Effect.fnUntraced(function* (endpoints: ReadonlyArray<string>) {
    const wanted = numbered(endpoints)
    const gone = Array.from(bound).filter(([asked]) => !wanted.includes(asked))
    const fresh = wanted.filter((asked) => !bound.has(asked))
    const made: Array<readonly [asked: Asked, resolved: string]> = []
    const bind = (asked: Asked) =>
      Effect.map(node.bind(endpointOf(asked)), (resolved) => void made.push([asked, resolved]))

    const attempt = Effect.gen(function* () {
      const busy: Array<Asked> = []
      for (const asked of fresh) {
        yield* Effect.catchIf(
          bind(asked),
          // Perhaps it is one of those that are to go.
          ({ reason }) => reason._tag === "AddressInUse" && gone.length > 0,
          () => Effect.sync(() => void busy.push(asked))
        )
      }
      yield* Effect.forEach(gone, ([, resolved]) => Effect.ignore(node.unbind(resolved)), { discard: true })
      yield* Effect.onError(Effect.forEach(busy, bind, { discard: true }), () =>
        // The clients have to come back, but not to another port.
        Effect.forEach(gone, ([, resolved]) => Effect.ignore(node.bind(resolved)), { discard: true })
      )
    })
    yield* Effect.onError(attempt, () =>
      Effect.forEach(made, ([, resolved]) => Effect.ignore(node.unbind(resolved)), { discard: true })
    )
    for (const [asked] of gone) bound.delete(asked)
    for (const [asked, resolved] of made) bound.set(asked, resolved)
  })

  const publish = Effect.fnUntraced(function* ({ publish }: Configuration) {
    const has = new Set(published.map(idOf))
    yield* node.publishAll(publish.filter((tuple) => !has.has(idOf(tuple))))
    published = publish
  })

  const join = Effect.fnUntraced(function* ({ connect }: Configuration) {
    for (const endpoint of connect) {
      if (connected.has(endpoint)) continue
      yield* node.connect(endpoint)
      connected.add(endpoint)
    }
    for (const endpoint of Array.from(connected).filter((endpoint) => !connect.includes(endpoint))) {
      yield* Effect.ignore(node.disconnect(endpoint))
      connected.delete(endpoint)
    }
  })

  const announce = ({ echo, notices }: Configuration) =>
    Effect.andThen(
      Effect.forEach(notices, (notice) => Effect.logWarning(notice), { discard: true }),
      Effect.forEach(echo, (line) => Effect.logInfo(line), { discard: true })
    )

  const take = Effect.fnUntraced(function* (next: Configuration) {
    yield* listen(next.bind)
    yield* publish(next)
    yield* join(next)
    const before = taken
    taken = next
    yield* config.replace(next)
    yield* node.refresh
    if (next.file !== before?.file) yield* announce(next)
  })

  /** As the node starts there is nothing to go back to; who listens first may hear the rest. */
  const takeFirst = Effect.fnUntraced(function* (first: Configuration) {
    taken = first
    yield* announce(first)
    yield* publish(first)
    yield* listen(first.bind)
    yield* join(first)
  })

  const change = (next: Effect.Effect<Configuration, ConfigurationError>) =>
    oneAtATime(Effect.flatMap(Effect.mapError(next, asGossipError), take))

  /** Reads the file again whenever it has changed; what is wrong with it is said, and changes nothing. */
  const follow = (path: string) =>
    Effect.gen(function* () {
      let read = yield* config.stamp(path)
      let seen = read
      for (;;) {
        yield* Effect.sleep(lookEvery)
        const stamp = yield* config.stamp(path)
        const settled = stamp === seen
        seen = stamp
        if (!settled || stamp === read) continue
        read = stamp
        const exit = yield* Effect.exit(change(Effect.flatMap(config.withFile(path), notEmpty)))
        yield* Exit.isSuccess(exit)
          ? Effect.logInfo(`took the configuration from ${path}`)
          : Effect.logWarning(`the configuration stays as it was, ${reasonOf(exit.cause)}`)
      }
    })

  const followFile = (path: string) => Effect.asVoid(FiberHandle.run(follower, follow(path)))

  const configuration: NodeConfiguration = {
    set: (path, value) => change(config.withValue(path, value)),
    configure: (path) => Effect.andThen(change(config.withFile(path)), followFile(path)),
    save: (path) => Effect.mapError(config.save(path), asGossipError),
    start: Effect.gen(function* () {
      const first = yield* config.get
      yield* oneAtATime(takeFirst(first))
      if (first.file !== undefined) yield* followFile(first.file.path)
      // Somebody else may replace it.
      yield* config.changes.pipe(
        Stream.filter((next) => next !== taken),
        Stream.runForEach((next) =>
          Effect.catchCause(oneAtATime(take(next)), (cause) =>
            Effect.logWarning(`the configuration could not be taken, ${reasonOf(cause)}`)
          )
        ),
        Effect.forkIn(scope)
      )
    })
  }
  return configuration
})

/** A file may be empty because the disk was full as it was written: nobody means that by it. */
const notEmpty = (next: Configuration): Effect.Effect<Configuration, ConfigurationError> =>
  next.file === undefined || next.file.document.items.length > 0
    ? Effect.succeed(next)
    : Effect.fail(
        new ConfigurationError({
          operation: "read the configuration",
          reason: { _tag: "InvalidConfiguration", detail: `${next.file.path} is empty now` }
        })
      )

/** An endpoint, and which it is of those that are the same: `tcp://*:*` may be asked for twice. */
type Asked = `${number} ${string}`

const numbered = (endpoints: ReadonlyArray<string>): ReadonlyArray<Asked> =>
  endpoints.map((endpoint, at): Asked => `${endpoints.slice(0, at).filter((it) => it === endpoint).length} ${endpoint}`)

const idOf = ({ keyOctets, valueOctets }: Tuple): string => JSON.stringify([keyOctets, valueOctets])

const endpointOf = (asked: Asked): string => asked.slice(asked.indexOf(" ") + 1)

const asGossipError = ({ operation, reason }: ConfigurationError): GossipError => new GossipError({ operation, reason })

const reasonOf = (cause: Cause.Cause<GossipError>): string => {
  const error = cause.reasons.find(Cause.isFailReason)?.error
  return error === undefined ? Cause.pretty(cause) : error.message
}
