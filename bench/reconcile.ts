/**
 * `npm run bench:reconcile`: what it costs to find out in which keys two sets differ, and what a summary takes. Keys
 * have 20 octets and stamps 18.
 *
 *     npm run bench:reconcile              sets of 100,000 and of a million entries
 *     npm run bench:reconcile -- 5000      sets of so many
 */
import * as Ranges from "../src/protocol/Ranges.ts"
import * as Reconcile from "../src/protocol/Reconcile.ts"
import * as Summary from "../src/protocol/Summary.ts"
import { keyOf, newer, round, sideOf, stampOf, summaryOf } from "../test/protocol/Sets.ts"

const counts = process.argv.slice(2).map(Number)
const say = (line: string) => process.stdout.write(`${line}\n`)
const figure = (number: number) => Math.round(number).toLocaleString("en-US")

const timed = <A>(work: () => A): readonly [result: A, milliseconds: number] => {
  const start = performance.now()
  const result = work()
  return [result, performance.now() - start]
}

/** On the heap and beside it, after a collection. */
const memory = (): number => {
  globalThis.gc?.()
  const { external, heapUsed } = process.memoryUsage()
  return heapUsed + external
}

/** A message with which nothing is right, as many ranges as fit: what one may cost at most. */
const worst = (kind: "Fingerprint" | "Items"): Ranges.Ranges => {
  const keys = Array.from({ length: kind === "Items" ? 6000 : 1300 }, (_, n) => {
    const at = Math.floor((n + 1) * (kind === "Items" ? 10 : 48))
    return String.fromCharCode(at >> 8, at & 0xff)
  })
  const fingerprint = "?".repeat(Summary.fingerprintLength)
  const parts: ReadonlyArray<Ranges.Part> =
    kind === "Items"
      ? [{ _tag: "Items", to: undefined, items: keys.map((key) => ({ key, stamp: "" })) }]
      : keys.map((to) => ({ _tag: "Fingerprint", to, count: 1, fingerprint }))
  return { _tag: "Ranges", depth: 1, kept: 0, parts }
}

const bench = (count: number): void => {
  const entries = Array.from({ length: count }, (_, n) => [keyOf(n), stampOf(n)] as const)
  const before = memory()
  const [one, building] = timed(() => summaryOf(entries))
  const each = (memory() - before) / count
  say(`\n${figure(count)} entries: set in ${figure(building)} ms, ${figure(each)} octets each beside key and stamp`)
  const [, asking] = timed(() => {
    for (let n = 0; n < 10_000; n++) Summary.fingerprint(one, { from: keyOf(n), to: undefined })
  })
  say(`a fingerprint of a range: ${(asking / 10).toFixed(1)} us`)
  for (const kind of ["Fingerprint", "Items"] as const) {
    const octets = Ranges.encode(worst(kind))
    const [, answering] = timed(() => {
      const message = Ranges.decode(octets)
      if (message._tag === "Ranges") Reconcile.respond(Reconcile.idle, one, message)
    })
    say(`${figure(octets.length)} octets of wrong ${kind}: ${figure(answering)} ms`)
  }

  const other = summaryOf(entries)
  say("\n| sets | octets | messages | ms |\n| --- | --- | --- | --- |")
  const row = (name: string, first: Summary.Summary, second: Summary.Summary): void => {
    const sides = [sideOf(first), sideOf(second)] as const
    // What is offered is read in any case.
    const [cost, milliseconds] = timed(() => round(...sides))
    say(`| ${name} | ${figure(cost.octets)} | ${cost.messages} | ${figure(milliseconds)} |`)
  }
  for (const changes of [0, 1, 10, 1000]) {
    const changed = entries.filter((_, n) => changes > 0 && n % Math.floor(count / changes) === 0).slice(0, changes)
    for (const [n, [key]] of changed.entries()) Summary.set(n % 2 === 0 ? one : other, key, newer)
    row(`${changes} changed`, one, other)
    for (const [n, [key, stamp]] of changed.entries()) Summary.set(n % 2 === 0 ? one : other, key, stamp)
  }
  row("one is empty", one, summaryOf([]))
  row("the other is empty", summaryOf([]), one)
  for (let n = 0; n < count; n++) {
    Summary.remove(other, keyOf(n))
    Summary.set(other, keyOf(count + n), stampOf(n))
  }
  row("nothing in common", one, other)
}

for (const count of counts.length > 0 ? counts : [100_000, 1_000_000]) bench(count)
