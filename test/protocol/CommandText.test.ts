import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result } from "effect"
import * as CommandText from "../../src/protocol/CommandText.ts"
import * as arbitrary from "./arbitraries.ts"

const parse = (line: string): ReadonlyArray<string> | string => {
  const fields = CommandText.parseLine(line)
  return Result.isSuccess(fields) ? fields.success : fields.failure.message
}

const bytes = (text: string) => Buffer.from(text, "latin1")

/** At least one string: a message has a first one. */
const message = Arbitrary.all([arbitrary.octets(20), Arbitrary.array(arbitrary.octets(300), { maxLength: 4 })]).pipe(
  Arbitrary.map(([first, rest]) => [`A${first}`, ...rest])
)

describe("lines", () => {
  it.each<readonly [line: string, fields: ReadonlyArray<string>]>([
    ["PORT", ["PORT"]],
    ["BIND tcp://127.0.0.1:*", ["BIND", "tcp://127.0.0.1:*"]],
    ["PUBLISH key value", ["PUBLISH", "key", "value"]],
    ["PUBLISH key ", ["PUBLISH", "key", ""]],
    ["PUBLISH  value", ["PUBLISH", "", "value"]],
    ["PUBLISH  ", ["PUBLISH", "", ""]],
    [" PORT", ["", "PORT"]],
    [" ", ["", ""]],
    ["PORT\r", ["PORT"]],
    ["PUBLISH key \r", ["PUBLISH", "key", ""]],
    ["PUBLISH key a\r\r", ["PUBLISH", "key", "a\r"]],
    ["PUBLISH key %0D\r", ["PUBLISH", "key", "\r"]],
    ["PUBLISH key %00%0a%0A%20%25%fF", ["PUBLISH", "key", "\u0000\n\n %\u00ff"]],
    ["PUBLISH %2525 %250", ["PUBLISH", "%25", "%0"]],
    ["%50ORT", ["PORT"]],
    // What is no blank, line feed or % stands for itself
    ["PUBLISH a\tb\u0000 \u00c3\u00a9\u007f\u00ff", ["PUBLISH", "a\tb\u0000", "\u00c3\u00a9\u007f\u00ff"]],
    ["", []],
    ["\r", []],
    ["#", []],
    ["# PUBLISH 100% nothing", []],
    ["%23 a", ["#", "a"]],
    [" # a", ["", "#", "a"]]
  ])("%j is read", (line, fields) => {
    assert.deepStrictEqual(parse(line), fields)
  })

  it.each<readonly [line: string, position: number]>([
    ["PUBLISH key 100%", 16],
    ["PUBLISH key %0", 13],
    ["PUBLISH key %0 0", 13],
    ["PUBLISH key %%", 13],
    ["PUBLISH key %25%", 16],
    ["PUBLISH %x0 a", 9],
    ["PUBLISH key % 20", 13],
    ["PUBLISH key %+1", 13],
    ["PUBLISH key %0\r", 13],
    ["%", 1]
  ])("%j is refused", (line, position) => {
    const detail = `the % at position ${position} needs two hexadecimal digits behind it; a % is written %25`
    assert.strictEqual(parse(line), detail)
  })

  it.each<readonly [fields: ReadonlyArray<string>, line: string]>([
    [["PORT", "-1"], "PORT -1"],
    [["DELIVER", "", ""], "DELIVER  "],
    [["DELIVER", "key", "hello world"], "DELIVER key hello%20world"],
    [["DELIVER", "100%", "!~"], "DELIVER 100%25 !~"],
    [["DELIVER", "\u00c3\u00a9", "\u0000\t\r\n\u001b\u007f\u00ff"], "DELIVER %C3%A9 %00%09%0D%0A%1B%7F%FF"]
  ])("%j is written", (fields, line) => {
    assert.strictEqual(CommandText.formatLine(fields), line)
  })

  it("each octet but the printable ones and % has an escape", () => {
    const plain = arbitrary.everyOctet.replaceAll(/[^!-~]|%/g, "")
    assert.strictEqual(CommandText.formatLine([plain]), plain)
    assert.strictEqual(CommandText.formatLine([arbitrary.everyOctet]).length, 93 + 3 * (256 - 93))
    assert.deepStrictEqual(parse(`X ${CommandText.formatLine([arbitrary.everyOctet])}`), ["X", arbitrary.everyOctet])
  })

  it.prop("what was written is read, and is printable", [message], ([fields]) => {
    const line = CommandText.formatLine(fields)
    assert.match(line, /^[ -~]*$/)
    assert.deepStrictEqual(parse(line), fields)
    assert.deepStrictEqual(parse(`${line}\r`), fields)
    assert.deepStrictEqual(parse(line.replaceAll(/%../g, (hex) => hex.toLowerCase())), fields)
  })

  it.prop("any line has an answer", [arbitrary.octets(60)], ([line]) => {
    const fields = parse(line)
    if (typeof fields !== "string") assert.isTrue(fields.every((field) => !/[^\u0000-\u00ff]/.test(field)))
  })

  it("a long value comes in pieces", () => {
    const value = "\u0000".repeat(3 << 20)
    const pieces = Array.from(CommandText.formatPieces(["DELIVER", "key", `${value}!`]))
    assert.isTrue(pieces.every((piece) => piece.length <= (3 << 20) + 1))
    const line = pieces.join("")
    assert.strictEqual(line, `DELIVER key ${"%00".repeat(3 << 20)}!`)
    assert.isTrue(parse(line)[2] === `${value}!`)
  })
})

describe("LineReader", () => {
  const read = (chunks: ReadonlyArray<string>, limit?: number): ReadonlyArray<string | undefined> => {
    const reader = new CommandText.LineReader(limit)
    return [...chunks.flatMap((chunk) => [...reader.read(bytes(chunk))]), ...reader.end()]
  }

  it.each<readonly [chunks: ReadonlyArray<string>, lines: ReadonlyArray<string | undefined>]>([
    [[], []],
    [[""], []],
    [["\n"], [""]],
    [["a"], ["a"]],
    [["a\n"], ["a"]],
    [["a\nb"], ["a", "b"]],
    [
      ["a", "", "b\n\nc", "\n"],
      ["ab", "", "c"]
    ],
    [["a\r\nb\r"], ["a\r", "b\r"]],
    [["\u00ff\u0000\n"], ["\u00ff\u0000"]],
    // The limit here is 4
    [["1234\n1234\n"], ["1234", "1234"]],
    [["12345\n1\n"], [undefined, "1"]],
    [
      ["12", "34", "5", "6\n", "1"],
      [undefined, "1"]
    ],
    [["123456"], [undefined]],
    [
      ["12345", "\n\n"],
      [undefined, ""]
    ]
  ])("%j", (chunks, lines) => {
    assert.deepStrictEqual(read(chunks, 4), lines)
  })

  it.prop("chunks make no difference", [Arbitrary.array(arbitrary.octets(12), { maxLength: 20 })], ([chunks]) => {
    const text = chunks.join("")
    const expected = text.split("\n")
    if (expected.at(-1) === "") expected.pop()
    assert.deepStrictEqual(read(chunks), expected)
  })
})
