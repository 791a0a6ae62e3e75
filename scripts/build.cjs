// Builds dist from src: JavaScript, declarations and their maps; and the command, bundled with what it imports, as it
// would spend most of its time looking for some hundred files otherwise.
"use strict"

const { spawnSync } = require("node:child_process")
const { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } = require("node:fs")
const { join } = require("node:path")
const { rolldown } = require("rolldown")

const root = join(__dirname, "..")
const dist = process.argv[2] ?? join(root, "dist")

const compile = () => {
  rmSync(dist, { recursive: true, force: true })
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc")
  const { status } = spawnSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json"), "--outDir", dist], {
    stdio: "inherit"
  })
  if (status !== 0) process.exit(1)
}

const bundle = async () => {
  const bundle = await rolldown({ input: join(dist, "main.js"), platform: "node", external: ["zeromq"] })
  const { output } = await bundle.generate({ format: "esm", chunkFileNames: "program/[name]-[hash].js" })
  await bundle.close()
  // The modules it was made of are in the bundle now.
  for (const name of ["main.js", "main.js.map", "main.d.ts", "main.d.ts.map", "cli"]) {
    rmSync(join(dist, name), { recursive: true, force: true })
  }
  mkdirSync(join(dist, "program"))
  for (const { code, fileName } of output) writeFileSync(join(dist, fileName), code)
  // Effect is under the MIT license, which goes along with every copy.
  copyFileSync(join(root, "node_modules", "effect", "LICENSE"), join(dist, "program", "LICENSE-effect"))
  chmodSync(join(dist, "bin.js"), 0o755)
}

compile()
bundle().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
