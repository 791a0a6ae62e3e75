/**
 * The flags that configure a node, for `serve` and for `config show`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Flag from "effect/cli/Flag"
import type * as NodeConfig from "../layers/NodeConfig.ts"
import { lists } from "../protocol/Configuration.ts"
import type { EndpointError } from "../protocol/Endpoint.ts"
import { brief } from "../protocol/Endpoint.ts"
import * as Settings from "../protocol/Settings.ts"
import * as Tuple from "../protocol/Tuple.ts"
import type { Failure } from "./Failure.ts"
import { usage } from "./Failure.ts"
import type { Globals } from "./Root.ts"
import { defaultEndpoint } from "./Root.ts"

/**
 * @since 0.1.0
 * @category flags
 */
export const nodeFlags = {
  bind: Flag.String("bind").pipe(
    Flag.withDescription(`Serve on this endpoint; repeatable; ${defaultEndpoint} if nothing else says where`),
    Flag.withMetavar("ENDPOINT"),
    Flag.atLeast(0)
  ),
  connect: Flag.String("connect").pipe(
    Flag.withDescription("Connect to the node at this endpoint, now or whenever it appears; repeatable"),
    Flag.withMetavar("ENDPOINT"),
    Flag.atLeast(0)
  ),
  publish: Flag.String("publish").pipe(
    Flag.withDescription("Publish this tuple; repeatable"),
    Flag.withMetavar("KEY=VALUE"),
    Flag.atLeast(0)
  ),
  config: Flag.String("config").pipe(
    Flag.withDescription("The configuration file, in ZPL as CZMQ has it; it is read again when it changes"),
    Flag.withMetavar("FILE"),
    Flag.optional
  ),
  allowKeys: Flag.String("allow-keys").pipe(
    Flag.withDescription("Serve with CURVE those whose public key is in this file or directory; needs --certificate"),
    Flag.withMetavar("PATH"),
    Flag.optional
  ),
  allowAddresses: Flag.String("allow-addresses").pipe(
    Flag.withDescription("Serve these addresses and networks only, with commas: 10.0.0.0/8,192.168.7.9"),
    Flag.withMetavar("LIST"),
    Flag.optional
  ),
  users: Flag.String("users").pipe(
    Flag.withDescription("Serve those who know a password, in clear text: a file with lines of user=password"),
    Flag.withMetavar("FILE"),
    Flag.optional
  ),
  store: Flag.String("store").pipe(
    Flag.withDescription("Keep the tuples in this directory, and have them again at the next start; one for each node"),
    Flag.withMetavar("DIR"),
    Flag.optional
  ),
  storeSync: Flag.String("store-sync").pipe(
    Flag.withDescription(
      "How many ms what was written may take to reach the disk, 0: who publishes waits; 1000 if unset"
    ),
    Flag.withMetavar("MS"),
    Flag.optional
  ),
  verbose: Flag.Boolean("verbose").pipe(
    Flag.withDescription("Trace commands and state machines"),
    Flag.withDefault(false)
  )
}

/**
 * The flags, read.
 *
 * @since 0.1.0
 * @category models
 */
export interface NodeFlags {
  readonly bind: ReadonlyArray<string>
  readonly connect: ReadonlyArray<string>
  readonly publish: ReadonlyArray<string>
  readonly config: Option.Option<string>
  readonly allowKeys: Option.Option<string>
  readonly allowAddresses: Option.Option<string>
  readonly users: Option.Option<string>
  readonly store: Option.Option<string>
  readonly storeSync: Option.Option<string>
  readonly verbose: boolean
}

/**
 * Where the tuples are kept, as two of the flags say it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const storeOf = Effect.fnUntraced(function* ({ store, storeSync }: Pick<NodeFlags, "store" | "storeSync">) {
  if (Option.isSome(store) && store.value === "") return yield* usage("--store: write a directory")
  const sync = Option.getOrUndefined(storeSync)
  if (sync !== undefined)
    yield* checked("--store-sync", (text) => Settings.set(Settings.defaults, "store/sync", text))(sync)
  return {
    ...(Option.isSome(store) ? { storeDirectory: store.value } : {}),
    ...(sync === undefined ? {} : { storeSync: Number(sync) })
  }
})

/**
 * Flags go before the environment, that goes before the file, that before the defaults.
 *
 * @since 0.1.0
 * @category conversions
 */
export const optionsOf = Effect.fnUntraced(function* (
  { security }: Pick<Globals, "security">,
  { allowAddresses, allowKeys, bind, config, connect, publish, store, storeSync, users, verbose }: NodeFlags
) {
  yield* Effect.forEach(bind, checked("--bind", lists.bind.parse), { discard: true })
  yield* Effect.forEach(connect, checked("--connect", lists.connect.parse), { discard: true })
  const kept = yield* storeOf({ store, storeSync })
  const options: NodeConfig.Options = {
    name: "flag",
    given: {
      bind,
      connect,
      publish: yield* Effect.forEach(publish, parseTuple),
      ...(verbose ? { verbose } : {}),
      ...kept,
      ...security,
      allowKeys: Option.getOrUndefined(allowKeys),
      allowAddresses: Option.getOrUndefined(allowAddresses),
      users: Option.getOrUndefined(users)
    },
    environment: true,
    file: Option.getOrUndefined(config),
    fallback: { bind: [defaultEndpoint] }
  }
  return options
})

const checked =
  <A>(flag: string, parse: (text: string) => Result.Result<A, EndpointError | Settings.SettingError>) =>
  (text: string) =>
    Effect.fromResult(Result.mapError(parse(text), ({ message }) => usage(`${flag} ${message}`)))

const parseTuple = (text: string): Effect.Effect<Tuple.Tuple, Failure> =>
  Effect.fromResult(
    Result.mapError(Tuple.fromText(text), (detail) => usage(`--publish ${JSON.stringify(brief(text))}: ${detail}`))
  )
