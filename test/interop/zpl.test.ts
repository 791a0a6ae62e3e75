/**
 * ZPL as CZMQ has it: files of one read by the other, and its parser beside ours. What differs, and only that, stands in
 * the head of src/protocol/Zpl.ts.
 */
import { assert, it } from "@effect/vitest"
import { Arbitrary, Effect, Result, type Scope } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Octets from "../../src/protocol/Octets.ts"
import * as Zpl from "../../src/protocol/Zpl.ts"
import { everyOctet } from "../protocol/arbitraries.ts"
import {
  accepted,
  deep,
  documents,
  files,
  isPlain,
  noPieces,
  pieces,
  refused,
  type Row,
  rows,
  strict
} from "../protocol/zplFiles.ts"
import { Czmq, type CzmqError, type CzmqNode } from "./Czmq.ts"
import { describeCzmq } from "./describeCzmq.ts"
import { logged, place, temporaryDirectory } from "./OurNode.ts"
import { rawDealer, Wire } from "./RawPeer.ts"

interface Bench {
  readonly czmq: Czmq
  /** What CZMQ makes of these octets; undefined where it refuses them. */
  readonly load: (octets: Octets.Octets) => Effect.Effect<ReadonlyArray<Row> | undefined, CzmqError>
  /** A file of this name, for both. */
  readonly path: (name: string) => string
}

const bench: Effect.Effect<Bench, CzmqError, Scope.Scope> = Effect.gen(function* () {
  const czmq = yield* Czmq.make
  const directory = yield* temporaryDirectory
  const path = (name: string) => join(directory, name)
  const load = (octets: Octets.Octets) =>
    Effect.suspend(() => {
      writeFileSync(path("loaded"), octets, "latin1")
      return Effect.map(czmq.zconfigLoad(path("loaded")), (items) =>
        items?.map(({ level, name, value }) => `${level} ${name}=${value}`)
      )
    })
  return { czmq, load, path }
})

const read = (octets: Octets.Octets) => Zpl.parse(Octets.toBytes(octets))

const readFile = (file: string): Zpl.Document => Result.getOrThrow(Zpl.parse(readFileSync(file)))

/** CZMQ has no names without a value. */
const asCzmq = (document: Zpl.Document): ReadonlyArray<Row> =>
  rows(document).map((row) => (row.includes("=") ? row : `${row}=`))

const hasPieces = (items: ReadonlyArray<Zpl.Item>): boolean =>
  items.some(
    ({ children, spelling = "" }) => /^[^=]*=[ \t\v\f\r]*("[^"]*"|'[^']*')[^]/.test(spelling) || hasPieces(children)
  )

/** A property whose check asks CZMQ. An assertion that fails becomes a failure: defects are not shrunk. */
const forAll = <A>(inputs: Arbitrary.Arbitrary<A>, runs: number, check: (input: A) => Effect.Effect<void, CzmqError>) =>
  Effect.gen(function* () {
    const property = (input: A) => Effect.as(Effect.catchDefect(check(input), Effect.fail), true)
    assert.isUndefined(Arbitrary.formatCheckFailure(yield* Arbitrary.checkEffect(inputs, property, { runs })))
  })

/** Waits until the actor has done what it was told. */
const settled = (node: CzmqNode) => node.status

describeCzmq("ZPL beside CZMQ", () => {
  it.live("files made by hand are read alike", () =>
    Effect.gen(function* () {
      const { load } = yield* bench
      for (const [name, text] of accepted) {
        assert.deepStrictEqual(yield* load(Octets.from(text)), asCzmq(Result.getOrThrow(Zpl.parse(text))), name)
      }
      for (const [name, text] of [...refused, ...noPieces]) {
        assert.isUndefined(yield* load(Octets.from(text)), name)
      }
    })
  )

  it.live("the known differences are those", () =>
    Effect.gen(function* () {
      const { czmq, load } = yield* bench
      for (const [name, text] of pieces) {
        assert.isUndefined(yield* load(Octets.from(text)), name)
      }
      yield* logged(czmq, "invalid syntax")
      for (const [name, text] of strict) {
        assert.isDefined(yield* load(Octets.from(text)), name)
      }
      assert.deepStrictEqual(yield* load("a = b\0c\n    \0\n"), ["1 a=b"])
      assert.strictEqual((yield* load(deep(Zpl.maxLevels + 1)))?.at(-1), "1001 a=")
    })
  )

  it.live("random files are read alike, or refused by both", () =>
    Effect.gen(function* () {
      const { load } = yield* bench
      const seen = { accepted: 0, refused: 0, pieces: 0 }
      const agrees = (octets: Octets.Octets) =>
        Effect.map(load(octets), (theirs) => {
          const ours = read(octets)
          if (Result.isFailure(ours)) {
            seen.refused += 1
            return assert.isUndefined(theirs, ours.failure.message)
          }
          if (hasPieces(ours.success.items)) {
            seen.pieces += 1
            return assert.isUndefined(theirs, "pieces")
          }
          seen.accepted += 1
          assert.deepStrictEqual(theirs, asCzmq(ours.success))
        })
      yield* forAll(files, 1000, agrees)
      // Enough of each kind to mean something
      assert.isAtLeast(Math.min(seen.accepted, seen.refused), 100, JSON.stringify(seen))
    })
  )

  it.live("what we print is read alike, but that CZMQ refuses values in pieces", () =>
    Effect.gen(function* () {
      const { load } = yield* bench
      const values = (items: ReadonlyArray<Zpl.Item>): ReadonlyArray<string> =>
        items.flatMap(({ children, value = "" }) => [value, ...values(children)])
      const check = (document: Zpl.Document) =>
        Effect.map(load(Zpl.print(document)), (theirs) => {
          const expected = values(document.items).every(isPlain) ? asCzmq(document) : undefined
          assert.deepStrictEqual(theirs, expected)
        })
      yield* forAll(documents, 500, check)
    })
  )

  it.live("each octet in a value, alone, at its ends and within", () =>
    Effect.gen(function* () {
      const { load } = yield* bench
      const plain = Array.from(everyOctet).filter((octet) => octet !== "\0" && octet !== "\n")
      const items = plain.flatMap((octet) =>
        [octet, `${octet}a`, `a${octet}`, `a${octet}b`, `'"${octet}'"`, `a'"${octet}a`]
          .filter(isPlain)
          .map((value) => Zpl.item("a", value))
      )
      assert.isAbove(items.length, 5 * 250)
      assert.deepStrictEqual(yield* load(Zpl.print(Zpl.document(items))), rows({ items }))
    })
  )

  it.live("a value of 256 KiB", () =>
    Effect.gen(function* () {
      const { load } = yield* bench
      const value = everyOctet.replace(/[\0\n"]/g, "x").repeat(1024)
      const [theirs] = (yield* load(Zpl.print(Zpl.document([Zpl.item("a", value)])))) ?? []
      assert.isTrue(theirs === `1 a=${value}`)
    })
  )

  it.live("what zconfig_save makes of our file is the same to us", () =>
    Effect.gen(function* () {
      const { czmq, path } = yield* bench
      const text =
        "# a comment\nserver\n    timeout = 10000 # ms\nzgossip\n    bind\n        endpoint = tcp://*:5670\n" +
        "    bind\n        endpoint = 'ipc:///tmp/it is'\n    echo = \"it's # \xff\xe9\x80\"\n# the end\n"
      writeFileSync(path("ours"), text, "latin1")
      yield* czmq.zconfigSave(path("ours"), path("theirs"))
      const saved = readFileSync(path("theirs"), "latin1")
      assert.strictEqual(
        saved,
        '# a comment\n# the end\n\nserver = ""\n    timeout = "10000"\nzgossip = ""\n    bind = ""\n' +
          '        endpoint = "tcp://*:5670"\n    bind = ""\n        endpoint = "ipc:///tmp/it is"\n' +
          '    echo = "it\'s # \xff\xe9\x80"\n'
      )
      assert.deepStrictEqual(rows(readFile(path("theirs"))), asCzmq(Result.getOrThrow(read(text))))
      assert.strictEqual(Zpl.print(readFile(path("theirs"))), saved, "and is kept as it is")
    })
  )

  it.live("what zconfig_save makes of any file it can write is the same to us", () =>
    Effect.gen(function* () {
      const { czmq, load, path } = yield* bench
      let compared = 0
      const check = (octets: Octets.Octets) =>
        Effect.gen(function* () {
          const theirs = yield* load(octets)
          // It writes values in quotes, whatever they hold.
          if (theirs === undefined || theirs.some((row) => row.includes('"'))) return
          yield* czmq.zconfigSave(path("loaded"), path("saved"))
          assert.deepStrictEqual(rows(readFile(path("saved"))), theirs)
          compared += 1
        })
      yield* forAll(files, 300, check)
      assert.isAtLeast(compared, 50)
    })
  )
})

describeCzmq("the configuration of a CZMQ zgossip", () => {
  it.live("SAVE is read here", () =>
    Effect.gen(function* () {
      const { czmq, path } = yield* bench
      const node = yield* czmq.node("a")
      const values = ["", "x", "it's", " # ", "é", "= b", "%41", "\t"]
      yield* node.set("server/timeout", 5000)
      yield* node.set("/zgossip/bind/endpoint", "tcp://*:5670")
      for (const [index, value] of values.entries()) yield* node.set(`zgossip/values/v${index}`, value)
      yield* node.set("server/timeout", 6000)
      yield* node.send("SAVE", path("saved"))
      yield* settled(node)
      const document = readFile(path("saved"))
      assert.deepStrictEqual(rows(document), [
        ...["1 server", "2 timeout=6000", "1 zgossip", "2 bind", "3 endpoint=tcp://*:5670", "2 values"],
        ...values.map((value, index) => `3 v${index}=${Octets.from(value)}`)
      ])
      assert.strictEqual(Zpl.get(document, "server/timeout")?.value, "6000")
    })
  )

  it.live("SAVE of a value with quotes is refused by both, where it stands", () =>
    Effect.gen(function* () {
      const { czmq, path } = yield* bench
      const node = yield* czmq.node("a")
      yield* node.set("server/timeout", 5000)
      yield* node.set("zgossip/echo", 'say "x" twice')
      yield* node.send("SAVE", path("saved"))
      yield* settled(node)
      assert.isUndefined(yield* czmq.zconfigLoad(path("saved")))
      const ours = Zpl.parse(readFileSync(path("saved")))
      assert.isTrue(Result.isFailure(ours))
      if (Result.isFailure(ours)) {
        assert.strictEqual(
          ours.failure.message,
          String.raw`line 4, column 18: a comment or the end of the line was expected, not "x\" twice\""`
        )
      }
    })
  )

  it.live("CONFIGURE, and LOAD as it was called, take a file of ours", () =>
    Effect.gen(function* () {
      const { czmq, path } = yield* bench
      for (const command of ["CONFIGURE", "LOAD"]) {
        const endpoint = yield* place("ipc")
        const settings = {
          "server/timeout": "1234",
          "zgossip/bind/endpoint": endpoint,
          "zgossip/echo": 'it\'s a "test"'
        }
        let document = Zpl.empty
        for (const [setting, value] of Object.entries(settings)) document = Zpl.put(document, setting, value)
        writeFileSync(path("ours"), Zpl.print(document), "latin1")
        const node = yield* czmq.node(command)
        yield* node.send(command, path("ours"))
        const client = yield* rawDealer(endpoint)
        yield* client.send(Wire.HELLO)
        assert.deepStrictEqual(yield* client.untilPong(), [])
        yield* node.send("SAVE", path(command))
        yield* settled(node)
        // Its SAVE cannot write this echo so that anybody could read it.
        const saved = readFileSync(path(command), "latin1").replace(/^ +echo = .*\n/m, "")
        assert.deepStrictEqual(
          rows(Result.getOrThrow(read(saved))),
          asCzmq(document).filter((row) => !row.includes("echo"))
        )
      }
      yield* logged(czmq, 'it\'s a "test"')
    })
  )

  it.live("CONFIGURE refuses a file with a value in pieces, says why, and stays alive", () =>
    Effect.gen(function* () {
      const { czmq, path } = yield* bench
      const node = yield* czmq.node("a")
      const value = 'it\'s "x" # y'
      writeFileSync(path("ours"), Zpl.print(Zpl.put(Zpl.empty, "zgossip/echo", value)), "latin1")
      assert.strictEqual(Zpl.get(readFile(path("ours")), "zgossip/echo")?.value, value)
      yield* node.send("CONFIGURE", path("ours"))
      yield* settled(node)
      yield* logged(czmq, "(2) invalid syntax", `cannot load config file '${path("ours")}'`)
      assert.strictEqual(yield* node.status, 0)
    })
  )
})
