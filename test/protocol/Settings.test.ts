import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Message from "../../src/protocol/Message.ts"
import * as Pings from "../../src/protocol/Pings.ts"
import * as Settings from "../../src/protocol/Settings.ts"
import * as Tuple from "../../src/protocol/Tuple.ts"

const longest = 2 ** 31 - 1

describe("Settings", () => {
  it("unset, clients are not timed and remotes are taken for CZMQ's", () => {
    assert.strictEqual(Settings.defaults.serverTimeout, undefined)
    assert.strictEqual(Settings.defaults.remoteTimeout, 1000)
    assert.strictEqual(Pings.interval(Settings.defaults), 250)
  })

  it("unset, the longest tuple that is taken fits into a frame, and so does one of twice its value, but for a little", () => {
    const { frameOctets, valueOctets } = Settings.defaults
    const longest = (value: number) =>
      Message.publishLength(new Tuple.Tuple("k".repeat(Tuple.maxKeyLength), "v".repeat(value)))
    assert.isAtMost(longest(valueOctets), frameOctets)
    assert.isAtMost(longest(2 * valueOctets - 1024), frameOctets)
  })

  it.each<readonly [path: string, value: string, changed: Partial<Settings.Settings>]>([
    ["server/timeout", "0", { serverTimeout: 0 }],
    ["server/timeout", "1000", { serverTimeout: 1000 }],
    ["server/timeout", "0100", { serverTimeout: 100 }],
    ["server/timeout", String(longest), { serverTimeout: longest }],
    ["server/verbose", "1", { verbose: true }],
    ["server/verbose", "0", { verbose: false }],
    ["remote/timeout", "1", { remoteTimeout: 1 }],
    ["remote/timeout", String(longest), { remoteTimeout: longest }],
    ["remote/ping-interval", "1", { pingInterval: 1 }],
    ["remote/ping-interval", String(longest), { pingInterval: longest }],
    ["heartbeat/interval", "20", { heartbeatInterval: 20 }],
    ["heartbeat/timeout", "30", { heartbeatTimeout: 30 }],
    ["limits/queue-tuples", "1", { queueTuples: 1 }],
    ["limits/queue-octets", "2", { queueOctets: 2 }],
    ["limits/frame-octets", "1024", { frameOctets: 1024 }],
    ["limits/frame-octets", String(Message.maxLength), { frameOctets: Message.maxLength }],
    ["limits/total-messages-per-second", "3", { totalMessagesPerSecond: 3 }],
    ["server/background", "1", { background: true }],
    ["store/directory", "/var/lib/a b", { storeDirectory: "/var/lib/a b" }],
    ["store/directory", "", { storeDirectory: "" }],
    ["store/sync", "0", { storeSync: 0 }]
  ])("%s = %s", (path, value, changed) => {
    const before: Settings.Settings = {
      ...Settings.defaults,
      serverTimeout: 7,
      verbose: true,
      remoteTimeout: 8,
      pingInterval: 9
    }
    const copy = { ...before }
    assert.deepStrictEqual(Result.getOrThrow(Settings.set(before, path, value)), { ...before, ...changed })
    assert.deepStrictEqual(before, copy)
  })

  const from0 = `write milliseconds, a whole number from 0 to ${longest}`
  const from1 = `write milliseconds, a whole number from 1 to ${longest}`
  const paths = `no such setting, there are ${Settings.definitions.map(({ path }) => path).join(", ")}`
  it.each([
    ["server/timeout", "-1", from0],
    ["server/timeout", "", from0],
    ["server/timeout", " 1", from0],
    ["server/timeout", "1.5", from0],
    ["server/timeout", "1e3", from0],
    ["server/timeout", "0x10", from0],
    ["server/timeout", "NaN", from0],
    ["server/timeout", String(longest + 1), from0],
    ["server/timeout", "99999999999", from0],
    ["remote/timeout", "0", from1],
    ["remote/timeout", String(longest + 1), from1],
    ["remote/ping-interval", "0", from1],
    ["server/verbose", "true", "write 0 or 1"],
    ["server/verbose", "2", "write 0 or 1"],
    ["server/verbose", "", "write 0 or 1"],
    ["store/directory", "/a\0", "write a directory without NUL"],
    ["store/sync", "-1", from0],
    ["limits/queue-tuples", "0", `write tuples, a whole number from 1 to ${longest}`],
    ["limits/frame-octets", "1023", `write octets, a whole number from 1024 to ${Message.maxLength}`],
    [
      "limits/frame-octets",
      String(Message.maxLength + 1),
      `write octets, a whole number from 1024 to ${Message.maxLength}`
    ],
    ["limits/value-octets", "268435457", "write octets, a whole number from 0 to 268435456"],
    ["", "1", paths],
    ["server", "1", paths],
    ["server/Timeout", "1", paths],
    ["server/timeout/", "1", paths],
    ["__proto__", "1", paths]
  ])("%j = %j is refused", (path, value, detail) => {
    const error = Result.getOrThrow(Result.flip(Settings.set(Settings.defaults, path, value)))
    assert.strictEqual(error._tag, "SettingError")
    assert.strictEqual(error.message, `cannot set ${path} to ${JSON.stringify(value)}: ${detail}`)
  })

  it.each([
    [1000, undefined, 250],
    [100, undefined, 25],
    [7, undefined, 1],
    [3, undefined, 1],
    [1, undefined, 1],
    [1000, 400, 400]
  ])("remotes timed out after %s, PINGs set to every %s: every %s", (remoteTimeout, pingInterval, expected) => {
    assert.strictEqual(Pings.interval({ ...Settings.defaults, remoteTimeout, pingInterval }), expected)
  })

  it("some are taken when the node is started again", () => {
    const { defaults } = Settings
    assert.deepStrictEqual(Settings.takenAtStart(defaults, { ...defaults, verbose: true, serverTimeout: 3 }), [])
    const other = { ...defaults, storeSync: 0, storeDirectory: "/there" }
    assert.deepStrictEqual(Settings.takenAtStart(defaults, other), ["store/directory", "store/sync"])
  })

  it("as texts, make themselves again", () => {
    const texts = Settings.toTexts({ ...Settings.defaults, serverTimeout: 5, verbose: true })
    assert.strictEqual(texts.get("server/timeout"), "5")
    assert.strictEqual(texts.get("server/verbose"), "1")
    assert.strictEqual(texts.has("remote/ping-interval"), false)
    assert.deepStrictEqual(Result.getOrThrow(Settings.make({})), Settings.defaults)
    assert.strictEqual(Result.getOrThrow(Settings.make({ pingInterval: 3 })).pingInterval, 3)
    assert.isTrue(Result.isFailure(Settings.make({ pingInterval: 0 })))
  })
})
