import { isBuiltin } from "node:module"
import { posix } from "node:path"
import { imports, type Import } from "./imports.ts"
import { strip } from "./strip.ts"

/** One place in src that breaks a rule. `file` is relative to src. */
export interface Violation {
  readonly file: string
  readonly line: number
  readonly rule: Rule
  readonly detail: string
}

export type Rule =
  | "arrow"
  | "protocol is pure"
  | "input and output belong to layers"
  | "barrel"
  | "clock and timers"
  | "random"
  | "console"
  | "any"
  | "non-null"
  | "as unknown as"
  | "checks switched off"
  | "length"

/** What may break a rule, and why. Keep it short. */
export const exceptions: ReadonlyArray<{
  readonly file: RegExp
  readonly rule: Rule
  readonly found: RegExp
  readonly why: string
}> = [
  {
    file: /^layers\/Zmq\w*\.ts$/,
    rule: "clock and timers",
    found: /^setImmediate$/,
    why: "a socket that always has something to read must let the event loop turn"
  },
  {
    file: /^layers\/Zmq\w*\.ts$/,
    rule: "random",
    found: /^randomBytes$/,
    why: "the notice that marks the end of a connection must be one that no peer can guess and send"
  }
]

/** A file may import from its own folder and from those before it. What is behind the last one is the program. */
const arrow = ["protocol", "services", "layers"]
const program = arrow.length
const programFolder = "cli"

/** The modules of effect that are data and functions on data: nothing in them runs. */
const dataModules = new Set(
  (
    "Array BigDecimal BigInt Boolean Brand ByteSize Bytes Chunk Combiner Data Differ Duration Equal Equivalence Filter " +
    "Formatter Function Graph HKT Hash HashMap HashRing HashSet Inspectable Iterable JsonPointer Match MutableHashMap " +
    "MutableHashSet MutableList Newtype NonEmptyIterable Number Optic Option Order Ordering Pipeable Predicate " +
    "PrimaryKey Record Redactable Redacted Reducer RegExp Result Schema SchemaTransformation SemVer String Struct Symbol " +
    "Trie Tuple Types UndefinedOr Unify Utils absurd coerceUnsafe flow hole identity pipe"
  ).split(" ")
)

const folders = [...arrow, programFolder].join(", ")

const longest = 400

const textRules: ReadonlyArray<{ readonly rule: Rule; readonly pattern: RegExp }> = [
  {
    rule: "clock and timers",
    pattern:
      /\b(?:Date\s*\??\.\s*now|new\s+Date\b(?!\s*\(\s*[^\s)])|performance\s*\??\.\s*\w+|hrtime|set(?:Timeout|Interval|Immediate)|nextTick|queueMicrotask)(?![\w$])/g
  },
  {
    rule: "random",
    pattern:
      /\b(?:Math\s*\??\.\s*random|crypto\s*\??\.\s*(?:getRandomValues|random\w+)|random(?:UUID|Bytes|Int))(?![\w$])/g
  },
  { rule: "console", pattern: /(?<![\w$])console\s*(?:\?\.|\.|\[)/g },
  // Everything called any is a type, except behind a dot, in front of a call, as a key and where it is declared.
  {
    rule: "any",
    pattern:
      /(?<![.\w$]|\b(?:const|let|var|function)\s+)any(?![\w$])(?!\s*\()(?<!(?:[{,;(]|\breadonly)\s*any(?=\s*\??\s*:))/g
  },
  // Directly behind an expression, where the formatter puts it.
  { rule: "non-null", pattern: /(?<=[\w$\])"'`}])!(?!=)/g },
  { rule: "as unknown as", pattern: /\bas\s+unknown\s+as\b/g }
]

const directive = /@ts-(?:ignore|expect-error|nocheck)|(?:eslint|oxlint)-disable/g

const rank = (file: string): number => {
  const folder = file.includes("/") ? file.slice(0, file.indexOf("/")) : undefined
  return folder === undefined || folder === programFolder ? program : arrow.indexOf(folder)
}

const packageName = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")

const checkRelative = (file: string, specifier: string): readonly [Rule, string] | undefined => {
  const target = posix.join(posix.dirname(file), specifier)
  const [from, to] = [rank(file), rank(target)]
  if (target === "../package.json" && from === program) return undefined
  if (target.startsWith("..")) return ["arrow", `${specifier} lies outside of src`]
  if (to < 0) return ["arrow", `${specifier}: src has the folders ${folders} and no others`]
  if (to > from) return ["arrow", `${file} must not import ${target}: ${arrow.join(" <- ")} <- the program`]
  if (target === "bin.ts" || (target === "main.ts" && file !== "bin.ts")) {
    return ["arrow", "nothing imports bin.ts, and only bin.ts imports main.ts"]
  }
  if (target === "index.ts") return ["arrow", "index.ts is for those outside; import the module itself"]
  return undefined
}

const checkPackage = (file: string, specifier: string, names: Import["names"]): readonly [Rule, string] | undefined => {
  const from = rank(file)
  const name = packageName(specifier)
  if (from === arrow.indexOf("protocol")) {
    if (specifier.startsWith("effect/encoding/")) return undefined
    const taken = specifier === "effect" ? names : name === "effect" ? [specifier.slice("effect/".length)] : undefined
    const bad = taken?.filter((module) => !dataModules.has(module))
    if (bad === undefined) {
      return ["protocol is pure", specifier === "effect" ? "name what you take from effect" : `imports ${specifier}`]
    }
    return bad.length === 0 ? undefined : ["protocol is pure", `imports ${bad.join(", ")} of effect`]
  }
  if (isBuiltin(specifier) && from < arrow.indexOf("layers")) {
    return ["input and output belong to layers", `imports ${specifier}`]
  }
  if (name === "zeromq" && from !== arrow.indexOf("layers")) {
    return ["input and output belong to layers", "imports zeromq"]
  }
  if (name === "@effect/platform-node" && from !== program) {
    return ["arrow", "the platform is provided by the program; take its service from effect"]
  }
  return ["effect", "zeromq", "@effect/platform-node"].includes(name) || isBuiltin(specifier)
    ? undefined
    : ["arrow", `${name} is no dependency of this package`]
}

/** What is wrong with one file of src. */
export const check = (file: string, source: string): ReadonlyArray<Violation> => {
  const { code, comments } = strip(source)
  const found: Array<Violation> = []
  const report = (rule: Rule, at: number, detail: string): void => {
    if (exceptions.some((it) => it.rule === rule && it.file.test(file) && it.found.test(detail))) return
    found.push({ file, line: source.slice(0, at).split("\n").length, rule, detail })
  }

  if (rank(file) < 0) report("arrow", 0, `src has the folders ${folders} and no others`)
  for (const { at, names, specifier } of imports(source)) {
    const wrong =
      specifier === undefined
        ? (["arrow", "imports what is computed"] as const)
        : specifier.startsWith(".")
          ? checkRelative(file, specifier)
          : checkPackage(file, specifier, names)
    if (wrong) report(wrong[0], at, wrong[1])
  }
  if (file === "index.ts" && code.replace(/export\s+\*\s+as\s+\w+\s+from\s+"[^"]*";?/g, "").trim() !== "") {
    report("barrel", 0, 'index.ts holds `export * as Name from "./path.ts"` and nothing else')
  }
  for (const { pattern, rule } of textRules) {
    for (const match of code.matchAll(pattern)) report(rule, match.index, match[0].trim())
  }
  for (const match of comments.matchAll(directive)) report("checks switched off", match.index, match[0])
  const lines = source.split("\n").length - (source.endsWith("\n") ? 1 : 0)
  if (lines > longest) report("length", source.length - 1, `${lines} lines, and ${longest} are the most`)
  return found
}
