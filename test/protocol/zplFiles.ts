/** What the tests of ZPL read and write: texts made by hand with what is in them, and random ones. */
import { Arbitrary } from "effect"
import * as Zpl from "../../src/protocol/Zpl.ts"
import { integer, octets, oneOf } from "./arbitraries.ts"

/** `LEVEL NAME` or `LEVEL NAME=VALUE`, the top being level 1. */
export type Row = string

/** All that a document says, its layout aside. */
export const rows = ({ items }: Pick<Zpl.Document, "items">, level = 1): ReadonlyArray<Row> =>
  items.flatMap(({ children, name, value }) => [
    value === undefined ? `${level} ${name}` : `${level} ${name}=${value}`,
    ...rows({ items: children }, level + 1)
  ])

/** Levels of items with nothing beside them. */
export const deep = (levels: number): string =>
  Array.from({ length: levels }, (_, level) => `${" ".repeat(4 * level)}a\n`).join("")

// ---------------------------------------------------------------------------------------------------------------------
// By hand

/** CZMQ reads the same, but that it has no names without a value. */
export const accepted: ReadonlyArray<readonly [name: string, text: string, rows: ReadonlyArray<Row>]> = [
  ["nothing", "", []],
  ["a line end", "\n", []],
  ["blank lines", "\n\n   \t \r\n    \n", []],
  ["a name", "a\n", ["1 a"]],
  ["no line end at the end", "a = b", ["1 a=b"]],
  ["every character of names", "aZ09$-_@.&+/x = b\n", ["1 aZ09$-_@.&+/x=b"]],
  ["names of one character", "0\n$\n-\n_\n@\n.\n&\n+\n", ["1 0", "1 $", "1 -", "1 _", "1 @", "1 .", "1 &", "1 +"]],
  ["slashes in a name", "a/b//c = d\n", ["1 a/b//c=d"]],
  ["a long name", `${"n".repeat(2000)} = b\n`, [`1 ${"n".repeat(2000)}=b`]],

  ["no blanks", "a=b\n", ["1 a=b"]],
  ["blanks around the equals sign", "a \t\v\f\r = \t\v\f\r b\n", ["1 a=b"]],
  ["nothing behind the equals sign", "a=\nb =\nc = \n", ["1 a=", "1 b=", "1 c="]],
  ["equals signs in a value", "a = = b=c =\n", ["1 a== b=c ="]],
  ["blanks in a value", "a = b  c\t\v\f\rd \t\v\f\r\n", ["1 a=b  c\t\v\f\rd"]],
  [
    "any octets in a value",
    "a = é\u{1f600}\u0001\u007f\u0080\u00a0\n",
    ["1 a=Ã©ð\u009f\u0098\u0080\u0001\u007fÂ\u0080Â\u00a0"]
  ],
  ["slashes and percent signs in a value", "a = /%41%0A\n", ["1 a=/%41%0A"]],
  ["a long value", `a = ${"v".repeat(1024)}${"w".repeat(5000)}\n`, [`1 a=${"v".repeat(1024)}${"w".repeat(5000)}`]],
  ["a line of 1024 octets", `a = ${"v".repeat(1020)}\nb\n`, [`1 a=${"v".repeat(1020)}`, "1 b"]],
  ["a line of 1025 octets", `a = ${"v".repeat(1021)}\nb\n`, [`1 a=${"v".repeat(1021)}`, "1 b"]],

  ["levels", "a\n    b\n        c\n    d\ne\n", ["1 a", "2 b", "3 c", "2 d", "1 e"]],
  [
    "back by several levels",
    "a\n    b\n        c\n            d\ne\n    f\n",
    ["1 a", "2 b", "3 c", "4 d", "1 e", "2 f"]
  ],
  ["children of a name with a value", "a = b\n    c = d\n", ["1 a=b", "2 c=d"]],
  ["children behind a blank line and a comment", "a\n\n# c\n        # d\n    b\n", ["1 a", "2 b"]],
  ["repeated names", "a = 1\na = 2\n    b\n    b\n", ["1 a=1", "1 a=2", "2 b", "2 b"]],
  ["CR LF", "a = b\r\n    c = d\r\n\r\n# e\r\n", ["1 a=b", "2 c=d"]],
  ["CR alone ends no line", "a = b\rc = d\r", ["1 a=b\rc = d"]],

  ["comments", "# a\n#b\n    # c\n  \t\n#\n", []],
  ["a comment deeper than anything", "                # a\n", []],
  ["a comment behind a tab", "\t# a\n    \t # b\n", []],
  ["a comment behind a name", "a # b\nc#d\n", ["1 a", "1 c"]],
  ["a comment behind a value", "a = b # c # d\n", ["1 a=b"]],
  ["a comment glued to a value", "a = tcp://x#y\n", ["1 a=tcp://x"]],
  ["a comment glued to the equals sign", "a =# b\nc=#\n", ["1 a=", "1 c="]],
  ["a comment behind the equals sign and a blank is none", "a = # b\nc =\t#d # e\n", ["1 a=# b", "1 c=#d # e"]],
  ["a comment with quotes", "# it's \"\na # it's \"\n", ["1 a"]],

  ["quotes", "a = \"b\"\nc = 'd'\n", ["1 a=b", "1 c=d"]],
  ["nothing in quotes", "a = \"\"\nb=''\n", ["1 a=", "1 b="]],
  ["the other quotes in quotes", 'a = "it\'s"\nb = \'say "x"\'\n', ["1 a=it's", '1 b=say "x"']],
  ["hash, blanks, equals sign in quotes", 'a = " # =\t"\n', ["1 a= # =\t"]],
  ["a backslash in quotes", 'a = "\\"\nb = "\\n"\n', ["1 a=\\", "1 b=\\n"]],
  ["a comment behind quotes", "a = \"b\" # c\nd = 'e'#f\n", ["1 a=b", "1 d=e"]],
  ["blanks behind quotes", 'a = "b" \t\v\f\r\n', ["1 a=b"]],
  ["quotes within a value", 'a = it\'s "b"\nc = d"\n', ['1 a=it\'s "b"', '1 c=d"']]
]

/** CZMQ refuses them as well. */
export const refused: ReadonlyArray<readonly [name: string, text: string, message: string]> = [
  ["1 space", " a\n", "line 1, column 2: indented by 1 spaces, write 4 for each level"],
  ["2 spaces", "a\n  b\n", "line 2, column 3: indented by 2 spaces, write 4 for each level"],
  ["3 spaces", "a\n   b\n", "line 2, column 4: indented by 3 spaces, write 4 for each level"],
  ["5 spaces", "a\n     b\n", "line 2, column 6: indented by 5 spaces, write 4 for each level"],
  ["3 spaces before a comment", "a\n   # b\n", "line 2, column 4: indented by 3 spaces, write 4 for each level"],
  ["2 spaces and a tab", "a\n  \tb\n", "line 2, column 3: indented by 2 spaces, write 4 for each level"],
  ["a tab", "a\n\tb\n", "line 2, column 1: a tab, write 4 spaces for each level"],
  ["4 spaces and a tab", "a\n    \tb\n", "line 2, column 5: a tab, write 4 spaces for each level"],
  [
    "a first line with a level",
    "    a\n",
    "line 1, column 5: indented by 4 spaces, where at most 0 have a name above them"
  ],
  [
    "a level left out",
    "a\n        b\n",
    "line 2, column 9: indented by 8 spaces, where at most 4 have a name above them"
  ],
  [
    "a level left out behind another name",
    "a\n    b\nc\n        d\n",
    "line 4, column 9: indented by 8 spaces, where at most 4 have a name above them"
  ],

  ["no name", "= b\n", 'line 1, column 1: a name was expected, of letters, digits and $-_@.&+/, not "= b"'],
  [
    "a bad first character",
    "a\n    !b\n",
    'line 2, column 5: a name was expected, of letters, digits and $-_@.&+/, not "!b"'
  ],
  [
    "a letter that is none",
    "é = b\n",
    'line 1, column 1: a name was expected, of letters, digits and $-_@.&+/, not "é = b"'
  ],
  ["a bad character in a name", "ab!c = d\n", 'line 1, column 3: = or the end of the line was expected, not "!c = d"'],
  ["two names", "a b\n", 'line 1, column 3: = or the end of the line was expected, not "b"'],
  ["a name and quotes", 'a "b"\n', String.raw`line 1, column 3: = or the end of the line was expected, not "\"b\""`],
  ["a slash", "/\n", "line 1, column 1: a name does not begin with /"],
  ["a slash first", "a\n    /b = c\n", "line 2, column 5: a name does not begin with /"],
  ["a slash last", "a\n    b/ = c\n", "line 2, column 6: a name does not end with /"],
  ["a byte order mark", "\ufeffa\n", "line 1, column 1: a byte order mark, save the file without one"],

  ["a quote that is not closed", 'a = "b\nc = "d"\n', 'line 1, column 5: the " is not closed'],
  ["an apostrophe that is not closed", "a\n    b = 'c\"\n", "line 2, column 9: the ' is not closed"],
  ["one quote", 'a ="\n', 'line 1, column 4: the " is not closed'],
  ["text behind quotes", 'a = "b" c\n', 'line 1, column 9: a comment or the end of the line was expected, not "c"'],
  ["text glued to quotes", "a = 'b'c\n", 'line 1, column 8: a comment or the end of the line was expected, not "c"'],
  [
    "what CZMQ makes of a quote",
    'a = "it"s"\n',
    String.raw`line 1, column 9: a comment or the end of the line was expected, not "s\""`
  ],

  [
    "a column behind UTF-8",
    'a = "é€\u{1f600}" b\n',
    'line 1, column 11: a comment or the end of the line was expected, not "b"'
  ],
  ["a column behind tabs", "a\t=\t'\n", "line 1, column 5: the ' is not closed"],
  ["a line behind CR LF", "a\r\n\r\n  b\r\n", "line 3, column 3: indented by 2 spaces, write 4 for each level"],
  ["the last line, without its end", "a\n\n/", "line 3, column 1: a name does not begin with /"],
  ["the first of two", "a b\n/c\n", 'line 1, column 3: = or the end of the line was expected, not "b"'],
  [
    "a long rest is cut between characters",
    `a ${"\u{1f600}".repeat(31)}\n`,
    `line 1, column 3: = or the end of the line was expected, not "${"\u{1f600}".repeat(30)}..."`
  ],
  [
    "a rest that is no text is shown",
    "a \u001b[2J\n",
    String.raw`line 1, column 3: = or the end of the line was expected, not "\u001b[2J"`
  ]
]

/** Values in pieces: CZMQ refuses them. */
export const pieces: ReadonlyArray<readonly [name: string, text: string, rows: ReadonlyArray<Row>]> = [
  ["two quoted texts", 'a = "it\'s # " \'"b"\'\n', ['1 a=it\'s # "b"']],
  ["without blanks between", 'a = "b"\'c\'""\n', ["1 a=bc"]],
  ["blanks between count for nothing", "a = 'b' \t 'c'\n", ["1 a=bc"]],
  ["octets", 'a = "" %00 %0A%ff "b" %Fe\n', ["1 a=\0\n\xffb\xfe"]],
  ["a comment behind them", "a = 'b' %63# d\n", ["1 a=bc"]],
  ["a percent sign in quotes is one", "a = '%41' %41\n", ["1 a=%41A"]]
]

/** Pieces that are none. CZMQ refuses them as well. */
export const noPieces: typeof refused = [
  ["one digit", 'a = "" %1\n', 'line 1, column 8: a comment or the end of the line was expected, not "%1"'],
  ["no digits", 'a = "" %4G\n', 'line 1, column 8: a comment or the end of the line was expected, not "%4G"'],
  ["a blank in it", 'a = "" %4 1\n', 'line 1, column 8: a comment or the end of the line was expected, not "%4 1"'],
  ["a second piece not closed", "a = 'b' \"c\n", 'line 1, column 9: the " is not closed'],
  [
    "text behind the second",
    "a = 'b' 'c' d\n",
    'line 1, column 13: a comment or the end of the line was expected, not "d"'
  ]
]

/** Refused here, taken by CZMQ. */
export const strict: typeof refused = [
  ["an octet 0", "a = b\0c\n", "line 1, column 6: an octet 0, this is no text"],
  ["an octet 0 in quotes", 'a = b\nc = "é" # \0\n', "line 2, column 11: an octet 0, this is no text"],
  ["an octet 0 in a comment", "a\n#\0\n", "line 2, column 2: an octet 0, this is no text"],
  ["an octet 0 in a blank line", "a\n\0", "line 2, column 1: an octet 0, this is no text"],
  ["too many levels", deep(1001), "line 1001, column 4001: there are more than 1000 levels"]
]

// ---------------------------------------------------------------------------------------------------------------------
// At random

/** A random one of these; what stands there twice comes twice as often. */
const pick = <A>(...all: ReadonlyArray<A>): Arbitrary.Arbitrary<A> =>
  integer(0, all.length - 1).pipe(Arbitrary.map((index) => all[index] as A))

const names = pick("a", "b", "server", "a/b", "x.y", "$-_@.&+", "0")

/** Values that the language can say, and CZMQ reads. */
export const isPlain = (value: string): boolean =>
  !/[\0\n]/.test(value) && !(value.includes('"') && value.includes("'") && /^[ \t\v\f\r"']|#|[ \t\v\f\r]$/.test(value))

const fragments = pick(
  "x",
  "it",
  "=",
  "#",
  '"',
  "'",
  " ",
  "  ",
  "\t",
  "\r",
  "\n",
  "\0",
  "%0A",
  "\xff",
  "\xa0",
  "é",
  "/",
  "\v"
)

const values: Arbitrary.Arbitrary<string | undefined> = pick("octets", "fragments", "none").pipe(
  Arbitrary.flatMap((kind): Arbitrary.Arbitrary<string | undefined> => {
    if (kind === "octets") return octets(20)
    if (kind === "none") return Arbitrary.Constant(undefined)
    return Arbitrary.array(fragments, { maxLength: 8 }).pipe(Arbitrary.map((all) => all.join("")))
  })
)

const items = (levels: number): Arbitrary.Arbitrary<ReadonlyArray<Zpl.Item>> =>
  Arbitrary.array(
    Arbitrary.all([names, values, levels > 1 ? items(levels - 1) : Arbitrary.Constant([])]).pipe(
      Arbitrary.map(([name, value, children]) => Zpl.item(name, value, children))
    ),
    { maxLength: 3 }
  )

/** Trees with any octets in their values. */
export const documents: Arbitrary.Arbitrary<Zpl.Document> = items(3).pipe(Arbitrary.map(Zpl.document))

const line = Arbitrary.all([
  pick("", "", "", "    ", "    ", "        ", "  ", "\t"),
  pick("a", "a", "b", "a/b", "", "/"),
  pick("", "", " = ", " = ", "=", " =", ' = "x" ', " = 'x'", " "),
  Arbitrary.array(pick("x", "é", " ", "\t", "\r", "\v", "=", "#", " # ", '"', "'", "%41", "\xff"), { maxLength: 4 }),
  pick("\n", "\n", "\n", "\r\n", "\n\n", "\n# c\n")
]).pipe(Arbitrary.map(([indent, name, equals, rest, end]) => `${indent}${name}${equals}${rest.join("")}${end}`))

/** Octets that look like ZPL; about every second one is. */
const likely = Arbitrary.array(line, { maxLength: 4 }).pipe(Arbitrary.map((lines) => lines.join("")))

/** A file that was printed, with some octets overwritten or inserted. */
const spoilt = Arbitrary.all([
  documents,
  Arbitrary.array(
    Arbitrary.all([
      oneOf("overwrite", "insert", "cut"),
      integer(0, 300),
      pick(" ", "    ", "\n", "#", '"', "'", "=", "\t", "/", "a", "\xff")
    ]),
    { maxLength: 3 }
  )
]).pipe(
  Arbitrary.map(([document, changes]) =>
    changes.reduce((text, [how, where, octet]) => {
      const at = text.length === 0 ? 0 : where % text.length
      if (how === "cut") return text.slice(0, at) + text.slice(at + 1)
      return text.slice(0, at) + octet + text.slice(how === "insert" ? at : at + 1)
    }, Zpl.print(document))
  )
)

/** Octets of files, right and wrong ones. */
export const files: Arbitrary.Arbitrary<string> = pick(likely, likely, spoilt).pipe(Arbitrary.flatMap((file) => file))
