/** The tour of the README, line by line as a newcomer types it, at other addresses and in another folder. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { place, temporaryDirectory } from "./OurNode.ts"
import { program, runWith } from "./Program.ts"

const root = join(import.meta.dirname, "../..")
const readme = readFileSync(join(root, "README.md"), "utf8")
const tour = readme.slice(readme.indexOf("## A tour"), readme.indexOf("## The library"))
const [first = ""] = /(?<=^ {4}npm start -- ).*$/m.exec(tour) ?? []

/** Each command, and what it prints; `...` stands for what may differ. */
const steps = (/```console\n([^]*?)```/.exec(tour)?.[1] ?? "")
  .split(/^\$ /m)
  .slice(1)
  .map((step) => {
    const [command = "", ...prints] = step.split("\n")
    return { command, prints: prints.join("\n") }
  })

const shell = (cwd: string, env: Readonly<Record<string, string>>, script: string) =>
  Effect.callback<string>((resume) => {
    execFile("bash", ["-c", script], { cwd, env: { ...process.env, ...env } }, (error, stdout, stderr) =>
      resume(error === null ? Effect.succeed(stdout) : Effect.die(new Error(`${script}\n${stdout}${stderr}`)))
    )
  })

describe("the tour of the README", () => {
  it.live(
    "prints what it says",
    () =>
      Effect.gen(function* () {
        assert.isAbove(steps.length, 12)
        const [endpoint, folder] = [yield* place("tcp"), yield* temporaryDirectory]
        const env = { ZGOSSIP_BIND: endpoint, ZGOSSIP_ENDPOINT: endpoint, NODE_OPTIONS: "" }
        const node = yield* runWith({ env }, "serve", ...first.split(" "))
        yield* node.bound()
        const mark = "\u0001"
        // One of them from its source, as it stands; from the bundle the others start several times as fast.
        const bin = `$([ "$1" = publish ] && echo '${join(root, "src/bin.ts")}' || echo '${program}')`
        const here = (text: string) =>
          text.replaceAll("node_modules/.bin/node src/bin.ts", `${process.execPath} ${bin}`)
        const script = steps.map(({ command }) => `${here(command)}\nprintf '${mark}'`).join("\n")
        const printed = (yield* shell(folder, env, script)).split(mark)
        for (const [at, { command, prints }] of steps.entries()) {
          const pattern = prints
            .replaceAll("tcp://127.0.0.1:5670", endpoint)
            .split("...")
            .map((text) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&"))
          assert.match(printed[at] ?? "", new RegExp(`^${pattern.join(".+")}$`), command)
        }
        yield* node.await("stdout", /^greeting = hello\nprinter = tcp:\/\/10\.0\.0\.7:9100\n/)
      }),
    60_000
  )
})
