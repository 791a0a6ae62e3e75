// Builds dist from src: JavaScript, declarations and their maps, and the executable bit of the command.
"use strict"

const { spawnSync } = require("node:child_process")
const { chmodSync, rmSync } = require("node:fs")
const { join } = require("node:path")

const root = join(__dirname, "..")
const dist = process.argv[2] ?? join(root, "dist")

rmSync(dist, { recursive: true, force: true })
const tsc = join(root, "node_modules", "typescript", "bin", "tsc")
const { status } = spawnSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json"), "--outDir", dist], {
  stdio: "inherit"
})
if (status !== 0) process.exit(1)
chmodSync(join(dist, "bin.js"), 0o755)
