/**
 * The spans of a node. Where nobody traces they are not made, and cost a look.
 *
 * | span | lasts | attributes |
 * | --- | --- | --- |
 * | `zgossip.publish` | from the call until the tuples are held and all outboxes have them; a child of the caller's | `tuples`: how many |
 * | `zgossip.connect` | one attempt to connect | `endpoint` |
 * | `zgossip.dump` | from a client's HELLO until the last tuple of the answer is on its way to the socket | `endpoint`, `peer`, `tuples`: how many |
 *
 * Never a key or a value.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import type { Peer } from "../services/Transport.ts"

/** The tracer, if there is one that anybody looks at. */
const tracer: Effect.Effect<Tracer.Tracer | undefined> = Effect.flatMap(Effect.tracer, (tracer) =>
  tracer === Tracer.nativeTracer
    ? Effect.undefined
    : Effect.map(References.TracerEnabled, (enabled) => (enabled ? tracer : undefined))
)

/**
 * @since 0.1.0
 * @category spans
 */
export const within =
  (name: "zgossip.publish" | "zgossip.connect", options: Tracer.SpanOptionsNoTrace) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(tracer, (tracer) =>
      tracer === undefined ? self : Effect.useSpan(name, options, (span) => Effect.withParentSpan(self, span))
    )

/**
 * For the dumps of a listener, which begin and end in plain code: called as one begins it gives what is to be called at
 * its end. One that is given up on leaves no span.
 *
 * @since 0.1.0
 * @category spans
 */
export const dumps = (endpoint: string): Effect.Effect<((peer: Peer) => (tuples: number) => void) | undefined> =>
  Effect.gen(function* () {
    const found = yield* tracer
    if (found === undefined) return undefined
    const clock = yield* Clock.Clock
    return (peer) => {
      const startTime = clock.currentTimeNanosUnsafe()
      return (tuples) => {
        const span = found.span({
          name: "zgossip.dump",
          parent: Option.none(),
          annotations: Context.empty(),
          links: [],
          startTime,
          kind: "server",
          root: true,
          sampled: true
        })
        for (const [key, value] of Object.entries({ endpoint, peer, tuples })) span.attribute(key, value)
        span.end(clock.currentTimeNanosUnsafe(), Exit.void)
      }
    }
  })
