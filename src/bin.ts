#!/usr/bin/env node
/**
 * The executable. It looks at the version of Node before it loads anything that an old one cannot.
 *
 * @since 0.1.0
 */
import * as module from "node:module"

/** As in package.json, "engines". */
const needed = [22, 19] as const

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)

if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  process.stderr.write(
    `zgossip needs Node.js ${needed.join(".")} or newer, and this is ${process.versions.node}: install a newer one, ` +
      "for example from https://nodejs.org, or run `npx -p node@24 -p effect-zgossip zgossip`.\n"
  )
  process.exitCode = 1
} else {
  // Half of a start is compiling.
  module.enableCompileCache?.()
  const { run } = await import("./main.ts")
  run()
}
