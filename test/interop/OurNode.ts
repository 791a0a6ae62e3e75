/**
 * Nodes of ours over real ZeroMQ, for tests with real peers: places to serve at, nodes that note what they are told, and
 * waiting for facts instead of sleeping.
 *
 * All waiting here is on real time, whatever clock the test has.
 */
import { Context, Data, Effect, Exit, Layer, Logger, Scope, Stream } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Gossip from "../../src/Gossip.ts"
import type { Tuple } from "../../src/protocol/Tuple.ts"
import { freePort } from "./FreePort.ts"

/** Something that our node did not do in time. */
export class OurNodeError extends Data.TaggedError("OurNodeError")<{ readonly message: string }> {}

/** Long enough for a busy machine; nothing waits that long when all is well. */
const DEFAULT_TIMEOUT = 10_000

// ---------------------------------------------------------------------------------------------------------------------
// Places

export type Scheme = "tcp" | "ipc" | "inproc"

export const temporaryDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "zgossip-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

let places = 0

/** An endpoint to bind that nobody else uses. */
export const place = (scheme: Scheme): Effect.Effect<string, never, Scope.Scope> => {
  switch (scheme) {
    case "tcp":
      return Effect.map(Effect.promise(freePort), (port) => `tcp://127.0.0.1:${port}`)
    case "ipc":
      return Effect.map(temporaryDirectory, (directory) => `ipc://${join(directory, "socket")}`)
    case "inproc":
      return Effect.sync(() => `inproc://zgossip-${process.pid}-${++places}`)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Waiting

/** Looks every few milliseconds until `check` answers; fails with what was there instead. For facts without an event. */
export const eventually = <A, E, R>(
  look: Effect.Effect<A, E, R>,
  check: (found: A) => boolean,
  timeout = DEFAULT_TIMEOUT
): Effect.Effect<A, E | OurNodeError, R> =>
  Effect.gen(function* () {
    const deadline = performance.now() + timeout
    for (;;) {
      const found = yield* look
      if (check(found)) return found
      if (performance.now() > deadline) {
        const text = JSON.stringify(found)?.slice(0, 500)
        return yield* new OurNodeError({ message: `it did not come true within ${timeout} ms: ${text}` })
      }
      yield* Effect.sleep("5 millis")
    }
  })

// ---------------------------------------------------------------------------------------------------------------------
// Nodes

export interface OurNode {
  readonly gossip: Gossip.Gossip["Service"]
  /** Where it serves, ports resolved, in the order of `bind`; `endpoint` is the first. */
  readonly endpoints: ReadonlyArray<string>
  readonly endpoint: string
  /** Every delivery since it was started, its own publications included. A live array: it grows. */
  readonly seen: ReadonlyArray<Tuple>
  /** The same as `key=value`. */
  readonly texts: () => ReadonlyArray<string>
  readonly awaitDelivered: (count: number, timeout?: number) => Effect.Effect<void, OurNodeError>
  /** Waits for a delivery of this key, and of this value unless it is left out; past ones count. */
  readonly awaitTuple: (
    key: string | Uint8Array,
    value?: string | Uint8Array,
    timeout?: number
  ) => Effect.Effect<Tuple, OurNodeError>
  /** Waits until it holds exactly so many tuples. */
  readonly awaitSize: (count: number, timeout?: number) => Effect.Effect<void, OurNodeError | Gossip.GossipError>
  /** What it holds, as sorted `key=value`. */
  readonly holds: Effect.Effect<ReadonlyArray<string>, Gossip.GossipError>
  /** Closes its scope, as the end of its program would. */
  readonly close: Effect.Effect<void>
}

const octets = (input: string | Uint8Array): string => Buffer.from(input as string).toString("latin1")

export const write = ({ key, value }: Pick<Tuple, "key" | "value">): string => `${key}=${value}`

const short = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}..(${text.length})` : text)

/** Deliveries, and those who wait for one. */
class Deliveries {
  readonly all: Array<Tuple> = []
  readonly #waiters = new Set<() => void>()

  push(tuples: ReadonlyArray<Tuple>): void {
    for (const tuple of tuples) this.all.push(tuple)
    for (const look of [...this.#waiters]) look()
  }

  until<A>(what: string, timeout: number, check: () => A | undefined): Effect.Effect<A, OurNodeError> {
    return Effect.callback<A, OurNodeError>((resume) => {
      const look = (): void => {
        const found = check()
        if (found === undefined) return
        stop()
        resume(Effect.succeed(found))
      }
      const timer = setTimeout(() => {
        stop()
        const last = this.all.slice(-10).map((tuple) => short(write(tuple)))
        const message = `no ${what} within ${timeout} ms: ours has ${this.all.length} deliveries [${last.join(" ")}]`
        resume(Effect.fail(new OurNodeError({ message })))
      }, timeout)
      const stop = (): void => {
        clearTimeout(timer)
        this.#waiters.delete(look)
      }
      this.#waiters.add(look)
      look()
      return Effect.sync(stop)
    })
  }
}

const silent = Logger.layer([])

/** Starts a node; it ends with the test, or when it is closed. Its log is not shown. */
export const ourNode = (options: Gossip.Options = {}): Effect.Effect<OurNode, Gossip.GossipError, Scope.Scope> =>
  Effect.gen(function* () {
    const { bind = [], connect = [], publish = {}, ...settings } = options
    const scope = yield* Scope.fork(yield* Effect.scope)
    const deliveries = new Deliveries()
    const started = Effect.gen(function* () {
      const gossip = Context.get(yield* Layer.build(Gossip.layer(settings)), Gossip.Gossip)
      const stream = yield* gossip.subscribe
      yield* stream.pipe(
        Stream.runForEachArray((tuples) => Effect.sync(() => deliveries.push(tuples))),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* gossip.publishAll(Symbol.iterator in publish ? publish : Object.entries(publish))
      const endpoints = yield* Effect.forEach(bind, gossip.bind)
      yield* Effect.forEach(connect, gossip.connect, { discard: true })
      return { gossip, endpoints }
    })
    const { endpoints, gossip } = yield* started.pipe(
      Effect.provide(silent),
      Scope.provide(scope),
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
    )
    return {
      // What these start logs as whoever called them
      gossip: {
        ...gossip,
        bind: (endpoint) => Effect.provide(gossip.bind(endpoint), silent),
        connect: (endpoint) => Effect.provide(gossip.connect(endpoint), silent)
      },
      endpoints,
      endpoint: endpoints[0] ?? "",
      seen: deliveries.all,
      texts: () => deliveries.all.map(write),
      awaitDelivered: (count, timeout = DEFAULT_TIMEOUT) =>
        Effect.asVoid(
          deliveries.until(`${count} deliveries`, timeout, () => (deliveries.all.length >= count ? true : undefined))
        ),
      awaitTuple: (key, value, timeout = DEFAULT_TIMEOUT) =>
        Effect.suspend(() => {
          const wanted = { key: octets(key), value: value === undefined ? undefined : octets(value) }
          let looked = 0
          return deliveries.until(short(`${wanted.key}=${wanted.value ?? ".."}`), timeout, () => {
            for (; looked < deliveries.all.length; looked++) {
              const tuple = deliveries.all[looked]!
              if (tuple.keyOctets === wanted.key && (wanted.value ?? tuple.valueOctets) === tuple.valueOctets) {
                return tuple
              }
            }
            return undefined
          })
        }),
      awaitSize: (count, timeout) =>
        Effect.asVoid(
          eventually(
            Effect.map(gossip.status, ({ tuples }) => tuples),
            (tuples) => tuples === count,
            timeout
          )
        ),
      holds: Effect.map(gossip.entries, (tuples) => tuples.map(write).sort()),
      close: Scope.close(scope, Exit.void)
    }
  })

/** `count` tuples, PREFIX000001.. as the CZMQ driver names them. */
export const numbered = (prefix: string, count: number, value = "v"): ReadonlyArray<readonly [string, string]> =>
  Array.from({ length: count }, (_, index) => [`${prefix}${String(index + 1).padStart(6, "0")}`, value] as const)

/** The log of CZMQ's actors is a stream of its own, and may come later than their answers. */
export const logged = (czmq: { readonly log: () => string }, ...lines: ReadonlyArray<string>) =>
  eventually(
    Effect.sync(() => czmq.log()),
    (log) => lines.every((line) => log.includes(line))
  )
