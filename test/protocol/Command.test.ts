import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Command from "../../src/protocol/Command.ts"
import type * as Octets from "../../src/protocol/Octets.ts"
import * as Tuple from "../../src/protocol/Tuple.ts"
import * as arbitrary from "./arbitraries.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const tuple = (key: string, value: string) => new Tuple.Tuple(key, value)

describe("commands from strings", () => {
  it.each<readonly [strings: ReadonlyArray<Octets.Input>, command: Command.Command]>([
    [["BIND", "tcp://*:*"], { _tag: "Bind", endpoint: "tcp://*:*" }],
    [["UNBIND", "tcp://*:*"], { _tag: "Unbind", endpoint: "tcp://*:*" }],
    [["PORT"], { _tag: "Port" }],
    [["CONNECT", "inproc://base"], { _tag: "Connect", endpoint: "inproc://base" }],
    [["DISCONNECT", "inproc://base"], { _tag: "Disconnect", endpoint: "inproc://base" }],
    [["PUBLISH", "key", "value"], { _tag: "Publish", tuple: tuple("key", "value") }],
    [["PUBLISH", "key", "value", "lifetime=1500"], { _tag: "Publish", tuple: tuple("key", "value"), lifetime: 1500 }],
    [["UNPUBLISH", "é"], { _tag: "Unpublish", key: "\u00c3\u00a9" }],
    [["UNPUBLISH", Uint8Array.of(0, 255)], { _tag: "Unpublish", key: "\u0000\u00ff" }],
    [["PUBLISH", "", ""], { _tag: "Publish", tuple: tuple("", "") }],
    [["PUBLISH", "é", "€"], { _tag: "Publish", tuple: tuple("\u00c3\u00a9", "\u00e2\u0082\u00ac") }],
    [["STATUS"], { _tag: "Status" }],
    [["SET", "server/timeout", "100"], { _tag: "Set", path: "server/timeout", value: "100" }],
    [["SET", "", ""], { _tag: "Set", path: "", value: "" }],
    [["VERBOSE"], { _tag: "Verbose" }],
    [["$TERM"], { _tag: "Stop" }],
    [[bytes("BIND"), bytes("ipc:///é")], { _tag: "Bind", endpoint: "ipc:///é" }],
    [[bytes("SET"), bytes("a"), "b"], { _tag: "Set", path: "a", value: "b" }],
    [
      ["PUBLISH", Uint8Array.of(0, 255), Uint8Array.of(128, 0)],
      { _tag: "Publish", tuple: tuple("\u0000\u00ff", "\u0080\u0000") }
    ]
  ])("%j", (strings, command) => {
    assert.deepStrictEqual(Result.getOrThrow(Command.fromStrings(strings)), command)
  })

  it.prop("PUBLISH takes any octets", [arbitrary.bytes(255), arbitrary.bytes(300)], ([key, value]) => {
    const command = Result.getOrThrow(Command.fromStrings(["PUBLISH", key, value]))
    assert.isTrue(command._tag === "Publish")
    if (command._tag === "Publish") {
      assert.deepStrictEqual([command.tuple.keyBytes, command.tuple.valueBytes], [key, value])
    }
  })

  const names =
    "BIND, UNBIND, PORT, CONNECT, DISCONNECT, PUBLISH, UNPUBLISH, STATUS, SET, CONFIGURE, LOAD, SAVE, VERBOSE, $TERM"
  const lifetime = "PUBLISH: 3 fields, and the last one is not lifetime=MILLISECONDS, from 1 to 99999999999999"
  it.each<readonly [strings: ReadonlyArray<Octets.Input>, message: string]>([
    [[], `the command: unknown, write one of ${names}`],
    [[""], `the command: unknown, write one of ${names}`],
    [["NONSENSE"], `NONSENSE: unknown, write one of ${names}`],
    [["bind", "tcp://*:*"], `bind: unknown, write one of ${names}`],
    [["toString"], `toString: unknown, write one of ${names}`],
    [["__proto__"], `__proto__: unknown, write one of ${names}`],
    [[Uint8Array.of(0xff)], `\ufffd: unknown, write one of ${names}`],
    [["BIND"], "BIND: 0 fields, write BIND endpoint"],
    [["BIND", "a", "b"], "BIND: 2 fields, write BIND endpoint"],
    [["UNBIND"], "UNBIND: 0 fields, write UNBIND endpoint"],
    [["PORT", "1"], "PORT: 1 field, write PORT"],
    [["CONNECT"], "CONNECT: 0 fields, write CONNECT endpoint"],
    [["DISCONNECT", "a", "b"], "DISCONNECT: 2 fields, write DISCONNECT endpoint"],
    [["PUBLISH", "key"], "PUBLISH: 1 field, write PUBLISH key value [lifetime=MILLISECONDS]"],
    [["PUBLISH", "key", "value", "1", ""], "PUBLISH: 4 fields, write PUBLISH key value [lifetime=MILLISECONDS]"],
    [["PUBLISH", "key", "value", ""], lifetime],
    [["PUBLISH", "key", "value", "1"], lifetime],
    [["PUBLISH", "key", "value", "lifetime=0"], lifetime],
    [["PUBLISH", "key", "value", "lifetime=1.5"], lifetime],
    [["PUBLISH", "key", "value", "lifetime=5s"], lifetime],
    [["UNPUBLISH"], "UNPUBLISH: 0 fields, write UNPUBLISH key"],
    [["UNPUBLISH", "é".repeat(128)], "UNPUBLISH: the key has 256 octets, the limit is 255"],
    [["PUBLISH", "é".repeat(128), ""], "PUBLISH: the key has 256 octets, the limit is 255"],
    [["STATUS", ""], "STATUS: 1 field, write STATUS"],
    [["SET", "server/timeout"], "SET: 1 field, write SET path value"],
    [["VERBOSE", "1"], "VERBOSE: 1 field, write VERBOSE"],
    [["$TERM", ""], "$TERM: 1 field, write $TERM"]
  ])("%j is refused", (strings, message) => {
    const error = Result.getOrThrow(Result.flip(Command.fromStrings(strings)))
    assert.strictEqual(error._tag, "CommandError")
    assert.strictEqual(error.message, message)
  })
})

describe("replies to strings", () => {
  it.each<readonly [reply: Exclude<Command.Reply, { readonly _tag: "Failed" }>, strings: ReadonlyArray<string>]>([
    [{ _tag: "Port", port: 49152 }, ["PORT", "49152"]],
    [{ _tag: "Port", port: 0 }, ["PORT", "0"]],
    [{ _tag: "Port", port: -1 }, ["PORT", "-1"]],
    [{ _tag: "Status", tuples: 4 }, ["STATUS", "4"]],
    [{ _tag: "Deliver", tuple: tuple("key", "value") }, ["DELIVER", "key", "value"]],
    [{ _tag: "Deliver", tuple: tuple("\u00c3\u00a9", "\u0000") }, ["DELIVER", "\u00c3\u00a9", "\u0000"]]
  ])("%j", (reply, strings) => {
    assert.deepStrictEqual(Command.toStrings(reply), strings)
  })
})
