import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import * as Ranges from "../../src/protocol/Ranges.ts"
import * as Reconcile from "../../src/protocol/Reconcile.ts"
import * as arbitrary from "./arbitraries.ts"
import { fromHex } from "./arbitraries.ts"
import { numbered, summaryOf } from "./Sets.ts"

const octetsOf = (hex: string): string => Buffer.from(fromHex(hex)).toString("latin1")

/** Ranges between keys that are drawn, with what is between their bounds as items. */
const ranges: Arbitrary.Arbitrary<Ranges.Ranges> = Arbitrary.all([
  Arbitrary.array(Arbitrary.all([arbitrary.octets(255), arbitrary.octets(255), arbitrary.integer(0, 3)]), {
    maxLength: 20
  }),
  arbitrary.integer(0, 255),
  arbitrary.integer(0, 255),
  arbitrary.oneOf("bounded", "unbounded")
]).pipe(
  Arbitrary.map(([drawn, depth, kept, end]) => {
    const sorted = drawn
      .filter(([key], at) => key !== "" && drawn.findIndex(([other]) => other === key) === at)
      .sort(([a], [b]) => (a < b ? -1 : 1))
    const parts: Array<Ranges.Part> = []
    let items: Array<{ key: string; stamp: string }> = []
    for (const [at, [key, stamp, kind]] of sorted.entries()) {
      const to = end === "unbounded" && at === sorted.length - 1 ? undefined : key
      if (kind === 0 && to !== undefined) {
        items.push({ key, stamp })
        continue
      }
      if (kind === 1 && items.length === 0) parts.push({ _tag: "Skip", to })
      else if (kind === 2 && items.length === 0) {
        parts.push({ _tag: "Fingerprint", to, count: stamp.length, fingerprint: stamp.padEnd(16, "x").slice(0, 16) })
      } else parts.push({ _tag: "Items", to, items })
      items = []
    }
    return { _tag: "Ranges", depth, kept, parts }
  })
)

describe("decode", () => {
  it.prop("gives back what was encoded, of which the length was known", [ranges], ([ranges]) => {
    const octets = Ranges.encode(ranges)
    assert.deepStrictEqual(Ranges.decode(octets), ranges)
    let [length, last] = [Ranges.headLength, ""]
    for (const part of ranges.parts) {
      const measured = Ranges.measure(part, last)
      length += measured.length
      last = measured.last
    }
    assert.strictEqual(length, octets.length)
  })

  it.each<readonly [name: string, hex: string, reason: Ranges.Broken["reason"] | "Ranges"]>([
    ["nothing", "", "Short"],
    ["half a head", "01", "Short"],
    ["a head", "01 00", "Ranges"],
    ["a skip without its bound", "01 00 00", "Short"],
    ["a skip of everything", "01 00 80", "Ranges"],
    ["a kind of tomorrow", "01 00 03", "Kind"],
    ["a kind of tomorrow, to the end", "01 00 C0", "Kind"],
    ["half a bound", "01 00 00 00 02 61", "Short"],
    ["an empty range", "01 00 00 00 00", "Order"],
    ["bounds that fall", "01 00 00 00 01 62 00 00 01 61", "Order"],
    ["the same bound twice", "01 00 00 00 01 62 00 01 00", "Order"],
    ["something behind the end", "01 00 80 80", "Order"],
    ["a bound that shares too much", "01 00 00 01 01 61", "Key"],
    ["a key of 256 octets", `01 00 00 00 FE${" 61".repeat(254)} 00 FE 02 62 62`, "Key"],
    ["a count and half a fingerprint", "01 00 81 00 00 00 01 00 00", "Short"],
    ["half a count", "01 00 82 00 00", "Short"],
    ["a fingerprint of more than anybody has", `01 00 81 40 00 00 01${" 00".repeat(16)}`, "Count"],
    ["a fingerprint of very many", `01 00 81 40 00 00 00${" 00".repeat(16)}`, "Ranges"],
    ["FF FF FF FF items", "01 00 82 FF FF FF FF 00 00 00", "Count"],
    ["more items than fit", "01 00 82 00 00 00 02 00 00 00", "Count"],
    ["an item of no octets", "01 00 82 00 00 00 01 00 00 00", "Ranges"],
    ["half a stamp", "01 00 82 00 00 00 01 00 00 02 61", "Short"],
    ["the same key twice", "01 00 82 00 00 00 02 00 01 61 00 01 00 00", "Order"],
    ["keys that fall", "01 00 82 00 00 00 02 00 01 62 00 00 01 61 00", "Order"],
    ["a key before its range", "01 00 00 00 01 62 82 00 00 00 01 00 01 61 00", "Order"],
    ["a key at the beginning of its range", "01 00 00 00 01 62 82 00 00 00 01 01 00 00", "Ranges"],
    ["a key behind its range", "01 00 02 00 00 00 01 00 01 62 00 00 01 61", "Order"],
    ["a key at the end of its range", "01 00 02 00 00 00 01 00 01 62 00 01 00", "Order"],
    ["as long as may be", `01 00 80${" 80".repeat(Ranges.maxLength - 3)}`, "Order"],
    ["longer", `01 00 80${" 80".repeat(Ranges.maxLength - 2)}`, "Length"]
  ])("%s", (_, hex, reason) => {
    const decoded = Ranges.decode(octetsOf(hex))
    assert.strictEqual(decoded._tag === "Broken" ? decoded.reason : decoded._tag, reason)
  })

  const kinds = Arbitrary.array(
    Arbitrary.all([
      arbitrary.oneOf("\x00", "\x01\0\0\0\x01", "\x02\0\0\0\x02", "\x82\0\0\0\x01", "\x81\0\0\0\0", "\0\x01a", ""),
      arbitrary.octets(24)
    ]),
    { maxLength: 6 }
  ).pipe(Arbitrary.map((parts) => `\x01\0${parts.flat().join("")}`))
  it.prop(
    "is total over garbage, and so are the answers",
    [kinds],
    ([octets]) => {
      const decoded = Ranges.decode(octets)
      if (decoded._tag === "Broken") return
      assert.deepStrictEqual(Ranges.decode(Ranges.encode(decoded)), decoded)
      const { reply } = Reconcile.respond(Reconcile.idle, summary, decoded)
      if (reply !== undefined) assert.deepStrictEqual(Ranges.decode(Ranges.encode(reply)), reply)
    },
    { arbitrary: { runs: 1000 } }
  )
  const summary = summaryOf(numbered(0, 300))

  it("knows every truncation and survives every flip of a bit", () => {
    const message = Reconcile.open(summary)
    const answer = Reconcile.respond(Reconcile.idle, summaryOf(numbered(0, 20)), message).reply ?? assert.fail()
    const octets = Buffer.from(Ranges.encode(answer), "latin1")
    for (let length = 0; length < octets.length; length++) {
      const cut = Ranges.decode(octets.toString("latin1", 0, length))
      // Ranges may end anywhere between two of them.
      if (cut._tag === "Ranges") assert.deepStrictEqual(cut.parts, answer.parts.slice(0, cut.parts.length))
    }
    for (let bit = 0; bit < octets.length * 8; bit++) {
      const flipped = Buffer.from(octets)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const decoded = Ranges.decode(flipped.toString("latin1"))
      if (decoded._tag === "Ranges") Reconcile.respond(Reconcile.idle, summary, decoded)
    }
  })
})
