import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Console, Effect } from "effect"
import { CliConfig, CliOutput, Command, Completions, GlobalFlag } from "effect/cli"
import { asFlags, complaint, separate, valueFlags } from "../../src/cli/Arguments.ts"
import { command } from "../../src/cli/Commands.ts"
import { formatter, wrap } from "../../src/cli/Help.ts"
import { withoutHelp } from "../../src/cli/Mistake.ts"

type Described = Completions.CommandDescriptor

const root = Completions.fromCommand(command)

/** Every command with its path, the one without a name first. */
const walk = (
  described: Described,
  path: ReadonlyArray<string> = []
): ReadonlyArray<[ReadonlyArray<string>, Described]> => [
  [path, described],
  ...described.subcommands.flatMap((below) => walk(below, [...path, below.name]))
]

const names = walk(root).map(([path]) => path.join(" "))

const help = (path: ReadonlyArray<string>, columns?: number) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const console = { ...globalThis.console, log: (text: string) => void lines.push(...text.split("\n")) }
    yield* Command.runWith(command, { version: "0" })([...path, "--help"]).pipe(
      Effect.provide([
        NodeServices.layer,
        CliOutput.layer(formatter({ colors: false, columns })),
        CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.LogLevel] })
      ]),
      Effect.provideService(Console.Console, console)
    )
    return lines
  })

describe("--help", () => {
  it.live.each(names)("of zgossip %s fits into 80 columns and has two examples", (name) =>
    Effect.gen(function* () {
      const lines = yield* help(name.split(" ").filter((word) => word !== ""))
      assert.deepStrictEqual(
        lines.filter((line) => line.length > 82),
        []
      )
      const examples = lines.slice(lines.indexOf("EXAMPLES") + 1)
      assert.isAtLeast(examples.filter((line) => line.startsWith("  # ")).length, 2)
      assert.strictEqual(lines.at(lines.indexOf("EXAMPLES") - 1), "")
      assert.notInclude(lines.join("\n"), "choices:")
    })
  )

  it.live("uses the width of the terminal, up to a hundred columns", () =>
    Effect.gen(function* () {
      const longest = (lines: ReadonlyArray<string>) => Math.max(...lines.map(({ length }) => length))
      const [small, wide, wider] = [yield* help([], 60), yield* help([], 100), yield* help([], 300)]
      assert.isAtMost(longest(small.slice(0, small.indexOf("EXAMPLES"))), 66)
      assert.isAbove(longest(wide), 90)
      assert.deepStrictEqual(wider, wide)
    })
  )

  it.live("shows no flag that the command would refuse", () =>
    Effect.gen(function* () {
      assert.notInclude((yield* help(["serve"])).join("\n"), "--endpoint")
      assert.include((yield* help(["get"])).join("\n"), "--endpoint")
    })
  )
})

describe("wrap", () => {
  it("breaks between words, and indents what follows", () => {
    assert.strictEqual(wrap("one two three", 2, 9), "one two\n  three")
    assert.strictEqual(wrap("In:  one two three\n\nfour", 2, 14), "In:  one two\n       three\n\n  four")
    assert.strictEqual(wrap("averylongword indeed", 2, 8), "averylongword\n  indeed")
    assert.strictEqual(wrap("", 2, 8), "")
  })
})

describe("separate", () => {
  it("takes a short flag and its value apart, up to --", () => {
    const typed = ["-etcp://127.0.0.1:1", "-ojson", "-qe", "x", "-qc5", "-c", "5", "-e=x", "-", "--", "-ojson"]
    const meant = ["-e=tcp://127.0.0.1:1", "-o=json", "-qe", "x", "-qc=5", "-c", "5", "-e=x", "-", "--", "-ojson"]
    assert.deepStrictEqual(separate(typed), meant)
    const others = ["--endpoint", "--once", "-5", "-q", "-xe5", "", "get", "e-o"]
    assert.deepStrictEqual(separate(others), others)
  })

  it("knows all short flags that take a value", () => {
    const found = walk(root)
      .flatMap(([, { flags }]) => flags)
      .filter(({ type }) => type._tag !== "Boolean")
      .flatMap(({ aliases }) => aliases)
    assert.strictEqual([...new Set(found)].sort().join(""), valueFlags)
  })
})

describe("asFlags", () => {
  it("knows help and version as commands", () => {
    assert.deepStrictEqual(asFlags(["help"]), ["--help"])
    assert.deepStrictEqual(asFlags(["help", "config", "show"]), ["config", "show", "--help"])
    assert.deepStrictEqual(asFlags(["version"]), ["--version"])
    for (const args of [[], ["get", "help"], ["-q", "list"], ["version", "x"]])
      assert.deepStrictEqual(asFlags(args), args)
  })
})

describe("withoutHelp", () => {
  it.live.each([
    [["bogus", "--help"], ["bogus"]],
    [["-h", "lst"], ["lst"]],
    [
      ["-e", "x", "--json", "bogus", "--help", "--", "--help"],
      ["-e", "x", "--json", "bogus", "--", "--help"]
    ],
    [
      ["config", "shw", "--help"],
      ["config", "shw"]
    ]
  ])("of %s is %s: the parser says that there is no such command", ([args, meant]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* withoutHelp(command, args ?? []), meant)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("of all else is the same, and nothing is run", () =>
    Effect.gen(function* () {
      const others = [
        "",
        "--help",
        "-e x --help",
        "get --help",
        "config --help",
        "config show -h",
        "serve bogus --help"
      ]
      for (const text of [...others, "agent --help", "--bogus --help", "bogus", "-- bogus --help", "--version -h"]) {
        const args = text.split(" ").filter((word) => word !== "")
        assert.strictEqual(yield* withoutHelp(command, args), args)
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )
})

describe("complaint", () => {
  it.live.each([
    [["get", "--rwa", "a"], "Unrecognized flag: --rwa in command zgossip get, did you mean --raw?"],
    [["get", "--raw", "--raw", "a"], "--raw stands there 2 times: write it once"],
    [["lst"], 'Unknown subcommand "lst" for "zgossip", did you mean list?'],
    [["ping", "-c", "x"], 'Invalid value for flag --count: "x". Expected a whole number']
  ] as const)("of %s is one line", ([args, says]) =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const present = (event: CliOutput.Presenter.Event) =>
        Effect.sync(() => {
          if (event._tag === "InvalidInvocation") told.push(...event.errors.map(({ message }) => complaint(message)))
        })
      yield* Command.runWith(command, { version: "0" })(args).pipe(
        Effect.ignore,
        Effect.provide([NodeServices.layer, CliOutput.layerPresenter({ present })])
      )
      assert.deepStrictEqual(told, [says])
    })
  )
})
