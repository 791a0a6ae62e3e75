import { assert, describe, it } from "@effect/vitest"
import { Tuple } from "../../src/protocol/Tuple.ts"
import { nobody } from "../../src/protocol/Version.ts"
import * as Watched from "../../src/protocol/Watched.ts"

const held = (key: string, value: string, time: number, lifetime = 0): Watched.Held =>
  Watched.held(
    {
      tuple: new Tuple(key, value),
      version: { time, counter: 0, origin: nobody },
      lifetime,
      deleted: false,
      past: [],
      sequence: 1,
      since: 1,
      endsAt: lifetime === 0 ? Number.POSITIVE_INFINITY : time + lifetime - 1000,
      link: 0
    },
    1000
  )

const tags = (changes: ReadonlyArray<Watched.Change>) => changes.map(({ _tag, tuple }) => `${_tag} ${tuple.key}`)

describe("follow", () => {
  it("makes of a table what an event says, and says what has changed", () => {
    const table = new Map<string, Watched.Held>()
    const a = held("a", "1", 1)
    assert.deepStrictEqual(Watched.follow(table, { _tag: "Put", ...a }), [{ _tag: "Put", ...a }])
    assert.deepStrictEqual(Array.from(table), [["a", a]])
    const later = held("a", "1", 2, 10)
    assert.deepStrictEqual(tags(Watched.follow(table, { _tag: "Renewed", ...later })), ["Renewed a"])
    assert.strictEqual(table.get("a")?.endsAt, 12)
    const { origin, tuple, version } = later
    assert.deepStrictEqual(tags(Watched.follow(table, { _tag: "Expired", tuple, version, origin })), ["Expired a"])
    assert.strictEqual(table.size, 0)
  })

  it("of a snapshot: first what is gone, then what is new, in the order of the snapshot", () => {
    const table = new Map<string, Watched.Held>()
    for (const entry of [held("same", "1", 1), held("new", "1", 1), held("again", "1", 1), held("deleted", "1", 1)]) {
      table.set(entry.tuple.keyOctets, entry)
    }
    table.set("over", held("over", "1", 1, 99))
    const entries = [held("z", "1", 5), held("same", "1", 1), held("new", "2", 5), held("again", "1", 5)]
    const changes = Watched.follow(table, { _tag: "Snapshot", entries, time: 100 })
    assert.deepStrictEqual(tags(changes), ["Deleted deleted", "Expired over", "Put z", "Put new", "Renewed again"])
    assert.deepStrictEqual(Array.from(table.values()), entries)
    assert.deepStrictEqual(Watched.follow(table, { _tag: "Snapshot", entries, time: 100 }), [])
  })
})

describe("held", () => {
  it("has its end, and the origin as text", () => {
    const version = { time: 5, counter: 1, origin: "\u0000\u0001\u007f\u0080\u00ff\u0010\u0000\u0000" }
    const shown = Watched.held(
      {
        ...held("a", "1", 1),
        version,
        lifetime: 7,
        deleted: false,
        past: [],
        sequence: 1,
        since: 1,
        endsAt: 7,
        link: 0
      },
      5
    )
    assert.deepInclude(shown, { version, origin: "00017f80ff100000", endsAt: 12 })
    assert.deepInclude(held("a", "1", 1), { origin: "0000000000000000", endsAt: undefined })
  })
})
