import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result } from "effect"
import * as Octets from "../../src/protocol/Octets.ts"
import * as Zpl from "../../src/protocol/Zpl.ts"
import * as arbitrary from "./arbitraries.ts"
import { everyOctet } from "./arbitraries.ts"
import { accepted, deep, documents, files, isPlain, noPieces, pieces, refused, rows, strict } from "./zplFiles.ts"

const parse = (text: Octets.Input): Zpl.Document => Result.getOrThrow(Zpl.parse(text))

/** What {@link Zpl.print} gave, read again: it gives octets. */
const read = (octets: Octets.Octets): Zpl.Document => parse(Octets.toBytes(octets))

const reprint = (text: string): string => Octets.toText(Zpl.print(parse(text)))

describe("parse accepts", () => {
  it.each([...accepted, ...pieces])("%s", (_, text, expected) => {
    assert.deepStrictEqual(rows(parse(text)), expected)
    assert.deepStrictEqual(rows(parse(Buffer.from(text))), expected)
  })

  it("every level up to the last", () => {
    assert.strictEqual(rows(parse(deep(Zpl.maxLevels))).at(-1), "1000 a")
  })

  it("octets that are no UTF-8", () => {
    const octets = everyOctet.replace(/[\0\n"]/g, "")
    assert.deepStrictEqual(rows(read(`a = "${octets}"\n`)), [`1 a=${octets}`])
  })

  it("and says in which line each item was", () => {
    const [a, d] = parse("# x\na = 1\n\n    b\r\n    # y\n    c\nd").items
    assert.deepStrictEqual([a?.line, ...(a?.children ?? []).map(({ line }) => line), d?.line], [2, 4, 6, 7])
  })
})

describe("parse refuses", () => {
  it.each([...refused, ...noPieces, ...strict])("%s", (_, text, message) => {
    const result = Zpl.parse(text)
    assert.isTrue(Result.isFailure(result))
    if (Result.isFailure(result)) assert.strictEqual(result.failure.message, message)
  })

  it("with a column that counts what is no UTF-8", () => {
    const result = Zpl.parse(Octets.toBytes('a = "\xff\xfe" b'))
    assert.isTrue(Result.isFailure(result) && result.failure.column === 10)
  })
})

describe("print", () => {
  it.each<readonly [name: string, text: string]>([
    ["nothing", ""],
    ["blank lines", "\n\n"],
    ["a comment", "# a\n"],
    ["comments at every level and place", "# a\n\nb # c\n        # d\n    e#f\n    # g\nh\n    # i\n\n# j\n"],
    ["blanks before comments", "a\t # b\nc =  d  # e\nf = 'g'\t#\n"],
    ["spellings", "a=b\nc= d\ne  =  'f'\ng\t=\t\"h\"\ni =\nj = # k\nl =# m\n"],
    ["pieces", 'a = "it\'s" \'"b"\'  %0a%0A # c\n'],
    ["blank lines at the end", "a\n\n\n"],
    ["UTF-8", "# é\na = é # é\n"],
    ["the second of two names", "a = 1\na = '2'\n"]
  ])("keeps %s", (_, text) => {
    assert.strictEqual(reprint(text), text)
  })

  it.each<readonly [name: string, text: string, printed: string]>([
    ["CR", "a = b\r\n# c\r\n", "a = b\n# c\n"],
    ["trailing blanks", "a = b \t\v\f\n    \n# c  \n", "a = b\n\n# c\n"],
    ["no line end at the end", "a = b", "a = b\n"],
    ["blanks for a line end at the end", "a = b\n   ", "a = b\n"]
  ])("does not keep %s", (_, text, printed) => {
    assert.strictEqual(reprint(text), printed)
  })

  it.each<readonly [name: string, value: string | undefined, printed: string]>([
    ["no value", undefined, "a"],
    ["an empty one", "", 'a = ""'],
    ["text", "tcp://*:5670", 'a = "tcp://*:5670"'],
    ["what is written like a comment", "# b", 'a = "# b"'],
    ["blanks at the ends", " b\t", 'a = " b\t"'],
    ["apostrophes", "it's", 'a = "it\'s"'],
    ["quotes", 'say "b"', "a = 'say \"b\"'"],
    ["both, within", 'it\'s "b"', 'a = it\'s "b"'],
    ["both, and a hash", 'it\'s "b" # c', 'a = "it\'s " \'"b" # c\''],
    ["both, a quote first", '"b" it\'s', 'a = \'"b" it\' "\'s"'],
    ["both, a blank last", 'it\'s "b" ', 'a = "it\'s " \'"b" \''],
    ["NUL", "\0", 'a = "" %00'],
    ["line ends", "b\n\nc\n", 'a = "b" %0A %0A "c" %0A'],
    ["CR LF", "b\r\n", 'a = "b\r" %0A'],
    ["a line end, quotes of both kinds", "\n\"'", 'a = "" %0A \'"\' "\'"'],
    ["octets", "\xff\x80", 'a = "\xff\x80"']
  ])("spells %s", (_, value, printed) => {
    assert.strictEqual(Zpl.print(Zpl.document([Zpl.item("a", value)])), `${printed}\n`)
    assert.deepStrictEqual(read(`${printed}\n`).items[0]?.value, value)
  })

  it("indents", () => {
    const document = Zpl.document([Zpl.item("a", "1", [Zpl.item("b", undefined, [Zpl.item("c", "2")])]), Zpl.item("d")])
    assert.strictEqual(Zpl.print(document), 'a = "1"\n    b\n        c = "2"\nd\n')
  })
})

describe("put", () => {
  it.each<readonly [name: string, text: string, path: string, value: string, expected: string]>([
    ["into nothing", "", "a", "b", 'a = "b"\n'],
    ["deep into nothing", "", "a/b/c", "d", 'a\n    b\n        c = "d"\n'],
    ["with a slash in front", "", "/a/b", "c", 'a\n    b = "c"\n'],
    ["behind the siblings", "a\n    b = 1\nc\n", "a/d", "2", 'a\n    b = 1\n    d = "2"\nc\n'],
    [
      "behind the comments of the siblings",
      "a # b\n    # c\n    d # e\n# f\n",
      "a/g",
      "1",
      'a # b\n    # c\n    d # e\n    g = "1"\n# f\n'
    ],
    ["below a value", "a = 1 # b\n", "a/c", "2", 'a = 1 # b\n    c = "2"\n'],
    ["another value", "# a\nb  =  c # d\n    e\n", "b", "f", '# a\nb = "f" # d\n    e\n'],
    ["a value where there was none", "a # b\n    c\n", "a", "d", 'a = "d" # b\n    c\n'],
    ["a value with a comment glued to it", "a = b#c\n", "a", "d", 'a = "d"#c\n'],
    ["a value that looks like a comment", "a = # b\n", "a", "c", 'a = "c"\n'],
    ["a value in pieces", "a = 'b' %0A # c\n", "a", "d", 'a = "d" # c\n'],
    ["another that needs pieces", "a = b # c\n", "a", "\"'#", "a = '\"' \"'#\" # c\n"],
    ["the value it has", "a  =  'b' # c\n", "a", "b", "a  =  'b' # c\n"],
    ["an empty value where there was none", "a\n", "a", "", 'a = ""\n'],
    ["the first of repeated names", "a = 1\na = 2\n    b = 3\n", "a", "4", 'a = "4"\na = 2\n    b = 3\n'],
    ["below the first of repeated names", "a\na\n    b = 1\n", "a/b", "2", 'a\n    b = "2"\na\n    b = 1\n'],
    ["beside a name with a slash", "a/b = 1\n", "a/b", "2", 'a/b = 1\na\n    b = "2"\n']
  ])("%s", (_, text, path, value, expected) => {
    const document = Zpl.put(parse(text), path, value)
    assert.strictEqual(Zpl.print(document), expected)
    assert.strictEqual(Zpl.get(document, path)?.value, value)
  })

  it("leaves the document alone that it was given", () => {
    const document = parse("a = 1\n    b = 2\n")
    Zpl.put(Zpl.put(document, "a", "3"), "a/b", "4")
    assert.strictEqual(Zpl.print(document), "a = 1\n    b = 2\n")
  })

  it("reaches the last level", () => {
    const path = Array.from({ length: Zpl.maxLevels }, () => "a").join("/")
    assert.isTrue(Zpl.isPath(path))
    const document = Zpl.put(Zpl.empty, path, "b")
    assert.strictEqual(Zpl.get(read(Zpl.print(document)), path)?.value, "b")
  })
})

describe("get", () => {
  const document = parse("a = 1\n    b = 2\n        c = 3\na = 4\n    d = 5\ne/f = 6\ne\n    g/h = 7\n    f = 8\n")
  it.each<readonly [path: string, value: string | undefined]>([
    ["a", "1"],
    ["/a", "1"],
    ["a/b", "2"],
    ["/a/b/c", "3"],
    // only below the first a
    ["a/d", undefined],
    // the name with a slash is found by nobody
    ["e/f", "8"],
    ["e/g/h", undefined],
    ["b", undefined],
    ["A", undefined],
    ["", undefined],
    ["/", undefined],
    ["//a", undefined],
    ["a/", undefined],
    ["a//b", undefined],
    ["a/b/c/d", undefined]
  ])("%s", (path, value) => {
    assert.strictEqual(Zpl.get(document, path)?.value, value)
  })
})

describe("names and paths", () => {
  it.each<readonly [text: string, name: boolean, path: boolean]>([
    ["a", true, true],
    ["aZ09$-_@.&+", true, true],
    ["a/b", true, true],
    ["a//b", true, false],
    ["/a", false, true],
    ["//a", false, false],
    ["a/", false, false],
    ["", false, false],
    ["/", false, false],
    ["a b", false, false],
    ["a\n", false, false],
    ["é", false, false],
    ["\u00aa", false, false],
    ["a=b", false, false],
    ["a#", false, false],
    ["a".repeat(100_000), true, true],
    ["a/".repeat(999) + "a", true, true],
    ["a/".repeat(1000) + "a", true, false]
  ])("%#", (text, name, path) => {
    assert.strictEqual(Zpl.isName(text), name)
    assert.strictEqual(Zpl.isPath(text), path)
  })

  it("are those that parse takes", () => {
    for (const octet of everyOctet) {
      const name = `a${octet}a`
      const result = Zpl.parse(Octets.toBytes(`${name} = b`))
      const taken = Result.isSuccess(result) && rows(result.success)[0] === `1 ${name}=b`
      assert.strictEqual(taken, Zpl.isName(name), JSON.stringify(octet))
    }
  })
})

/** How many lines at one place are no longer there. */
const changed = (old: ReadonlyArray<string>, fresh: ReadonlyArray<string>): number => {
  const shorter = Math.min(old.length, fresh.length)
  let front = 0
  while (front < shorter && old[front] === fresh[front]) front += 1
  let back = 0
  while (back < shorter - front && old.at(-1 - back) === fresh.at(-1 - back)) back += 1
  return old.length - front - back
}

describe("for all documents", () => {
  it.prop(
    "what is printed is read again, with any octets in values",
    [documents],
    ([document]) => {
      assert.deepStrictEqual(rows(read(Zpl.print(document))), rows(document))
    },
    { arbitrary: { runs: 500 } }
  )

  it.prop(
    "a value is in pieces only where it has to be",
    [documents],
    ([{ items }]) => {
      for (const { name, value } of items) {
        const text = Zpl.print(Zpl.document([Zpl.item(name, value)]))
        const inPieces = /^[^=]*= ("[^"]*"|'[^']*')./.test(text)
        assert.strictEqual(inPieces, value !== undefined && !isPlain(value))
      }
    },
    { arbitrary: { runs: 300 } }
  )

  /** Total, and what was read once is read and written like that for ever. */
  const check = (octets: Octets.Octets): void => {
    const first = Zpl.parse(Octets.toBytes(octets))
    if (Result.isFailure(first)) {
      const { column, line } = first.failure
      assert.isAtLeast(column, 1)
      assert.isAtMost(column, (octets.split("\n")[line - 1] ?? "").length + 1)
      return
    }
    const printed = Zpl.print(first.success)
    const again = read(printed)
    assert.deepStrictEqual(again, first.success)
    assert.strictEqual(Zpl.print(again), printed)
    const trimmed = octets.split("\n").map((line) => line.replace(/[ \t\v\f\r]+$/, ""))
    if (trimmed.at(-1) === "") trimmed.pop()
    assert.strictEqual(printed, trimmed.map((line) => `${line}\n`).join(""))
  }

  it.prop("parse is total over octets", [arbitrary.octets(60)], ([octets]) => check(octets), {
    arbitrary: { runs: 300 }
  })

  it.prop("and over files, good and spoilt, and print is its inverse", [files], ([file]) => check(file), {
    arbitrary: { runs: 1000 }
  })

  it.prop(
    "put changes the value at its path and nothing else",
    [files, Arbitrary.array(arbitrary.oneOf("a", "b", "c"), { minLength: 1, maxLength: 3 }), arbitrary.octets(10)],
    ([file, names, value]) => {
      const result = Zpl.parse(Octets.toBytes(file))
      if (Result.isFailure(result)) return
      const path = names.join("/")
      const before = result.success
      const after = Zpl.put(before, path, value)
      assert.strictEqual(Zpl.get(after, path)?.value, value)
      assert.deepStrictEqual(rows(read(Zpl.print(after))), rows(after))
      const [old, fresh] = [before, after].map((document) => Zpl.print(document).split("\n"))
      assert.isAtMost(changed(old ?? [], fresh ?? []), 1)
    },
    { arbitrary: { runs: 300 } }
  )
})

/** They take a tenth of a second; in quadratic time it would be minutes, which the runner does not wait for. */
describe("large texts", () => {
  const mega = 2 ** 20
  const blanks = " ".repeat(mega)

  it.each<readonly [name: string, text: string]>([
    ["indentation", `${blanks}a`],
    ["a blank line", blanks],
    ["blanks behind a name", `a${blanks}b`],
    ["blanks behind the equals sign", `a =${blanks}b`],
    ["blanks in a value", `a = b${blanks}c`],
    ["blanks before a comment", `a = b${blanks}#`],
    ["blanks behind a comment", `a = b #${blanks}c`],
    ["blanks at the end", `a = b${blanks}`],
    ["tabs", `a = b${"\t".repeat(mega)}c`],
    ["a name", "a".repeat(mega)],
    ["slashes", "/".repeat(mega)],
    ["quotes", `a = ${'"'.repeat(mega)}`],
    ["quotes, the last one open", `a = ${'"'.repeat(mega + 1)}`],
    ["quotes of both kinds", `a = ${`"'"'"'`.repeat(mega / 6)}`],
    ["octets", `a = ""${" %41".repeat(mega / 4)}`],
    ["hashes", "#".repeat(mega)],
    ["what is no name", "é".repeat(mega / 2)]
  ])("a line of 1 MiB: %s", (_, text) => {
    const result = Zpl.parse(text)
    if (Result.isSuccess(result)) Zpl.print(result.success)
  })

  it.each<readonly [name: string, value: string]>([
    ["quotes of both kinds", `'"`.repeat(mega / 4)],
    ["line ends", "\n".repeat(mega / 2)],
    ["blanks", `'"${blanks.slice(mega / 2)}x`]
  ])("a value of 512 KiB: %s", (_, value) => {
    assert.isTrue(read(Zpl.print(Zpl.document([Zpl.item("a", value)]))).items[0]?.value === value)
  })

  it("100,000 items", () => {
    const text = Array.from({ length: 50_000 }, (_, index) => `a # b\n    key-${index} = "value ${index}"\n`).join("")
    assert.isTrue(Zpl.print(parse(text)) === text)
  })

  it("300,000 lines of comment, before an item and at the end", () => {
    const text = `${"# a\n".repeat(150_000)}b\n${"# c\n".repeat(150_000)}`
    assert.isTrue(Zpl.print(parse(text)) === text)
  })
})
