import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result } from "effect"
import * as Endpoint from "../../src/protocol/Endpoint.ts"
import * as arbitrary from "./arbitraries.ts"

const fixed = (port: number): Endpoint.Port => ({ _tag: "Fixed", port })
const range = (first: number, last: number, random = false): Endpoint.Port => ({ _tag: "Range", first, last, random })
const system: Endpoint.Port = { _tag: "System" }
const tcp = (host: string, port: Endpoint.Port): Endpoint.Endpoint => ({ _tag: "Tcp", host, port })
const ipc = (path: string): Endpoint.Endpoint => ({ _tag: "Ipc", path })
const inproc = (name: string): Endpoint.Endpoint => ({ _tag: "Inproc", name })

type Good = readonly [text: string, endpoint: Endpoint.Endpoint, formatted?: string]
const rows = (goods: ReadonlyArray<Good>) =>
  goods.map(([text, endpoint, formatted = text]) => [text, endpoint, formatted] as const)

/** One host, one port. */
const exact: ReadonlyArray<Good> = [
  ["tcp://127.0.0.1:5670", tcp("127.0.0.1", fixed(5670))],
  ["tcp://localhost:1", tcp("localhost", fixed(1))],
  ["tcp://localhost:65535", tcp("localhost", fixed(65535))],
  ["tcp://localhost:05670", tcp("localhost", fixed(5670)), "tcp://localhost:5670"],
  ["tcp://my-host.example.org:5670", tcp("my-host.example.org", fixed(5670))],
  ["tcp://eth0:5670", tcp("eth0", fixed(5670))],
  ["tcp://a_service:5670", tcp("a_service", fixed(5670))],
  ["tcp://[::1]:5670", tcp("::1", fixed(5670))],
  ["tcp://[fe80::1%eth0]:5670", tcp("fe80::1%eth0", fixed(5670))],
  ["tcp://[::ffff:127.0.0.1]:5670", tcp("::ffff:127.0.0.1", fixed(5670))],
  ["ipc:///tmp/gossip", ipc("/tmp/gossip")],
  ["ipc://gossip.sock", ipc("gossip.sock")],
  ["ipc://@gossip", ipc("@gossip")],
  ["ipc:///tmp/with space:and://more", ipc("/tmp/with space:and://more")],
  [`ipc://${"p".repeat(107)}`, ipc("p".repeat(107))],
  ["inproc://base", inproc("base")],
  ["inproc://a b:*", inproc("a b:*")],
  [`inproc://${"n".repeat(255)}`, inproc("n".repeat(255))]
]

/** Only to bind. */
const open: ReadonlyArray<Good> = [
  ["tcp://*:5670", tcp("*", fixed(5670))],
  ["tcp://[::]:*", tcp("::", range(49152, 65535))],
  ["tcp://127.0.0.1:0", tcp("127.0.0.1", system)],
  ["tcp://*:*", tcp("*", range(49152, 65535))],
  ["tcp://*:!", tcp("*", range(49152, 65535, true))],
  ["tcp://*:*[60000-60010]", tcp("*", range(60000, 60010))],
  ["tcp://*:![60000-60010]", tcp("*", range(60000, 60010, true))],
  ["tcp://*:*[60000-]", tcp("*", range(60000, 65535)), "tcp://*:*[60000-65535]"],
  ["tcp://*:*[-60000]", tcp("*", range(49152, 60000)), "tcp://*:*[49152-60000]"],
  ["tcp://*:*[-]", tcp("*", range(49152, 65535)), "tcp://*:*"],
  ["tcp://*:*[1-1]", tcp("*", range(1, 1))],
  ["tcp://[::1]:![1-65535]", tcp("::1", range(1, 65535, true))],
  ["ipc://*", ipc("*")]
]

const forms = "tcp://host:port, ipc://path or inproc://name"
const bad: ReadonlyArray<readonly [text: string, detail: string | RegExp]> = [
  ["", `write ${forms}`],
  ["nonsense", `write ${forms}`],
  ["tcp:/127.0.0.1:1", `write ${forms}`],
  ["127.0.0.1:5670", `write ${forms}`],
  ["://", `the transport is unknown, write ${forms}`],
  ["udp://127.0.0.1:5670", `the transport is unknown, write ${forms}`],
  ["TCP://127.0.0.1:5670", `the transport is unknown, write ${forms}`],
  [" tcp://127.0.0.1:5670", `the transport is unknown, write ${forms}`],
  ["tcp://", "the port is missing, write tcp://host:port"],
  ["tcp://127.0.0.1", "the port is missing, write tcp://host:port"],
  ["tcp://[::1]", "the port is missing, write tcp://host:port"],
  ["tcp://:5670", "the host is missing; for all addresses write *"],
  ["tcp://[]:5670", /is not a host|the host is missing/],
  ["tcp://::1:5670", '"::1" is not a host; an IPv6 address goes in brackets'],
  ["tcp://::1", /is not a host/],
  ["tcp://[::1:5670", /is not a host/],
  ["tcp://[localhost]:5670", '"[localhost]" is not a host; an IPv6 address goes in brackets'],
  ["tcp://[cafe]:5670", /is not a host/],
  ["tcp://127.0.0.1 :5670", /is not a host/],
  ["tcp://a/b:5670", /is not a host/],
  ["tcp://**:5670", /is not a host/],
  ["tcp://127.0.0.1:5671;127.0.0.1:5670", /is not a host/],
  ["tcp://127.0.0.1:", '"" is not a port; write a number, * or !'],
  ["tcp://127.0.0.1:http", '"http" is not a port; write a number, * or !'],
  ["tcp://127.0.0.1:-1", '"-1" is not a port; write a number, * or !'],
  ["tcp://127.0.0.1:5670/", '"5670/" is not a port; write a number, * or !'],
  ["tcp://127.0.0.1:**", '"**" is not a port; write a number, * or !'],
  ["tcp://127.0.0.1:[1-2]", /is not a port/],
  ["tcp://127.0.0.1:*[1]", /is not a port/],
  ["tcp://127.0.0.1:65536", "port 65536 is above 65535"],
  ["tcp://127.0.0.1:99999", "port 99999 is above 65535"],
  [`tcp://127.0.0.1:${"9".repeat(400)}`, /is above 65535/],
  ["tcp://*:*[0-10]", "0-10 is not a range of ports from 1 to 65535"],
  ["tcp://*:*[60010-60000]", "60010-60000 is not a range of ports from 1 to 65535"],
  ["tcp://*:*[60000-65536]", "60000-65536 is not a range of ports from 1 to 65535"],
  ["ipc://", "the path is missing"],
  ["ipc://@", "the path is missing"],
  [`ipc://${"p".repeat(108)}`, "the path is longer than 107 octets"],
  [`ipc://${"é".repeat(54)}`, "the path is longer than 107 octets"],
  ["inproc://", "the name is missing"],
  [`inproc://${"n".repeat(256)}`, "the name is longer than 255 characters"],
  ["inproc://a\0b", "it holds a control character"],
  ["ipc:///tmp/a\nb", "it holds a control character"],
  ["tcp://127.0.0.1:5670\n", "it holds a control character"]
]

const onlyToBind: ReadonlyArray<readonly [text: string, detail: string]> = open.map(([text, endpoint]) => [
  text,
  endpoint._tag === "Ipc"
    ? "a connection needs one path, not *"
    : endpoint._tag === "Tcp" && endpoint.host === "*"
      ? "a connection needs one host, not *"
      : "a connection needs one port from 1 to 65535"
])

describe("Endpoint", () => {
  it.each(rows([...exact, ...open]))("binds %j", (text, endpoint, formatted) => {
    assert.deepStrictEqual(Result.getOrThrow(Endpoint.parseBind(text)), endpoint)
    assert.strictEqual(Endpoint.format(endpoint), formatted)
  })

  it.each(rows(exact))("connects to %j", (text, endpoint) => {
    assert.deepStrictEqual(Result.getOrThrow(Endpoint.parseConnect(text)), endpoint)
  })

  it.each([...bad, ...onlyToBind])("does not connect to %j", (text, detail) => {
    refuses(Endpoint.parseConnect(text), text, detail)
  })

  it.each(bad)("does not bind %j", (text, detail) => {
    refuses(Endpoint.parseBind(text), text, detail)
  })

  const refuses = (
    result: Result.Result<Endpoint.Endpoint, Endpoint.EndpointError>,
    text: string,
    detail: string | RegExp
  ) => {
    const error = Result.getOrThrow(Result.flip(result))
    assert.include(error, { _tag: "EndpointError", endpoint: text })
    if (typeof detail === "string") assert.strictEqual(error.detail, detail)
    else assert.match(error.detail, detail)
    assert.strictEqual(error.message, `${JSON.stringify(Endpoint.brief(text))} is not an endpoint: ${error.detail}`)
    assert.notInclude(error.message, "\n", "one line")
  }

  it.each([
    ["tcp://*:5670", 5670],
    ["tcp://*:0", 0],
    ["tcp://*:*", 0],
    ["ipc:///tmp/5670", 0],
    ["inproc://5670", 0]
  ])("the port of %s is %s", (text, port) => {
    assert.strictEqual(Endpoint.port(Result.getOrThrow(Endpoint.parseBind(text))), port)
  })

  const port: Arbitrary.Arbitrary<Endpoint.Port> = Arbitrary.all([
    arbitrary.oneOf("Fixed", "System", "Range", "Random"),
    arbitrary.integer(1, 65535),
    arbitrary.integer(1, 65535)
  ]).pipe(
    Arbitrary.map(([tag, one, two]) => {
      if (tag === "System") return system
      return tag === "Fixed" ? fixed(one) : range(Math.min(one, two), Math.max(one, two), tag === "Random")
    })
  )
  const endpoint: Arbitrary.Arbitrary<Endpoint.Endpoint> = Arbitrary.all([
    arbitrary.oneOf("*", "localhost", "127.0.0.1", "::", "fe80::1%eth0", "ipc", "inproc"),
    port,
    arbitrary.text
  ]).pipe(
    Arbitrary.map(([host, port, text]) => {
      const name = `x${text.replaceAll(/[\u0000-\u001f\u007f]/g, "").slice(0, 30)}`
      return host === "ipc" ? ipc(name) : host === "inproc" ? inproc(name) : tcp(host, port)
    })
  )
  it.prop("what was formatted is read as the same", [endpoint], ([endpoint]) => {
    assert.deepStrictEqual(Result.getOrThrow(Endpoint.parseBind(Endpoint.format(endpoint))), endpoint)
  })

  it.prop(
    "parsing is total, and what it takes is stable",
    [arbitrary.oneOf("tcp", "ipc", "inproc"), arbitrary.text],
    ([scheme, rest]) => {
      const first = Endpoint.parseBind(`${scheme}://${rest}`)
      if (Result.isFailure(first)) return
      assert.deepStrictEqual(Result.getOrThrow(Endpoint.parseBind(Endpoint.format(first.success))), first.success)
    }
  )
})
