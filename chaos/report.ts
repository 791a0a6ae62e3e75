/** What was thrown, and what was measured. */
import type { Memory, Result } from "./Network.ts"
import type * as Plan from "./Plan.ts"

const words: Readonly<Record<Plan.Kind, string>> = {
  Kill: "kill -9, and a start with nothing",
  Stop: "SIGSTOP, 0.3 to 20 s",
  Block: "event loop blocked, 1.1 to 3 s",
  Clock: "time of day set, up to a day to and fro",
  Cut: "link cut",
  Refuse: "link cut, and refused for up to 4 s",
  Stall: "link stalled, one way or both, 0.3 to 20 s",
  Delay: "link slowed, 10 to 700 ms",
  Drop: "link swallows all, then breaks, 0.3 to 20 s",
  Descriptors: "descriptors exhausted, 1 to 4 s",
  Disk: "disk full under SAVE and CONFIGURE",
  Names: "host name gone, 1 to 5 s",
  StopCzmq: "SIGSTOP of the CZMQ nodes, 0.5 to 3 s"
}

const mib = (octets: number): string => (octets / 1024 / 1024).toFixed(1)
const mean = (all: ReadonlyArray<number>): number => all.reduce((a, b) => a + b, 0) / Math.max(1, all.length)

const residentOf = ({ samples }: Memory): string => {
  const quarter = Math.floor(samples.length / 4)
  if (quarter === 0) return ""
  const residents = samples.map(({ resident }) => resident)
  const quarters = [0, 1, 2, 3].map((n) => mib(mean(residents.slice(n * quarter, (n + 1) * quarter))))
  return `, before collections ${quarters.join(" / ")} MiB in the quarters of the run`
}

export const report = (plan: ReadonlyArray<Plan.Timed>, result: Result): void => {
  const line = (what: string, figure: string | number) => console.log(`${what.padEnd(48)} ${figure}`)
  console.log("\nthrown")
  for (const [kind, what] of Object.entries(words)) {
    const times = plan.filter(({ fault }) => fault._tag === kind).length
    if (times > 0) line(`  ${what}`, times)
  }
  line("  faults", plan.length)
  console.log("\nmeasured")
  line("  tuples published", result.published)
  line("  acknowledged, and on every node at the end", result.acknowledged)
  line("  gone with the node that alone had them", result.lost)
  line("  all agree, after the last fault", `${Math.round(result.settled)} ms`)
  line("  slowest answer of a node that was not held up", `${Math.round(result.slowestAnswer)} ms of ${result.probes}`)
  line("  connections made, octets moved", `${result.connections}, ${mib(result.octets)} MiB`)
  for (const memory of result.memory) {
    const { after, before, name, veteran } = memory
    line(
      `  ${name}, ${veteran ? "never killed" : "killed"}: before -> after`,
      `descriptors ${before.descriptors} -> ${after.descriptors}, fibers ${before.fibers} -> ${after.fibers}, ` +
        `in use ${mib(before.heap)} -> ${mib(after.heap)} MiB, ` +
        `resident ${mib(before.resident)} -> ${mib(after.resident)} MiB${residentOf(memory)}`
    )
  }
  for (const note of result.notes) console.log(`  ${note}`)
  console.log(result.violations.length === 0 ? "\nno violation" : `\n${result.violations.length} violations`)
  for (const violation of result.violations) console.log(`  ${violation}`)
}
