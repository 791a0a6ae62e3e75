/**
 * What a node has still to say when it ends: what waits for a peer, or was sent to a server that has not shown yet that
 * it has read it. It is waited for, for a while: peers that do not read cost that and no more.
 *
 * A link is waited for until the first moment in which nothing waits for it: a busy node always has something to say to
 * somebody, and what comes later is not its own.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { TupleStore } from "../services/TupleStore.ts"
import type { GossipEngine } from "./GossipEngine.ts"
import type { Joined, Link } from "./GossipLink.ts"
import { nameOf } from "./GossipLink.ts"
import type { Submit } from "./GossipNode.ts"

/**
 * How long a node that ends waits in all, in milliseconds: until its peers have been given what waits for them, and what
 * was given to the sockets has left the process. A program may provide another time with its layer.
 *
 * @since 0.1.0
 * @category references
 */
export const Patience = Context.Reference<number>("effect-zgossip/layers/LastWords/Patience", {
  defaultValue: () => 1000
})

/** Between two looks at what is left, in ms. */
const pause = 2

/** So many looks without anything new show that nothing moves where time stands still. */
const looks = 30

/** After so many looks there is nobody over inproc, where an answer needs no time but turns of the event loop. */
const looksInproc = 100

/** A clock that has moved at so many looks in a row is one that runs. */
const moves = 8

/**
 * Waits until all is said, or `until`, and gives the links that have not been told everything. Where the clock stands
 * still, as that of a test does, it waits until nothing moves any more: nobody may be there to set the clock.
 *
 * @since 0.1.0
 * @category combinators
 */
export const say = Effect.fnUntraced(function* (submit: Submit, store: TupleStore["Service"], until: number) {
  const clock = yield* Clock.Clock
  let waiting: ReadonlyArray<Link> | undefined
  /** Looks, asks those who have not shown that they have read, and gives how far all of them are. */
  const look = submit((engine) => {
    waiting = (waiting ?? linksOf(engine)).filter((link) => !isSaid(link, store, looked > looksInproc))
    looked += 1
    for (const link of waiting) if (isToBeAsked(link)) engine.ask(link)
    return waiting.reduce((sum, link) => sum + progressOf(link), waiting.length)
  })
  let looked = 0
  let still = 0
  let moved = 0
  for (let before = yield* look; waiting?.length !== 0 && still < looks;) {
    const time = clock.monotonicTimeNanosUnsafe()
    if (Number(time / 1_000_000n) >= until) break
    yield* moved < moves ? Effect.yieldNow : Effect.sleep(pause)
    const now = yield* look
    const hasMoved = clock.monotonicTimeNanosUnsafe() !== time
    moved = hasMoved ? moved + 1 : 0
    still = hasMoved || now !== before ? 0 : still + 1
    before = now
  }
  return waiting ?? []
})

function* linksAmong(engine: GossipEngine): Generator<Link, void> {
  for (const { clients } of engine.served.values()) yield* clients.values()
  yield* engine.joined.values()
}

const linksOf = (engine: GossipEngine): ReadonlyArray<Link> => Array.from(linksAmong(engine))

const isSaid = (link: Link, store: TupleStore["Service"], isLate: boolean): boolean => {
  if ("served" in link) return link.mailbox.isDone || link.served.clients.get(link.peer) !== link
  const { endpoint, error, remote } = link
  switch (remote._tag) {
    case "Disconnected":
      // Who is not there may never be; of who was not tried yet that is not known.
      return error !== undefined || !hasNews(link, store)
    case "Joining":
      return (isLate && endpoint.startsWith("inproc:") && remote.link.pongs === 0) || !hasNews(link, store)
    case "Connected":
      // One that never answers never will.
      return link.mailbox.isDone && (!remote.answers || remote.link.pongs >= link.awaited)
  }
}

const hasNews = ({ link, remote: { synced } }: Joined, store: TupleStore["Service"]): boolean =>
  store.read({ upTo: store.sequence(), unknownTo: { link, synced } }).next().done !== true

const isToBeAsked = (link: Link): link is Joined =>
  !("served" in link) &&
  link.remote._tag === "Connected" &&
  link.remote.answers &&
  link.mailbox.isDone &&
  link.remote.link.pings < link.awaited

const progressOf = (link: Link): number =>
  link.mailbox.outbox.taken + ("served" in link || link.remote._tag === "Disconnected" ? 0 : link.remote.link.pongs)

/**
 * @since 0.1.0
 * @category formatting
 */
export const complaint = (untold: ReadonlyArray<Link>): string => {
  const names = untold.slice(0, 2).map(nameOf).join(", ")
  return `ended before all was taken that was to be said to ${names}${untold.length > 2 ? ", and others" : ""}`
}
