/**
 * `npm run bench`: one table, our nodes beside real CZMQ, measured in the same run. Rounds of the two alternate, so that
 * whatever else the machine does hits both; a figure is the median of its rounds.
 *
 *     npm run bench -- --rounds 9           how many rounds, 5 unless given (some rows take fewer)
 *     npm run bench -- --quick              one round, without the slowest rows
 *     npm run bench -- --only fan-out       only rows whose id begins so; repeatable
 *     npm run bench -- --json figures.json  the raw figures
 *     npm run bench -- --profile profiles   CPU profiles of our worker processes; ours alone, see profile.ts
 *     npm run bench -- --set remote/timeout=60000   settings of our nodes; repeatable
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Result } from "effect"
import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { availableParallelism, cpus, loadavg } from "node:os"
import { parseArgs } from "node:util"
import { version as libzmq } from "zeromq"
import { availability, INSTALL_COMMAND } from "../test/interop/Czmq.ts"
import { czmq } from "./czmq.ts"
import { BenchError, type Implementation } from "./Implementation.ts"
import { ours } from "./ours.ts"
import { summaries } from "./profile.ts"
import { type Metric, type Row, rows } from "./rows.ts"

const usage =
  "npm run bench -- [--rounds N] [--quick] [--only ID]... [--json FILE] [--profile FOLDER] [--set PATH=VALUE]..."

const parse = () => {
  try {
    return parseArgs({
      options: {
        rounds: { type: "string", default: "5" },
        quick: { type: "boolean", default: false },
        only: { type: "string", multiple: true },
        json: { type: "string" },
        profile: { type: "string" },
        set: { type: "string", multiple: true, default: [] },
        help: { type: "boolean", default: false }
      }
    }).values
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}: ${usage}\n`)
    return process.exit(1)
  }
}

const options = parse()

const known = rows(availableParallelism()).map(({ id }) => id)
const unknown = options.only?.filter((prefix) => !known.some((id) => id.startsWith(prefix))) ?? []

if (options.help || unknown.length > 0) {
  const text = `${usage}\nrows: ${known.join(", ")}\n`
  if (options.help) process.stdout.write(text)
  else process.stderr.write(`no row is called ${unknown.join(" or ")}\n${text}`)
  process.exit(options.help ? 0 : 1)
}

/** What one implementation did in one row: figures by metric and round, or why there are none. */
type Figures = Result.Result<ReadonlyArray<ReadonlyArray<number>>, string>

interface Measured {
  readonly row: Row
  readonly rounds: number
  readonly figures: ReadonlyMap<Implementation["name"], Figures>
}

/** For one round. What takes longer has lost something. */
const longest = "60 seconds"

const measure = (row: Row, implementations: ReadonlyArray<Implementation>): Effect.Effect<Measured> =>
  Effect.gen(function* () {
    const rounds = options.quick ? 1 : Math.min(Math.max(1, Number(options.rounds) || 5), row.rounds ?? Infinity)
    const failed = new Map<Implementation["name"], string>()
    const attempt = <A, R>(name: Implementation["name"], what: string, effect: Effect.Effect<A, BenchError, R>) =>
      Effect.gen(function* () {
        if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${row.id}: ${name}, ${what}`)
        const result = yield* Effect.result(
          Effect.timeoutOrElse(effect, {
            duration: longest,
            orElse: () => Effect.fail(new BenchError({ message: `${what}: not done in ${longest}` }))
          })
        )
        if (Result.isSuccess(result)) return result.success
        failed.set(name, result.failure.message)
        return undefined
      })
    const contestants = []
    for (const implementation of implementations) {
      const { name } = implementation
      const round = yield* attempt(name, "preparing", row.prepare(implementation))
      if (round === undefined) continue
      if (row.cold !== true) yield* attempt(name, "warming up", round(true))
      contestants.push({ name, round, figures: row.metrics.map((): Array<number> => []) })
    }
    for (let i = 1; i <= rounds; i++) {
      for (const { figures, name, round } of i % 2 === 1 ? contestants : contestants.toReversed()) {
        if (failed.has(name)) continue
        const measured = yield* attempt(name, `round ${i} of ${rounds}`, round(false))
        measured?.forEach((figure, metric) => figures[metric]?.push(figure))
      }
    }
    const figures = new Map<Implementation["name"], Figures>()
    for (const { figures: measured, name } of contestants) figures.set(name, Result.succeed(measured))
    for (const [name, message] of failed) figures.set(name, Result.fail(message))
    return { row, rounds, figures }
  }).pipe(Effect.scoped)

// ---------------------------------------------------------------------------------------------------------------------
// What is printed

const median = (figures: ReadonlyArray<number>): number => {
  const sorted = figures.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const show = (figure: number): string =>
  figure.toLocaleString("en-US", figure >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 })

/** NaN where there is none. */
const figureOf = (figures: Figures | undefined, metric: number): number =>
  figures !== undefined && Result.isSuccess(figures) ? median(figures.success[metric]!) : NaN

const cell = (figures: Figures | undefined, metric: number): string => {
  if (figures !== undefined && Result.isFailure(figures)) return "failed"
  const figure = figureOf(figures, metric)
  return Number.isNaN(figure) ? "-" : show(figure)
}

/** How much faster, or smaller, ours is. */
const ratio = (figures: Measured["figures"], index: number, metric: Metric): number => {
  const of = figureOf(figures.get("ours"), index) / figureOf(figures.get("CZMQ"), index)
  return metric.better === "more" ? of : 1 / of
}

const columns = ["work", "unit", "ours", "CZMQ", "ours / CZMQ", "rounds"] as const
const widths = [52, 14, 10, 10, 13, 8] as const

const print = (cells: ReadonlyArray<string>): void =>
  console.log(
    cells
      .map((text, i) => (i < 2 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!)))
      .join("")
      .trimEnd()
  )

const printRow = ({ figures, row, rounds }: Measured): void => {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K")
  row.metrics.forEach((metric, i) => {
    const of = ratio(figures, i, metric)
    const cells = [cell(figures.get("ours"), i), cell(figures.get("CZMQ"), i), Number.isNaN(of) ? "-" : of.toFixed(2)]
    print([metric.name, metric.unit, ...cells, `${rounds}`])
  })
  for (const [name, one] of figures) if (Result.isFailure(one)) console.log(`  ${name} failed: ${one.failure}`)
}

const versionOf = (library: string): string =>
  spawnSync("pkg-config", ["--modversion", library], { encoding: "utf8" }).stdout.trim()

// ---------------------------------------------------------------------------------------------------------------------

const program = Effect.gen(function* () {
  const processors = availableParallelism()
  const found = availability()
  const our = ours({ profiles: options.profile, settings: options.set })
  const implementations = found.available && options.profile === undefined ? [our, czmq] : [our]
  const machine = {
    processors,
    processor: cpus()[0]?.model.trim(),
    load: loadavg()[0],
    node: process.versions.node,
    zeromq: libzmq,
    ...(found.available ? { czmq: versionOf("libczmq"), czmqZeromq: versionOf("libzmq") } : {})
  }
  console.log(`${processors} processors (${machine.processor}), load ${machine.load?.toFixed(1)} at the start`)
  console.log(`ours: Node ${machine.node}, libzmq ${machine.zeromq}`)
  console.log(
    found.available
      ? `CZMQ: ${machine.czmq}, libzmq ${machine.czmqZeromq}`
      : `CZMQ: left out, ${found.reason}; to compare: ${INSTALL_COMMAND}`
  )
  console.log(`
Keys of 20 octets, values of 32, tcp over loopback, server/timeout off. Medians; the last column but one is above 1
where ours is faster or takes less. HELLO sync, rejoin: server and client in a process each. Live: the hub in a process,
the leaves in up to ${processors} more. Chain of ten: in one process, or every other node in a second one. A node of ours works in one
thread of its process, a CZMQ node in a thread of its own.
`)
  print(columns)
  print(widths.map((width, i) => (i < 2 ? "-".repeat(width - 2) : "-".repeat(width - 2))))
  const results: Array<Measured> = []
  for (const row of rows(processors)) {
    if (options.only !== undefined && !options.only.some((id) => row.id.startsWith(id))) continue
    if (options.quick && row.slow === true && options.only === undefined) continue
    const measured = yield* measure(row, implementations)
    printRow(measured)
    results.push(measured)
  }
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report(machine, results), null, 2)}\n`)
  if (options.profile !== undefined) console.log(`\n${summaries(options.profile)}`)
  if (results.some(({ figures }) => [...figures.values()].some(Result.isFailure))) process.exitCode = 1
})

const report = (machine: object, results: ReadonlyArray<Measured>) => ({
  machine,
  rows: results.flatMap(({ figures, row }) =>
    row.metrics.map((metric, i) => ({
      id: row.id,
      ...metric,
      ...Object.fromEntries(
        Array.from(figures, ([name, one]) => [name, Result.isSuccess(one) ? one.success[i] : one.failure])
      ),
      ratio: ratio(figures, i, metric)
    }))
  )
})

NodeRuntime.runMain(program)
