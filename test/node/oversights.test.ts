/** Doors that somebody meant to guard: none stays open because of a letter, an empty variable, or another order. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Redacted } from "effect"
import { curveKeyPair } from "zeromq"
import * as Gossip from "../../src/Gossip.ts"
import * as Guards from "../../src/layers/Guards.ts"
import * as MemoryConfig from "../../src/layers/MemoryConfig.ts"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/layers/MemoryTransport.ts"
import type * as NodeConfig from "../../src/layers/NodeConfig.ts"
import { GossipConfig } from "../../src/services/GossipConfig.ts"
import { Wire } from "../interop/RawPeer.ts"
import { build, capture, rawClient, settle } from "./support.ts"

const place = "tcp://127.0.0.1:5670"

const keys = () => {
  const { publicKey, secretKey } = curveKeyPair()
  return { publicKey, secretKey: Redacted.make(secretKey) }
}

/** What a configuration would be, from a file, the program and the environment. */
const configuration = (
  text: string,
  given: NodeConfig.Given = {},
  environment: Readonly<Record<string, string>> = {}
) =>
  Effect.gen(function* () {
    const layer = MemoryConfig.layer(given, new Map([["a", text]]), { file: "a", environment: true })
    const config = Context.get(yield* Layer.build(layer), GossipConfig)
    return { config, now: yield* config.get }
  }).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: environment }))))

const refusal = (...args: Parameters<typeof configuration>) =>
  Effect.map(Effect.flip(Effect.scoped(configuration(...args))), ({ message }) => message)

describe("a file", () => {
  it.effect("with a name that would be ignored where it says who may enter is refused, with the line", () =>
    Effect.gen(function* () {
      const bind = `    bind\n        endpoint = ${place}\n`
      const refused: ReadonlyArray<readonly [text: string, line: number]> = [
        [`zgossip\n    security\n        allow-key = a\n${bind}`, 3],
        [`zgossip\n    security\n        domain = a\n    security\n        allow-keys = a\n${bind}`, 4],
        [`zgossip\n    security\n        domain = a\nzgossip\n    security\n        allow-keys = a\n${bind}`, 5],
        [`zgossip\n    security\n        allow-keys = a\n        allow-keys = b\n${bind}`, 4],
        [`zgossip\n    security\n        allow-keys\n${bind}`, 3],
        [`zgossip\n    security\n        certificate = a\n            allow-keys = b\n${bind}`, 4],
        [`zgossip\n    security = curve\n${bind}`, 2],
        [`zgossip\n    Security\n        allow-keys = a\n${bind}`, 2],
        [`zgossip\n    secure\n        allow-keys = a\n${bind}`, 2],
        [`security\n    allow-keys = a\nzgossip\n${bind}`, 1],
        [`zgossip\n${bind}            allow-keys = a\n`, 4],
        [`zgossip\n${bind}        allow_keys = a\n`, 4],
        [`zgossip\n    bind = ${place}\n        allow-keys = a\n${bind}`, 2]
      ]
      for (const [text, line] of refused) assert.include(yield* refusal(text), `: a line ${line}: `, text)
    })
  )

  it.effect("may have its security in another section named zgossip than the first", () =>
    Effect.gen(function* () {
      const text = `zgossip\n    bind\n        endpoint = ${place}\nzgossip\n    security\n        allow-addresses = 10.0.0.1\n`
      const { now } = yield* configuration(text)
      assert.strictEqual(now.settings.allowAddresses, "10.0.0.1")
    })
  )

  it.effect("says who may enter an endpoint, whoever else names that", () =>
    Effect.gen(function* () {
      const text = `zgossip\n    bind\n        endpoint = ${place}\n        allow-addresses = 10.0.0.1\n`
      const guarded = [{ allowAddresses: "10.0.0.1" }]
      const { config, now } = yield* configuration(text, { bind: [place] })
      assert.deepStrictEqual(now.security.bind, guarded)
      assert.deepStrictEqual((yield* configuration(text, {}, { ZGOSSIP_BIND: place })).now.security.bind, guarded)
      const set = yield* config.withValue("zgossip/bind/endpoint", place)
      assert.deepStrictEqual(set.security.bind, guarded)
      const other = yield* configuration(text, { bind: [{ endpoint: place, mechanism: "null" }] })
      assert.deepStrictEqual(other.now.security.bind, [{ mechanism: "null" }])
      const list = [keys().publicKey]
      const program = yield* configuration("", { bind: [{ endpoint: place, allowKeys: list }] })
      const again = yield* program.config.withValue("zgossip/bind/endpoint", place)
      assert.deepStrictEqual(again.security.bind, [{ allowKeys: list }])
    })
  )
})

describe("a variable", () => {
  it.effect("that is empty or misspelt where it says who may enter is refused", () =>
    Effect.gen(function* () {
      for (const [name, says] of [
        ["ZGOSSIP_SECURITY_ALLOW_KEYS", /ALLOW_KEYS is empty/],
        ["ZGOSSIP_SECURITY_MAY_PUBLISH", /MAY_PUBLISH is empty/]
      ] as const) {
        assert.match(yield* refusal("", {}, { [name]: "" }), says)
      }
      for (const name of ["ZGOSSIP_SECURITY_ALLOW_KEY", "ZGOSSIP_ALLOW_KEYS", "ZGOSSIP_SECURTY_ALLOW_KEYS"]) {
        assert.match(yield* refusal("", {}, { [name]: "a" }), /did you mean ZGOSSIP_SECURITY_ALLOW_KEYS/)
      }
      const { now } = yield* configuration("", {}, { ZGOSSIP_BIND: "", ZGOSSIP_SECURITY_DOMAIN: "a" })
      assert.strictEqual(now.settings.domain, "a")
    })
  )
})

describe("a guard", () => {
  const guardOf = (security: Gossip.Options) => Guards.guardOf(security, 0, () => Effect.void)

  it.effect("is not left out where a list was given that would not be asked", () =>
    Effect.gen(function* () {
      const [certificate, list, users] = [keys(), [keys().publicKey], new Map([["ann", Redacted.make("a")]])]
      for (const security of [{ allowKeys: list }, { allowKeys: list, users }, { certificate, users }]) {
        assert.match((yield* Effect.flip(guardOf(security))).path, /security/)
      }
      assert.strictEqual(yield* guardOf({ allowKeys: list, mechanism: "null" }), undefined)
      assert.strictEqual((yield* guardOf({ certificate, users, mechanism: "plain" }))?.mechanism, "plain")
    })
  )

  it.effect("a password is not shown where CURVE was asked for", () =>
    Effect.gen(function* () {
      const user = { name: "ann", password: Redacted.make("a") }
      assert.match((yield* Effect.flip(Guards.credentialsOf({ mechanism: "curve", user }))).path, /server-key/)
      assert.strictEqual((yield* Guards.credentialsOf({ user }))?.mechanism, "plain")
      assert.strictEqual((yield* Guards.credentialsOf({ mechanism: "curve", user }, { user }))?.mechanism, "plain")
    })
  )
})

describe("a node", () => {
  const world = (options: Gossip.Options, text = "") =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make()
      const files = new Map([["a", text]])
      const log = capture()
      const layer = Gossip.layerMemory(network, { host: "here", files, ...options })
      const gossip = yield* Effect.provide(build(layer), log.layer)
      /** Whether a client may set something there. */
      const isOpen = (at: string) =>
        Effect.scoped(
          Effect.gen(function* () {
            const before = (yield* gossip.status).counters.refused.rule
            const client = yield* rawClient(MemoryTransport.make(network, "client"), at)
            yield* client.say(Wire.HELLO, Wire.PUBLISH("a", "1"))
            yield* settle(network)
            return (yield* gossip.status).counters.refused.rule === before
          })
        )
      return { gossip, files, isOpen, log }
    })

  const text = `zgossip\n    bind\n        endpoint = ${place}\n        may-publish = ""\n`

  it.effect("that binds by hand an endpoint of its file guards it as the file says", () =>
    Effect.gen(function* () {
      const { gossip, isOpen } = yield* world({ config: "a" }, text)
      assert.isFalse(yield* isOpen(place))
      yield* gossip.unbind(place)
      yield* gossip.bind(place)
      assert.isFalse(yield* isOpen(place))
    })
  )

  it.effect("says that an endpoint bound by hand stays as it is, whatever a file says of it", () =>
    Effect.gen(function* () {
      const { gossip, isOpen, log } = yield* world({}, text)
      yield* gossip.bind(place)
      assert.isTrue(yield* isOpen(place))
      yield* Effect.provide(gossip.configure("a"), log.layer)
      assert.isTrue(yield* isOpen(place))
      assert.isTrue(
        log.lines.some((line) => /was bound by hand and stays/.test(line)),
        log.lines.join("\n")
      )
    })
  )

  it.effect("binds nothing of a configuration whose connections cannot be made", () =>
    Effect.gen(function* () {
      const bad = `${text}    connect\n        endpoint = tcp://127.0.0.1:5671\n        server-key = /nowhere\n`
      const { gossip } = yield* world({}, bad)
      const { reason } = yield* Effect.flip(gossip.configure("a"))
      assert.strictEqual(reason._tag, "InvalidCredentials")
      assert.deepStrictEqual((yield* gossip.status).listeners, [])
    })
  )

  it.effect("does not save a configuration without the keys and lists that its program gave", () =>
    Effect.gen(function* () {
      const allowKeys = [keys().publicKey]
      const { files, gossip } = yield* world({ bind: ["inproc://a"], certificate: keys(), allowKeys }, text)
      assert.match((yield* Effect.flip(gossip.save("b"))).message, /cannot save b: the program gave .*certificate/)
      assert.deepStrictEqual([...files.keys()], ["a"])
    })
  )
})
