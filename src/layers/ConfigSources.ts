/**
 * The places that a configuration comes from, and which of them counts: values set while the node runs, then those of
 * the program (or of its flags), then the environment, then the file, then the defaults. Each place is one of Effect's
 * `ConfigProvider`s; a list is taken whole from the first place that has it.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Configuration } from "../protocol/Configuration.ts"
import { notices } from "../protocol/ConfigurationNotices.ts"
import * as Configurations from "../protocol/Configuration.ts"
import * as Endpoint from "../protocol/Endpoint.ts"
import * as Octets from "../protocol/Octets.ts"
import * as Security from "../protocol/Security.ts"
import * as Settings from "../protocol/Settings.ts"
import * as Tuple from "../protocol/Tuple.ts"
import * as Zpl from "../protocol/Zpl.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Source {
  readonly place: Configurations.Origin["place"]
  readonly provider: ConfigProvider.ConfigProvider
  /** Where it has the value at a path, or an endpoint of a list, for people. */
  readonly where: (path: string, index?: number) => string
  readonly tuples: Effect.Effect<ReadonlyArray<Tuple.Tuple> | undefined, Configurations.ConfigurationError>
  /** What it says of the security of each endpoint of a list; texts that were not checked. */
  readonly security: (name: keyof typeof Configurations.lists) => ReturnType<typeof Configurations.endpointSecurity>
}

const { ConfigurationError } = Configurations

const invalid = (operation: string, detail: string) =>
  new ConfigurationError({ operation, reason: { _tag: "InvalidConfiguration", detail } })

/**
 * A tree in ZPL; `name` says whose it is.
 *
 * @since 0.1.0
 * @category sources
 */
export const fromDocument = (document: Zpl.Document, place: Source["place"], name: string): Source => {
  const endpoints = new Map(
    listNames.flatMap((list) => {
      const found = Configurations.endpoints(document, list)
      return found === undefined ? [] : [[String(list), found] as const]
    })
  )
  // There may be several sections named zgossip, and the first need not have it.
  const get = (path: string) => {
    const [, name] = /^zgossip\/security\/(.*)$/.exec(path) ?? []
    if (name === undefined) return Zpl.get(document, path)
    return Configurations.sections(document, "security")[0]?.children.find((child) => child.name === name)
  }
  const find = (path: string) => {
    const alias = Settings.definitions.find((definition) => definition.path === path)?.alias
    return get(path) ?? (alias === undefined ? undefined : get(path.replace(/[^/]*$/, alias)))
  }
  const load = ([first = "", ...rest]: ConfigProvider.Path): ConfigProvider.Node | undefined => {
    const list = endpoints.get(String(first))
    if (list !== undefined && rest.length === 0) return ConfigProvider.makeArray(list.length)
    const item = list === undefined ? find([first, ...rest].join("/")) : list[Number(rest[0])]
    const value = list === undefined ? item?.value : (item?.value ?? "")
    return value === undefined ? undefined : ConfigProvider.makeValue(Octets.toText(value))
  }
  const tupleLines = Configurations.tupleLines(document)
  const lineOf = (path: string, index: number): number | undefined =>
    path === "publish" ? tupleLines[index] : (endpoints.get(path)?.[index] ?? find(path))?.line
  return {
    place,
    provider: ConfigProvider.make((path) => Effect.succeed(load(path))),
    where: (path, index = 0) => {
      const line = lineOf(path, index)
      return line === undefined ? name : `${name} line ${line}`
    },
    tuples: Effect.fromResult(
      Result.mapError(Configurations.tuples(document), (error) =>
        invalid("publish", `${name} ${error.line > 0 ? `line ${error.line}: ` : ""}${error.detail}`)
      )
    ),
    security: (list) => Configurations.endpointSecurity(document, list)
  }
}

const listNames = ["bind", "connect"] as const satisfies ReadonlyArray<keyof typeof Configurations.lists>

/**
 * `server/timeout` is ZGOSSIP_SERVER_TIMEOUT, and so on; lists are ZGOSSIP_BIND, ZGOSSIP_CONNECT, ZGOSSIP_PUBLISH, with
 * commas in between.
 *
 * @since 0.1.0
 * @category sources
 */
export const fromEnvironment: Effect.Effect<Source> = Effect.map(ConfigProvider.ConfigProvider, (ambient) => {
  const provider = ambient.pipe(ConfigProvider.nested("zgossip"), ConfigProvider.constantCase)
  return {
    place: "environment",
    provider,
    where: Settings.variable,
    tuples: Effect.flatMap(
      readList({ place: "environment", provider, where: Settings.variable }, "publish"),
      (texts) => (texts === undefined ? Effect.succeed(undefined) : Effect.forEach(texts, parseTuple))
    ),
    security: () => []
  }
})

const parseTuple = (text: string) =>
  Effect.fromResult(
    Result.mapError(Tuple.fromText(text), (detail) =>
      invalid("publish", `ZGOSSIP_PUBLISH: ${JSON.stringify(Endpoint.brief(text))}: ${detail}`)
    )
  )

const readList = ({ place, provider, where }: Pick<Source, "place" | "provider" | "where">, name: string) =>
  Config.option(Config.Array(Schema.String, name))
    .parse(provider)
    .pipe(
      Effect.map(Option.getOrUndefined),
      Effect.map((texts) => (place === "environment" ? withoutBlanks(texts) : texts)),
      Effect.mapError(() => invalid(`read ${where(name)}`, "it is no list: write elements with commas in between"))
    )

/** Around commas, and a comma behind the last one. */
const withoutBlanks = (texts: ReadonlyArray<string> = []): ReadonlyArray<string> | undefined => {
  const trimmed = texts.map((text) => text.trim()).filter((text) => text !== "")
  return trimmed.length === 0 ? undefined : trimmed
}

const readValue = ({ place, provider, where }: Source, path: string) =>
  // Every variable begins with the name of the program anyway.
  Config.option(
    Config.schema(Schema.String, (place === "environment" ? path.replace(/^zgossip\//, "") : path).split("/"))
  )
    .parse(provider)
    .pipe(
      Effect.map(Option.getOrUndefined),
      Effect.mapError(() => invalid(`read ${where(path)}`, "it has no value"))
    )

const readSecurity = Effect.fnUntraced(function* (
  { where }: Source,
  items: ReturnType<typeof Configurations.endpointSecurity>[number]
) {
  const security: Record<string, string> = {}
  for (const [{ field, path, type }, { line, value = "" }] of items) {
    const text = type.read(Octets.toText(value))
    if (text === undefined) {
      const at = line === undefined ? where(path) : `${where("")} line ${line}`
      return yield* invalid(`set ${path}`, `${at}: ${JSON.stringify(Octets.toText(value))}: write ${type.write}`)
    }
    security[field] = text
  }
  return Security.pick(security)
})

/**
 * What these places say together; the first one that has something counts.
 *
 * @since 0.1.0
 * @category resolving
 */
export const resolve = Effect.fnUntraced(function* (sources: ReadonlyArray<Source>, file: Configuration["file"]) {
  const origins = new Map<string, Configurations.Origin>()
  const note = ({ place, where }: Source, path: string) => void origins.set(path, { place, where: where(path) })
  const noteEach = ({ place, where }: Source, name: string, list: ReadonlyArray<unknown>) =>
    list.forEach((_, index) => void origins.set(`${name}[${index}]`, { place, where: where(name, index) }))

  /** The first place that has it, and what it has. */
  const first = <A, E>(read: (source: Source) => Effect.Effect<A | undefined, E>) =>
    Effect.gen(function* () {
      for (const source of sources) {
        const value = yield* read(source)
        if (value !== undefined) return { source, value }
      }
      return undefined
    })

  let settings = Settings.defaults
  for (const { path } of Settings.definitions) {
    const found = yield* first((source) => readValue(source, path))
    if (found === undefined) continue
    const set = Settings.set(settings, path, found.value)
    if (Result.isFailure(set)) {
      const { place, where } = found.source
      return yield* place === "program" || place === "set"
        ? new ConfigurationError({
            operation: `set ${path}`,
            reason: { _tag: "InvalidSetting", detail: set.failure.detail }
          })
        : invalid(`set ${path}`, `${where(path)}: ${JSON.stringify(found.value)}: ${set.failure.detail}`)
    }
    settings = set.success
    note(found.source, path)
  }

  const endpointsOf = Effect.fnUntraced(function* (name: keyof typeof Configurations.lists) {
    const found = yield* first((source) => readList(source, name))
    if (found === undefined) return { endpoints: [], security: [] }
    for (const [index, text] of found.value.entries()) {
      const parsed = Configurations.lists[name].parse(text)
      // What the program gives is checked as it is bound or connected to, with an error of its own.
      if (Result.isFailure(parsed) && found.source.place !== "program") {
        return yield* invalid(name, `${found.source.where(name, index)}: ${parsed.failure.message}`)
      }
    }
    note(found.source, name)
    noteEach(found.source, name, found.value)
    /** Who names an endpoint anew does not open it by that: what a place below says of its doors goes on to hold. */
    const ownOf = Effect.fnUntraced(function* (text: string, index: number) {
      for (const source of sources.slice(sources.indexOf(found.source))) {
        const items = source.security(name)
        const endpoints = source === found.source || items.length === 0 ? [] : ((yield* readList(source, name)) ?? [])
        const at = endpoints.findIndex((endpoint) => Endpoint.normal(endpoint) === Endpoint.normal(text))
        const its = items[source === found.source ? index : at]
        if (its !== undefined && its.size > 0) return yield* readSecurity(source, its)
      }
      return {}
    })
    const security = yield* Effect.forEach(found.value, ownOf)
    return { endpoints: found.value, security }
  })
  const bind = yield* endpointsOf("bind")
  const connect = yield* endpointsOf("connect")

  const publish = yield* first(({ tuples }) => tuples)
  if (publish !== undefined) {
    note(publish.source, "publish")
    noteEach(publish.source, "publish", publish.value)
  }

  const { document, path = "" } = file ?? {}
  const configuration: Omit<Configuration, "file" | "changes"> = {
    settings,
    bind: bind.endpoints,
    connect: connect.endpoints,
    security: { bind: bind.security, connect: connect.security },
    publish: publish?.value ?? [],
    echo:
      document === undefined
        ? []
        : Configurations.sections(document, "echo").map(({ value = "" }) => Octets.printable(Octets.toText(value))),
    origins,
    notices:
      document === undefined
        ? []
        : notices(document).map(([line, detail]) => `${path}${line > 0 ? ` line ${line}` : ""}: ${detail}`)
  }
  return configuration
})
