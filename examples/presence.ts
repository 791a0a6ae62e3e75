/**
 * Who is there: presence that ends with its owner, and a table of it that is never out of date.
 *
 *     node examples/presence.ts
 *
 * Two workers announce themselves for as long as they work. One that goes is gone for everybody; so is one that is
 * killed, as soon as what it said last has had its time.
 */
import { Effect, Stream } from "effect"
import { Gossip, Watched } from "../src/index.ts" // in your project: from "effect-zgossip"

const office = "inproc://presence"

/** Waits until somebody is there, or is not. */
const until = (name: string, isThere: boolean) =>
  Effect.gen(function* () {
    const gossip = yield* Gossip.Gossip
    const present = new Map<string, Watched.Held>()
    yield* gossip.watch(`present/${name}`).pipe(
      Stream.tap((event) => Effect.sync(() => Watched.follow(present, event))),
      Stream.takeUntil(() => present.size > 0 === isThere),
      Stream.runDrain
    )
  })

/** Is there while it does its work. */
const worker = (name: string, work: Effect.Effect<void, never, Gossip.Gossip>) =>
  Effect.gen(function* () {
    const gossip = yield* Gossip.Gossip
    yield* gossip.announce(`present/${name}`, "yes", { lifetime: "1 second" })
    yield* work
  }).pipe(Effect.scoped)

/** On a node of its own. */
const elsewhere = (work: Effect.Effect<void, Gossip.GossipError, Gossip.Gossip>) =>
  Effect.forkScoped(Effect.provide(Effect.andThen(work, Effect.never), Gossip.layer({ connect: [office] })))

const words = { Put: "comes", Renewed: "stays", Deleted: "goes", Expired: "is not heard of any more" }

const nameOf = (key: string): string => key.slice("present/".length)

/** Says who comes and who goes, and who is there then, until nobody is. */
const table = Effect.gen(function* () {
  const gossip = yield* Gossip.Gossip
  const present = new Map<string, Watched.Held>()
  yield* gossip.watch("present/").pipe(
    Stream.map((event) => Watched.follow(present, event)),
    Stream.tap((changes) =>
      Effect.sync(() => {
        const there = Array.from(present.keys(), nameOf).join(" and ") || "nobody"
        for (const { _tag, tuple } of changes) {
          process.stdout.write(`${nameOf(tuple.key)} ${words[_tag]}, there: ${there}\n`)
        }
      })
    ),
    Stream.takeUntil((changes) => changes.length > 0 && present.size === 0),
    Stream.runDrain
  )
})

const program = Effect.gen(function* () {
  yield* elsewhere(worker("ann", until("bob", true)))
  yield* elsewhere(Effect.andThen(until("ann", true), worker("bob", until("ann", false))))
  yield* table
})

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(Gossip.layer({ bind: [office] }))))
