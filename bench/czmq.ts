/** Real CZMQ nodes: each process is a driver as the interop tests use it, each node an actor in a thread of its own. */
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { Czmq, type CzmqError } from "../test/interop/Czmq.ts"
import { BenchError, type Host, type Implementation, type Node, valueSize } from "./Implementation.ts"

const asBenchError = <A, R>(effect: Effect.Effect<A, CzmqError, R>): Effect.Effect<A, BenchError, R> =>
  Effect.mapError(effect, ({ message }) => new BenchError({ message }))

/** VmRSS, which Linux gives in KiB. */
const residentOctets = (pid: number): Effect.Effect<number, BenchError> =>
  Effect.try({
    try: () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024,
    catch: () => new BenchError({ message: "the memory of a process is read from /proc, which is not there" })
  })

const hostOf = (czmq: Effect.Success<typeof Czmq.make>): Host => {
  let nodes = 0
  /** The driver reads both lines at once, so its mark is the time at which the command began. */
  const timed = (command: Effect.Effect<void, CzmqError>): Effect.Effect<number, BenchError> =>
    asBenchError(
      Effect.map(Effect.all([czmq.mark, command], { concurrency: "unbounded" }), ([at]: [bigint, void]) => Number(at))
    )
  return {
    node: asBenchError(
      Effect.gen(function* () {
        const node = yield* czmq.node(`node-${++nodes}`)
        yield* node.quiet
        yield* node.set("server/timeout", 0)
        return {
          bind: asBenchError(Effect.map(node.bind("tcp://127.0.0.1:!"), (port) => `tcp://127.0.0.1:${port}`)),
          connect: (endpoint) => timed(node.connect(endpoint)),
          publish: (key, value) => timed(node.publish(key, value)),
          publishMany: (prefix, count) => timed(node.publishMany({ prefix, count, valueSize })),
          awaitCount: (count) => asBenchError(Effect.map(node.awaitCount(count), ({ at }) => Number(at))),
          destroy: asBenchError(node.destroy)
        } satisfies Node
      })
    ),
    memory: Effect.map(residentOctets(czmq.pid), (resident) => ({ resident, heap: NaN }))
  }
}

export const czmq: Implementation = {
  name: "CZMQ",
  host: () => Effect.map(asBenchError(Czmq.make), hostOf)
}
