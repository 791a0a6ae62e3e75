/**
 * Who is there: presence that ends with its owner.
 *
 *     node examples/presence.ts
 *
 * Two workers announce themselves for as long as they work. One that goes is gone for everybody; so is one that is
 * killed, as soon as what it said last has had its time.
 */
import { Effect, Fiber } from "effect"
import { Gossip } from "../src/index.ts" // in your project: from "effect-zgossip"

const office = "inproc://presence"

/** Until it is interrupted. The three lines that this is about. */
const worker = (name: string) =>
  Effect.gen(function* () {
    const gossip = yield* Gossip.Gossip
    yield* gossip.announce(`present/${name}`, "yes", { lifetime: "1 second" })
    yield* Effect.never
  }).pipe(Effect.scoped, Effect.provide(Gossip.layer({ connect: [office] })))

/** Waits until so many are there, and says who. */
const tell = (count: number) =>
  Effect.gen(function* () {
    const gossip = yield* Gossip.Gossip
    const present = yield* Effect.andThen(Effect.sleep("10 millis"), gossip.entries).pipe(
      Effect.map((tuples) => tuples.filter(({ key }) => key.startsWith("present/"))),
      Effect.repeat({ until: ({ length }) => length === count })
    )
    const names = present.map(({ key }) => key.slice("present/".length)).sort()
    process.stdout.write(`${names.join(" and ")} ${count === 1 ? "is" : "are"} there\n`)
  })

const program = Effect.gen(function* () {
  yield* Effect.forkScoped(worker("ann"))
  const bob = yield* Effect.forkScoped(worker("bob"))
  yield* tell(2)
  yield* Fiber.interrupt(bob)
  yield* tell(1)
})

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(Gossip.layer({ bind: [office] }))))
