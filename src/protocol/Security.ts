/**
 * Who may enter an endpoint and what may be said there, as a configuration has it: texts and the names of files. What
 * the files hold, and who is asked, is for the layers.
 *
 * @since 0.1.0
 */
import type * as Redacted from "effect/Redacted"
import type { Keys } from "./Certificate.ts"
import * as Octets from "./Octets.ts"

/**
 * CURVE encrypts, and proves who has which key; PLAIN is a name and a password in clear text; null is neither.
 *
 * @since 0.1.0
 * @category models
 */
export type Mechanism = "null" | "plain" | "curve"

/**
 * For all endpoints of a node, or for one. A text is what a configuration holds, see {@link definitions}: mostly the
 * name of a file. A program may also give the keys, lists and passwords themselves.
 *
 * @since 0.1.0
 * @category models
 */
export interface Security {
  readonly mechanism?: Mechanism | undefined
  readonly domain?: string | undefined
  /** Our own keys, to serve with and to show where we connect. */
  readonly certificate?: string | Keys | undefined
  readonly allowKeys?: string | ReadonlyArray<string> | undefined
  readonly allowAddresses?: string | undefined
  readonly users?: string | ReadonlyMap<string, Redacted.Redacted<string>> | undefined
  /** The public key of the servers that we connect to, or the file that has it. */
  readonly serverKey?: string | undefined
  readonly user?: string | { readonly name: string; readonly password: Redacted.Redacted<string> } | undefined
  readonly mayPublish?: string | undefined
  readonly mayRead?: string | undefined
}

/** Where the file has them. */
const section = "zgossip/security"

/**
 * One setting, as those of `Settings`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Definition {
  readonly path: string
  readonly field: keyof Security
  readonly type: { readonly name: string; readonly write: string; readonly read: (text: string) => string | undefined }
  /** Whether it is about who enters or about where we connect. */
  readonly sides: ReadonlyArray<"bind" | "connect">
  /** Another name in a file: CZMQ's. */
  readonly alias?: string
  readonly about: string
  readonly unset: string
  readonly takesEffect: string
}

const mechanisms: ReadonlyArray<string> = ["null", "plain", "curve"] satisfies ReadonlyArray<Mechanism>

const mechanism = {
  name: "null, plain or curve",
  write: "null, plain or curve",
  read: (text: string) => (mechanisms.includes(text) ? text : undefined)
}

const some = (name: string) => ({ name, write: name, read: (text: string) => (text === "" ? undefined : text) })
const file = some("file")
/** A ZAP domain has 255 octets at most, and ours are numbered. */
const domain = {
  name: "text",
  write: "1 to 200 letters, digits and punctuation",
  read: (text: string) => (/^[!-~]{1,200}$/.test(text) ? text : undefined)
}

const list = { name: "list", write: "a list with commas", read: (text: string) => text }

const rebound = "at once: endpoints of the configuration are bound and connected anew, others from then on"
const withinSeconds = "at once, and within two seconds after a file has changed"

/**
 * @since 0.1.0
 * @category definitions
 */
export const definitions: ReadonlyArray<Definition> = [
  {
    path: `${section}/mechanism`,
    field: "mechanism",
    type: mechanism,
    sides: ["bind", "connect"],
    about: "how those who enter prove who they are; `curve` encrypts, `plain` does not",
    unset: "`curve` with a `certificate`, `plain` with `users`, else `null`",
    takesEffect: rebound
  },
  {
    path: `${section}/certificate`,
    field: "certificate",
    type: file,
    sides: ["bind", "connect"],
    alias: "secret-key",
    about:
      "our own keys, as `zgossip keygen` and zcert write them: `FILE_secret`, or else `FILE`; also as `secret-key`",
    unset: "none; where we connect with CURVE, keys made for the connection",
    takesEffect: rebound
  },
  {
    path: `${section}/allow-keys`,
    field: "allowKeys",
    type: some("file or directory"),
    sides: ["bind"],
    about: "public keys that may enter by CURVE: a list, one on each line, a certificate, or a directory of these",
    unset: "every key",
    takesEffect: withinSeconds
  },
  {
    path: `${section}/allow-addresses`,
    field: "allowAddresses",
    type: some("addresses, with commas"),
    sides: ["bind"],
    about: "addresses and networks (`10.0.0.0/8`) that may enter over tcp; ipc is for the rights of its file to guard",
    unset: "every address",
    takesEffect: rebound
  },
  {
    path: `${section}/users`,
    field: "users",
    type: file,
    sides: ["bind"],
    about: "who may enter by PLAIN: lines of `user=password`",
    unset: "none",
    takesEffect: withinSeconds
  },
  {
    path: `${section}/domain`,
    field: "domain",
    type: domain,
    sides: ["bind"],
    about: "the ZAP domain: what the doors are called where somebody is turned away",
    unset: "`zgossip`",
    takesEffect: rebound
  },
  {
    path: `${section}/server-key`,
    field: "serverKey",
    type: some("key or file"),
    sides: ["connect"],
    about: "the public key that those we connect to must have, or a file with it: turns CURVE on for connections",
    unset: "none",
    takesEffect: rebound
  },
  {
    path: `${section}/user`,
    field: "user",
    type: file,
    sides: ["connect"],
    about: "what to say where PLAIN is asked: a file with one line of `user=password`",
    unset: "none",
    takesEffect: rebound
  },
  {
    path: `${section}/may-publish`,
    field: "mayPublish",
    type: list,
    sides: ["bind"],
    about: "clients may set keys that begin so, with commas, `*` any, empty none; other tuples are ignored and counted",
    unset: "any",
    takesEffect: rebound
  },
  {
    path: `${section}/may-read`,
    field: "mayRead",
    type: list,
    sides: ["bind"],
    about: "clients are told keys that begin so",
    unset: "any",
    takesEffect: rebound
  }
]

/**
 * What a text of a definition may be is checked; these are the checked ones, as they stand in an object.
 *
 * @since 0.1.0
 * @category getters
 */
export const pick = (from: Security): Security =>
  Object.fromEntries(definitions.flatMap(({ field }) => (from[field] === undefined ? [] : [[field, from[field]]])))

/**
 * The same with every field, also those that are not set: laid over another one nothing of that is left.
 *
 * @since 0.1.0
 * @category getters
 */
export const whole = (security: Security): Security =>
  Object.fromEntries(definitions.map(({ field }) => [field, security[field]]))

/**
 * How those who enter prove who they are.
 *
 * @since 0.1.0
 * @category getters
 */
export const serverMechanism = ({ certificate, mechanism, users }: Security): Mechanism =>
  mechanism ?? (certificate !== undefined ? "curve" : users !== undefined ? "plain" : "null")

/**
 * Whether anybody at all is turned away.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isGuarded = (security: Security): boolean =>
  serverMechanism(security) !== "null" || security.allowAddresses !== undefined

/**
 * Whether anybody is turned away, or may not do as all others.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isRestricted = (security: Security): boolean =>
  isGuarded(security) || security.mayPublish !== undefined || security.mayRead !== undefined

/**
 * Two that have the same are the same; no secret is in it.
 *
 * @since 0.1.0
 * @category getters
 */
export const fingerprint = (security: Security): string =>
  JSON.stringify(
    definitions.map(({ field }) => {
      const value = security[field]
      return typeof value === "object" && "publicKey" in value ? value.publicKey : value
    })
  )

/**
 * What may be set and what is told at an endpoint; nothing where there is no rule.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rules {
  readonly publish: ReadonlyArray<Octets.Octets> | undefined
  readonly read: ReadonlyArray<Octets.Octets> | undefined
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const rulesOf = ({ mayPublish, mayRead }: Security): Rules => ({
  publish: prefixes(mayPublish),
  read: prefixes(mayRead)
})

const prefixes = (text: string | undefined): ReadonlyArray<Octets.Octets> | undefined => {
  const found = text?.split(",").map((prefix) => prefix.trim())
  if (found === undefined || found.includes("*")) return undefined
  return found.filter((prefix) => prefix !== "").map(Octets.from)
}

/**
 * Whether a rule allows this key.
 *
 * @since 0.1.0
 * @category predicates
 */
export const allows = (rule: Rules[keyof Rules], key: Octets.Octets): boolean =>
  rule === undefined || rule.some((prefix) => key.startsWith(prefix))
