/**
 * Bundles the command once for all tests that run it as a process, as `npm run build` does for users: it starts twice
 * as fast as from its sources.
 */
import { createHash } from "node:crypto"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { rolldown } from "rolldown"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    /** The file that runs the command. */
    readonly program: string
  }
}

const root = join(import.meta.dirname, "..")
const cache = join(root, "node_modules/.cache/effect-zgossip")

/** Other runs may use theirs at the same time; after an hour nobody does. */
const old = 3_600_000

const removeOld = (): void => {
  for (const name of readdirSync(cache)) {
    const path = join(cache, name)
    if (name.startsWith("program-") && Date.now() - statSync(path).mtimeMs > old) rmSync(path, { recursive: true })
  }
}

export default async (project: TestProject): Promise<void> => {
  // Lists of keys that a group can write are refused, and with some umasks all files are such.
  process.umask(0o022)
  const bundle = await rolldown({ input: join(root, "src/bin.ts"), platform: "node", external: ["zeromq"] })
  const { output } = await bundle.generate({
    format: "esm",
    entryFileNames: "[name].mjs",
    chunkFileNames: "[name]-[hash].mjs"
  })
  await bundle.close()
  const files = output.map((file) => ({ name: file.fileName, text: file.type === "chunk" ? file.code : file.source }))
  const hash = createHash("sha256")
  for (const { name, text } of files) hash.update(name).update(text)
  const folder = join(cache, `program-${hash.digest("hex").slice(0, 16)}`)
  if (existsSync(folder)) utimesSync(folder, new Date(), new Date())
  else {
    // In a folder of its own first: another run may be doing the same.
    const fresh = `${folder}.${process.pid}`
    mkdirSync(fresh, { recursive: true })
    for (const { name, text } of files) writeFileSync(join(fresh, name), text)
    if (existsSync(folder)) rmSync(fresh, { recursive: true })
    else renameSync(fresh, folder)
  }
  copyFileSync(join(root, "package.json"), join(cache, "package.json"))
  removeOld()
  project.provide("program", join(folder, "bin.mjs"))
}
