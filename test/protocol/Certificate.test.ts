/** Keys as text, and the files they stand in. */
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import * as Certificate from "../../src/protocol/Certificate.ts"
import * as Octets from "../../src/protocol/Octets.ts"
import * as Z85 from "../../src/protocol/Z85.ts"
import * as Zpl from "../../src/protocol/Zpl.ts"
import { bytes } from "./arbitraries.ts"

/** Written by zcert of CZMQ 4.2.1. */
const secretFile = `#   ****  Generated on 2026-11-23 09:51:32 by CZMQ  ****
#   ZeroMQ CURVE **Secret** Certificate
#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.

metadata
    name = "alice"
curve
    public-key = "O6&]jLuO^F=xwv(h[MDF[ZwTt3hPt0PRQ}#@A^/b"
    secret-key = "pc[UaFn9<h0pU@eWRA4d{1LF!sEHhC>RzD-UMAB?"
`
const publicKey = "O6&]jLuO^F=xwv(h[MDF[ZwTt3hPt0PRQ}#@A^/b"
const secretKey = "pc[UaFn9<h0pU@eWRA4d{1LF!sEHhC>RzD-UMAB?"

describe("Z85", () => {
  it("has the example of its specification", () => {
    const octets = Uint8Array.from(Buffer.from("864fd26fb559f75b", "hex"))
    assert.strictEqual(Z85.encode(octets), "HelloWorld")
    assert.deepStrictEqual(Z85.decode("HelloWorld"), octets)
  })

  it.prop("comes back from text, from any part of a buffer", [bytes(64)], ([drawn]) => {
    const octets = drawn.subarray(drawn.length % 4)
    assert.deepStrictEqual(Z85.decode(Z85.encode(octets)), Uint8Array.from(octets))
  })

  it("is not any text", () => {
    for (const text of ["Hell", "HelloWorl", "Hello World", "#####", "Hell\u00f6World", "HelloWorl~"]) {
      assert.isUndefined(Z85.decode(text), text)
    }
    assert.isTrue(Z85.isKey(publicKey))
    assert.isFalse(Z85.isKey(publicKey.slice(5)))
  })
})

describe("Certificate", () => {
  it("reads what zcert writes", () => {
    const certificate = Result.getOrThrow(Certificate.parse(secretFile))
    assert.strictEqual(certificate.publicKey, publicKey)
    assert.strictEqual(certificate.secretKey && Redacted.value(certificate.secretKey), secretKey)
    assert.deepStrictEqual(certificate.metadata, [["name", "alice"]])
  })

  it("reads what it writes, and the public file has no secret", () => {
    const certificate = Result.getOrThrow(Certificate.parse(secretFile))
    const keys = { ...certificate, secretKey: Redacted.make(secretKey) }
    const printed = Certificate.printSecret(keys)
    const again = Result.getOrThrow(Certificate.parse(Octets.toBytes(printed)))
    assert.deepStrictEqual(again.metadata, certificate.metadata)
    assert.strictEqual(again.secretKey && Redacted.value(again.secretKey), secretKey)
    const shown = Certificate.printPublic(certificate)
    assert.notInclude(shown, secretKey)
    assert.isUndefined(Result.getOrThrow(Certificate.parse(shown)).secretKey)
    assert.isTrue(Result.isSuccess(Zpl.parse(shown)))
  })

  it.each([
    ["nothing", "", /^it is no certificate, it has no curve\/public-key$/],
    ["a text", "certificate\n", /no curve\/public-key/],
    ["no ZPL", `curve\n  secret-key = "${secretKey}"\n`, /^line 2: it is no certificate, the line is no ZPL$/],
    ["a quote that is open", `curve\n    public-key = "${secretKey}\n`, /^line 2: .* no ZPL$/],
    ["text behind a quote", `curve\n    public-key = "x" ${secretKey}\n`, /^line 2: .* no ZPL$/],
    ["a short key", secretFile.replace("O6&]j", ""), /^line 8: the public-key is no key/],
    ["a bad secret key", secretFile.replace("pc[Ua", "pc~Ua"), /^line 9: the secret-key is no key/],
    ["a key without quotes, cut at its #", secretFile.replaceAll('"', ""), /^line 8: the public-key is no key/],
    ["no public key", secretFile.replace("public-key", "other-key"), /no curve\/public-key/]
  ] as const)("says what is wrong, and shows nothing of it: %s", (_, text, says) => {
    const certificate = Certificate.parse(text)
    assert.isTrue(Result.isFailure(certificate))
    if (!Result.isFailure(certificate)) return
    assert.match(certificate.failure.message, says)
    for (let at = 0; at + 8 <= secretKey.length; at++) {
      assert.notInclude(JSON.stringify(certificate.failure), secretKey.slice(at, at + 8))
    }
  })

  it("shows no secret however it is shown", () => {
    const certificate = Result.getOrThrow(Certificate.parse(secretFile))
    for (const text of [JSON.stringify(certificate), inspect(certificate, { depth: 9 })]) {
      assert.notInclude(text, secretKey)
    }
  })

  it("a list of keys has comments, and lines that are none are told", () => {
    const { keys, wrong } = Certificate.parseKeys(`# who may enter\n${publicKey}\n\n  ${secretKey}\t# bob\nnobody\n`)
    assert.deepStrictEqual(keys, [publicKey, secretKey])
    assert.deepStrictEqual(
      wrong.map(({ message }) => message),
      ["line 5: this is no public key of 40 characters"]
    )
    assert.deepStrictEqual(Certificate.parseKeys(secretFile).keys, [publicKey])
  })

  it.prop("takes any octets for what they are", [bytes(200)], ([octets]) => {
    assert.isTrue(Result.isFailure(Certificate.parse(octets)))
    assert.deepStrictEqual(Certificate.parseKeys(octets).keys, [])
  })
})
