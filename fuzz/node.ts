/** The node under attack, in a process of its own, as a program has it. It tells where it serves, and its counters. */
import { Effect, Logger } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"
import * as Gossip from "../src/Gossip.ts"

const [connect = "", settings = "{}"] = process.argv.slice(2)

/** What it logs: a defect is a fault even where the node goes on. */
const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
  process.send?.({ log: `${logLevel} ${String(message)}` })
})

const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()

const program = Effect.gen(function* () {
  const gossip = yield* Gossip.Gossip
  const endpoint = yield* gossip.bind("tcp://127.0.0.1:*")
  process.on("message", () => {
    void Effect.runPromise(gossip.status).then((status) =>
      process.send?.({ status, resident: process.memoryUsage().rss, held: delay.max / 1e6 })
    )
  })
  process.on("disconnect", () => process.exit(0))
  process.send?.({ endpoint })
  return yield* Effect.never
})

program
  .pipe(
    Effect.provide(Gossip.layer({ connect: [connect], ...(JSON.parse(settings) as Gossip.Options) })),
    Effect.provide(Logger.layer([logger])),
    Effect.runPromise
  )
  .catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`)
    process.exit(1)
  })
