import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result } from "effect"
import * as Octets from "../../src/protocol/Octets.ts"
import * as Tuple from "../../src/protocol/Tuple.ts"
import * as TupleZpl from "../../src/protocol/TupleZpl.ts"
import * as Zpl from "../../src/protocol/Zpl.ts"
import * as arbitrary from "./arbitraries.ts"

const tuple = (
  key: string,
  value: string,
  times: { readonly lifetime?: number; readonly remaining?: number } = {}
) => ({
  tuple: new Tuple.Tuple(key, value),
  ...times
})

type Said = ReturnType<typeof tuple>

const print = (...tuples: ReadonlyArray<Said>): string => Zpl.print(TupleZpl.toDocument(tuples))

const read = (text: Octets.Input) => Result.flatMap(Zpl.parse(text), TupleZpl.fromDocument)

/** `key=value` texts, or the error. */
const shown = (text: string): ReadonlyArray<string> | string =>
  Result.match(read(text), {
    onSuccess: (tuples) => tuples.map(({ tuple: { key, value } }) => `${key}=${value}`),
    onFailure: ({ message }) => message
  })

describe("toDocument", () => {
  it.each<readonly [name: string, tuples: ReadonlyArray<Said>, text: string]>([
    ["no tuples", [], "zgossip\n"],
    [
      "keys that are names",
      [tuple("printer", "tcp://10.0.0.7:9100"), tuple("service/web-1", "")],
      'zgossip\n    publish\n        printer = "tcp://10.0.0.7:9100"\n    publish\n        service/web-1 = ""\n'
    ],
    [
      "a key with a blank",
      [tuple("two words", "v")],
      'zgossip\n    tuple\n        key = "two words"\n        value = "v"\n'
    ],
    [
      "those that end",
      [tuple("a", "v", { lifetime: 3000, remaining: 20 }), tuple("b c", "v", { lifetime: 3000, remaining: 0 })],
      'zgossip\n    publish\n        a = "v"\n            lifetime = "3000"\n            remaining = "20"\n' +
        '    tuple\n        key = "b c"\n        value = "v"\n        lifetime = "3000"\n        remaining = "0"\n'
    ],
    ["an empty key", [tuple("", "v")], 'zgossip\n    tuple\n        key = ""\n        value = "v"\n'],
    [
      "a key with a slash at its end",
      [tuple("a/", "")],
      'zgossip\n    tuple\n        key = "a/"\n        value = ""\n'
    ],
    [
      "quotes and line ends",
      [tuple("a", '"it\'s"\n'), tuple("\n", "'")],
      "zgossip\n    publish\n        a = '\"it' \"'s\" '\"' %0A\n" +
        '    tuple\n        key = "" %0A\n        value = "\'"\n'
    ]
  ])("%s", (_, tuples, text) => {
    assert.strictEqual(print(...tuples), text)
    assert.deepStrictEqual(read(Octets.toBytes(text)), Result.succeed(tuples))
  })
})

describe("fromDocument", () => {
  it.each<readonly [name: string, text: string, tuples: ReadonlyArray<string>]>([
    ["nothing", "", []],
    ["no such section", "server\n    publish\n        a = b\npublish\n    a = b\ntuple\n    key = a\n", []],
    ["a section with a value", "zgossip = x\n    publish = y\n        a = b\n", ["a=b"]],
    ["empty sections", "zgossip\n    publish\nzgossip\n", []],
    ["many in one section", "zgossip\n    publish\n        a = 1\n        b = 2\n", ["a=1", "b=2"]],
    [
      "both kinds among others, in their order",
      "zgossip\n    bind\n        endpoint = x\n    publish\n        a = 1\n    tuple\n        key = b c\n        value = 2\n" +
        "    echo = x\n    publish\n        d = 3\n",
      ["a=1", "b c=2", "d=3"]
    ],
    [
      "exports one behind the other",
      "zgossip\n    publish\n        a = 1\nzgossip\n    publish\n        b = 2\n        a = 3\n",
      ["a=1", "b=2", "a=3"]
    ],
    ["no value", "zgossip\n    publish\n        a\n        b =\n    tuple\n        key = c\n", ["a=", "b=", "c="]],
    ["an empty key", "zgossip\n    tuple\n        key =\n        value = a\n", ["=a"]],
    ["value before key", "zgossip\n    tuple\n        value = a\n        key = b\n", ["b=a"]],
    [
      "the first of two keys",
      "zgossip\n    tuple\n        key = a\n        key = b\n        value = c\n        value = d\n",
      ["a=c"]
    ],
    ["what is below a tuple does not count", "zgossip\n    publish\n        a = 1\n            b = 2\n", ["a=1"]],
    ["text", "zgossip\n    publish\n        a = é # b\n", ["a=é"]],
    ["a key at the limit", `zgossip\n    publish\n        ${"k".repeat(255)} = a\n`, [`${"k".repeat(255)}=a`]]
  ])("reads %s", (_, text, tuples) => {
    assert.deepStrictEqual(shown(text), tuples)
  })

  it.each<readonly [name: string, text: string, message: string]>([
    [
      "a tuple without a key",
      "zgossip\n    publish\n        a = 1\n    tuple\n        value = 2\n",
      "line 4, column 5: this tuple has no key, write key = ... below it"
    ],
    [
      "a key without equals sign",
      "zgossip\n    tuple\n        key\n",
      "line 2, column 5: this tuple has no key, write key = ... below it"
    ],
    [
      "a name that is too long for a key",
      `zgossip\n    publish\n        a = 1\n        ${"k".repeat(256)} = 2\n`,
      "line 4, column 9: the key has 256 octets, the limit is 255"
    ],
    [
      "a key that is too long, in octets",
      `zgossip\n    tuple\n        value = 1\n        key = ${"é".repeat(128)}\n`,
      "line 4, column 9: the key has 256 octets, the limit is 255"
    ],
    [
      "a lifetime that is none",
      "zgossip\n    publish\n        a = 1\n            lifetime = 30s\n",
      "line 4, column 13: this is no lifetime, write lifetime = and milliseconds"
    ],
    [
      "more than all of it",
      "zgossip\n    tuple\n        key = a\n        lifetime = 1\n        remaining = 2\n",
      "line 5, column 9: this is no remaining, write remaining = and milliseconds, no more than its lifetime"
    ],
    ["a text that is no ZPL", "zgossip\n  tuple\n", "line 2, column 3: indented by 2 spaces, write 4 for each level"]
  ])("refuses %s", (_, text, message) => {
    assert.strictEqual(shown(text), message)
  })
})

describe("for all tuples", () => {
  it.prop(
    "what is written is read again, octet for octet and in order",
    [Arbitrary.array(arbitrary.tuple, { maxLength: 5 })],
    ([tuples]) => {
      const said = tuples.map((tuple) => ({ tuple }))
      assert.deepStrictEqual(read(Octets.toBytes(print(...said))), Result.succeed(said))
    }
  )

  it("20,000 of them are read again", () => {
    const tuples = Array.from({ length: 20_000 }, (_, index) =>
      tuple(index % 2 === 0 ? `key/${index}` : `key ${index}`, `a value, "${index}"`)
    )
    const again = Result.getOrThrow(read(print(...tuples)))
    assert.strictEqual(again.length, tuples.length)
    assert.deepStrictEqual(again.at(-1), tuples.at(-1))
  })
})
