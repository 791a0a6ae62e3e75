/**
 * One node as a process. Requests come over the IPC channel as [id, operation, ...arguments], answers go back as
 * [id, result] or [id, null, what went wrong]. Its argument is what it binds and connects, as JSON.
 */
import { Clock, Context, Effect, Layer, ManagedRuntime, Metric, References } from "effect"
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Gossip } from "../src/index.ts"

/** What the time of day is wrong by, where no library is preloaded that sets it for the whole process. */
let wrong = 0
const library = process.env["FAKETIME_TIMESTAMP_FILE"]

/** The clock of the system, save that its time of day can be set. */
const machine = (system: Clock.Clock): Clock.Clock => {
  const millis = () => system.currentTimeMillisUnsafe() + wrong
  const nanos = () => system.currentTimeNanosUnsafe() + BigInt(wrong) * 1_000_000n
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: () => system.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: system.monotonicTimeNanos,
    sleep: (duration) => system.sleep(duration)
  }
}

const options = JSON.parse(process.argv[2] ?? "{}") as Gossip.Options

const runtime = ManagedRuntime.make(
  Gossip.layer(options).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        Layer.succeed(References.MinimumLogLevel, "Info"),
        Layer.effect(Clock.Clock, Effect.map(Clock.Clock, machine)),
        Metric.enableRuntimeMetricsLayer
      )
    )
  )
)
const run = <A, E>(effect: Effect.Effect<A, E, Gossip.Gossip>): Promise<A> => runtime.runPromise(effect)
const use = <A, E>(of: (gossip: Gossip.Gossip["Service"]) => Effect.Effect<A, E>): Promise<A> =>
  run(Effect.flatMap(Gossip.Gossip, of))

const fibers = Effect.map(
  Metric.snapshot,
  (all) => all.find(({ id }) => id === "child_fibers_active")?.state as { readonly value?: number | bigint } | undefined
)

const collect = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const operations: Readonly<Record<string, (...args: ReadonlyArray<never>) => Promise<unknown>>> = {
  publish: (key: string, value: string) => use((gossip) => gossip.publish(key, value)),
  size: () => use((gossip) => Effect.map(gossip.status, ({ tuples }) => tuples)),
  holds: () => use((gossip) => Effect.map(gossip.entries, (all) => all.map(({ key, value }) => `${key}=${value}`))),
  status: () => use((gossip) => gossip.status),
  measure: async () => {
    await collect()
    const { external, heapUsed, rss } = process.memoryUsage()
    return {
      heap: heapUsed + external,
      resident: rss,
      fibers: Number((await run(fibers))?.value ?? NaN),
      descriptors: readdirSync("/proc/self/fd").length
    }
  },
  block: async (time: number) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, time)
  },
  clock: async (by: number) => {
    if (library === undefined) wrong = by
    else writeFileSync(library, `${by < 0 ? "" : "+"}${by / 1000}`)
  },
  disk: async (folder: string) => {
    const [file, filler] = [join(folder, "node.zpl"), join(folder, "filler")]
    await use((gossip) => gossip.save(file))
    const before = readFileSync(file, "utf8")
    try {
      writeFileSync(filler, Buffer.alloc(1 << 20))
    } catch {
      // That is the point.
    }
    const failure = await run(
      Effect.gen(function* () {
        const gossip = yield* Gossip.Gossip
        const saved = yield* Effect.flip(gossip.save(file))
        yield* gossip.configure(file)
        return saved.reason._tag
      })
    )
    if (readFileSync(file, "utf8") !== before) throw new Error("a configuration that could not be written is gone")
    rmSync(filler)
    await use((gossip) => gossip.save(join(folder, "other.zpl")))
    return failure
  },
  exit: async () => {
    await runtime.dispose()
    setImmediate(() => process.exit(0))
  }
}

process.on("message", ([id, operation, ...args]: [number, string, ...Array<never>]) => {
  const method = operations[operation]
  if (method === undefined) return process.send?.([id, null, `no ${operation}`])
  method(...args).then(
    (result) => process.send?.([id, result ?? null]),
    (cause: unknown) => process.send?.([id, null, String(cause)])
  )
  return undefined
})
process.on("disconnect", () => process.exit(0))
void runtime.context().then(
  (context) => process.send?.([0, Context.get(context, Gossip.Gossip) !== undefined]),
  (cause: unknown) => process.send?.([0, null, String(cause)])
)
