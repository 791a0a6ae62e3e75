/** What a store promises, over each of them; and what one on the disk does besides. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Layer, Logger, type Scope } from "effect"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as FileTupleStore from "../../src/layers/FileTupleStore.ts"
import * as MemoryTupleStore from "../../src/layers/MemoryTupleStore.ts"
import * as RecordLog from "../../src/layers/RecordLog.ts"
import * as TupleRecord from "../../src/layers/TupleRecord.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import type { Change, Entry } from "../../src/protocol/TupleMap.ts"
import { TupleStore } from "../../src/services/TupleStore.ts"
import { temporaryDirectory } from "../interop/OurNode.ts"

type Store = TupleStore["Service"]

const open = <E>(layer: Layer.Layer<TupleStore, E>): Effect.Effect<Store, E, Scope.Scope> =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, TupleStore))

const onDisk = (directory: string, sync = 1000) => open(FileTupleStore.layer({ directory, sync }))

const now = 1_800_000_000_000

const put = (
  store: Store,
  key: string,
  value: string,
  more: { at?: number; link?: number; version?: Version } = {}
) => {
  const { at = now, link = 0, version } = more
  return store.merge(
    { tuple: new Tuple(key, value), version, ...(version === undefined && { lifetime: 0 }) },
    { now: at, link }
  )
}
type Version = Entry["version"]

const entriesOf = (store: Store): ReadonlyArray<Entry> =>
  // Those are of one life of a store.
  Array.from({ [Symbol.iterator]: () => store.read({ upTo: store.sequence() }) }, (entry) => ({
    ...entry,
    endsAt: 0,
    since: 0
  }))

const textsOf = (store: Store) => entriesOf(store).map(({ tuple }) => `${tuple.keyOctets}=${tuple.valueOctets}`)

const lines: Array<string> = []
const listening = Effect.provide(
  Logger.layer([Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`))])
)

describe.each<readonly [name: string, open: Effect.Effect<Store, unknown, Scope.Scope>]>([
  ["in memory", open(MemoryTupleStore.layer)],
  ["on the disk", Effect.flatMap(temporaryDirectory, (directory) => onDisk(directory))],
  ["on the disk, synced", Effect.flatMap(temporaryDirectory, (directory) => onDisk(directory, 0))]
])("a store %s", (_, open) => {
  it.live("is empty at first", () =>
    Effect.gen(function* () {
      const store = yield* open
      yield* store.commit
      assert.deepStrictEqual([store.size(), store.sequence(), store.get("a")], [0, 0, undefined])
      assert.deepStrictEqual(textsOf(store), [])
      assert.isUndefined(store.disk()?.failure)
    })
  )

  it.live("merges, and answers at once", () =>
    Effect.gen(function* () {
      const store = yield* open
      assert.deepStrictEqual(
        [put(store, "a", "1"), put(store, "b", "1"), put(store, "a", "1"), put(store, "a", "2", { link: 3 })],
        ["Accepted", "Accepted", "Duplicate", "Accepted"]
      )
      assert.deepInclude(store.get("a"), { sequence: 3, link: 3, lifetime: 0, deleted: false })
      yield* store.commit
      assert.strictEqual(put(store, "a", "0", { version: { time: 1, counter: 0, origin: "12345678" } }), "Stale")
      yield* store.commit
      assert.deepStrictEqual([store.size(), store.sequence(), textsOf(store)], [2, 3, ["a=2", "b=1"]])
      const news = store.read({ upTo: 3, unknownTo: { link: 9, synced: 2 } })
      assert.strictEqual(news.next().value?.tuple.key, "a")
    })
  )

  it.live("gives versions of an origin that no other has", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* open, yield* open]
      for (const store of [one, two]) put(store, "a", "1")
      assert.notStrictEqual(one.get("a")?.version.origin, two.get("a")?.version.origin)
    })
  )
})

/** The same store, closed and opened again for each step. */
const steps = <A, E>(directory: string, ...each: ReadonlyArray<(store: Store) => Effect.Effect<A, E>>) =>
  Effect.forEach(each, (step) => Effect.scoped(Effect.flatMap(onDisk(directory), step)))

const putAll = (...tuples: ReadonlyArray<readonly [string, string]>) =>
  Effect.fnUntraced(function* (store: Store) {
    for (const [key, value] of tuples) put(store, key, value)
    yield* store.commit
    return entriesOf(store)
  })

describe("a store that is opened again", () => {
  it.live("has what was committed, with its versions and in its order, as nobody's news", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const all = String.fromCharCode(...Array.from({ length: 256 }, (_, octet) => octet))
      const [before = [], again = [], third = []] = yield* steps(
        directory,
        putAll(["a", "1"], [all, all], ["", ""], ["b", "1"], ["a", "x".repeat(100_000)]),
        putAll(),
        putAll(["b", "1"], ["b", "2"])
      )
      assert.deepStrictEqual(
        again,
        before.map((entry, index) => ({ ...entry, sequence: index + 1, link: 0 }))
      )
      assert.deepStrictEqual(
        third.map(({ sequence }) => sequence),
        [1, 2, 3, 5]
      )
    })
  )

  it.live("has what was not told to reach the disk, and not what was not committed", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* onDisk(directory, 10_000_000)
          yield* putAll(["a", "1"])(store)
          put(store, "b", "1")
          writeFileSync(join(directory, "copy"), readFileSync(join(directory, "log")))
        })
      )
      writeFileSync(join(directory, "log"), readFileSync(join(directory, "copy")))
      assert.deepStrictEqual(textsOf(yield* onDisk(directory)), ["a=1"])
    })
  )

  it.live("gives no version that it gave before, and greater ones, also when the clock was set back", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const seen = new Set<string>()
      let last = 0
      for (let life = 0; life < 5; life++) {
        const at = now - life * 3_600_000
        const step = Effect.fnUntraced(function* (store: Store) {
          put(store, "key", `value ${life}`, { at })
          yield* store.commit
          const { counter, origin, time } = store.get("key")?.version ?? assert.fail("it is gone")
          assert.strictEqual(time, now)
          assert.strictEqual(counter, last++)
          seen.add(origin)
        })
        yield* steps(directory, step)
      }
      assert.strictEqual(seen.size, 5)
    })
  )

  it.live("knows the greatest version seen when the tuple that had it is gone", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const far = { time: now + 1000, counter: 7, origin: "12345678" }
      const held = { last: far, origins: [] }
      const write = (meta: string) =>
        Effect.scoped(
          Effect.gen(function* () {
            const log = yield* (yield* RecordLog.open({ directory })).resume(() => [])
            yield* log.append([], meta)
          })
        )
      for (const meta of [TupleRecord.encodeMeta(held), `${TupleRecord.encodeMeta(held)}and more`]) {
        yield* write(meta)
        const [[entry] = []] = yield* steps(directory, putAll(["a", "1"]))
        assert.deepInclude(entry?.version, { time: now + 1000, counter: 8 })
      }
      // What is of no format that is known counts for nothing.
      yield* write("\u0002other")
      const [[entry] = []] = yield* steps(directory, putAll(["a", "1"], ["a", "2"]))
      assert.deepInclude(entry?.version, { time: now + 1000, counter: 9 })
    })
  )

  it.live("has its tombstones, what ends, and what is past; what had its time meanwhile is gone", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const clock = Number((yield* Clock.monotonicTimeNanos) / 1_000_000n)
      const say = (store: Store, key: string, value: string, more: Partial<Change>) =>
        store.merge({ tuple: new Tuple(key, value), ...more }, { now, clock, link: 0 })
      const [before = [], again = [], collected = [], last = []] = yield* steps(
        directory,
        Effect.fnUntraced(function* (store) {
          for (const value of ["1", "2"]) say(store, "changed", value, {})
          say(store, "deleted", "1", {})
          yield* store.commit
          assert.strictEqual(say(store, "deleted", "", { deleted: true }), "Deleted")
          say(store, "ends", "1", { lifetime: 2 ** 42 })
          say(store, "ended", "1", { lifetime: 1000 })
          yield* store.commit
          assert.lengthOf(store.expire(clock + 1000, 10), 1)
          yield* store.commit
          return entriesOf(store)
        }),
        (store) => {
          assert.deepStrictEqual([store.size(), store.tombstones()], [4, 2])
          assert.closeTo(store.nextEnd() ?? 0, clock + 2 ** 42, 5000)
          return Effect.succeed(entriesOf(store))
        },
        Effect.fnUntraced(function* (store) {
          assert.lengthOf(store.collect(now + 10_000, 0, 10), 2)
          yield* store.commit
          return entriesOf(store)
        }),
        (store) => Effect.succeed(entriesOf(store))
      )
      const held = (entries: ReadonlyArray<Entry>) =>
        entries
          .map((entry) => ({ ...entry, link: 0, sequence: 0 }))
          .sort((a, b) => (a.tuple.key < b.tuple.key ? -1 : 1))
      assert.deepStrictEqual(held(again), held(before))
      assert.deepStrictEqual(
        held(again).map(({ deleted, lifetime, past, tuple }) => [
          tuple.key,
          tuple.value,
          deleted,
          lifetime,
          past.length
        ]),
        [
          ["changed", "2", false, 0, 1],
          ["deleted", "", true, 0, 1],
          ["ended", "", true, 1000, 1],
          ["ends", "1", false, 2 ** 42, 0]
        ]
      )
      assert.deepStrictEqual(held(last), held(collected))
      assert.deepStrictEqual(textsOf(yield* onDisk(directory)), ["changed=2", "ends=1"])
    })
  )

  it.live("lets end what had its time while it was closed", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const [[before] = [], [after] = []] = yield* steps(
        directory,
        Effect.fnUntraced(function* (store) {
          store.merge({ tuple: new Tuple("a", "1"), lifetime: 1000 }, { now: 1_000_000, link: 0 })
          yield* store.commit
          return entriesOf(store)
        }),
        (store) => Effect.succeed(entriesOf(store))
      )
      assert.deepInclude(before, { deleted: false, lifetime: 1000 })
      assert.deepInclude(after, { deleted: true, lifetime: 1000, version: (before ?? assert.fail()).version })
      assert.deepStrictEqual([after?.tuple.value, after?.past.length], ["", 1])
    })
  )

  it.live("is one process's at a time", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* onDisk(directory)
      const exit = yield* Effect.exit(Effect.scoped(onDisk(directory)))
      assert.include(
        String(Exit.isFailure(exit) && exit.cause),
        `${directory} is in use by another node: each needs a directory of its own`
      )
    })
  )

  it.live("and in which something changed says so, keeps it, and has the rest", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const keys = ["a", "b", "c", "d"]
      const [before = []] = yield* steps(directory, (store) =>
        Effect.map(
          Effect.forEach(keys, (key) => putAll([key, "1"])(store)),
          () => entriesOf(store)
        )
      )
      const path = join(directory, "log")
      const whole = readFileSync(path)
      for (let at = 0; at < whole.length; at += 7) {
        const changed = Buffer.from(whole)
        changed[at]! ^= 1 << (at % 8)
        writeFileSync(path, changed)
        lines.length = 0
        const found = yield* steps(directory, (store) =>
          Effect.sync(() => {
            assert.isTrue(store.disk()?.isDamaged)
            return entriesOf(store)
          })
        ).pipe(listening)
        assert.match(lines.join("\n"), /^Warn .* it is kept as /, `octet ${at}`)
        for (const entry of found.flat()) {
          const { tuple, version } = before.find(({ tuple }) => tuple.key === entry.tuple.key) ?? assert.fail()
          assert.deepStrictEqual([entry.tuple, entry.version], [tuple, version])
        }
        assert.isBelow(found.flat().length, keys.length)
        yield* steps(directory, (store) => Effect.sync(() => assert.isFalse(store.disk()?.isDamaged)))
      }
      assert.include(readdirSync(directory).join(), ".aside")
    })
  )

  it.live("and in which there are records of a later version keeps them aside", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* steps(directory, putAll(["a", "1"]))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const log = yield* (yield* RecordLog.open({ directory })).resume(() => [])
          yield* log.append([{ key: "b", record: "\u0002what" }], "")
        })
      )
      lines.length = 0
      const found = yield* listening(steps(directory, (store) => Effect.sync(() => textsOf(store))))
      assert.deepStrictEqual(found, [["a=1"]])
      assert.match(lines[0] ?? "", /log has 1 records of another version; it is kept as .*\.aside, and the 1 records/)
    })
  )
})

describe("a record", () => {
  const held: TupleRecord.Held = {
    value: "value",
    version: { time: 2 ** 48 - 1, counter: 65_535, origin: "\u00ff234567\u0000" },
    lifetime: 2 ** 40 + 3,
    deleted: true,
    past: [0, 2 ** 32 - 1, 3],
    ends: 2 ** 41
  }

  it("is read as it was written", () => {
    for (const one of [
      held,
      { ...held, value: "", past: [], lifetime: 0, deleted: false, ends: Number.POSITIVE_INFINITY }
    ]) {
      assert.deepStrictEqual(TupleRecord.decode(TupleRecord.encode(one)), one)
    }
  })

  it("may have more in its head one day", () => {
    const record = TupleRecord.encode(held)
    const end = record.length - held.value.length
    const longer = `${record.slice(0, 2)}${String.fromCharCode(record.charCodeAt(2) + 4)}${record.slice(3, end)}more${held.value}`
    assert.deepStrictEqual(TupleRecord.decode(longer), held)
  })

  it("that is none is none", () => {
    const record = TupleRecord.encode({ ...held, value: "" })
    for (let length = 0; length < record.length; length++) {
      assert.isUndefined(TupleRecord.decode(record.slice(0, length)))
      assert.isFalse(TupleRecord.isKnown(record.slice(0, length)))
    }
    assert.isUndefined(TupleRecord.decode(`\u0002${record.slice(1)}`))
  })

  it("is these octets", () => {
    const small = { ...held, version: { time: 0x01_02_03_04_05_06, counter: 0x07_08, origin: "originAB" } }
    assert.strictEqual(
      Buffer.from(
        TupleRecord.encode({ ...small, lifetime: 1000, past: [0xa1b2c3d4], ends: 0x0a, value: "v" }),
        "latin1"
      ).toString("hex"),
      "010022" +
        "010203040506" +
        "0708" +
        "6f726967696e4142" +
        "0000000003e8" +
        "01" +
        "01" +
        "a1b2c3d4" +
        "00000000000a" +
        "76"
    )
  })
})
