/**
 * What a stranger gets: the tarball, put into an empty project as an installer puts it. The dependencies are links to
 * those of this folder, so that no registry is needed.
 */
import { execFile } from "node:child_process"
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join, resolve } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

/** A program of a user of this package: it is type-checked, and run, and what it prints is compared. */
const consumer = {
  source: `
import { Effect, Option, Stream } from "effect"
import { Endpoint, Gossip } from "effect-zgossip"
import * as Deep from "effect-zgossip/Gossip"

// @ts-expect-error: the types are there, and are not any
const nonsense = (): string => Endpoint.format(1)

const server = Effect.gen(function* () {
  const gossip = yield* Gossip.Gossip
  const [tuple] = yield* Stream.runCollect(Stream.take(yield* gossip.subscribe, 1))
  const held = yield* gossip.get("greeting")
  console.log(tuple?.key, tuple?.value, Option.getOrThrow(held).value === tuple?.value, Gossip === Deep, typeof nonsense)
}).pipe(Effect.provide(Gossip.layer({ bind: ["inproc://server"] })), Effect.scoped)

const client = Effect.never.pipe(
  Effect.provide(Gossip.layer({ connect: ["inproc://server"], publish: { greeting: "hello" } }))
)

await Effect.runPromise(Effect.raceFirst(server, client))
`,
  prints: /^greeting hello true true function$/m
}

/** The program of the README: it is type-checked as it stands, and run with addresses of its own. */
const readme = /```ts\n([^]*?)```/.exec(readFileSync(new URL("../README.md", import.meta.url), "utf8"))?.[1] ?? ""

const root = resolve(import.meta.dirname, "..")
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly version: string
  readonly bin: { readonly zgossip: string }
  readonly dependencies: Record<string, string>
  readonly peerDependencies: Record<string, string>
}

const folder = mkdtempSync(join(tmpdir(), "effect-zgossip-package-"))
const project = join(folder, "project")
const installed = join(project, "node_modules", "effect-zgossip")
let tarball = ""

interface Ran {
  readonly code: number | string
  readonly stdout: string
  readonly stderr: string
}

const run = (cwd: string, command: string, ...args: ReadonlyArray<string>): Promise<Ran> =>
  new Promise((done) => {
    const path = [dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter)
    const env = { ...process.env, PATH: path, NODE_OPTIONS: "", NO_COLOR: "1", FORCE_COLOR: "0" }
    execFile(command, args, { cwd, env }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : (error.code ?? 1), stdout, stderr })
    })
  })

const succeed = async (...args: Parameters<typeof run>): Promise<Ran> => {
  const ran = await run(...args)
  assert.strictEqual(ran.code, 0, `${args.slice(1).join(" ")}\n${ran.stdout}${ran.stderr}`)
  return ran
}

/** Runs the script `file` as if on Node.js `version`. */
const runOn = (version: string, file: string): Promise<Ran> => {
  const pretend = join(folder, `pretend-${version}.cjs`)
  writeFileSync(
    pretend,
    `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } })\n`
  )
  return run(project, process.execPath, "--require", pretend, file, "--version")
}

beforeAll(async () => {
  const stage = join(folder, "stage")
  mkdirSync(stage)
  const sources = ["src", "scripts", "package.json", "tsconfig.json", "tsconfig.build.json"]
  const texts = readdirSync(root).filter((name) => /^(?:README|LICENSE|CHANGELOG)/.test(name))
  for (const name of [...sources, ...texts]) cpSync(join(root, name), join(stage, name), { recursive: true })
  symlinkSync(join(root, "node_modules"), join(stage, "node_modules"))
  await succeed(stage, "npm", "pack", "--pack-destination", folder)
  tarball = join(folder, `effect-zgossip-${manifest.version}.tgz`)

  mkdirSync(installed, { recursive: true })
  await succeed(folder, "tar", "-xzf", tarball, "--strip-components=1", "-C", installed)
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    mkdirSync(dirname(join(project, "node_modules", name)), { recursive: true })
    symlinkSync(join(root, "node_modules", name), join(project, "node_modules", name))
  }
  // What an installer does with "bin".
  const bin = join(project, "node_modules", ".bin")
  mkdirSync(bin)
  chmodSync(join(installed, manifest.bin.zgossip), 0o755)
  symlinkSync(join("..", "effect-zgossip", manifest.bin.zgossip), join(bin, "zgossip"))

  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module", private: true }))
  writeFileSync(join(project, "main.ts"), consumer.source)
  writeFileSync(join(project, "readme.ts"), readme)
  writeFileSync(
    join(project, "readme-here.ts"),
    `${readme.replace(/bind: .*,/, 'bind: ["tcp://127.0.0.1:0"],').replace(/connect: \[.*\]/, "connect: []")}
setTimeout(() => process.exit(), 3000)`
  )
  writeFileSync(
    join(project, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        target: "ES2024",
        lib: ["ES2024", "ESNext.Disposable", "DOM"],
        module: "NodeNext",
        types: [],
        strict: true,
        exactOptionalPropertyTypes: true,
        // Our declarations are to be right in themselves, without the types of Node.
        skipLibCheck: false,
        noEmit: true
      },
      files: ["main.ts", "readme.ts"]
    })
  )
}, 60_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("the tarball", () => {
  it("holds what it should and nothing else", async () => {
    const { stdout } = await succeed(folder, "tar", "-tzf", tarball)
    const files = stdout.split("\n").filter((name) => name !== "")
    for (const name of ["dist/index.js", "dist/index.d.ts", "dist/bin.js", "src/index.ts", "LICENSE", "package.json"]) {
      assert.include(files, `package/${name}`)
    }
    const allowed = /^package\/(?:(?:dist|src)\/|(?:README|LICENSE|CHANGELOG)[^/]*$|package\.json$)/
    assert.deepEqual(
      files.filter((name) => !allowed.test(name)),
      []
    )
  })

  it("has maps that lead to the sources", () => {
    const maps = readdirSync(join(installed, "dist"), { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".map")
    )
    assert.isNotEmpty(maps)
    for (const name of maps) {
      const file = join(installed, "dist", name)
      const { sources } = JSON.parse(readFileSync(file, "utf8")) as { readonly sources: ReadonlyArray<string> }
      for (const source of sources) {
        const target = resolve(dirname(file), source)
        assert.isTrue(target.startsWith(join(installed, "src")), name)
        assert.doesNotThrow(() => readFileSync(target), name)
      }
    }
  })

  it("pleases publint", async () => {
    await succeed(folder, join(root, "node_modules", ".bin", "publint"), "run", tarball, "--strict")
  })

  it("has the types that its modules have, says attw", async () => {
    await succeed(folder, join(root, "node_modules", ".bin", "attw"), tarball, "--profile", "esm-only")
  })
})

describe("installed", () => {
  it("is a command", async () => {
    const { stdout } = await succeed(project, join(project, "node_modules", ".bin", "zgossip"), "--version")
    assert.include(stdout, manifest.version)
  })

  it("is a library", async () => {
    const { stdout } = await succeed(project, process.execPath, "main.ts")
    assert.match(stdout, consumer.prints)
  })

  it("does what the README says", async () => {
    const { stdout } = await succeed(project, process.execPath, "readme-here.ts")
    assert.match(stdout, /service\/web-1 is at http:\/\/10\.0\.0\.8:8080/)
  })

  it("has types", async () => {
    await succeed(project, process.execPath, join(root, "node_modules", "typescript", "bin", "tsc"), "-p", project)
  })

  it("keeps its inside to itself", async () => {
    for (const path of ["bin", "internal/A", "src/index.ts"]) {
      const ran = await run(project, process.execPath, "-e", `import("effect-zgossip/${path}")`)
      assert.notStrictEqual(ran.code, 0, path)
      assert.match(ran.stderr, /ERR_PACKAGE_PATH_NOT_EXPORTED|ERR_MODULE_NOT_FOUND/, path)
    }
  })
})

describe("an old Node.js", () => {
  const oneLine = (ran: Ran): void => {
    assert.strictEqual(ran.code, 1)
    assert.strictEqual(ran.stdout, "")
    assert.match(ran.stderr, /^[^\n]+ needs Node\.js 22\.19[^\n]+ this is [^\n]+ install [^\n]+\n$/)
  }

  it.each(["20.20.2", "22.18.0"])("%s is told in one line what to do", async (version) => {
    oneLine(await runOn(version, join(installed, "dist", "bin.js")))
    oneLine(await runOn(version, join(root, "scripts", "assert-node.cjs")))
  })

  it.each(["22.19.0"])("%s is none", async (version) => {
    assert.strictEqual((await runOn(version, join(installed, "dist", "bin.js"))).code, 0)
    assert.strictEqual((await runOn(version, join(root, "scripts", "assert-node.cjs"))).code, 0)
  })
})
