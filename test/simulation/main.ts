/**
 * `npm run simulate`: networks of whole nodes in memory, with nodes as CZMQ's among them, in which everything goes wrong
 * that a seed decides; test/simulation/World.ts plays them. It ends with 1 where a seed fails, after it has shown the
 * smallest scenario that fails in the same way, and what was said in it.
 *
 *     npm run simulate                            1000 seeds, from 1 on
 *     npm run simulate -- --seeds 100000 --jobs 2 as many, in two processes
 *     npm run simulate -- --from 5000             from there on
 *     npm run simulate -- --seed 4711             this one, with its scenario and its trace
 *     npm run simulate -- --scenario file.json    one that was written down
 *     npm run simulate -- --nodes 3 --kind mixed  so many nodes; only ours, or with some of version 1
 *     npm run simulate -- --heartbeats            shows PING and PONG in traces as well
 *     npm run simulate -- --json                  shows the smallest scenario as JSON, too
 *     npm run simulate -- --keep-going            counts the seeds that fail, and shows the first one
 *     npm run simulate -- --broken 'no PING'      with a rule broken on purpose, see mutations.ts
 */
import { fork } from "node:child_process"
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { generate, type Wish } from "./generate.ts"
import { type Mutation, mutations } from "./mutations.ts"
import { print, type Scenario } from "./Scenario.ts"
import { kindsOf, Tally } from "./Tally.ts"
import { shrink } from "./shrink.ts"
import { type Options, type Outcome, play } from "./World.ts"

const usage =
  "npm run simulate -- [--seeds N] [--from S] [--jobs N] [--seed S] [--scenario FILE] [--nodes N] [--kind ours|mixed] [--heartbeats] [--json] [--keep-going] [--broken RULE]"

const fail = (text: string): never => {
  process.stderr.write(`${text}: ${usage}\n`)
  return process.exit(1)
}

const options = (() => {
  try {
    return parseArgs({
      options: {
        seeds: { type: "string", default: "1000" },
        from: { type: "string", default: "1" },
        jobs: { type: "string", default: "1" },
        seed: { type: "string" },
        scenario: { type: "string" },
        nodes: { type: "string" },
        kind: { type: "string" },
        heartbeats: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        "keep-going": { type: "boolean", default: false },
        broken: { type: "string" },
        help: { type: "boolean", default: false }
      }
    }).values
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
})()

if (options.help) {
  process.stdout.write(`${usage}\n`)
  process.exit(0)
}

const number = (text: string): number => (/^\d{1,12}$/.test(text) ? Number(text) : fail(`${text} is no whole number`))
const { heartbeats, kind, nodes } = options
if (kind !== undefined && kind !== "ours" && kind !== "mixed") fail(`${kind} is no kind of network`)
const broken: Mutation | undefined =
  options.broken === undefined
    ? undefined
    : (Object.entries(mutations).find(([name]) => name === options.broken)?.[1] ??
      fail(`one of ${Object.keys(mutations).join(", ")}`))
const wish: Wish = {
  nodes: nodes === undefined ? undefined : number(nodes),
  kind: kind === "ours" || kind === "mixed" ? kind : broken?.kind,
  ruled: broken?.ruled,
  absence: broken?.absence,
  deletes: broken?.deletes
}
const run = (scenario: Scenario, options?: Options): Outcome => play(scenario, { rules: broken?.rules(), ...options })

/** What does not come to rest has no end. */
const mostLines = 1000

const showTrace = (scenario: Scenario): void => {
  const { settled, trace, violations } = run(scenario, { trace: true, heartbeats })
  console.log(print(scenario))
  console.log("\n    ms")
  for (const line of trace.slice(0, mostLines)) console.log(line)
  if (trace.length > mostLines) console.log(`        and ${trace.length - mostLines} lines more`)
  console.log(`\nquiet ${settled.toFixed(0)} ms after the last fault`)
  for (const violation of violations) console.log(`VIOLATION  ${violation}`)
}

/** What fails, made small. */
const explain = (scenario: Scenario): void => {
  const { violations } = run(scenario)
  console.log(`\nseed ${scenario.seed} fails`)
  for (const violation of violations) console.log(`VIOLATION  ${violation}`)
  const kinds = kindsOf(violations)
  const smallest = shrink(scenario, (smaller) => kindsOf(run(smaller).violations).some((kind) => kinds.includes(kind)))
  console.log(`\nthe smallest that fails in the same way, of ${scenario.events.length} events:\n`)
  showTrace(smallest)
  if (options.json) console.log(JSON.stringify(smallest))
}

const one = (scenario: Scenario): never => {
  const failed = run(scenario).violations.length > 0
  if (failed) explain(scenario)
  else showTrace(scenario)
  return process.exit(failed ? 1 : 0)
}

if (options.seed !== undefined) one(generate(number(options.seed), wish))
if (options.scenario !== undefined) one(JSON.parse(readFileSync(options.scenario, "utf8")) as Scenario)

/** Some of the seeds, in this process; every so often what came of them is told. */
const runSome = (from: number, seeds: number, step: number, tell: (tally: Tally) => void): void => {
  let tally = new Tally()
  let told = performance.now()
  for (let seed = from; seed < from + seeds; seed += step) {
    tally.add(seed, run(generate(seed, wish)))
    if (performance.now() - told < 500) continue
    tell(tally)
    tally = new Tally()
    told = performance.now()
  }
  tell(tally)
}

const [from, seeds, jobs] = [number(options.from), number(options.seeds), Math.max(1, number(options.jobs))]
const began = performance.now()
const all = new Tally()
let shown = began

const take = (tally: Tally): void => {
  all.merge(tally)
  if (all.failed.length > 0 && !options["keep-going"]) return finish()
  if (performance.now() - shown < 5000) return
  shown = performance.now()
  console.log(all.line(performance.now() - began))
}

const finish = (): void => {
  for (const child of children) child.kill()
  console.log(all.line(performance.now() - began))
  for (const line of all.kindLines()) console.log(line)
  const first = all.failed.toSorted((a, b) => a.seed - b.seed)[0]
  if (first === undefined) process.exit(0)
  explain(generate(first.seed, wish))
  process.exit(1)
}

const children: Array<ReturnType<typeof fork>> = []
const job = process.env["ZGOSSIP_SIMULATE_JOB"]
if (job !== undefined) {
  // One of several: the first process hears of it.
  runSome(from + Number(job), seeds - Number(job), jobs, (tally) => process.send?.(tally))
  process.disconnect()
} else if (jobs === 1) {
  runSome(from, seeds, 1, take)
  finish()
} else {
  let running = jobs
  for (let index = 0; index < jobs; index++) {
    const env = { ...process.env, ZGOSSIP_SIMULATE_JOB: String(index) }
    const child = fork(process.argv[1]!, process.argv.slice(2), { env })
    children.push(child)
    child.on("message", (tally) => take(Tally.from(tally)))
    child.on("exit", (code) => {
      if (code !== 0) fail(`a process ended with ${code}`)
      running -= 1
      if (running === 0) finish()
    })
  }
}
