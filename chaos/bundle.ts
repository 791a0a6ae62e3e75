/** The worker in one file: a node that is killed is back in a fraction of a second, not after loading some hundred. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { rolldown } from "rolldown"

export const bundle = async (): Promise<string> => {
  const cache = join(import.meta.dirname, "../node_modules/.cache/effect-zgossip")
  mkdirSync(cache, { recursive: true })
  const built = await rolldown({
    input: join(import.meta.dirname, "worker.ts"),
    platform: "node",
    external: ["zeromq"],
    logLevel: "silent"
  })
  const { output } = await built.generate({ format: "esm", codeSplitting: false })
  await built.close()
  const file = join(cache, `chaos-worker-${process.pid}.mjs`)
  writeFileSync(file, output[0].code)
  return file
}
