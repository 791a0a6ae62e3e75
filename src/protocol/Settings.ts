/**
 * The settings of a node that can change while it runs: their names in the configuration tree (SET path value), units,
 * defaults, and when a change takes effect. {@link definitions} is the table; docs/configuration.md shows it.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import * as Message from "./Message.ts"
import * as Security from "./Security.ts"
import * as Tuple from "./Tuple.ts"

/**
 * Times are milliseconds. `serverTimeout` 0 means never, as in CZMQ; unset (`undefined`) clients are not timed at all.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings extends Security.Security {
  readonly serverTimeout: number | undefined
  readonly verbose: boolean
  readonly background: boolean
  readonly remoteTimeout: number
  readonly pingInterval: number | undefined
  readonly heartbeatInterval: number
  readonly heartbeatTimeout: number
  readonly legacyTtl: boolean
  readonly maxDrift: number
  readonly retention: number
  readonly queueTuples: number
  readonly queueOctets: number
  readonly tuples: number
  readonly octets: number
  readonly frameOctets: number
  readonly valueOctets: number
  readonly clients: number
  readonly clientsPerAddress: number
  readonly messagesPerSecond: number
  readonly totalMessagesPerSecond: number
  readonly dumpsPerSecond: number
  readonly flightOctets: number
  /** Unset or empty: in memory only. */
  readonly storeDirectory: string | undefined
  /** 0: before anybody is told. */
  readonly storeSync: number
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const defaults: Settings = {
  serverTimeout: undefined,
  verbose: false,
  background: false,
  remoteTimeout: 1000,
  pingInterval: undefined,
  heartbeatInterval: 5000,
  heartbeatTimeout: 15_000,
  legacyTtl: false,
  maxDrift: 172_800_000, // two days: a clock that is a day off costs the order of what it sets, not the tuples
  retention: 259_200_000, // three days: more than clocks may differ, or what one sets would be forgotten by others at once
  queueTuples: 1000,
  queueOctets: 2 ** 20,
  tuples: 1_000_000,
  octets: 2 ** 30,
  frameOctets: 2 ** 26,
  valueOctets: 2 ** 25, // half a frame: what is a little too long is refused and counted, and costs no connection
  clients: 10_000,
  clientsPerAddress: 0,
  messagesPerSecond: 0,
  totalMessagesPerSecond: 0,
  dumpsPerSecond: 2,
  flightOctets: 2 ** 30,
  storeDirectory: undefined,
  storeSync: 1000
}

/** What the text of a value may be, and what it stands for. */
interface Type<A> {
  readonly name: string
  /** How to mend what {@link read} does not take. */
  readonly write: string
  readonly read: (text: string) => A | undefined
}

/**
 * One setting. `about` says what it is, `unset` what holds where nothing is set and there is no default value.
 *
 * @since 0.1.0
 * @category models
 */
export interface Definition {
  readonly path: string
  /** Another name in a file. */
  readonly alias?: string
  readonly field: keyof Settings
  readonly type: Type<Settings[keyof Settings]>
  readonly about: string
  readonly unset?: string
  readonly takesEffect: string
}

const longest = 2 ** 31 - 1 // that a timer of the runtime can wait, some 24 days

/** Octets of a frame that can hold every key, every answer of the handshakes of CURVE, and some value. */
const leastFrame = 1024

const whole = (name: string, least: number, most = longest): Type<number> => ({
  name,
  write: `${name}, a whole number from ${least} to ${most}`,
  read: (text) => {
    const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
    return number >= least && number <= most ? number : undefined
  }
})

const flag: Type<boolean> = {
  name: "0 or 1",
  write: "0 or 1",
  read: (text) => (text === "0" || text === "1" ? text === "1" : undefined)
}

const atStart = "at the next start"

/**
 * @since 0.1.0
 * @category definitions
 */
export const definitions: ReadonlyArray<Definition> = [
  {
    path: "server/timeout",
    field: "serverTimeout",
    type: whole("milliseconds", 0),
    about: "a client that says nothing for so long is forgotten, 0 means never",
    unset: "a client lives as long as its connection",
    takesEffect: "at once, for all clients"
  },
  {
    path: "server/verbose",
    field: "verbose",
    type: flag,
    about: "trace commands and state machines to the log",
    takesEffect: "at once"
  },
  {
    path: "server/background",
    field: "background",
    type: flag,
    about: "CZMQ's; a node here runs where it is started",
    takesEffect: "never"
  },
  {
    path: "remote/timeout",
    field: "remoteTimeout",
    type: whole("milliseconds", 1),
    about: "the `server/timeout` of the nodes connected to, which CZMQ has at 1000",
    takesEffect: "with the next PING"
  },
  {
    path: "remote/ping-interval",
    field: "pingInterval",
    type: whole("milliseconds", 1),
    about: "time between two PINGs; never more than half of `remote/timeout`",
    unset: "a quarter of `remote/timeout`",
    takesEffect: "with the next PING"
  },
  {
    path: "heartbeat/interval",
    field: "heartbeatInterval",
    type: whole("milliseconds", 1),
    about: "how long a TCP connection is silent before its other host is asked for life, in whole seconds",
    takesEffect: "for endpoints bound and connections made from then on"
  },
  {
    path: "heartbeat/timeout",
    field: "heartbeatTimeout",
    type: whole("milliseconds", 1),
    about:
      "a TCP connection that shows no life for so long after that is closed, and one that takes nothing for both together",
    takesEffect: "for endpoints bound and connections made from then on"
  },
  {
    path: "legacy/ttl",
    field: "legacyTtl",
    type: flag,
    about:
      "whether the ttl with which a client of version 1 publishes counts as a lifetime; CZMQ may say that of another tuple",
    takesEffect: "at once"
  },
  {
    path: "clock/max-drift",
    field: "maxDrift",
    type: whole("milliseconds", 0),
    about: "how far ahead of our time of day a version may be; one further ahead is held back until our clock is there",
    takesEffect: "at once"
  },
  {
    path: "tombstone/retention",
    field: "retention",
    type: whole("milliseconds", 0),
    about:
      "how long it is remembered that a key was deleted, or that its value had its time; a node that was away for longer takes the word of others, see docs/protocol.md; more than clock/max-drift",
    takesEffect: "at once"
  },
  {
    path: "limits/queue-tuples",
    field: "queueTuples",
    type: whole("tuples", 1),
    about: "how many may wait for one peer or subscriber; what changes beyond that is looked up when its turn comes",
    takesEffect: "for clients, remotes and subscribers that are new then"
  },
  {
    path: "limits/queue-octets",
    field: "queueOctets",
    type: whole("octets", 1),
    about: "how many octets of tuples may wait for one peer or subscriber",
    takesEffect: "for clients, remotes and subscribers that are new then"
  },
  {
    path: "limits/tuples",
    field: "tuples",
    type: whole("tuples", 0),
    about: "how many are held; beyond that new keys are refused, and changes of those held are not",
    takesEffect: "at once"
  },
  {
    path: "limits/octets",
    field: "octets",
    type: whole("octets", 0),
    about: "how many octets all keys and values held may have; beyond that what needs more room is refused",
    takesEffect: "at once"
  },
  {
    path: "limits/frame-octets",
    field: "frameOctets",
    type: whole("octets", leastFrame, Message.maxLength),
    about:
      "how long a frame may be, and a tuple in it; over tcp and ipc a longer one ends its connection, a tuple is refused",
    takesEffect: "for endpoints bound and connections made from then on; at once for tuples"
  },
  {
    path: "limits/value-octets",
    field: "valueOctets",
    type: whole("octets", 0, Tuple.maxValueLength),
    about: "how long a value may be; longer ones are refused",
    takesEffect: "at once"
  },
  {
    path: "limits/clients",
    field: "clients",
    type: whole("clients", 0),
    about:
      "how many may have spoken; for a new one the oldest that never said HELLO goes, if there is none it is not heard",
    takesEffect: "at once, for clients that are new"
  },
  {
    path: "limits/clients-per-address",
    field: "clientsPerAddress",
    type: whole("connections", 0),
    about: "how many one address may have to one endpoint, over tcp and on Linux; one more is not let in, 0 means any",
    takesEffect: "for endpoints bound from then on"
  },
  {
    path: "limits/messages-per-second",
    field: "messagesPerSecond",
    type: whole("messages", 0),
    about:
      "how many one client may send, 0 means any; one more is answered with INVALID, and it has to say HELLO again",
    takesEffect: "at once"
  },
  {
    path: "limits/total-messages-per-second",
    field: "totalMessagesPerSecond",
    type: whole("messages", 0),
    about:
      "how many all clients and remotes together may send, 0 means any; more are read later, and their senders wait",
    takesEffect: "at once"
  },
  {
    path: "limits/dumps-per-second",
    field: "dumpsPerSecond",
    type: whole("dumps", 0),
    about:
      "how many of 1000 tuples or more one client may get, of smaller ones more, 0 means any; HELLOs beyond that are answered later, all of them with one dump",
    takesEffect: "at once"
  },
  {
    path: "limits/flight-octets",
    field: "flightOctets",
    type: whole("octets", 0),
    about:
      "how many octets of long frames may be under way to all peers together that are not known to have been read; each has a part of what is free, and may have one frame",
    takesEffect: "at once"
  },
  {
    path: "store/directory",
    field: "storeDirectory",
    type: {
      name: "directory",
      write: "a directory without NUL",
      read: (text) => (text.includes("\0") ? undefined : text)
    },
    about: "where the tuples are kept on the disk, to be there when the node starts again; a directory for each node",
    unset: "in memory only",
    takesEffect: atStart
  },
  {
    path: "store/sync",
    field: "storeSync",
    type: whole("milliseconds", 0),
    about:
      "how long what was written may take to reach the disk, which a loss of power takes; 0: who publishes waits for that",
    takesEffect: atStart
  },
  ...Security.definitions
]

/**
 * @since 0.1.0
 * @category errors
 */
export class SettingError extends Data.TaggedError("SettingError")<{
  readonly path: string
  readonly value: string
  readonly detail: string
}> {
  override get message(): string {
    return `cannot set ${this.path} to ${JSON.stringify(this.value)}: ${this.detail}`
  }
}

/**
 * The settings with one changed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const set = (settings: Settings, path: string, value: string): Result.Result<Settings, SettingError> => {
  const fail = (detail: string) => Result.fail(new SettingError({ path, value, detail }))
  const definition = definitions.find((it) => it.path === path)
  if (definition === undefined) {
    return fail(`no such setting, there are ${definitions.map(({ path }) => path).join(", ")}`)
  }
  const read = definition.type.read(value)
  return read === undefined
    ? fail(`write ${definition.type.write}`)
    : Result.succeed({ ...settings, [definition.field]: read })
}

/**
 * The settings as texts by their paths; what is `undefined`, and what has no text, is left out.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toTexts = (settings: Partial<Settings>): ReadonlyMap<string, string> =>
  new Map(
    definitions.flatMap(({ field, path }) => {
      const value = settings[field]
      if (value === undefined || typeof value === "object") return []
      return [[path, typeof value === "boolean" ? String(Number(value)) : String(value)]]
    })
  )

/**
 * The defaults, save what is given; each checked as {@link set} checks it. What is `undefined` is not given.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (given: Partial<Settings>): Result.Result<Settings, SettingError> => {
  let settings: Result.Result<Settings, SettingError> = Result.succeed(defaults)
  for (const [path, text] of toTexts(given)) settings = Result.flatMap(settings, (before) => set(before, path, text))
  return settings
}

/**
 * The paths of those that differ and that a node which runs does not take.
 *
 * @since 0.1.0
 * @category getters
 */
export const takenAtStart = (before: Settings, after: Settings): ReadonlyArray<string> =>
  definitions.flatMap(({ field, path, takesEffect }) =>
    takesEffect === atStart && before[field] !== after[field] ? [path] : []
  )

/**
 * The variable of the environment for a path: `ZGOSSIP_SERVER_TIMEOUT` for `server/timeout`.
 *
 * @since 0.1.0
 * @category getters
 */
export const variable = (path: string): string =>
  `ZGOSSIP_${path
    .replace(/^zgossip\//, "")
    .toUpperCase()
    .replaceAll(/[/-]/g, "_")}`
