import { strip } from "./strip.ts"

/** One import or re-export of a module. */
export interface Import {
  /** The module, or undefined where it is computed. */
  readonly specifier: string | undefined
  /** What is taken by name, as the module calls it; undefined for a namespace, a default or a bare import. */
  readonly names: ReadonlyArray<string> | undefined
  /** Position in the source. */
  readonly at: number
}

const declarations = [
  // import a, { b as c } from "d"; export { b } from "d"; export * as e from "d"; each also with "type"
  /(?<![.\w$])(?:import|export)(\s+(?:type\s+)?(?:[\w$]+\s*,\s*)?(?:\{[^}]*\}|\*(?:\s*as\s+[\w$]+)?|[\w$]+)\s*)from\s*["']/g,
  // import "d"
  /(?<![.\w$])import()\s*["']/g,
  // import("d") as a value and as a type, require("d")
  /(?<![.\w$])(?:import|require)()\s*\(\s*["'`]?/g
]

const names = (clause: string): ReadonlyArray<string> | undefined => {
  const braces = /^\s+(?:type\s+)?\{([^}]*)\}\s*$/.exec(clause)
  return braces?.[1]
    ?.split(",")
    .map((part) => part.trim().replace(/^type\s+/, ""))
    .filter((part) => part !== "")
    .map((part) => part.split(/\s+as\s+/)[0] ?? part)
}

export const imports = (source: string): ReadonlyArray<Import> => {
  const { code } = strip(source)
  return declarations.flatMap((pattern) =>
    Array.from(code.matchAll(pattern), (match): Import => {
      const start = match.index + match[0].length
      const quote = code.charAt(start - 1)
      const literal = `"'\``.includes(quote)
      const end = code.indexOf(quote, start)
      const text = source.slice(start, end)
      const computed = !literal || (quote === "`" && text.includes("${"))
      return { specifier: computed ? undefined : text, names: names(match[1] ?? ""), at: match.index }
    })
  )
}
