import { assert, describe, it } from "@effect/vitest"
import * as Octets from "../../src/protocol/Octets.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import { count, json, milliseconds, table, tupleJson } from "../../src/cli/Text.ts"

describe("table", () => {
  const rows = [
    ["a", "1"],
    ["longer", "日本語 and more"],
    ["日本", ""]
  ]

  it("aligns its columns as a terminal shows them; no line ends with blanks", () => {
    assert.deepStrictEqual(
      [...table(["KEY", "VALUE"], rows)],
      ["KEY     VALUE", "a       1", "longer  日本語 and more", "日本"]
    )
  })

  it("cuts what is too wide, and says so", () => {
    assert.deepStrictEqual([...table(["KEY", "VALUE"], rows, 14)].slice(2, 3), ["longer  日本…"])
    const [header, row] = table(["KEY", "VALUE"], [["k".repeat(100), "value"]], 40)
    assert.strictEqual(header, `KEY${" ".repeat(19)}VALUE`)
    assert.strictEqual(row, `${"k".repeat(19)}…  value`)
  })

  it("of one column, of no rows", () => {
    assert.deepStrictEqual([...table(["KEY"], [["a"], ["b"]])], ["KEY", "a", "b"])
    assert.deepStrictEqual([...table(["KEY", "VALUE"], [])], ["KEY  VALUE"])
  })
})

describe("json", () => {
  it("has no character that a terminal obeys, and loses none", () => {
    const value = "\u001b[2J\u009b31m\u007f\u2028\n"
    const text = json({ value })
    assert.match(text, /^[\u0020-\u007e]*$/)
    assert.deepStrictEqual(JSON.parse(text), { value })
  })

  it("of a tuple takes more fields, in front", () => {
    const tuple = new Tuple("a", Octets.from(new Uint8Array([0xff])))
    assert.strictEqual(tupleJson({ tuple }, { event: "put" }), '{"event":"put","key":"a","valueBase64":"/w=="}')
  })
})

it("numbers", () => {
  assert.deepStrictEqual([count(0, "tuple"), count(1, "tuple")], ["0 tuples", "1 tuple"])
  assert.deepStrictEqual([milliseconds(1.23456), milliseconds(2)], [1.235, 2])
})
