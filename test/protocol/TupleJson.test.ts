import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result } from "effect"
import * as Octets from "../../src/protocol/Octets.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import * as TupleJson from "../../src/protocol/TupleJson.ts"
import * as arbitrary from "./arbitraries.ts"

const tuple = (
  key: string,
  value: string,
  times: { readonly lifetime?: number; readonly remaining?: number } = {}
) => ({
  tuple: new Tuple(Octets.from(key), Octets.from(value)),
  ...times
})

describe("TupleJson", () => {
  it.prop("any octets survive, each on its line", [Arbitrary.array(arbitrary.tuple, { maxLength: 5 })], ([tuples]) => {
    const text = tuples.map((tuple) => `${JSON.stringify(TupleJson.toJson({ tuple }))}\n`).join("")
    assert.strictEqual(text.split("\n").length, tuples.length + 1)
    assert.deepStrictEqual(
      Result.getOrThrow(TupleJson.parse(text)),
      tuples.map((tuple) => ({ tuple }))
    )
  })

  it.prop(
    "any octets have an answer, and what is JSON to others is not more to us",
    [arbitrary.bytes(60)],
    ([octets]) => {
      TupleJson.parse(octets)
      const text = Buffer.concat([Buffer.from('{"key":"'), octets, Buffer.from('","value":""}')])
      const parsed = TupleJson.parse(text)
      if (Result.isFailure(parsed)) return
      const { key } = JSON.parse(text.toString()) as { key: string }
      assert.strictEqual(parsed.success[0]?.tuple.key, key)
    }
  )

  it.each([
    ["text", "clé", "€", { key: "clé", value: "€" }],
    ["nothing", "", "", { key: "", value: "" }],
    ["no text", new Uint8Array([0xff]), new Uint8Array([0, 0xc3]), { keyBase64: "/w==", valueBase64: "AMM=" }],
    ["a NUL", "\0", "a\nb", { key: "\0", value: "a\nb" }]
  ] as const)("writes %s", (_, key, value, json) => {
    assert.deepStrictEqual(TupleJson.toJson({ tuple: new Tuple(Octets.from(key), Octets.from(value)) }), json)
  })

  it("writes how long one lives, if it ends", () => {
    const written = [tuple("a", "1", { lifetime: 0, remaining: 0 }), tuple("a", "1", { lifetime: 3000, remaining: 20 })]
    assert.deepStrictEqual(written.map(TupleJson.toJson), [
      { key: "a", value: "1" },
      { key: "a", value: "1", lifetime: 3000, remaining: 20 }
    ])
  })

  it.each([
    ["nothing", "", []],
    ["blank lines", "\n \r\n", []],
    ["a byte order mark", '\ufeff{"key":"a","value":"b"}', [tuple("a", "b")]],
    ["an array", '[{"key":"a","value":"1"},\n {"value":"2","key":"b"}]\n', [tuple("a", "1"), tuple("b", "2")]],
    ["an empty array", " [ ] ", []],
    ["objects of many lines", '{\r\n  "key": "a",\r\n  "value": "b"\r\n}\r\n', [tuple("a", "b")]],
    ["escapes", String.raw`{"key":"\"\\\/\u00e9\ud83c\udf0d","value":"\\"}`, [tuple('"\\/é🌍', "\\")]],
    [
      "lifetimes",
      '{"remaining" : 2,"key":"a","value":"1","lifetime":281474976710655}{"lifetime":0,"key":"a","value":"1"}',
      [tuple("a", "1", { lifetime: 2 ** 48 - 1, remaining: 2 }), tuple("a", "1", { lifetime: 0 })]
    ],
    ["one key twice, in order", '{"key":"a","value":"1"} {"key":"a","value":"2"}', [tuple("a", "1"), tuple("a", "2")]]
  ])("reads %s", (_, text, tuples) => {
    assert.deepStrictEqual(Result.getOrThrow(TupleJson.parse(text)), tuples)
  })

  it.each([
    ["another format", "key = value", 'line 1, column 1: a tuple, { and so on, was expected, not "key"'],
    ["no value", '{"key":"a","value":""}\n  {"key":"é"}', "line 2, column 3: this tuple has no value"],
    ["no key", '{"value":"é"}', "line 1, column 1: this tuple has no key"],
    ["no field", "{}", 'line 1, column 2: a string was expected, not "}"'],
    ["a misspelt name", '{"key":"é","valu":""}', "line 1, column 12: a tuple has key and value, or keyBase64"],
    ["a key twice", '{"key":"a","keyBase64":""}', "line 1, column 12: a second key"],
    ["a number", '{"key":"a","value":1}', 'line 1, column 20: a string was expected, not "1"'],
    [
      "a lifetime in words",
      '{"key":"a","value":"","lifetime":"30s"}',
      "column 34: a number of milliseconds was expected"
    ],
    ["a lifetime twice", '{"lifetime":1,"lifetime":1}', "line 1, column 15: a second lifetime"],
    ["half of a millisecond", '{"lifetime":1.5}', 'line 1, column 14: , or } was expected, not ".5"'],
    ["a lifetime too long", '{"lifetime":281474976710656}', "column 13: a number of milliseconds was expected"],
    [
      "more than all of it",
      '{"key":"a","value":"","remaining":1}',
      "line 1, column 1: more remaining than the lifetime"
    ],
    ["a string that goes on", '{"key":"a","value":"b\n"}', 'line 1, column 20: the " is not closed'],
    ["a text cut short", '{"key":"a","value":"b', 'line 1, column 20: the " is not closed'],
    ["an object cut short", '{"key":"a"', "line 1, column 11: , or } was expected, not the end"],
    ["a tab in a string", '{"key":"\t"', "line 1, column 9: a control character in a string"],
    ["an unknown escape", String.raw`{"key":"\x"`, "line 1, column 8: a \\ that is no escape"],
    ["half a surrogate pair", String.raw`{"key":"\ud800"`, "line 1, column 8: half a pair"],
    ["no base64", '{"keyBase64":"/w="}', "line 1, column 14: this is no base64"],
    ["no UTF-8", arbitrary.fromHex("7b 22 6b 65 79 22 3a 22 ff 22"), "line 1, column 8: this is no UTF-8"],
    ["a key too long", `{"key":"${"é".repeat(128)}","value":""}`, "line 1, column 1: the key has 256 octets"],
    ["more behind an array", "[] x", 'line 1, column 4: the end was expected behind the array, not "x"'],
    ["an array without an end", "[\n", "line 2, column 1: a tuple"]
  ])("refuses %s", (_, text, message) => {
    const error = Result.getOrThrow(Result.flip(TupleJson.parse(text)))
    assert.include(error.message, message)
  })
})
