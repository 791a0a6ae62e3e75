/**
 * Makes what the configuration says so: settings, endpoints, tuples. A change is taken as a whole or not at all: what is
 * new is bound and connected, what is gone is unbound and disconnected, what is the same is not touched; if an endpoint
 * cannot be bound everything is as it was. Only tuples that there is no room for are left out, and told. What was bound
 * or connected by hand is not the configuration's to end.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FiberHandle from "effect/FiberHandle"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { Configuration } from "../protocol/Configuration.ts"
import { ConfigurationError } from "../protocol/Configuration.ts"
import * as Settings from "../protocol/Settings.ts"
import type { Tuple } from "../protocol/Tuple.ts"
import * as Zpl from "../protocol/Zpl.ts"
import { GossipError } from "../services/Gossip.ts"
import type { GossipConfig } from "../services/GossipConfig.ts"
import * as ConfiguredLinks from "./ConfiguredLinks.ts"
import type { LinksNode } from "./ConfiguredLinks.ts"

/** How often a file is looked at. One that has changed is read once it has not changed for as long again. */
const lookEvery = "400 millis"

/** In looks: when a file that the system did not let us read, or whose address was in use, is tried again. */
const tryAgainAfter = 12

/** What of the node this needs. */
interface Node extends LinksNode {
  readonly publishAll: (tuples: ReadonlyArray<Tuple>) => Effect.Effect<void, GossipError>
  /** The settings have changed: look at them. */
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
  /**
   * Unbinds, connects or disconnects this endpoint by hand, so that it is not the configuration's any more. Not while
   * one is taken, which might still end what was there already.
   */
  readonly byHand: <A>(endpoint: string, act: Effect.Effect<A, GossipError>) => Effect.Effect<A, GossipError>
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (node: Node, config: GossipConfig["Service"]) {
  const scope = yield* Effect.scope
  const oneAtATime = (yield* Semaphore.make(1)).withPermits(1)
  const follower = yield* FiberHandle.make<void>()
  const links = ConfiguredLinks.make(node)

  let published: ReadonlyArray<Tuple> = []
  let taken = yield* config.get
  /** The file as it was taken last, or written: what a SAVE may write over. */
  let stamp = taken.file?.stamp

  /** What is refused does not stop the rest, and is tried again when something changes: a limit, perhaps. */
  const publish = Effect.fnUntraced(function* ({ publish }: Configuration) {
    const has = new Set(published.map(idOf))
    const fresh = publish.filter((tuple) => !has.has(idOf(tuple)))
    published = publish
    if ((yield* refusal(node.publishAll(fresh))) === undefined) return
    const refusals = new Map<Tuple, GossipError>()
    for (const tuple of fresh) {
      const why = yield* refusal(node.publishAll([tuple]))
      if (why !== undefined) refusals.set(tuple, why)
    }
    published = publish.filter((tuple) => !refusals.has(tuple))
    const [first] = refusals.values()
    if (first !== undefined) {
      const which = `${refusals.size} of ${publish.length} tuples of the configuration`
      yield* Effect.logWarning(`${which} are not published: ${first.reason.detail}`)
    }
  })

  /** What was told before need not be told again. */
  const announce = ({ echo, notices }: Configuration, told: ReadonlyArray<string> = []) =>
    Effect.andThen(
      Effect.forEach(
        notices.filter((notice) => !told.includes(notice)),
        (notice) => Effect.logWarning(notice),
        { discard: true }
      ),
      Effect.forEach(echo, (line) => Effect.logInfo(line), { discard: true })
    )

  /** The settings first: what is bound and connected is to have them. */
  const take = (next: Configuration) =>
    Effect.gen(function* () {
      const before = taken
      taken = next
      yield* config.replace(next)
      yield* Effect.onError(links.listen(next), () => {
        taken = before
        return config.replace(before)
      })
      yield* node.refresh
      yield* publish(next)
      yield* links.join(next)
      if (next.file !== before.file) yield* announce(next, before.notices)
      const later = Settings.takenAtStart(before.settings, next.settings)
      if (later.length > 0) yield* Effect.logWarning(`${later.join(", ")}: taken when the node is started again`)
    }).pipe(Effect.uninterruptible)

  /** As the node starts there is nothing to go back to; who listens first may hear the rest. */
  const takeFirst = Effect.fnUntraced(function* (first: Configuration) {
    yield* announce(first)
    yield* node.publishAll(first.publish)
    published = first.publish
    yield* links.listen(first)
    yield* links.join(first)
  })

  const follow = (path: string) =>
    Effect.gen(function* () {
      let seen = stamp
      /** As it was read last; what was refused is not taken. */
      let tried = stamp
      let said = ""
      let failedFor = 0
      for (;;) {
        yield* Effect.sleep(lookEvery)
        const now = yield* config.stamp(path)
        const settled = now === seen
        seen = now
        if (failedFor > 0) failedFor += 1
        if (!settled || ((now === tried || now === stamp) && failedFor <= tryAgainAfter)) continue
        failedFor = 0
        tried = now
        const trouble = yield* oneAtATime(takeAgain(path)).pipe(
          Effect.as(undefined),
          Effect.catch((error) => Effect.succeed(error))
        )
        // What is wrong in the file is wrong until it changes; what the system says may pass.
        if (trouble !== undefined && trouble.reason._tag !== "InvalidConfiguration") failedFor = 1
        const { message = "" } = trouble ?? {}
        if (message !== "" && message !== said)
          yield* Effect.logWarning(`the configuration stays as it was, ${message}`)
        said = message
      }
    })

  /** What follows another file meanwhile is not to be disturbed. */
  const takeAgain = Effect.fnUntraced(function* (path: string) {
    if (taken.file?.path !== path) return
    const next = yield* Effect.mapError(Effect.flatMap(config.withFileAgain(path), notEmpty), asGossipError)
    if (!isSame(next, taken)) {
      yield* take(next)
      yield* Effect.logInfo(`took the configuration from ${path}`)
    }
    stamp = next.file?.stamp
  })

  const followFile = (file: Configuration["file"]) =>
    Effect.suspend(() => {
      stamp = file?.stamp
      return file === undefined ? Effect.void : Effect.asVoid(FiberHandle.run(follower, follow(file.path)))
    })

  /** To read takes as long as it takes; once it was read there is no way back in the middle. */
  const change = (next: Effect.Effect<Configuration, ConfigurationError>) =>
    oneAtATime(
      Effect.flatMap(Effect.mapError(next, asGossipError), (next) => {
        const isOther = next.file !== taken.file
        return Effect.uninterruptible(Effect.andThen(take(next), isOther ? followFile(next.file) : Effect.void))
      })
    )

  const save = Effect.fnUntraced(function* (path: string) {
    const isFollowed = taken.file?.path === path
    // Where there is none any more there is no edit to lose.
    if (isFollowed && !["", stamp].includes(yield* config.stamp(path))) {
      const detail = "it has changed since it was taken; configure from it first, or save to another file"
      return yield* new GossipError({ operation: `save ${path}`, reason: { _tag: "FileNotWritten", detail } })
    }
    yield* Effect.uninterruptible(
      Effect.gen(function* () {
        yield* Effect.mapError(config.save(path), asGossipError)
        if (isFollowed) stamp = yield* config.stamp(path)
      })
    )
  })

  const configuration: NodeConfiguration = {
    set: (path, value) => change(config.withValue(path, value)),
    configure: (path) => change(config.withFile(path)),
    save: (path) => oneAtATime(save(path)),
    start: Effect.gen(function* () {
      yield* takeFirst(taken)
      yield* followFile(taken.file)
      // Somebody else may replace it. Only the newest counts.
      const takeOther = Effect.gen(function* () {
        const next = yield* config.get
        const isOther = next.file !== taken.file
        if (next !== taken) yield* take(next)
        if (isOther) yield* followFile(next.file)
      })
      yield* config.changes.pipe(
        Stream.runForEach(() =>
          oneAtATime(takeOther).pipe(
            Effect.catch(({ message }) => Effect.logWarning(`the configuration stays as it was, ${message}`))
          )
        ),
        Effect.forkIn(scope)
      )
    }),
    byHand: (endpoint, act) => oneAtATime(Effect.tap(act, () => Effect.sync(() => links.forget(endpoint))))
  }
  return configuration
})

/** Why there was no room for tuples. */
const refusal = (publish: Effect.Effect<void, GossipError>): Effect.Effect<GossipError | undefined, GossipError> =>
  Effect.as(publish, undefined).pipe(
    Effect.catchIf(
      ({ reason }) => reason._tag === "LimitReached",
      (error) => Effect.succeed(error)
    )
  )

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

/** The file says what it said. */
const isSame = (next: Configuration, taken: Configuration): boolean =>
  next.file !== undefined &&
  taken.file !== undefined &&
  Zpl.print(taken.file.document) === Zpl.print(next.file.document)

const idOf = ({ keyOctets, valueOctets }: Tuple): string => JSON.stringify([keyOctets, valueOctets])

const asGossipError = ({ operation, reason }: ConfigurationError): GossipError => new GossipError({ operation, reason })
