/**
 * How fast a node takes in what its links have read: so many messages a second, whoever sent them. What is more waits,
 * and while it does its link reads nothing: so its senders wait too, and nothing is lost.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Message from "../protocol/Message.ts"
import * as Allowance from "../protocol/Allowance.ts"
import type { GossipError } from "../services/Gossip.ts"
import type { Frames } from "../services/Transport.ts"
import { type Link, nameOf } from "./GossipLink.ts"
import type { GossipEngine } from "./GossipEngine.ts"
import type { Submit } from "./GossipNode.ts"
import type { Journal } from "./Journal.ts"

/** A second has so many turns: a link that has much to say lets all others have theirs in between. */
const turnsPerSecond = 20

/**
 * The turns, which come in the order in which they were asked for. Each link asks for one at a time.
 *
 * @since 0.1.0
 * @category models
 */
export class Intake {
  readonly #journal: Journal
  #allowance = Allowance.whole

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /** How many of those that wait may be taken, and in how many milliseconds; 0 per second stands for all, at once. */
  turn(waiting: number, now: number, perSecond: number): { readonly count: number; readonly wait: number } {
    if (perSecond === 0) return { count: waiting, wait: 0 }
    const count = Math.min(waiting, Math.ceil(perSecond / turnsPerSecond))
    const wait = Math.max(0, Math.ceil(Allowance.from(this.#allowance, perSecond) - now))
    this.#allowance = Allowance.take(this.#allowance, now, perSecond, count)
    if (wait > 0) this.#journal.delay(count)
    return { count, wait }
  }

  /** A message had so many entries: each counts as a message, what is too much at what comes next. */
  count(link: Link, entries: number, now: number, perSecond: number): void {
    const more = Math.max(0, entries - 1)
    this.#allowance = Allowance.take(this.#allowance, now, perSecond, more)
    if ("served" in link) link.spoke += more
  }

  /** What a peer has sent; what is malformed is counted. */
  decode(link: Link, frames: Frames): Message.Message | Message.Malformed {
    const message = Message.decode(frames)
    if (message._tag === "Malformed") {
      this.#journal.counters.malformed[message.reason] += 1
      this.#journal.trace(() => `${nameOf(link)}: malformed, ${message.reason}`, link)
    } else if ("trailer" in message && message.trailer?._tag === "Broken") {
      const { reason } = message.trailer
      this.#journal.counters.malformedTrailers[reason] += 1
      this.#journal.trace(() => `${nameOf(link)}: malformed trailer, ${reason}`, link)
    }
    return message
  }
}

/**
 * Hands what a link has read to the engine, turn by turn; ends when all was worked off.
 *
 * @since 0.1.0
 * @category reading
 */
export const handOver = <A>(
  submit: Submit,
  take: (engine: GossipEngine, items: ReadonlyArray<A>, now: number) => void
) => {
  const from = (items: ReadonlyArray<A>): Effect.Effect<void, GossipError> =>
    Effect.flatMap(
      submit((engine, now) => {
        const turn = engine.intake.turn(items.length, now, engine.settings.totalMessagesPerSecond)
        if (turn.wait === 0) take(engine, first(items, turn.count), now)
        return turn
      }),
      ({ count, wait }) => {
        const taken =
          wait === 0
            ? Effect.void
            : Effect.andThen(
                Effect.sleep(wait),
                submit((engine, now) => take(engine, first(items, count), now))
              )
        return count === items.length ? taken : Effect.andThen(taken, from(items.slice(count)))
      }
    )
  return from
}

const first = <A>(items: ReadonlyArray<A>, count: number): ReadonlyArray<A> =>
  count === items.length ? items : items.slice(0, count)
