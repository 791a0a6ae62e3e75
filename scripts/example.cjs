// Runs an example by its name: npm run example service-discovery
"use strict"

const { existsSync, readdirSync } = require("node:fs")
const { join } = require("node:path")

const folder = join(__dirname, "..", "examples")
const [name = "", ...args] = process.argv.slice(2)
const file = join(folder, `${name}.ts`)

if (/^[\w-]+$/.test(name) && existsSync(file)) {
  process.argv = [process.argv[0], file, ...args]
  void import(file)
} else {
  const names = readdirSync(folder).flatMap((it) => (it.endsWith(".ts") ? [it.slice(0, -3)] : []))
  process.stderr.write(`write npm run example NAME, where NAME is one of ${names.join(", ")}\n`)
  process.exitCode = 1
}
