/** Our nodes, each process of them a worker.ts. */
import { Effect, type Scope } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import { BenchError, type Host, type Implementation, type Node } from "./Implementation.ts"

type Answer = [id: number, result: unknown, error?: string]

class Worker {
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, (answer: Effect.Effect<unknown, BenchError>) => void>()
  #requests = 0
  #nodes = 0
  #gone: BenchError | undefined

  constructor(role: string, { profiles, settings }: Options) {
    const profile =
      profiles === undefined
        ? []
        : ["--cpu-prof", `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${role}-${process.hrtime.bigint()}.cpuprofile`]
    this.#process = fork(new URL("worker.ts", import.meta.url), settings, {
      execArgv: ["--expose-gc", ...profile],
      stdio: ["ignore", 2, 2, "ipc"] // standard output is for the table
    })
    this.#process.on("message", ([id, result, error]: Answer) => {
      const resume = this.#waiting.get(id)
      this.#waiting.delete(id)
      resume?.(error === undefined ? Effect.succeed(result) : Effect.fail(new BenchError({ message: error })))
    })
    this.#process.on("exit", (code, signal) => {
      this.#gone = new BenchError({ message: `a worker ended with ${signal ?? `exit code ${code}`}` })
      for (const resume of this.#waiting.values()) resume(Effect.fail(this.#gone))
      this.#waiting.clear()
    })
  }

  ask<A>(operation: string, ...args: ReadonlyArray<unknown>): Effect.Effect<A, BenchError> {
    return Effect.callback<unknown, BenchError>((resume) => {
      if (this.#gone !== undefined) return resume(Effect.fail(this.#gone))
      const id = ++this.#requests
      this.#waiting.set(id, resume)
      // A process that is about to end says so by its exit.
      this.#process.send([id, operation, ...args], () => {})
      return Effect.sync(() => void this.#waiting.delete(id))
    }) as Effect.Effect<A, BenchError>
  }

  readonly host: Host = {
    node: Effect.suspend(() => {
      const name = `node-${++this.#nodes}`
      const node: Node = {
        bind: this.ask("bind", name),
        connect: (endpoint) => this.ask("connect", name, endpoint),
        publish: (key, value) => this.ask("publish", name, key, value),
        publishMany: (prefix, count) => this.ask("publishMany", name, prefix, count),
        awaitCount: (count) => this.ask("awaitCount", name, count),
        destroy: this.ask("destroy", name)
      }
      return Effect.as(this.ask("node", name), node)
    }),
    memory: this.ask("memory", "")
  }

  /** An orderly end writes the profile; one that is not there within a moment is killed. */
  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#gone !== undefined) return Effect.void
    const exited = Effect.callback<void>((resume) => void this.#process.once("exit", () => resume(Effect.void)))
    return Effect.ignore(this.ask("exit", "")).pipe(
      Effect.andThen(Effect.suspend(() => (this.#gone === undefined ? exited : Effect.void))),
      Effect.timeoutOrElse({
        duration: "10 seconds",
        orElse: () => Effect.sync(() => void this.#process.kill("SIGKILL"))
      })
    )
  })
}

export interface Options {
  /** A directory for CPU profiles, one for each process. */
  readonly profiles: string | undefined
  /** Settings of every node, as path=value. */
  readonly settings: ReadonlyArray<string>
}

export const ours = (options: Options): Implementation => ({
  name: "ours",
  host: (role): Effect.Effect<Host, BenchError, Scope.Scope> =>
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => new Worker(role, options)),
        (worker) => worker.end
      ),
      (worker) => worker.host
    )
})
