import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { imports } from "./boundaries/imports.ts"
import { check, type Rule } from "./boundaries/rules.ts"
import { strip } from "./boundaries/strip.ts"

const src = join(import.meta.dirname, "..", "src")

const sources = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.replaceAll("\\", "/"))
  .sort()

describe("the source tree", () => {
  it("is found", () => {
    assert.include(sources, "index.ts")
    assert.isTrue(sources.some((file) => file.startsWith("protocol/")))
  })

  it.each(sources)("%s keeps to the architecture", (file) => {
    const found = check(file, readFileSync(join(src, file), "utf8"))
    assert.deepEqual(
      found.map((it) => `src/${it.file}:${it.line} ${it.rule}: ${it.detail}`),
      []
    )
  })
})

describe("strip", () => {
  const code = (source: string): string => strip(source).code.replace(/ +/g, " ").trim()

  it.each([
    ["a line comment", "a // b", "a"],
    ["a block comment", "a /* b\n * c */ d", "a \n d"],
    ["a string", `a("b // c", '"')`, `a(" ", ' ')`],
    ["an escaped quote", `a("b\\"c") // d`, `a(" ")`],
    ["a template and its substitution", "`a ${b(`c ${d}`)} e` + f", "` ${b(` ${d}`)} ` + f"],
    ["braces in a substitution", "`${ { a: 1 }.a } b`", "`${ { a: 1 }.a } `"],
    ["a regular expression with quotes and comments in it", `x = /["'/*]\\/\\//g // c`, "x = / /g"],
    ["a regular expression behind a keyword", `return /"/`, "return / /"],
    ["a division", "a / b / c", "a / b / c"],
    ["a division of a call", "a() / 2 // c", "a() / 2"],
    ["a hashbang", "#!/usr/bin/env node\na", "a"]
  ])("knows %s", (_, source, expected) => {
    assert.strictEqual(code(source), expected)
  })

  it("keeps every position", () => {
    for (const file of sources) {
      const source = readFileSync(join(src, file), "utf8")
      const stripped = strip(source)
      for (const text of [stripped.code, stripped.comments]) {
        assert.strictEqual(text.length, source.length, file)
        assert.strictEqual(text.split("\n").length, source.split("\n").length, file)
      }
    }
  })
})

describe("imports", () => {
  const found = (source: string) => imports(source).map((it) => [it.specifier, it.names])

  it.each([
    ['import { a, type b as c } from "x"', "x", ["a", "b"]],
    ['import type {\n  // why\n  a,\n  b,\n} from "x"', "x", ["a", "b"]],
    ['import * as a from "x"', "x", undefined],
    ['import a, { b } from "x"', "x", undefined],
    ['import "x"', "x", undefined],
    ['export { a as b } from "x"', "x", ["a"]],
    ['export * from "x"', "x", undefined],
    ['export * as a from "x"', "x", undefined],
    ['const a = await import("x")', "x", undefined],
    ['type A = import("x").B', "x", undefined],
    ['const a = require("x")', "x", undefined],
    ["const a = await import(x)", undefined, undefined],
    ["const a = await import(`./${x}.ts`)", undefined, undefined]
  ])("reads %s", (source, specifier, names) => {
    assert.deepEqual(found(source), [[specifier, names]])
  })

  it("reads none where there is none", () => {
    assert.deepEqual(found(`// import "a"\nconst b = 'import "c"'\nimport.meta.url\na.import("d")`), [])
  })
})

describe("the rules", () => {
  const rules = (file: string, source: string): ReadonlyArray<Rule> => check(file, source).map((it) => it.rule)

  describe("fire", () => {
    const everywhere: ReadonlyArray<readonly [Rule, string]> = [
      ["clock and timers", "const a = Date.now()"],
      ["clock and timers", "const a = new Date()"],
      ["clock and timers", "const a = performance.now()"],
      ["clock and timers", "setTimeout(f, 1)"],
      ["clock and timers", "globalThis.setInterval(f, 1)"],
      ["clock and timers", "setImmediate(f)"],
      ["clock and timers", "const a = `${Date.now()}`"],
      ["random", "const a = Math.random()"],
      ["random", "const a = crypto.randomUUID()"],
      ["console", "console.log(1)"],
      ["console", "globalThis.console?.error(1)"],
      ["any", "const a: any = 1"],
      ["any", "const a = b as any"],
      ["any", "type A = Array<any>"],
      ["any", "type A<T = any> = T"],
      ["any", "type A = any[] | string"],
      ["any", "type A<T> = T extends string ? any : never"],
      ["any", "const f = (...args: any) => 1"],
      ["non-null", "const a = b!.c"],
      ["non-null", "const a = b()!"],
      ["non-null", "const a = b[0]! === c"],
      ["non-null", "let a!: number"],
      ["as unknown as", "const a = b as unknown as string"],
      ["as unknown as", "const a = b as\n  unknown as string"],
      ["checks switched off", "// @ts-expect-error\na()"],
      ["checks switched off", "/* eslint-disable no-console */"],
      ["arrow", "const a = await import(b)"],
      ["arrow", 'import a from "vitest"'],
      ["arrow", 'import a from "../../test/a.ts"']
    ]
    it.each(everywhere)("%s: %s", (rule, source) => {
      for (const file of ["layers/A.ts", "other.ts"]) assert.deepEqual(rules(file, source), [rule], file)
    })

    const somewhere: ReadonlyArray<readonly [Rule, string, string]> = [
      ["arrow", "protocol/A.ts", 'import { b } from "../services/B.ts"'],
      ["arrow", "protocol/A.ts", 'import type { B } from "../layers/B.ts"'],
      ["arrow", "services/A.ts", 'export * from "../layers/B.ts"'],
      ["arrow", "services/A.ts", 'type B = import("../layers/B.ts").B'],
      ["arrow", "layers/A.ts", 'import { b } from "../main.ts"'],
      ["arrow", "layers/A.ts", 'import { b } from "../index.ts"'],
      ["arrow", "layers/A.ts", 'import { b } from "../other.ts"'],
      ["arrow", "layers/A.ts", 'import a from "../../package.json"'],
      ["arrow", "layers/A.ts", 'import * as a from "@effect/platform-node/NodeRuntime"'],
      ["arrow", "main.ts", 'import "./bin.ts"'],
      ["arrow", "other.ts", 'import { a } from "./main.ts"'],
      ["arrow", "main.ts", 'import { a } from "./index.ts"'],
      ["arrow", "main.ts", 'import { a } from "./misc/A.ts"'],
      ["arrow", "misc/A.ts", "const a = 1"],
      ["protocol is pure", "protocol/A.ts", 'import { Data, Effect } from "effect"'],
      ["protocol is pure", "protocol/A.ts", 'import type { Effect } from "effect"'],
      ["protocol is pure", "protocol/A.ts", 'import { type Layer as L } from "effect"'],
      ["protocol is pure", "protocol/A.ts", 'import { Clock } from "effect"'],
      ["protocol is pure", "protocol/A.ts", 'import { Random } from "effect"'],
      ["protocol is pure", "protocol/A.ts", 'import * as Queue from "effect/Queue"'],
      ["protocol is pure", "protocol/A.ts", 'import * as E from "effect"'],
      ["protocol is pure", "protocol/A.ts", 'export * from "effect"'],
      ["protocol is pure", "protocol/A.ts", 'type A = import("effect/Effect").Effect<void>'],
      ["protocol is pure", "protocol/A.ts", 'import { open } from "node:fs"'],
      ["protocol is pure", "protocol/A.ts", 'import * as Z from "zeromq"'],
      ["input and output belong to layers", "services/A.ts", 'import { open } from "node:fs"'],
      ["input and output belong to layers", "services/A.ts", 'import { open } from "fs"'],
      ["input and output belong to layers", "services/A.ts", 'import type * as Z from "zeromq"'],
      ["input and output belong to layers", "main.ts", 'import * as Z from "zeromq"'],
      ["clock and timers", "layers/ZmqA.ts", "setTimeout(f, 1)"],
      ["barrel", "index.ts", 'export * from "./protocol/A.ts"'],
      ["barrel", "index.ts", "export const a = 1"]
    ]
    it.each(somewhere)("%s: in %s %s", (rule, file, source) => {
      assert.deepEqual(rules(file, source), [rule])
    })
  })

  describe("stay silent on", () => {
    const fine: ReadonlyArray<readonly [string, string]> = [
      ["protocol/A.ts", 'import { Data, Option, pipe, Result, type Schema } from "effect"'],
      ["protocol/A.ts", 'import * as Data from "effect/Data"\nimport { B } from "./B.ts"'],
      ["services/A.ts", 'import { Context, Effect } from "effect"\nimport { B } from "../protocol/B.ts"'],
      [
        "layers/A.ts",
        'import * as Z from "zeromq"\nimport { unlink } from "node:fs"\nimport { B } from "../services/B.ts"'
      ],
      ["layers/ZmqTransport.ts", "setImmediate(f)"],
      ["index.ts", '/** @since 0.1.0 */\nexport * as A from "./protocol/A.ts"\n'],
      ["bin.ts", 'const { run } = await import("./main.ts")'],
      ["main.ts", 'import { B } from "./layers/B.ts"\nimport a from "../package.json"'],
      [
        "layers/A.ts",
        '// Date.now(), Math.random() and console.log; any a!\nconst a = "setTimeout(any!) as unknown as"'
      ],
      ["layers/A.ts", "const a = !b && c !== d || e != f\nreturn !g"],
      ["layers/A.ts", "const a = new Date(0)\nconst b = Effect.any\nconst c = { any: 1, many: 2 }\nclearTimeout(d)"],
      ["layers/A.ts", "const a = b as unknown\nconst c = Console.log(d)"]
    ]
    it.each(fine)("in %s: %s", (file, source) => {
      assert.deepEqual(check(file, source), [])
    })
  })

  it("count lines", () => {
    assert.deepEqual(rules("layers/A.ts", "a\n".repeat(400)), [])
    assert.deepEqual(rules("layers/A.ts", "a\n".repeat(401)), ["length"])
  })

  it("say where", () => {
    assert.deepEqual(check("layers/A.ts", "// one\nconst a = 1\nconst b = Date.now()\n"), [
      { file: "layers/A.ts", line: 3, rule: "clock and timers", detail: "Date.now" }
    ])
  })
})
