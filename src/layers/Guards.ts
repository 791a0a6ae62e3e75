/**
 * What a node's configuration says of security, made into guards for its listeners and credentials for its connections.
 *
 * @since 0.1.0
 */
import { createHash, timingSafeEqual } from "node:crypto"
import { BlockList, isIP } from "node:net"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { curveKeyPair } from "zeromq"
import type { Keys } from "../protocol/Certificate.ts"
import * as Octets from "../protocol/Octets.ts"
import type { Security } from "../protocol/Security.ts"
import { isGuarded, serverMechanism } from "../protocol/Security.ts"
import * as Z85 from "../protocol/Z85.ts"
import type { Applicant, Credentials, Guard } from "../services/Transport.ts"
import { FileError } from "./FileError.ts"
import { areCounted } from "./Connections.ts"
import * as KeyFiles from "./KeyFiles.ts"

/** How often files are looked at. One that has changed is read once it has not changed for as long again. */
const lookEvery = "700 millis"

/** At most one line in so many ms tells who was turned away; the others are counted. */
const sayEvery = 1000

/**
 * Keys that nobody else has.
 *
 * @since 0.1.0
 * @category keys
 */
export const makeKeys: Effect.Effect<Keys> = Effect.sync(() => {
  const { publicKey, secretKey } = curveKeyPair()
  return { publicKey, secretKey: Redacted.make(secretKey, { label: "secret key" }) }
})

const keysOf = ({ certificate }: Security): Effect.Effect<Keys | undefined, FileError> =>
  typeof certificate === "string" ? KeyFiles.keys(certificate) : Effect.succeed(certificate)

/**
 * The guard of a listener; nothing where everybody may enter. `refused` hears of each who is turned away, and once a
 * second gets a line about one of them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const guardOf = Effect.fnUntraced(function* (
  security: Security,
  perAddress: number,
  refused: (line: string | undefined) => Effect.Effect<void>
): Effect.fn.Return<Guard | undefined, FileError> {
  const mechanism = serverMechanism(security)
  // Who may enter was said, and would not be asked. With a mechanism that was said as well that is meant.
  if (security.mechanism === undefined && security.allowKeys !== undefined && mechanism !== "curve") {
    return yield* unset("certificate", "allow-keys needs keys of our own: name a certificate, or the mechanism")
  }
  if (security.mechanism === undefined && security.users !== undefined && mechanism !== "plain") {
    return yield* unset("mechanism", "with both a certificate and users, say plain or curve")
  }
  if (!isGuarded(security) && perAddress === 0) return undefined
  if (perAddress > 0 && !areCounted()) {
    return yield* new FileError({
      operation: "read",
      path: "limits/clients-per-address",
      detail: "this system does not tell how many connections an address has: set it to 0"
    })
  }
  const domain = security.domain ?? "zgossip"
  const keys = mechanism === "curve" ? yield* keysOf(security) : undefined
  if (mechanism === "curve" && keys === undefined) {
    return yield* unset("certificate", "CURVE needs keys of our own: name a certificate, zgossip keygen makes one")
  }
  if (mechanism === "plain" && security.users === undefined) {
    return yield* unset("users", "PLAIN needs users: name a file with lines of user=password")
  }
  const addresses = yield* addressesOf(security.allowAddresses)
  const list = yield* listOf(security, mechanism)
  /** Of the list: who was let in. */
  const admitted = new Set<string>()

  const stranger = (applicant: Applicant): string | undefined => {
    const { address } = applicant
    if (addresses !== undefined && !addresses(address)) return `the address ${address} is not allowed`
    switch (applicant.mechanism) {
      case "null":
        return undefined
      case "curve": {
        const why = list?.whyNot(applicant.key, undefined)
        return why === undefined ? undefined : `${address === "" ? "" : `${address}: `}${why}`
      }
      case "plain": {
        const why = list?.whyNot(applicant.user, applicant.password)
        return why === undefined ? undefined : `${address === "" ? "" : `${address}: `}${why}`
      }
    }
  }

  /** To count is dear: it is done last, so that strangers neither cost it nor are counted. */
  const whyNot = (applicant: Applicant): string | undefined => {
    const { address } = applicant
    const why = stranger(applicant)
    // Over ipc everybody is on this machine.
    if (why !== undefined || perAddress === 0 || address === "") return why
    const many = applicant.connections()
    return many === undefined || many <= perAddress
      ? undefined
      : `${address} has ${many - 1} connections, see limits/clients-per-address`
  }

  let unsaid = 0
  let saidAt = Number.NEGATIVE_INFINITY
  const report = (why: string) =>
    Effect.flatMap(Clock.monotonicTimeNanos, (nanos) => {
      const now = Number(nanos / 1_000_000n)
      if (now - saidAt < sayEvery) {
        unsaid += 1
        return refused(undefined)
      }
      const others = unsaid === 0 ? "" : `, and ${unsaid} others since`
      saidAt = now
      unsaid = 0
      return refused(`${domain}: not admitted${others}: ${why}`)
    })

  return {
    mechanism,
    keys,
    domain,
    admit: (applicant) =>
      Effect.suspend(() => {
        const why = whyNot(applicant)
        if (why !== undefined) return Effect.as(report(Octets.printable(why)), why)
        // Without a list strangers would fill it.
        if (list !== undefined && applicant.mechanism === "curve") admitted.add(applicant.key)
        if (list !== undefined && applicant.mechanism === "plain") admitted.add(applicant.user)
        return Effect.succeed(undefined)
      }),
    revoked:
      list === undefined
        ? Effect.never
        : Effect.andThen(Effect.sleep(lookEvery), list.lost(admitted)).pipe(
            Effect.repeat({ until: (lost) => lost.length > 0 }),
            Effect.map(([first = "", ...others]) => {
              const more = others.length === 0 ? "" : ` and ${others.length} more`
              return `${Octets.printable(first)}${more} may not stay, all have to come again`
            })
          )
  }
})

const unset = (setting: string, detail: string) =>
  Effect.fail(new FileError({ operation: "read", path: `zgossip/security/${setting}`, detail }))

/** Who may enter, by key or by name. */
interface List {
  readonly whyNot: (name: string, password: Redacted.Redacted<string> | undefined) => string | undefined
  /** Those of the admitted that are not on it any more, or with another password. Reads what has changed. */
  readonly lost: (admitted: ReadonlySet<string>) => Effect.Effect<ReadonlyArray<string>>
}

const listOf = (security: Security, mechanism: Guard["mechanism"]): Effect.Effect<List | undefined, FileError> => {
  if (mechanism === "curve" && security.allowKeys !== undefined) return keyList(security.allowKeys)
  if (mechanism === "plain" && security.users !== undefined) return userList(security.users)
  return Effect.succeed(undefined)
}

const keyList = Effect.fnUntraced(function* (allow: string | ReadonlyArray<string>) {
  const wrong = typeof allow === "string" ? undefined : allow.find((key) => !Z85.isKey(key))
  if (wrong !== undefined) return yield* unset("allow-keys", "one of them is no key, which has 40 characters of Z85")
  const { current, look } = yield* watched(allow, KeyFiles.allowed, (keys) => ({ keys: new Set(keys), notices: [] }))
  const list: List = {
    whyNot: (key) => (current().keys.has(key) ? undefined : `the key ${key} is not on the list`),
    lost: (admitted) =>
      Effect.map(look, ({ keys }) =>
        Array.from(admitted, String)
          .filter((key) => !keys.has(key))
          .map((key) => `the key ${key}`)
      )
  }
  return list
})

const userList = Effect.fnUntraced(function* (users: Exclude<Security["users"], undefined>) {
  const { current, look } = yield* watched(users, withNotices, (users) => ({ users, notices: [] }))
  const accepted = new Map<string, Redacted.Redacted<string>>()
  const list: List = {
    whyNot: (name, password) => {
      const expected = current().users.get(name)
      // A user that is unknown takes as long as one that is known.
      const same = isSame(expected ?? nobody, password ?? nobody) && expected !== undefined
      if (same) accepted.set(name, expected)
      return same ? undefined : `the user ${JSON.stringify(name)} with this password is not known`
    },
    lost: (admitted) =>
      Effect.map(look, ({ users }) =>
        Array.from(admitted)
          .filter((name) => {
            const [then, now] = [accepted.get(name), users.get(name)]
            return then !== undefined && (now === undefined || !isSame(then, now))
          })
          .map((name) => `the user ${JSON.stringify(name)}`)
      )
  }
  return list
})

const withNotices = (path: string) => Effect.map(KeyFiles.passwords(path), (users) => ({ users, notices: [] }))

const nobody = Redacted.make("")

/** In a time that tells nothing. */
const isSame = (one: Redacted.Redacted<string>, other: Redacted.Redacted<string>): boolean =>
  timingSafeEqual(digest(one), digest(other))

const digest = (text: Redacted.Redacted<string>): Buffer => createHash("sha256").update(Redacted.value(text)).digest()

/** What a file holds, read again where it has changed; or what the program gave, which does not change. */
const watched = Effect.fnUntraced(function* <A, V extends { readonly notices: ReadonlyArray<string> }>(
  source: string | A,
  read: (path: string) => Effect.Effect<V, FileError>,
  given: (value: A) => V
) {
  if (typeof source !== "string") {
    const value = given(source)
    return { current: () => value, look: Effect.succeed(value) }
  }
  let stamp = yield* KeyFiles.stamp(source)
  let seen = stamp
  let said = ""
  const readIt = Effect.tap(read(source), ({ notices }) =>
    Effect.forEach(notices, (notice) => Effect.logWarning(Octets.printable(notice)), { discard: true })
  )
  let value = yield* readIt
  const look = Effect.gen(function* () {
    const now = yield* KeyFiles.stamp(source)
    const settled = now === seen
    seen = now
    if (!settled || now === stamp) return value
    const before = said
    yield* Effect.match(readIt, {
      onFailure: ({ message }) => {
        said = message
      },
      onSuccess: (read) => {
        // Not where it failed: what the system says may pass without a change of the file.
        stamp = now
        said = ""
        value = read
      }
    })
    if (said === "") yield* Effect.logInfo(`took who may enter from ${source}`)
    else if (said !== before) yield* Effect.logWarning(`who may enter stays as it was, ${Octets.printable(said)}`)
    return value
  })
  return { current: () => value, look }
})

/** Whether an address may enter. */
const addressesOf = Effect.fnUntraced(function* (text: string | undefined) {
  if (text === undefined) return undefined
  const list = new BlockList()
  for (const entry of text.split(",").map((entry) => entry.trim())) {
    if (entry === "") continue
    const [address = "", bits, more] = entry.split("/")
    const version = isIP(address)
    const prefix = bits === undefined ? undefined : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN
    const isWrong =
      version === 0 || more !== undefined || (prefix !== undefined && !(prefix <= (version === 4 ? 32 : 128)))
    if (isWrong) {
      return yield* unset("allow-addresses", `${JSON.stringify(entry)} is no address and no network such as 10.0.0.0/8`)
    }
    const family = version === 4 ? "ipv4" : "ipv6"
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, prefix, family)
  }
  return (from: string) => {
    const address = from.replace(/%.*$/, "")
    const version = isIP(address)
    // There is none over ipc, and in a simulation a name.
    return version === 0 || list.check(address, version === 4 ? "ipv4" : "ipv6")
  }
})

/**
 * What we show where we connect; `own` is what the connection has of its own. One that would go without the protection
 * that the node has fails, unless it says so.
 *
 * @since 0.1.0
 * @category constructors
 */
export const credentialsOf = Effect.fnUntraced(function* (
  security: Security,
  own: Security = {}
): Effect.fn.Return<Credentials | undefined, FileError> {
  const isOpen = own.mechanism === "null" && own.serverKey === undefined && own.user === undefined
  if (isOpen) return undefined
  const { serverKey, user } = security
  if (serverKey !== undefined && own.user === undefined) {
    return {
      mechanism: "curve",
      serverKey: yield* KeyFiles.publicKey(serverKey),
      keys: (yield* keysOf(security)) ?? (yield* makeKeys)
    }
  }
  if (user !== undefined && (own.user !== undefined || security.mechanism !== "curve")) return yield* plain(user)
  return serverMechanism(security) === "null"
    ? undefined
    : yield* unset(
        "server-key",
        "it is not set, nor is user: set one of them, or mechanism = null for a connection in the clear"
      )
})

const plain = Effect.fnUntraced(function* (
  user: Exclude<Security["user"], undefined>
): Effect.fn.Return<Credentials, FileError> {
  if (typeof user === "object") return { mechanism: "plain", user: user.name, password: user.password }
  const [first, ...others] = yield* KeyFiles.passwords(user)
  if (first === undefined || others.length > 0) {
    return yield* Effect.fail(
      new FileError({ operation: "read", path: user, detail: "one line of user=password is needed" })
    )
  }
  return { mechanism: "plain", user: first[0], password: first[1] }
})
