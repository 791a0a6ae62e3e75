/**
 * `npm run fuzz`: strangers against a node over real sockets, while an honest client checks that it is served. Ends with
 * 1 where the node ends, a PONG takes longer than a second, or an acknowledged tuple is lost.
 *
 *     npm run fuzz -- --seconds 60      for how long, 20 unless given
 *     npm run fuzz -- --seed 7          the same run again; another one each time unless given
 *     npm run fuzz -- --each            each act alone, for so many seconds, and a table of figures
 *     npm run fuzz -- --only HELLO      only acts whose name has this; repeatable
 *     npm run fuzz -- --crowd 10000     connections of those acts that are about many, 200 unless given
 *     npm run fuzz -- --set tuples=1000000   settings of the node; repeatable
 *     npm run fuzz -- --list            the names of the acts
 *
 * What failed is written to test/fixtures/fuzz, where the tests find it and do it again.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { names } from "./acts.ts"
import { type Deed, type Report, run } from "./run.ts"

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "20" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1_000_000)) },
    each: { type: "boolean", default: false },
    only: { type: "string", multiple: true, default: [] },
    crowd: { type: "string", default: "200" },
    set: { type: "string", multiple: true, default: [] },
    list: { type: "boolean", default: false }
  }
})

const [seconds, seed, crowd] = [Number(values.seconds), Number(values.seed), Number(values.crowd)]
const settings = Object.fromEntries(values.set.map((text) => text.split("=")).map(([name, to]) => [name, Number(to)]))
const chosen = names.filter((name) => values.only.length === 0 || values.only.some((part) => name.includes(part)))

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const mib = (octets: number): string => `${Math.round(octets / 2 ** 20)} MiB`
const ms = (time: number): string => `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`

/** Keeps what failed for the tests. */
const keep = ({ faults, suspects }: Report): void => {
  const folder = new URL("../test/fixtures/fuzz/", import.meta.url)
  const file = new URL(`seed-${seed}-${suspects.length}.json`, folder)
  mkdirSync(folder, { recursive: true })
  writeFileSync(file, `${JSON.stringify({ about: faults[0], deeds: suspects }, undefined, 2)}\n`)
  say(`what was done then is in ${file.pathname}`)
}

const failed = (report: Report): boolean => {
  if (report.faults.length === 0) return false
  say(`FAILED, seed ${report.seed}:`)
  for (const fault of new Set(report.faults.slice(0, 20))) say(`  ${fault}`)
  say(`under way: ${report.suspects.map((deed) => `${deed.name} (${deed.seed})`).join(", ")}`)
  keep(report)
  return true
}

const figures = ({ held, medianPong, memory, pings, readbacks, status, worstPong, worstReadback }: Report): string =>
  `${pings} PINGs of the honest client, PONG median ${ms(medianPong)}, worst ${ms(worstPong)}; ` +
  `${readbacks} dumps read, worst ${ms(worstReadback)}; ` +
  `memory ${mib(memory.before)} before, ${mib(memory.most)} at most, ${mib(memory.after)} after; ` +
  `event loop held up ${ms(held.node)} at most, the client's own ${ms(held.honest)}; ` +
  `tuples ${status?.tuples}`

const each = async (): Promise<boolean> => {
  say(
    "| act | PONG, median | worst | memory before | at most | after | dump read, worst | loop held up, node's | client's |"
  )
  say("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
  let bad = false
  for (const name of chosen) {
    const deeds: ReadonlyArray<Deed> = [{ name, seed }]
    const report = await run({ seconds, seed, deeds, atOnce: 1, crowd, ms: seconds * 1000, settings })
    const { held, medianPong, memory, worstPong, worstReadback } = report
    const row = [name, ms(medianPong), ms(worstPong), mib(memory.before), mib(memory.most), mib(memory.after), ms(worstReadback), ms(held.node), ms(held.honest)] // prettier-ignore
    say(`| ${row.join(" | ")} |`)
    if (failed(report)) bad = true
  }
  return bad
}

const together = async (): Promise<boolean> => {
  const some = values.only.length === 0 ? {} : { deeds: chosen.map((name) => ({ name, seed })) }
  const report = await run({ seconds, seed, crowd, settings, ...some })
  say(`${report.deeds.length} acts of ${new Set(report.deeds.map(({ name }) => name)).size} kinds`)
  say(figures(report))
  say(`during the worst PONG: ${report.duringWorst.map(({ name }) => name).join("; ")}`)
  say(`counted: ${JSON.stringify(report.status?.counters)}`)
  return failed(report)
}

if (values.list) {
  for (const name of names) say(name)
} else {
  say(`seed ${seed}`)
  process.exitCode = (await (values.each ? each() : together())) ? 1 : 0
}
