/**
 * What in a configuration file means nothing: it is ignored, as CZMQ does, and told. Not so where it stands for who may
 * enter or what may be said: a door that stays open because of a letter is a fault, and the file is refused.
 *
 * @since 0.1.0
 */
import { ends, securityNames } from "./Configuration.ts"
import * as Settings from "./Settings.ts"
import type * as Zpl from "./Zpl.ts"

/**
 * A line of the file, from 1, and what about it; whether the file is refused for it.
 *
 * @since 0.1.0
 * @category models
 */
export type Notice = readonly [line: number, detail: string, isFault?: boolean]

/** Nobody reads more of them. */
const most = 100

/**
 * The first hundred, in the order of the file, and how many more there are.
 *
 * @since 0.1.0
 * @category getters
 */
export const notices = (document: Zpl.Document): ReadonlyArray<Notice> => {
  const found: Array<Notice> = []
  let more = 0
  for (const notice of inDocument(document)) {
    if (found.length < most) found.push(notice)
    else more += 1
  }
  return more === 0 ? found : [...found, [0, `and ${more} more`]]
}

/**
 * The first thing for which a file is refused.
 *
 * @since 0.1.0
 * @category getters
 */
export const fault = (document: Zpl.Document): Notice | undefined => {
  for (const notice of inDocument(document)) if (notice[2] === true) return notice
  return undefined
}

/** The settings by their sections. */
const settings = Map.groupBy(
  Settings.definitions.map(({ path }) => path),
  (path) => path.slice(0, path.indexOf("/"))
)

const inDocument = function* ({ items }: Zpl.Document): Generator<Notice> {
  const seen = new Set<string>()
  for (const section of items) {
    const { line = 0, name } = section
    const paths = settings.get(name)
    if (name === "zgossip") {
      yield* valueOf(section)
      for (const child of section.children) yield* inZgossip(child, seen)
    } else if (paths === undefined) {
      const sections = [...settings.keys()].join(", ")
      yield [line, `${name} is ignored: the sections are ${sections}`, name.toLowerCase() === "security"]
    } else if (seen.has(name)) {
      yield [line, `${name} is ignored: the first section of this name counts`]
    } else {
      yield* valueOf(section)
      for (const child of section.children) yield* ofSetting(child, `${name}/${child.name}`, paths, seen)
    }
    seen.add(name)
  }
}

const ofSetting = function* (
  { children, line = 0, value }: Zpl.Item,
  path: string,
  paths: ReadonlyArray<string>,
  seen: Set<string>
): Generator<Notice> {
  if (!paths.includes(path)) yield [line, `${path} is ignored: there are ${paths.join(", ")}`]
  else if (seen.has(path)) yield [line, `${path} is ignored: the first one counts`]
  else if (value === undefined) yield [line, `${path} is ignored: it has no value`]
  else yield* without(children, path)
  seen.add(path)
}

const inZgossip = function* (section: Zpl.Item, seen: Set<string>): Generator<Notice> {
  const { children, line = 0, name } = section
  const path = `zgossip/${name}`
  switch (name) {
    case "echo":
      return yield* without(children, path)
    case "publish":
      yield* valueOf(section)
      for (const child of children) {
        if (ends(child)) yield [child.line ?? 0, `${path}/${child.name} ${ended}`]
        else yield* without(child.children, `${path}/${child.name}`)
      }
      return
    case "tuple":
      yield* valueOf(section)
      if (ends(section)) return yield [line, `${path} ${ended}`]
      return yield* only(children, path, ["key", "value"])
    case "bind":
    case "connect":
      yield* valueOf(section)
      if (!children.some((child) => child.name === "endpoint")) {
        yield [line, `this ${name} has no endpoint below it`, isAboutSecurity(section)]
      }
      return yield* asFaults(only(children, path, ["endpoint", ...securityNames(name)]))
    case "security":
      if (seen.has(path)) return yield [line, `${path} is ignored: the first section of this name counts`, true]
      seen.add(path)
      yield* asFaults(valueOf(section))
      return yield* asFaults(only(children, path, securityNames()))
    default: {
      const detail = `${path} is ignored: there are echo, bind, connect, publish, tuple, security`
      yield [line, detail, isAboutSecurity(section)]
    }
  }
}

const ended = "is ignored: it has a lifetime, zgossip import publishes it for that"

const asFaults = function* (notices: Iterable<Notice>): Generator<Notice> {
  for (const [line, detail] of notices) yield [line, detail, true]
}

/** Whether somebody meant to say who may enter. */
const isAboutSecurity = ({ children, name }: Zpl.Item): boolean =>
  name.toLowerCase() === "security" || securityNames().includes(name) || children.some(isAboutSecurity)

const only = function* (
  children: ReadonlyArray<Zpl.Item>,
  path: string,
  names: ReadonlyArray<string>
): Generator<Notice> {
  const seen = new Set<string>()
  for (const { children: below, line = 0, name, value } of children) {
    if (!names.includes(name)) yield [line, `${path}/${name} is ignored: there is ${names.join(", ")}`]
    else if (seen.has(name)) yield [line, `${path}/${name} is ignored: the first one counts`]
    else if (value === undefined && name !== "endpoint") yield [line, `${path}/${name} is ignored: it has no value`]
    else yield* without(below, `${path}/${name}`)
    if (name !== "endpoint") seen.add(name)
  }
}

const without = function* (children: ReadonlyArray<Zpl.Item>, path: string): Generator<Notice> {
  for (const { line = 0, name } of children) yield [line, `${path}/${name} is ignored: nothing stands below ${path}`]
}

/** CZMQ writes sections without a value as ones with an empty value. */
const valueOf = function* ({ line = 0, name, value = "" }: Zpl.Item): Generator<Notice> {
  if (value !== "") yield [line, `the value of ${name} is ignored: what counts stands below it`]
}
