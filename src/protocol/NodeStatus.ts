/**
 * What a node tells everybody who asks, strangers too: how it is, in numbers. No endpoint, no address, no key, and of
 * others only how many they are. As the body of a section of a trailer it is JSON in UTF-8; what its reader does not
 * know there is passed by.
 *
 * @since 0.1.0
 */
import * as Octets from "./Octets.ts"
import type { State as RemoteState } from "./Remote.ts"
import * as Trailer from "./Trailer.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface NodeStatus {
  /** Whose node it is. */
  readonly software: string
  readonly version: string
  /** Since it was started. */
  readonly uptimeSeconds: number
  /** It does what its configuration says, is connected to all its remotes and has what they had to say. */
  readonly ready: boolean
  /** How many it holds, and of how many keys it remembers that they were deleted or had their time. */
  readonly tuples: number
  readonly tombstones: number
  /** How many endpoints it serves on, how many clients spoke there, and how many of them said HELLO. */
  readonly listeners: number
  /** How many endpoints it serves on no longer, and tries to bind again. */
  readonly lost: number
  readonly peers: number
  readonly members: number
  /** How many endpoints it connects to. */
  readonly remotes: { readonly [state in RemoteState["_tag"]]: number }
  /** For how long it has been cut off from all its remotes, and nobody else is linked with it: what it holds may be old. */
  readonly aloneSeconds?: number
  /**
   * Where it keeps its tuples on the disk: the octets there; whether nothing can be written, so that what changes is in
   * memory only; whether something was damaged as it started.
   */
  readonly store?: { readonly octets: number; readonly failing: boolean; readonly damaged: boolean }
  /** Those of the service `Gossip`, of whichever version it is. */
  readonly counters: Counts
}

/**
 * @since 0.1.0
 * @category models
 */
export type Counts = Readonly<Record<string, number | Readonly<Record<string, number>>>>

/**
 * What this package calls itself.
 *
 * @since 0.1.0
 * @category constants
 */
export const software = "effect-zgossip"

/**
 * That of package.json.
 *
 * @since 0.1.0
 * @category constants
 */
export const version = "0.1.0"

/**
 * Octets of the longest answer. What it has besides numbers is fixed, so that none is ever longer.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxLength = 2048

/** How many counters of a node are read, and as many reasons of each. */
const mostCounts = 100

/**
 * Behind a PING: the question.
 *
 * @since 0.1.0
 * @category constructors
 */
export const request: Trailer.Trailer = Trailer.make({ tag: Trailer.tags.statusRequest, body: "" })

/**
 * Behind the PONG: the answer.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (status: NodeStatus): Trailer.Trailer =>
  Trailer.make({ tag: Trailer.tags.status, body: Octets.from(JSON.stringify(status)) })

/**
 * The answer behind a PONG; nothing where there is none, or one that says something else. Total.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (trailer: Trailer.Trailer | Trailer.Broken | undefined): NodeStatus | undefined => {
  const body = Trailer.find(trailer, Trailer.tags.status)
  const found = body === undefined ? undefined : parse(Octets.toText(body))
  if (!isRecord(found) || !isRecord(found["remotes"]) || !isRecord(found["counters"])) return undefined
  const {
    aloneSeconds,
    counters,
    listeners,
    lost,
    members,
    peers,
    ready,
    remotes,
    software,
    tombstones,
    tuples,
    uptimeSeconds,
    version
  } = found
  const { Connected, Disconnected, Joining } = remotes
  if (!isName(software) || !isName(version) || typeof ready !== "boolean") return undefined
  if (
    !isCount(uptimeSeconds) ||
    !isCount(tuples) ||
    !isCount(listeners) ||
    !isCount(lost) ||
    !isCount(peers) ||
    !isCount(members)
  ) {
    return undefined
  }
  if (!isCount(Connected) || !isCount(Joining) || !isCount(Disconnected)) return undefined
  return {
    software,
    version,
    uptimeSeconds,
    ready,
    tuples,
    // Older ones have none.
    tombstones: isCount(tombstones) ? tombstones : 0,
    listeners,
    lost,
    peers,
    members,
    remotes: { Connected, Joining, Disconnected },
    ...(isCount(aloneSeconds) && { aloneSeconds }),
    ...storeOf(found["store"]),
    counters: countsOf(counters)
  }
}

const storeOf = (found: unknown): Pick<NodeStatus, "store"> => {
  if (!isRecord(found)) return {}
  const { damaged, failing, octets } = found
  const isStore = isCount(octets) && typeof failing === "boolean" && typeof damaged === "boolean"
  return isStore ? { store: { octets, failing, damaged } } : {}
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0

/** It is shown to people. */
const isName = (value: unknown): value is string => typeof value === "string" && /^[!-~]{1,40}$/.test(value)

/** What is no count, or a group of them, is left out, and so is what nobody would read. */
const countsOf = (record: Readonly<Record<string, unknown>>): Counts =>
  Object.fromEntries(
    entriesOf(record).flatMap(([name, value]): ReadonlyArray<[string, Counts[string]]> => {
      if (!isName(name)) return []
      if (isCount(value)) return [[name, value]]
      return isRecord(value) ? [[name, Object.fromEntries(entriesOf(value).filter(isCounted))]] : []
    })
  )

const entriesOf = (record: Readonly<Record<string, unknown>>) => Object.entries(record).slice(0, mostCounts)

const isCounted = (entry: [string, unknown]): entry is [string, number] => isName(entry[0]) && isCount(entry[1])
