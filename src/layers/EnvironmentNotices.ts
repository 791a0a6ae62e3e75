/**
 * Variables that look like ours and mean nothing: somebody has misspelt one, and would not find out otherwise.
 *
 * @since 0.1.0
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Settings from "../protocol/Settings.ts"

/**
 * A variable, and the one that was meant, if one is near.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stranger {
  readonly name: string
  readonly meant: string | undefined
}

/**
 * The command asks the node there.
 *
 * @since 0.1.0
 * @category definitions
 */
export const endpointVariable = "ZGOSSIP_ENDPOINT"

const prefix = "ZGOSSIP"
const security = `${prefix}_SECURITY_`

const lists = ["bind", "connect", "publish"].map(Settings.variable)

/** What people set. */
const known: ReadonlyArray<string> = [
  ...Settings.definitions.map(({ path }) => Settings.variable(path)),
  ...lists,
  endpointVariable
]

/** What `watch` sets for the commands that it runs, of which one may be a node. */
const setByUs = ["ZGOSSIP_EVENT", "ZGOSSIP_KEY", "ZGOSSIP_KEY_BASE64", "ZGOSSIP_VALUE"]

/**
 * In the order of their names.
 *
 * @since 0.1.0
 * @category getters
 */
export const strangers: Effect.Effect<ReadonlyArray<Stranger>> = Effect.gen(function* () {
  const names = yield* namesBelow(yield* ConfigProvider.ConfigProvider, [prefix])
  const services = names.filter((name) => name.endsWith("_SERVICE_HOST")).map((name) => name.slice(0, -13))
  return names
    .filter((name) => !isKnown(name) && !services.some((service) => isOfService(name, service)))
    .sort()
    .map((name) => ({ name, meant: nearest(name) }))
})

/**
 * What is wrong with the variables that say who may enter, one line each: a door that stays open because of a letter, or
 * because a script had nothing to put there, is a fault.
 *
 * @since 0.1.0
 * @category getters
 */
export const faults: Effect.Effect<ReadonlyArray<string>> = Effect.gen(function* () {
  const provider = yield* ConfigProvider.ConfigProvider
  const filled = yield* namesBelow(provider, [prefix])
  const all = yield* namesBelow(provider, [prefix], true)
  const empty = all.filter((name) => !filled.includes(name) && name.startsWith(security) && isKnown(name))
  const misspelt = (yield* strangers).filter(({ meant, name }) => `${name} ${meant ?? ""}`.includes(security))
  return [...misspelt.map(tell), ...empty.map((name) => `${name} is empty: give it a value, or unset it`)]
})

const isKnown = (name: string): boolean =>
  known.includes(name) || setByUs.includes(name) || lists.includes(name.replace(/_\d+$/, ""))

/** Kubernetes gives every container a dozen variables for a service that is called zgossip. */
const isOfService = (name: string, service: string): boolean =>
  name.startsWith(service) && /^_(?:SERVICE|PORT)(?:_|$)/.test(name.slice(service.length))

/**
 * A provider tells what stands at a path and which names stand below; an empty variable is nothing. Where it fails, that
 * is not ours to tell.
 */
const namesBelow = (
  provider: ConfigProvider.ConfigProvider,
  path: ReadonlyArray<string | number>,
  withEmpty = false
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const node = yield* Effect.orElseSucceed(provider.load(path), () => undefined)
    if (node === undefined) return withEmpty && path.length > 1 ? [path.join("_")] : []
    const own = node.value === undefined || path.length === 1 ? [] : [path.join("_")]
    const below = node._tag === "Record" ? [...node.keys] : node._tag === "Array" ? indexes(node.length) : []
    const names = yield* Effect.forEach(below, (key) => namesBelow(provider, [...path, key], withEmpty))
    return [...own, ...names.flat()]
  })

/** A number in a name need not be an index. */
const indexes = (length: number): ReadonlyArray<number> => Array.from({ length: Math.min(length, 100) }, (_, at) => at)

/** One that has the whole name behind that of its section, or else one that is spelt much the same. */
const nearest = (name: string): string | undefined => {
  const ends = known.filter((other) => other.endsWith(name.slice(prefix.length)))
  if (ends.length === 1) return ends[0]
  const most = Math.max(2, Math.floor((name.length - prefix.length) / 4))
  const [first] = known
    .map((other) => ({ other, distance: distance(name, other) }))
    .filter((it) => it.distance <= most)
    .sort((a, b) => a.distance - b.distance)
  return first?.other
}

/** How many letters have to be put in, left out or replaced, after Levenshtein. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (const [index, letter] of Array.from(a).entries()) {
    const next = [index + 1]
    for (let at = 0; at < b.length; at++) {
      const replaced = (row[at] ?? 0) + (b[at] === letter ? 0 : 1)
      next.push(Math.min(replaced, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

/**
 * @since 0.1.0
 * @category text
 */
export const tell = ({ meant, name }: Stranger): string =>
  `${name} is ignored: ${meant === undefined ? "no setting has this variable" : `did you mean ${meant}?`}`
