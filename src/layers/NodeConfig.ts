/**
 * The configuration of a node, over files of some kind.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Configuration } from "../protocol/Configuration.ts"
import * as Configurations from "../protocol/Configuration.ts"
import * as ConfigurationNotices from "../protocol/ConfigurationNotices.ts"
import * as Endpoint from "../protocol/Endpoint.ts"
import * as Octets from "../protocol/Octets.ts"
import * as Security from "../protocol/Security.ts"
import * as Settings from "../protocol/Settings.ts"
import type { Tuple } from "../protocol/Tuple.ts"
import * as Zpl from "../protocol/Zpl.ts"
import { GossipConfig } from "../services/GossipConfig.ts"
import * as ConfigSources from "./ConfigSources.ts"
import * as EnvironmentNotices from "./EnvironmentNotices.ts"

/**
 * Where files are. The errors say why in one line.
 *
 * @since 0.1.0
 * @category models
 */
export interface Files {
  readonly read: (path: string) => Effect.Effect<Uint8Array, FileProblem>
  /** As a whole, or not at all. */
  readonly write: (path: string, octets: Uint8Array) => Effect.Effect<void, FileProblem>
  readonly stamp: (path: string) => Effect.Effect<string>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface FileProblem {
  readonly detail: string
  readonly code?: string | undefined
}

/**
 * What a program gives: settings, and what to do as the node starts.
 *
 * @since 0.1.0
 * @category models
 */
export interface Given extends Partial<Settings.Settings> {
  readonly bind?: ReadonlyArray<Configurations.EndpointInput> | undefined
  readonly connect?: ReadonlyArray<Configurations.EndpointInput> | undefined
  readonly publish?: ReadonlyArray<Tuple> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly given?: Given
  /** What {@link Given} is called where the origin of a value is told. */
  readonly name?: string
  /** Reads ZGOSSIP_* through the `ConfigProvider`. */
  readonly environment?: boolean
  /** The file to start with. */
  readonly file?: string | undefined
  /** What holds where there is no file, and nothing else says anything. */
  readonly fallback?: Given
}

const { ConfigurationError } = Configurations

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  files: Files,
  { environment = false, fallback = {}, file, given = {}, name = "program" }: Options
) {
  const program = ConfigSources.fromDocument(documentOf(given), "program", name)
  const last = ConfigSources.fromDocument(documentOf(fallback), "default", "default")
  const invalid = (detail: string) =>
    new ConfigurationError({ operation: "read the configuration", reason: { _tag: "InvalidConfiguration", detail } })
  const [fault] = environment ? yield* EnvironmentNotices.faults : []
  if (fault !== undefined) return yield* invalid(fault)
  const strangers = environment ? (yield* EnvironmentNotices.strangers).map(EnvironmentNotices.tell) : []
  const fixed = environment ? [program, yield* ConfigSources.fromEnvironment] : [program]

  const resolve = (from: Configuration["file"], changes: Zpl.Document) =>
    Effect.map(
      ConfigSources.resolve(
        [
          ConfigSources.fromDocument(changes, "set", "SET"),
          ...fixed,
          from === undefined ? last : ConfigSources.fromDocument(from.document, "file", from.path)
        ],
        from
      ),
      (resolved): Configuration => ({
        ...withValues(resolved, given, name),
        notices: [...strangers, ...resolved.notices],
        file: from,
        changes
      })
    )

  const withFile = Effect.fnUntraced(function* (path: string, changes: Zpl.Document) {
    // First, or a change while it is being read would go unnoticed.
    const stamp = yield* files.stamp(path)
    const name = nameOf(path)
    const octets = yield* Effect.mapError(
      files.read(path),
      ({ code, detail }) =>
        new ConfigurationError({ operation: `read ${name}`, reason: { _tag: "FileNotRead", detail, code } })
    )
    const document = Zpl.parse(octets)
    if (Result.isFailure(document)) return yield* invalid(`${name} ${document.failure.message}`)
    const fault = ConfigurationNotices.fault(document.success)
    if (fault !== undefined) return yield* invalid(`${name} line ${fault[0]}: ${fault[1]}`)
    return yield* resolve({ path, stamp, document: document.success }, changes)
  })

  const ref = yield* SubscriptionRef.make(
    file === undefined ? yield* resolve(undefined, Zpl.empty) : yield* withFile(file, Zpl.empty)
  )

  return GossipConfig.of({
    get: SubscriptionRef.get(ref),
    changes: SubscriptionRef.changes(ref),
    replace: (configuration) => SubscriptionRef.set(ref, configuration),
    withValue: Effect.fnUntraced(function* (given, value) {
      const path = given.replace(/^\//, "")
      const { changes, file, settings } = yield* SubscriptionRef.get(ref)
      const lists = Object.values(Configurations.lists).map((list) => list.path)
      const set = Settings.set(settings, path, value)
      if (Result.isFailure(set) && !lists.some((list) => list === path)) {
        const { detail } = set.failure
        const known = Settings.definitions.some((definition) => definition.path === path)
        return yield* new ConfigurationError({
          operation: `set ${Octets.printable(given)}`,
          reason: { _tag: "InvalidSetting", detail: known ? detail : `${detail}, ${lists.join(", ")}` }
        })
      }
      return yield* resolve(file, Zpl.put(changes, path, Octets.from(value)))
    }),
    withFile: (path) => withFile(path, Zpl.empty),
    withFileAgain: (path) => Effect.flatMap(SubscriptionRef.get(ref), ({ changes }) => withFile(path, changes)),
    save: (path) =>
      Effect.flatMap(SubscriptionRef.get(ref), (configuration) => {
        const notWritten = ({ code, detail }: FileProblem) =>
          new ConfigurationError({
            operation: `save ${nameOf(path)}`,
            reason: { _tag: "FileNotWritten", detail, code }
          })
        const lost = withoutText(configuration)
        return lost === undefined
          ? Effect.mapError(files.write(path, Octets.toBytes(Zpl.print(written(configuration)))), notWritten)
          : Effect.fail(notWritten({ detail: `the program gave ${lost}, and a file without it would open a door` }))
      }),
    stamp: files.stamp
  })
})

/** Keys, lists and passwords that a program gives have no text; they count where the program does. */
const withValues = <A extends Pick<Configuration, "bind" | "connect" | "settings" | "security" | "origins">>(
  resolved: A,
  given: Given,
  name: string
): A => {
  const origins = new Map(resolved.origins)
  const values: Record<string, unknown> = {}
  for (const { field, path } of Security.definitions) {
    if (typeof given[field] !== "object" || origins.get(path)?.place === "set") continue
    values[field] = given[field]
    origins.set(path, { place: "program", where: name })
  }
  const own = (list: keyof typeof Configurations.lists) =>
    resolved.security[list].map((security, index) => {
      const endpoint = Endpoint.normal(resolved[list][index] ?? "")
      const input =
        origins.get(list)?.place === "program"
          ? given[list]?.[index]
          : given[list]?.find((input) => Endpoint.normal(Configurations.endpointOf(input)) === endpoint)
      const its = typeof input === "object" ? Security.pick(input) : {}
      return Object.keys(its).length > 0 ? its : security
    })
  return {
    ...resolved,
    settings: { ...resolved.settings, ...values },
    security: { bind: own("bind"), connect: own("connect") },
    origins
  }
}

const nameOf = (path: string): string => (path === "" ? '""' : Octets.printable(path))

const documentOf = ({ bind, connect, publish, ...settings }: Given): Zpl.Document =>
  Configurations.write(Zpl.empty, {
    settings: Settings.toTexts(settings),
    ...(bind === undefined ? {} : { bind }),
    ...(connect === undefined ? {} : { connect }),
    ...(publish === undefined ? {} : { publish })
  })

/** What the program gave, not by the name of a file, to say who may enter. */
const withoutText = ({ security, settings }: Configuration): string | undefined =>
  [settings, ...security.bind, ...security.connect]
    .flatMap((given) => Security.definitions.filter(({ field }) => typeof given[field] === "object"))
    .map(({ path }) => path)[0]

/** The file, with what came from elsewhere in its place. */
const written = ({ bind, connect, file, origins, publish, security, settings }: Configuration): Zpl.Document => {
  const withOwn = (list: keyof typeof Configurations.lists) => (endpoint: string, index: number) => ({
    endpoint,
    ...security[list][index]
  })
  const elsewhere = (path: string) => !["file", undefined].includes(origins.get(path)?.place)
  return Configurations.write(file?.document ?? Zpl.empty, {
    settings: new Map(Array.from(Settings.toTexts(settings)).filter(([path]) => elsewhere(path))),
    ...(elsewhere("bind") ? { bind: bind.map(withOwn("bind")) } : {}),
    ...(elsewhere("connect") ? { connect: connect.map(withOwn("connect")) } : {}),
    ...(elsewhere("publish") ? { publish } : {})
  })
}
