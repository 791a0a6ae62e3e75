/**
 * A process that hosts nodes of ours for the benchmarks. Requests come over the IPC channel as [id, operation, ...
 * arguments], answers go back as [id, result] or [id, null, what went wrong]. Its own arguments are settings of every
 * node, as path=value.
 */
import { Effect, Layer, ManagedRuntime, References, Scope, Stream } from "effect"
import { Gossip } from "../src/index.ts"
import { valueSize } from "./Implementation.ts"

const now = (): number => Number(process.hrtime.bigint())

const value = "v".repeat(valueSize)

function* tuples(prefix: string, count: number): Generator<readonly [string, string]> {
  for (let i = 1; i <= count; i++) yield [prefix + String(i).padStart(6, "0"), value]
}

const settings = process.argv.slice(2).map((setting) => setting.split("=", 2) as [path: string, value: string])

const start = async () => {
  const runtime = ManagedRuntime.make(
    Layer.merge(Gossip.layer({ serverTimeout: 0 }), Layer.succeed(References.MinimumLogLevel, "Error"))
  )
  const gossip = await runtime.runPromise(Gossip.Gossip)
  for (const [path, value] of settings) await runtime.runPromise(gossip.set(path, value))
  let count = 0
  let countedAt = now()
  let waiter: { readonly count: number; readonly resolve: (at: number) => void } | undefined
  const look = () => {
    if (waiter === undefined || count < waiter.count) return
    waiter.resolve(countedAt)
    waiter = undefined
  }
  // The scope is the node's: its stream ends when the node does.
  const deliveries = await runtime.runPromise(Scope.provide(gossip.subscribe, Scope.makeUnsafe()))
  runtime.runFork(
    Stream.runForEachArray(deliveries, (chunk) =>
      Effect.sync(() => {
        count += chunk.length
        countedAt = now()
        look()
      })
    )
  )
  const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => runtime.runPromise(effect)
  const timed = async (effect: Effect.Effect<void, unknown>) => {
    const at = now()
    await run(effect)
    return at
  }
  return {
    bind: () => run(gossip.bind("tcp://127.0.0.1:!")),
    connect: (endpoint: string) => timed(gossip.connect(endpoint)),
    publish: (key: string, value: string) => timed(gossip.publish(key, value)),
    publishMany: (prefix: string, count: number) => timed(gossip.publishAll(tuples(prefix, count))),
    awaitCount: (count: number) =>
      new Promise<number>((resolve) => {
        waiter = { count, resolve }
        look()
      }),
    stop: () => runtime.dispose(),
    destroy: async () => {
      await runtime.dispose()
      await collect()
    }
  }
}

const collect = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

type Hosted = Awaited<ReturnType<typeof start>>

const hosted = new Map<string, Hosted>()

const operate = async (operation: string, name: string, args: ReadonlyArray<unknown>): Promise<unknown> => {
  switch (operation) {
    case "node":
      return void hosted.set(name, await start())
    case "memory":
      await collect()
      return { resident: process.memoryUsage.rss(), heap: process.memoryUsage().heapUsed }
    case "exit":
      await Promise.all(Array.from(hosted.values(), ({ stop }) => stop()))
      setImmediate(() => process.exit(0)) // an exit of its own writes the profile
      return undefined
    default: {
      const method = hosted.get(name)?.[operation as keyof Hosted] as
        ((...args: ReadonlyArray<unknown>) => Promise<unknown>) | undefined
      if (method === undefined) throw new Error(`no ${operation} of ${name}`)
      if (operation === "destroy") hosted.delete(name)
      return await method(...args)
    }
  }
}

process.on("message", ([id, operation, name, ...args]: [number, string, string, ...Array<unknown>]) => {
  operate(operation, name, args).then(
    (result) => process.send?.([id, result ?? null]),
    (cause: unknown) => process.send?.([id, null, String(cause)])
  )
})
process.on("disconnect", () => process.exit(0))
