/**
 * `npm run chaos`: ten nodes as processes in a network with cycles, two of CZMQ's beside them if it is installed, that
 * publish all the time while everything goes wrong that goes wrong with processes, machines and networks. Afterwards
 * every live node must hold every acknowledged tuple, and nothing may have hung, ended or leaked.
 *
 *     npm run chaos                         one minute, with a seed drawn at random, which it prints
 *     npm run chaos -- --minutes 10         or --seconds N
 *     npm run chaos -- --seed 7             the same faults at the same moments
 *     npm run chaos -- --every 600          milliseconds between two faults, on average
 *     npm run chaos -- --rate 10            tuples a second, of all nodes together
 *     npm run chaos -- --longest 20000      milliseconds that one fault may take
 *     npm run chaos -- --verbose            tells each fault
 *
 * A tuple is acknowledged when its publish has returned and its node was not killed within the next ten seconds: what a
 * node alone knows is gone with it, and ten seconds are more than any link here takes to come back.
 */
import { parseArgs } from "node:util"
import { Network } from "./Network.ts"
import * as Plan from "./Plan.ts"
import { report } from "./report.ts"

const usage =
  "npm run chaos -- [--minutes N | --seconds N] [--seed S] [--every MS] [--rate N] [--longest MS] [--verbose]"

const options = (() => {
  try {
    return parseArgs({
      options: {
        minutes: { type: "string" },
        seconds: { type: "string" },
        seed: { type: "string" },
        every: { type: "string", default: "600" },
        rate: { type: "string", default: "10" },
        longest: { type: "string", default: "20000" },
        verbose: { type: "boolean", default: false },
        help: { type: "boolean", default: false }
      }
    }).values
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}: ${usage}\n`)
    return process.exit(1)
  }
})()

if (options.help) {
  process.stdout.write(`${usage}\n`)
  process.exit(0)
}

const seed = Number(options.seed ?? Math.floor(Math.random() * 2 ** 31))
const duration = options.seconds !== undefined ? Number(options.seconds) * 1000 : Number(options.minutes ?? 1) * 60_000
const [every, rate, longest] = [Number(options.every), Number(options.rate), Number(options.longest)]
if (![seed, duration, every, rate, longest].every((number) => Number.isFinite(number)) || every <= 0 || rate <= 0) {
  process.stderr.write(`that is no number: ${usage}\n`)
  process.exit(1)
}

console.log(`seed ${seed}, ${duration / 1000} s, a fault each ${every} ms, ${rate} tuples a second`)
const network = await Network.make({ rate, longest, verbose: options.verbose })
const plan = Plan.make(seed, duration, every, network.shape)
// Or a process that stands still would do so for ever.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void network.close(true).then(() => process.exit(1)))
}
let failed = true
try {
  const result = await network.run(plan, duration)
  report(plan, result)
  failed = result.violations.length > 0
} catch (cause) {
  console.error(cause)
}
await network.close(failed)
process.exit(failed ? 1 : 0)
