/**
 * The configuration of a node: its settings, and what it serves on, connects to and publishes by itself. In a file, as
 * CZMQ has it, and beside that what is ours:
 *
 *     server
 *         timeout = 10000
 *     zgossip
 *         echo = I: starting
 *         bind
 *             endpoint = tcp://*:5670
 *         connect
 *             endpoint = tcp://gossip.example.org:5670
 *         publish
 *             printer = tcp://10.0.0.7:9100
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import * as Endpoint from "./Endpoint.ts"
import * as Octets from "./Octets.ts"
import * as Security from "./Security.ts"
import type * as Settings from "./Settings.ts"
import type { Tuple } from "./Tuple.ts"
import * as TupleZpl from "./TupleZpl.ts"
import * as Zpl from "./Zpl.ts"

/**
 * Where each part came from stands in `origins`, by its path, for elements of a list as in `bind[0]`; what is not there
 * has its default.
 *
 * @since 0.1.0
 * @category models
 */
export interface Configuration {
  readonly settings: Settings.Settings
  readonly bind: ReadonlyArray<string>
  readonly connect: ReadonlyArray<string>
  /** What each endpoint of `bind` and `connect` has of its own; the settings hold for the rest. */
  readonly security: Readonly<Record<keyof typeof lists, ReadonlyArray<Security.Security>>>
  readonly publish: ReadonlyArray<Tuple>
  /** Lines for the log, as the configuration is taken. */
  readonly echo: ReadonlyArray<string>
  readonly origins: ReadonlyMap<string, Origin>
  /** What means nothing here: in the environment by its variable, in the file with its line. */
  readonly notices: ReadonlyArray<string>
  /** The file it was read from; `stamp` is another one once the file has changed since. */
  readonly file: ConfigurationFile | undefined
  /** What was set since then, one by one. */
  readonly changes: Zpl.Document
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ConfigurationFile {
  readonly path: string
  readonly stamp: string
  readonly document: Zpl.Document
}

/**
 * `where` is for people: the variable, the file and its line.
 *
 * @since 0.1.0
 * @category models
 */
export interface Origin {
  readonly place: "set" | "program" | "environment" | "file" | "default"
  readonly where: string
}

/**
 * Why a configuration was not taken, or not written: nothing has changed then.
 *
 * - `InvalidSetting`: no such setting, or not a value for it
 * - `InvalidConfiguration`: a file that is no ZPL, or holds a value that is none; `detail` has file, line and column
 * - `FileNotRead`, `FileNotWritten`: what the system said stands in `code` and `detail`
 *
 * @since 0.1.0
 * @category errors
 */
export class ConfigurationError extends Data.TaggedError("ConfigurationError")<{
  readonly operation: string
  readonly reason: {
    readonly _tag: "InvalidSetting" | "InvalidConfiguration" | "FileNotRead" | "FileNotWritten"
    readonly detail: string
    readonly code?: string | undefined
  }
}> {
  override get message(): string {
    return `cannot ${this.operation}: ${this.reason.detail}`
  }
}

/**
 * The lists of endpoints, and where a file has them.
 *
 * @since 0.1.0
 * @category definitions
 */
export const lists = {
  bind: { path: "zgossip/bind/endpoint", parse: Endpoint.parseBind, about: "serve on this endpoint" },
  connect: {
    path: "zgossip/connect/endpoint",
    parse: Endpoint.parseConnect,
    about: "connect to the node at this endpoint, now or whenever it appears"
  }
} as const

/**
 * The items of a section of `zgossip` by their name.
 *
 * @since 0.1.0
 * @category getters
 */
export const sections = ({ items }: Zpl.Document, name: string): ReadonlyArray<Zpl.Item> =>
  items
    .filter((item) => item.name === "zgossip")
    .flatMap(({ children }) => children)
    .filter((item) => item.name === name)

/**
 * The endpoints of a list in a document; nothing where it has no such section.
 *
 * @since 0.1.0
 * @category getters
 */
export const endpoints = (document: Zpl.Document, name: keyof typeof lists): ReadonlyArray<Zpl.Item> | undefined => {
  const found = sections(document, name)
  return found.length === 0
    ? undefined
    : found.flatMap(({ children }) => children.filter((item) => item.name === "endpoint"))
}

/**
 * What the section around each of these {@link endpoints} says of their security, by the name of the setting.
 *
 * @since 0.1.0
 * @category getters
 */
export const endpointSecurity = (
  document: Zpl.Document,
  name: keyof typeof lists
): ReadonlyArray<ReadonlyMap<Security.Definition, Zpl.Item>> =>
  sections(document, name).flatMap(({ children }) => {
    const found = new Map<Security.Definition, Zpl.Item>()
    for (const definition of Security.definitions) {
      const names = [nameOf(definition), definition.alias]
      const item = children.find((child) => names.includes(child.name))
      if (item !== undefined && definition.sides.includes(name)) found.set(definition, item)
    }
    return children.filter((item) => item.name === "endpoint").map(() => found)
  })

const nameOf = ({ path }: Security.Definition): string => path.slice(path.lastIndexOf("/") + 1)

/**
 * The names that a section of this list may have beside `endpoint`.
 *
 * @since 0.1.0
 * @category definitions
 */
export const securityNames = (list?: keyof typeof lists): ReadonlyArray<string> =>
  Security.definitions
    .filter(({ sides }) => list === undefined || sides.includes(list))
    .flatMap((definition) => [nameOf(definition), ...(definition.alias === undefined ? [] : [definition.alias])])

/**
 * What holds for an endpoint: its own, and the settings for the rest.
 *
 * @since 0.1.0
 * @category getters
 */
export const securityOf = (
  { settings }: Pick<Configuration, "settings">,
  own: Security.Security | undefined
): Security.Security => ({ ...Security.pick(settings), ...own })

/**
 * The tuples that a document publishes; nothing where it has no such section. What has a lifetime is not among them: a
 * node would say anew, at each of its starts, what somebody else has let end.
 *
 * @since 0.1.0
 * @category getters
 */
export const tuples = (document: Zpl.Document): Result.Result<ReadonlyArray<Tuple> | undefined, Zpl.ZplError> =>
  sections(document, "publish").length + sections(document, "tuple").length === 0
    ? Result.succeed(undefined)
    : Result.map(TupleZpl.fromDocument(document), (said) =>
        said.filter(({ lifetime = 0 }) => lifetime === 0).map(({ tuple }) => tuple)
      )

/**
 * Whether an item that publishes a tuple says that it ends.
 *
 * @since 0.1.0
 * @category predicates
 */
export const ends = ({ children }: Zpl.Item): boolean =>
  Number(Zpl.get({ items: children }, "lifetime")?.value ?? "0") !== 0

/**
 * The line of each of {@link tuples}.
 *
 * @since 0.1.0
 * @category getters
 */
export const tupleLines = ({ items }: Zpl.Document): ReadonlyArray<number | undefined> =>
  items
    .filter((item) => item.name === "zgossip")
    .flatMap(({ children }) => children)
    .flatMap((item) =>
      item.name === "publish"
        ? item.children.filter((child) => !ends(child)).map((child) => child.line)
        : item.name === "tuple" && !ends(item)
          ? [item.line]
          : []
    )

/**
 * An endpoint, and what it has of its own.
 *
 * @since 0.1.0
 * @category models
 */
export type EndpointInput = string | ({ readonly endpoint: string } & Security.Security)

/**
 * @since 0.1.0
 * @category getters
 */
export const endpointOf = (input: EndpointInput): string => (typeof input === "string" ? input : input.endpoint)

/** A configuration without a file, as its parts. */
interface Parts {
  readonly bind?: ReadonlyArray<EndpointInput>
  readonly connect?: ReadonlyArray<EndpointInput>
  readonly publish?: ReadonlyArray<Tuple>
  readonly settings: ReadonlyMap<string, string>
}

/**
 * A document with these parts: values are put where they stand, lists are put in the place of what is there.
 *
 * @since 0.1.0
 * @category conversions
 */
export const write = (document: Zpl.Document, { bind, connect, publish, settings }: Parts): Zpl.Document => {
  let written = document
  for (const [path, text] of settings) written = Zpl.put(written, path, text)
  const endpoint = (name: string) => (input: EndpointInput) =>
    Zpl.item(name, undefined, [
      Zpl.item("endpoint", Octets.from(endpointOf(input))),
      ...Security.definitions.flatMap((definition) => {
        const value = typeof input === "string" ? undefined : input[definition.field]
        return typeof value === "string" ? [Zpl.item(nameOf(definition), Octets.from(value))] : []
      })
    ])
  if (bind !== undefined) written = replace(written, ["bind"], bind.map(endpoint("bind")))
  if (connect !== undefined) written = replace(written, ["connect"], connect.map(endpoint("connect")))
  if (publish !== undefined)
    written = replace(
      written,
      ["publish", "tuple"],
      publish.map((tuple) => TupleZpl.toItem({ tuple }))
    )
  return written
}

const replace = (
  document: Zpl.Document,
  names: ReadonlyArray<string>,
  items: ReadonlyArray<Zpl.Item>
): Zpl.Document => {
  const isGone = ({ name }: Zpl.Item) => names.includes(name)
  if (items.length === 0 && !names.some((name) => sections(document, name).length > 0)) return document
  const found = document.items.find(({ name }) => name === "zgossip")
  if (found === undefined) return { ...document, items: [...document.items, Zpl.item("zgossip", undefined, items)] }
  return {
    ...document,
    items: document.items.map((item) => {
      if (item.name !== "zgossip") return item
      const kept = item.children.filter((child) => !isGone(child))
      return { ...item, children: item === found ? [...kept, ...items] : kept }
    })
  }
}
