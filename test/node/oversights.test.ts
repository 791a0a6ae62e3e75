/** Doors that somebody meant to guard: none stays open because of a letter, an empty variable, or another order. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Redacted } from "effect"
import { curveKeyPair } from "zeromq"
import type * as Gossip from "../../src/Gossip.ts"
import * as Guards from "../../src/layers/Guards.ts"
import * as MemoryConfig from "../../src/layers/MemoryConfig.ts"
import type * as NodeConfig from "../../src/layers/NodeConfig.ts"
import { GossipConfig } from "../../src/services/GossipConfig.ts"

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
    return { now: yield* config.get }
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
