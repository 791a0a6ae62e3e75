import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { Journal } from "../../src/layers/Journal.ts"
import * as Message from "../../src/protocol/Message.ts"
import * as NodeStatus from "../../src/protocol/NodeStatus.ts"
import * as Octets from "../../src/protocol/Octets.ts"
import * as Trailer from "../../src/protocol/Trailer.ts"
import * as arbitrary from "./arbitraries.ts"

const status: NodeStatus.NodeStatus = {
  software: "effect-zgossip",
  version: "0.1.0",
  uptimeSeconds: 60,
  ready: false,
  tuples: 3,
  tombstones: 2,
  listeners: 1,
  lost: 0,
  peers: 2,
  members: 1,
  remotes: { Connected: 1, Joining: 0, Disconnected: 2 },
  counters: { accepted: 3, malformed: { Short: 1 } }
}

const withBody = (body: string) => Trailer.make({ tag: Trailer.tags.status, body: Octets.from(body) })
const decoded = (found: unknown) => NodeStatus.decode(withBody(JSON.stringify(found)))

describe("a status", () => {
  it("is read as it was written", () => {
    assert.deepStrictEqual(NodeStatus.decode(NodeStatus.encode(status)), status)
  })

  it("may say how its store is, and what is none is left out", () => {
    const store = { octets: 3, failing: true, damaged: false }
    assert.deepStrictEqual(NodeStatus.decode(NodeStatus.encode({ ...status, store })), { ...status, store })
    for (const odd of [
      null,
      "disk",
      { ...store, octets: -1 },
      { ...store, failing: 1 },
      { octets: 3, failing: true }
    ]) {
      assert.deepStrictEqual(decoded({ ...status, store: odd }), status)
    }
  })

  it("has the version of the package", () => {
    const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
    assert.deepStrictEqual([NodeStatus.software, NodeStatus.version], [manifest.name, manifest.version])
  })

  it("is never longer than its limit", () => {
    const most = (value: unknown): unknown =>
      typeof value === "number"
        ? Number.MAX_SAFE_INTEGER
        : typeof value === "object" && value !== null
          ? Object.fromEntries(Object.entries(value).map(([name, value]) => [name, most(value)]))
          : value
    const store = { octets: 0, failing: false, damaged: false }
    const longest = { ...status, aloneSeconds: 0, store, counters: { ...new Journal().snapshot() } }
    const trailer = NodeStatus.encode(most(longest) as NodeStatus.NodeStatus)
    assert.isAtMost(Message.encode({ ...Message.pong, trailer }).length, NodeStatus.maxLength)
  })

  it("of tomorrow is read as far as it is known", () => {
    const more = { ...status, mood: "good", remotes: { ...status.remotes, Lost: 1 } }
    const counters = {
      accepted: 1,
      malformed: { Short: 2, long: "x", "\u001b[2J": 1 },
      odd: -1,
      "a b": 1,
      text: "",
      n: null
    }
    assert.deepStrictEqual(decoded({ ...more, counters }), {
      ...status,
      counters: { accepted: 1, malformed: { Short: 2 } }
    })
  })

  it("of a node that knows of no tombstones has none", () => {
    assert.deepStrictEqual(decoded({ ...status, tombstones: undefined }), { ...status, tombstones: 0 })
  })

  it.each<readonly [name: string, found: unknown]>([
    ["no object", []],
    ["nothing", null],
    ["no counters", { ...status, counters: undefined }],
    ["counters in a row", { ...status, counters: [] }],
    ["a negative number", { ...status, tuples: -1 }],
    ["a fraction", { ...status, peers: 0.5 }],
    ["a number too large", { ...status, members: 2 ** 53 }],
    ["text for a number", { ...status, uptimeSeconds: "1" }],
    ["no remotes", { ...status, remotes: {} }],
    ["ready as a number", { ...status, ready: 1 }],
    ["a name for terminals", { ...status, software: "\u001b[2J" }],
    ["a name that is long", { ...status, software: "x".repeat(41) }],
    ["no version", { ...status, version: "" }]
  ])("is none with %s", (_, found) => {
    assert.isUndefined(decoded(found))
  })

  it("of a node that counts without end is cut", () => {
    const many = Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`c${n}`, n]))
    const counters = NodeStatus.decode(NodeStatus.encode({ ...status, counters: { many, ...many } }))?.counters ?? {}
    assert.strictEqual(Object.keys(counters).length, 100)
    assert.strictEqual(Object.keys(counters["many"] ?? {}).length, 100)
  })

  it("cannot reach beyond itself", () => {
    const text = JSON.stringify(status).replace('"accepted"', '"__proto__":{"polluted":1},"accepted"')
    assert.notProperty({}, "polluted")
    assert.strictEqual(NodeStatus.decode(withBody(text))?.counters["accepted"], 3)
    assert.notProperty({}, "polluted")
  })

  it.prop("is total over garbage", [arbitrary.octets(60)], ([body]) => {
    assert.isUndefined(NodeStatus.decode(Trailer.make({ tag: Trailer.tags.status, body })))
    for (const cut of [20, 100]) {
      // Behind the end that is left no few octets make it whole again.
      assert.isUndefined(NodeStatus.decode(withBody(JSON.stringify(status).slice(0, -cut) + body.slice(0, 15))))
    }
  })
})
