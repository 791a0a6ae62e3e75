/**
 * `zgossip config check FILE` and `zgossip config show`
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileConfig from "../layers/FileConfig.ts"
import * as LinkSecurity from "../layers/LinkSecurity.ts"
import type { Configuration } from "../protocol/Configuration.ts"
import * as Octets from "../protocol/Octets.ts"
import * as Settings from "../protocol/Settings.ts"
import { GossipConfig } from "../services/GossipConfig.ts"
import type { NodeFlags } from "./NodeFlags.ts"
import { optionsOf } from "./NodeFlags.ts"
import type { Globals } from "./Root.ts"
import { paint, printable, say, write } from "./Terminal.ts"
import { count, table } from "./Text.ts"

/**
 * Says whether a node would take this file, and what in it means nothing.
 *
 * @since 0.1.0
 * @category commands
 */
export const check = Effect.fnUntraced(function* ({ format, quiet }: Globals, { file }: { readonly file: string }) {
  const config = yield* GossipConfig
  const configuration = yield* config.withFile(file)
  const { bind, connect, notices, publish } = configuration
  // The files that it names are read too.
  yield* LinkSecurity.check(configuration)
  if (format === "json") return yield* write(`${JSON.stringify({ file, notices })}\n`)
  if (!quiet) yield* sayAll(notices)
  const does = [
    `serves on ${count(bind.length, "endpoint")}`,
    `connects to ${connect.length}`,
    `publishes ${count(publish.length, "tuple")}`
  ]
  yield* write(`${printable(file)} is fine: it ${does.join(", ")}\n`)
}, Effect.provide(FileConfig.layer()))

const sayAll = (notices: ReadonlyArray<string>) =>
  Effect.forEach(notices, (notice) => say(`zgossip: ${notice}`), { discard: true })

/**
 * Shows the configuration that `serve` would have with the same flags, and where each value comes from.
 *
 * @since 0.1.0
 * @category commands
 */
export const show = Effect.fnUntraced(function* (globals: Globals, flags: NodeFlags) {
  const { color, format, quiet } = globals
  const options = yield* optionsOf(globals, flags)
  const configuration = yield* Effect.provide(
    Effect.flatMap(GossipConfig, ({ get }) => get),
    FileConfig.layer(options)
  )
  if (!quiet) yield* sayAll(configuration.notices)
  const rows = rowsOf(configuration)
  if (format === "json") {
    return yield* write(`${JSON.stringify(rows.map(({ from, name, value }) => ({ name, value, from })))}\n`)
  }
  const width = process.stdout.isTTY ? process.stdout.columns : undefined
  const lines = table(
    ["NAME", "VALUE", "FROM"],
    rows.map(({ from, name, value }) => [name, value ?? "-", from].map(printable)),
    width
  )
  yield* write(Array.from(lines, (line, at) => `${at === 0 ? paint("bold", line, { color }) : line}\n`).join(""))
})

interface Row {
  readonly name: string
  /** None where nothing is set. */
  readonly value: string | null
  readonly from: string
}

const rowsOf = ({ bind, connect, origins, publish, settings }: Configuration): ReadonlyArray<Row> => {
  const from = (path: string, otherwise = "default") => origins.get(path)?.where ?? otherwise
  const texts = Settings.toTexts(settings)
  return [
    ...Settings.definitions.map(({ path, unset }) => ({
      name: path,
      value: texts.get(path) ?? null,
      from: from(path, unset === undefined ? "default" : `default: ${unset}`)
    })),
    ...bind.map((value, index) => ({ name: "bind", value, from: from(`bind[${index}]`) })),
    ...connect.map((value, index) => ({ name: "connect", value, from: from(`connect[${index}]`) })),
    ...publish.map(({ keyOctets, valueOctets }, index) => ({
      name: `publish ${Octets.toText(keyOctets)}`,
      value: Octets.toText(valueOctets),
      from: from(`publish[${index}]`)
    }))
  ]
}
