/**
 * CURVE certificates in files as CZMQ's zcert has them: `NAME` holds the public key and goes to others, `NAME_secret`
 * holds both keys and goes to nobody.
 *
 *     metadata
 *         name = "alice"
 *     curve
 *         public-key = "O6&]jLuO^F=xwv(h[MDF[ZwTt3hPt0PRQ}#@A^/b"
 *         secret-key = "..."
 *
 * No error says what a file holds: it may be a secret in the wrong place.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Octets from "./Octets.ts"
import * as Z85 from "./Z85.ts"
import * as Zpl from "./Zpl.ts"

/**
 * A pair of keys, as Z85.
 *
 * @since 0.1.0
 * @category models
 */
export interface Keys {
  readonly publicKey: string
  readonly secretKey: Redacted.Redacted<string>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Certificate {
  readonly publicKey: string
  /** Only in the secret file. */
  readonly secretKey: Redacted.Redacted<string> | undefined
  /** Names and values that say whose it is; nothing checks them. */
  readonly metadata: ReadonlyArray<readonly [name: string, value: string]>
}

/**
 * A file that is no certificate. `line` is 0 where it is about the whole file.
 *
 * @since 0.1.0
 * @category errors
 */
export class CertificateError extends Data.TaggedError("CertificateError")<{
  readonly line: number
  readonly detail: string
}> {
  override get message(): string {
    return this.line === 0 ? this.detail : `line ${this.line}: ${this.detail}`
  }
}

/**
 * @since 0.1.0
 * @category parsing
 */
export const parse = (input: Octets.Input): Result.Result<Certificate, CertificateError> => {
  const fail = (line: number, detail: string) => Result.fail(new CertificateError({ line, detail }))
  const document = Zpl.parse(input)
  // What the parser says may show a piece of the line.
  if (Result.isFailure(document)) return fail(document.failure.line, "it is no certificate, the line is no ZPL")
  const publicKey = keyAt(document.success, "public-key")
  const secretKey = keyAt(document.success, "secret-key")
  if (publicKey === undefined) return fail(0, "it is no certificate, it has no curve/public-key")
  for (const { isKey, line, name } of [publicKey, ...(secretKey === undefined ? [] : [secretKey])]) {
    if (!isKey) return fail(line, `the ${name} is no key, which has 40 characters of Z85`)
  }
  return Result.succeed({
    publicKey: publicKey.text,
    secretKey: secretKey === undefined ? undefined : Redacted.make(secretKey.text, { label: "secret key" }),
    metadata: (Zpl.get(document.success, "metadata")?.children ?? []).map(
      ({ name, value = "" }) => [name, Octets.toText(value)] as const
    )
  })
}

const keyAt = (document: Zpl.Document, name: string) => {
  const item = Zpl.get(document, `curve/${name}`)
  if (item === undefined) return undefined
  const text = Octets.toText(item.value ?? "")
  return { name, text, line: item.line ?? 0, isKey: Z85.isKey(text) }
}

/**
 * The file for everybody.
 *
 * @since 0.1.0
 * @category printing
 */
export const printPublic = ({ metadata, publicKey }: Pick<Certificate, "metadata" | "publicKey">): Octets.Octets =>
  print(
    [
      "#   ZeroMQ CURVE Public Certificate",
      "#   Give it to those who are to let its owner in, by a way on which nobody can exchange it."
    ],
    metadata,
    [Zpl.item("public-key", publicKey)]
  )

/**
 * The file for its owner alone.
 *
 * @since 0.1.0
 * @category printing
 */
export const printSecret = ({ metadata, publicKey, secretKey }: Keys & Pick<Certificate, "metadata">): Octets.Octets =>
  print(
    [
      "#   ZeroMQ CURVE **Secret** Certificate",
      "#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions."
    ],
    metadata,
    [Zpl.item("public-key", publicKey), Zpl.item("secret-key", Redacted.value(secretKey))]
  )

const print = (
  comment: ReadonlyArray<string>,
  metadata: Certificate["metadata"],
  keys: ReadonlyArray<Zpl.Item>
): Octets.Octets => {
  const section = Zpl.item(
    "metadata",
    undefined,
    metadata.map(([name, value]) => Zpl.item(name, Octets.from(value)))
  )
  return Zpl.print(Zpl.document([{ ...section, before: [...comment, ""] }, Zpl.item("curve", undefined, keys)]))
}

/** A file that is something else has a fault in each of its lines. */
const mostWrong = 100

/**
 * Public keys of those who may enter, each with the line it stands on: a certificate has one, a list has one for each
 * line, with comments behind `#` and a blank. What is wrong with other lines is told besides, of the first hundred.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseKeys = (
  input: Octets.Input
): { readonly keys: ReadonlyArray<string>; readonly wrong: ReadonlyArray<CertificateError> } => {
  const certificate = parse(input)
  if (Result.isSuccess(certificate)) return { keys: [certificate.success.publicKey], wrong: [] }
  const keys: Array<string> = []
  const wrong: Array<CertificateError> = []
  for (const [index, line] of Octets.toText(Octets.from(input)).split("\n").entries()) {
    // A key may hold a #, but no blank.
    const [first = "", second] = line.trim().split(/\s+/)
    if (Z85.isKey(first) && (second === undefined || second.startsWith("#"))) keys.push(first)
    else if (first !== "" && !first.startsWith("#") && wrong.length < mostWrong) {
      wrong.push(new CertificateError({ line: index + 1, detail: "this is no public key of 40 characters" }))
    }
  }
  return { keys, wrong }
}
