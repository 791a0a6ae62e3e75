/**
 * `zgossip watch`: a node that only reads, for as long as one likes. It prints each tuple and each change, or runs a
 * command for it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { constants } from "node:os"
import * as Gossip from "../Gossip.ts"
import * as MemoryConfig from "../layers/MemoryConfig.ts"
import * as MemoryTupleStore from "../layers/MemoryTupleStore.ts"
import * as ReadOnlyTransport from "../layers/ReadOnlyTransport.ts"
import * as ZmqTransport from "../layers/ZmqTransport.ts"
import * as Octets from "../protocol/Octets.ts"
import * as TupleJson from "../protocol/TupleJson.ts"
import { maxKeyLength } from "../protocol/Tuple.ts"
import * as Watched from "../protocol/Watched.ts"
import { ask, securityOf } from "./Client.ts"
import { Failure, usage } from "./Failure.ts"
import type { Globals } from "./Root.ts"
import { paint, printable, write } from "./Terminal.ts"
import { json, tupleLine } from "./Text.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Input {
  /** All operands: a prefix, and the command behind `--`, which the parser of the arguments does not tell apart. */
  readonly operands: ReadonlyArray<string>
  readonly updatesOnly: boolean
  /** Also what is gone, where it is not JSON, in which it always is. */
  readonly deletes: boolean
  readonly once: boolean
}

/**
 * `args` are the arguments of the process.
 *
 * @since 0.1.0
 * @category commands
 */
export const watch = Effect.fnUntraced(
  function* (globals: Globals, { deletes, once, operands, updatesOnly }: Input, args: ReadonlyArray<string>) {
    const { endpoints } = globals
    const { command, prefix } = yield* split(operands, args)
    // A node waits for its remotes for ever; who asks wants to know that there is one.
    yield* ask(globals, ({ ping }) => ping)
    const node = Effect.gen(function* () {
      const gossip = yield* Gossip.Gossip
      const join = Effect.forEach(endpoints, gossip.connect, { discard: true })
      if (updatesOnly) yield* Effect.andThen(join, synced(gossip))
      const isTold = ({ _tag }: Watched.Change) =>
        _tag === "Put" || (_tag !== "Renewed" && (deletes || (command === undefined && globals.format === "json")))
      const news = changes(yield* gossip.watchNow(Octets.toBytes(prefix)), updatesOnly).pipe(
        Stream.map((changes) => changes.filter(isTold).slice(0, once ? 1 : undefined)),
        Stream.filter(({ length }) => length > 0),
        once ? Stream.take(1) : identity
      )
      // Only now can somebody who waits for it publish something and be sure that it is shown.
      yield* updatesOnly ? Effect.logInfo(`waiting for changes on ${endpoints.join(", ")}`) : join
      yield* command === undefined
        ? Stream.runForEach(news, (changes) =>
            Effect.flatMap(Clock.currentTimeMillis, (now) =>
              write(changes.map((change) => lineOf(globals, change, now)).join(""))
            )
          )
        : Stream.runForEach(
            news,
            Effect.forEach((change) => execute(command, change, once), { discard: true })
          )
    })
    yield* Effect.provide(node, reader(yield* securityOf(globals.security)))
  },
  Effect.scoped,
  Effect.provide(ZmqTransport.layer)
)

/**
 * What changes, also between two snapshots; what the first one has is no change where only updates are wanted. What was
 * taken together stays together: it is written at once.
 */
const changes = (
  events: Stream.Stream<Watched.Watched>,
  updatesOnly: boolean
): Stream.Stream<ReadonlyArray<Watched.Change>> => {
  const table = new Map<Octets.Octets, Watched.Held>()
  let isKnown = updatesOnly
  return Stream.mapArray(events, (events) => [
    events.flatMap((event) => {
      const changes = Watched.follow(table, event)
      if (!isKnown) return changes
      isKnown = false
      return []
    })
  ])
}

const names = { Put: "put", Renewed: "renewed", Deleted: "deleted", Expired: "expired" } satisfies Record<
  Watched.Change["_tag"],
  string
>

/** What is gone has no ` = `. */
const lineOf = (globals: Globals, change: Watched.Change, now: number): string => {
  const { _tag, tuple } = change
  const event = names[_tag]
  if (_tag === "Put" || _tag === "Renewed") {
    const { endsAt = now, lifetime } = change
    return tupleLine(globals, { tuple, lifetime, remaining: Math.max(0, Math.floor(endsAt - now)) }, { event })
  }
  const { color, format } = globals
  if (format === "json") return `${json({ event, ...TupleJson.field("key", tuple.keyOctets) })}\n`
  return `${paint("cyan", printable(tuple.key), { color })} (${event})\n`
}

const reader = (security: Globals["security"]) =>
  Gossip.layerStarted().pipe(
    Layer.provide([ReadOnlyTransport.layer, MemoryTupleStore.layer, Layer.orDie(MemoryConfig.layer(security))])
  )

type Words = readonly [string, ...ReadonlyArray<string>]

/** What stands behind the first `--` is a command, as it is. */
const split = (
  operands: ReadonlyArray<string>,
  args: ReadonlyArray<string>
): Effect.Effect<{ readonly prefix: Octets.Octets; readonly command: Words | undefined }, Failure> => {
  const end = args.indexOf("--")
  const behind = end < 0 ? [] : args.slice(end + 1)
  const [prefix = "", ...others] = operands.slice(0, operands.length - behind.length)
  const [name, ...rest] = behind
  if (others.length > 0) {
    return Effect.fail(usage("watch takes one PREFIX; a command stands behind --: zgossip watch PREFIX -- COMMAND"))
  }
  if (end >= 0 && (name === undefined || name === "")) {
    return Effect.fail(usage("watch: there is no command behind --: write zgossip watch -- COMMAND"))
  }
  const octets = Octets.from(prefix)
  return octets.length > maxKeyLength
    ? Effect.fail(usage(`PREFIX has ${octets.length} octets, and no key has more than ${maxKeyLength}`))
    : Effect.succeed({ prefix: octets, command: name === undefined ? undefined : [name, ...rest] })
}

/** Waits until every remote that can be reached has told all it has. */
const synced = (gossip: Gossip.Gossip["Service"]) =>
  Effect.repeat(Effect.andThen(Effect.sleep("10 millis"), gossip.status), {
    until: ({ remotes }) =>
      remotes.some(({ state }) => state === "Connected") &&
      remotes.every(({ error, state }) => state === "Connected" || error !== undefined)
  })

/** The environment of a process has room for some; the rest is to be read from standard input. */
const longestVariable = 64 * 1024

/** How long a command that was told to end may take. */
const grace = "2 seconds"

/** Runs the command for a change, and waits for its end. Where there is but one run, its exit code is ours. */
const execute = (command: Words, change: Watched.Change, once: boolean): Effect.Effect<void, Failure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const child = yield* Effect.acquireRelease(start(command, change), end)
      child.stdin?.end(isThere(change) ? change.tuple.valueBytes : undefined)
      const [code, signal] = yield* ended(child)
      if (code === 0) return
      const how = code === null ? `was ended by ${signal}` : `ended with exit code ${code}`
      const what = `${command[0]} ${how} for the key ${JSON.stringify(change.tuple.key)}`
      yield* once ? Effect.fail(failure(what, exitCodeOf(code, signal))) : Effect.logWarning(what)
    })
  )

const failure = (message: string, exitCode: number): Failure => new Failure({ kind: "usage", message, exitCode })

/** As shells have it. */
const exitCodeOf = (code: number | null, signal: NodeJS.Signals | null): number =>
  code ?? 128 + (signal === null ? 0 : constants.signals[signal])

/** As shells, env(1) and timeout(1) have it. */
const [cannotBeRun, notFound] = [126, 127]

const start = ([name, ...args]: Words, change: Watched.Change): Effect.Effect<ChildProcess, Failure> =>
  Effect.callback((resume) => {
    const failed = (cause: unknown) => {
      const { code, message } = cause as NodeJS.ErrnoException
      const why = code === "ENOENT" ? "there is no such command" : code === "EACCES" ? "it is no program" : message
      const exitCode = code === "ENOENT" ? notFound : cannotBeRun
      resume(Effect.fail(failure(`cannot run ${JSON.stringify(name)}: ${why}`, exitCode)))
    }
    try {
      const env = { ...process.env, ...variables(change) }
      // In a process group of its own, so that it can be ended with all that it started.
      const child = spawn(name, args, { env, stdio: ["pipe", "inherit", "inherit"], detached: true })
      // It may not care for its input.
      child.stdin.on("error", () => {})
      child.once("error", failed)
      child.once("spawn", () => resume(Effect.succeed(child)))
    } catch (cause) {
      failed(cause)
    }
  })

const isThere = ({ _tag }: Watched.Change): boolean => _tag === "Put" || _tag === "Renewed"

/**
 * What cannot stand in an environment as it is does not stand there at all: NUL, what is no UTF-8, what is long; nor
 * does the value of what is gone.
 */
const variables = (change: Watched.Change): NodeJS.ProcessEnv => {
  const { keyOctets, valueOctets } = change.tuple
  const variable = (octets: Octets.Octets) => {
    const text = Octets.toText(octets)
    const fits = octets.length <= longestVariable && !octets.includes("\0") && Octets.from(text) === octets
    return fits ? text : undefined
  }
  return {
    ZGOSSIP_EVENT: names[change._tag],
    ZGOSSIP_KEY: variable(keyOctets),
    ZGOSSIP_KEY_BASE64: Buffer.from(keyOctets, "latin1").toString("base64"),
    ZGOSSIP_VALUE: isThere(change) ? variable(valueOctets) : undefined
  }
}

/** Its exit code, or the signal that ended it. What it left running in the background is its own affair. */
const ended = (child: ChildProcess): Effect.Effect<readonly [code: number | null, signal: NodeJS.Signals | null]> =>
  Effect.callback((resume) => {
    const look = () => {
      const { exitCode, signalCode } = child
      if (exitCode !== null || signalCode !== null) resume(Effect.succeed([exitCode, signalCode]))
    }
    child.once("exit", look)
    look()
    return Effect.sync(() => void child.off("exit", look))
  })

/** Ends a command that still runs. */
const end = (child: ChildProcess): Effect.Effect<void> =>
  Effect.suspend(() => {
    child.stdin?.destroy()
    if (child.exitCode !== null || child.signalCode !== null) return Effect.void
    signal(child, "SIGTERM")
    return Effect.timeoutOrElse(Effect.asVoid(ended(child)), {
      duration: grace,
      orElse: () => {
        signal(child, "SIGKILL")
        return Effect.asVoid(ended(child))
      }
    })
  })

const signal = (child: ChildProcess, signal: NodeJS.Signals): void => {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal)
  } catch {
    // There is no such group, or no groups at all on this system.
    child.kill(signal)
  }
}
