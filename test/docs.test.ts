/** What the documents say beside what the code has. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "vitest"
import * as Configuration from "../src/protocol/Configuration.ts"
import { notices } from "../src/protocol/ConfigurationNotices.ts"
import * as Settings from "../src/protocol/Settings.ts"
import * as Zpl from "../src/protocol/Zpl.ts"
import { Result } from "effect"

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8")

describe("docs/configuration.md", () => {
  const text = read("docs/configuration.md")

  it("has every setting in its table, as it is", () => {
    const rows = Settings.definitions.map(({ about, path, takesEffect, type, unset }) => {
      const otherwise = Settings.toTexts(Settings.defaults).get(path) ?? unset ?? ""
      return `| \`${path}\` | ${type.name} | ${otherwise} | ${about} | ${takesEffect} |`
    })
    const table = text
      .split("\n")
      .filter((line) => /^\| `(?:zgossip\/security|(?!zgossip\/)[a-z-]+)\/[a-z-]+` \|/.test(line))
    assert.deepStrictEqual(table, rows)
  })

  it("has a file that is one, and all of it means something", () => {
    const file = / {4}#   one node of many\n(?: {4}.*\n)+/.exec(text)?.[0].replaceAll(/^ {4}/gm, "") ?? ""
    const document = Result.getOrThrow(Zpl.parse(file))
    assert.deepStrictEqual(notices(document), [])
    assert.strictEqual(Configuration.endpoints(document, "bind")?.length, 2)
    assert.strictEqual(Result.getOrThrow(Configuration.tuples(document))?.length, 2)
  })
})
