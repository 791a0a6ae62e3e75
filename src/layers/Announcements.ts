/**
 * Tuples that are published as long as a scope is open: each has a lifetime, is renewed in time, and deleted at the end.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Lifetime from "../protocol/Lifetime.ts"
import type { Tuple } from "../protocol/Tuple.ts"
import type { Entry } from "../protocol/TupleMap.ts"
import * as Version from "../protocol/Version.ts"
import type { Announcement, GossipError } from "../services/Gossip.ts"
import type { TupleStore } from "../services/TupleStore.ts"
import type { GossipEngine } from "./GossipEngine.ts"
import type { Submit } from "./GossipNode.ts"
import type { Refusal } from "./Quota.ts"

/**
 * A lifetime in milliseconds: at least 1, and 0 for one that has no end or is not given.
 *
 * @since 0.1.0
 * @category conversions
 */
export const millis = (lifetime: Duration.Input | undefined): number => {
  if (lifetime === undefined) return 0
  const given = Duration.toMillis(lifetime)
  return given > Lifetime.most ? 0 : Math.max(1, Math.round(given))
}

/** How often a lifetime is renewed before it would end. */
const renewals = 3

/**
 * @since 0.1.0
 * @category models
 */
export interface Announcements {
  /** Until the scope ends, or the node. */
  readonly announce: (tuple: Tuple, lifetime: number) => Effect.Effect<Announcement, GossipError, Scope.Scope>
  /** Deletes all that are announced, as the node ends: nothing is announced from then on. */
  readonly endAll: (engine: GossipEngine) => void
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  submit: Submit,
  store: TupleStore["Service"],
  limitReached: (refusal: Refusal) => GossipError
): Announcements => {
  const ends = new Set<(engine: GossipEngine) => void>()
  let isOver = false
  const announce: Announcements["announce"] = (tuple, lifetime) =>
    Effect.gen(function* () {
      const { keyOctets, valueOctets } = tuple
      const name = JSON.stringify(tuple.key)
      /** Of what we said last. */
      let mine: Version.Version | undefined
      const ended = yield* Deferred.make<"Overwritten" | "Deleted">()

      const isMine = ({ version }: Entry) => mine !== undefined && Version.compare(version, mine) === 0

      const say = (engine: GossipEngine): Refusal | undefined => {
        const refusal = engine.publish(tuple, lifetime)
        if (refusal === undefined) mine = store.get(keyOctets)?.version
        return refusal
      }

      const end = (engine: GossipEngine): void => {
        ends.delete(end)
        const held = store.get(keyOctets)
        if (held !== undefined && isMine(held)) engine.unpublish(keyOctets)
      }
      const begin = (engine: GossipEngine): Refusal | undefined => {
        if (isOver) return undefined
        const refusal = say(engine)
        if (refusal === undefined) ends.add(end)
        return refusal
      }

      /** Unless somebody else has made something of it. One that says the same of the key agrees with us. */
      const renew = Effect.flatMap(
        submit((engine) => {
          if (!ends.has(end)) return undefined
          const held = store.get(keyOctets)
          if (held === undefined || isMine(held)) return say(engine)
          if (held.deleted) return "Deleted"
          return held.tuple.valueOctets === valueOctets ? say(engine) : "Overwritten"
        }),
        (answer) => {
          if (answer === undefined) return Effect.void
          if (answer !== "Overwritten" && answer !== "Deleted") {
            return Effect.logWarning(`cannot renew ${name}: ${limitReached(answer).reason.detail}`)
          }
          return Effect.andThen(
            Deferred.succeed(ended, answer),
            Effect.logWarning(`${name} is announced no longer: ${words[answer]}`)
          )
        }
      )
      yield* Effect.acquireRelease(
        Effect.flatMap(submit(begin), (refusal) =>
          refusal === undefined ? Effect.void : Effect.fail(limitReached(refusal))
        ),
        () => Effect.ignore(submit(end))
      )
      if (lifetime > 0) {
        yield* Effect.sleep(Math.max(1, Math.floor(lifetime / renewals))).pipe(
          Effect.andThen(renew),
          Effect.repeat({ until: () => Deferred.isDoneUnsafe(ended) }),
          Effect.ignore,
          Effect.forkScoped
        )
      }
      return { ended: Deferred.await(ended) }
    })
  const endAll = (engine: GossipEngine): void => {
    isOver = true
    ends.forEach((end) => end(engine))
  }
  return { announce, endAll }
}

const words = {
  Overwritten: "somebody else has set another value",
  Deleted: "somebody else has deleted it"
}
