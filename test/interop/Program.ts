/**
 * The `zgossip` command as a process: its arguments, its input, its two outputs, and how it ended.
 *
 * All waiting here is on real time, whatever clock the test has.
 */
import { Data, Effect, type Scope } from "effect"
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { join } from "node:path"
import type { Readable, Writable } from "node:stream"
import { inject } from "vitest"

const root = join(import.meta.dirname, "../..")
export const program = inject("program")

/** A process takes a second to start, several of them on a busy machine much longer. */
export const long = 20_000

export class ProgramError extends Data.TaggedError("ProgramError")<{ readonly message: string }> {}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface ProgramOptions {
  /** All of standard input; empty unless given; "open" leaves it to the test. */
  readonly stdin?: Uint8Array | "open"
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** Half of a start is compiling. What the tests themselves are told by is no setting of a node. */
export const environment: NodeJS.ProcessEnv = {
  ...process.env,
  NODE_OPTIONS: "",
  NODE_COMPILE_CACHE: join(root, "node_modules/.cache/effect-zgossip/compiled"),
  NO_COLOR: "1",
  FORCE_COLOR: "0",
  ZGOSSIP_REQUIRE_CZMQ: undefined,
  ZGOSSIP_TEST_REPORT: undefined
}

export class Program {
  readonly process: ChildProcessByStdio<Writable, Readable, Readable>
  stdout = ""
  stderr = ""
  ended: Ended | undefined
  readonly #exit: Promise<Ended>
  readonly #waiters = new Set<() => void>()

  constructor(args: ReadonlyArray<string>, options: ProgramOptions = {}) {
    const env = { ...environment, ...options.env }
    this.process = spawn(process.execPath, [program, ...args], {
      env,
      cwd: options.cwd,
      stdio: ["pipe", "pipe", "pipe"]
    })
    // It may end without having read what it was given.
    this.process.stdin.on("error", () => {})
    if (options.stdin !== "open") this.process.stdin.end(options.stdin)
    this.process.stdout.setEncoding("utf8").on("data", (text: string) => this.#heard(() => (this.stdout += text)))
    this.process.stderr.setEncoding("utf8").on("data", (text: string) => this.#heard(() => (this.stderr += text)))
    this.#exit = new Promise((resolve) => {
      this.process.once("close", (code, signal) => {
        this.#heard(() => (this.ended = { code, signal }))
        resolve({ code, signal })
      })
    })
  }

  #heard(what: () => void): void {
    what()
    for (const look of [...this.#waiters]) look()
  }

  /** Waits until one of the two streams holds this, from its beginning on; gives what matched. */
  await(stream: "stdout" | "stderr", pattern: RegExp): Effect.Effect<RegExpExecArray, ProgramError> {
    return Effect.callback((resume) => {
      const settle = (result: Effect.Effect<RegExpExecArray, ProgramError>): void => {
        clearTimeout(timer)
        this.#waiters.delete(look)
        resume(result)
      }
      const fail = (why: string) => settle(Effect.fail(new ProgramError({ message: `${why}: ${this.shown()}` })))
      const look = (): void => {
        const found = pattern.exec(this[stream])
        if (found !== null) settle(Effect.succeed(found))
        else if (this.ended !== undefined) fail(`it ended without ${pattern} on ${stream}`)
      }
      const timer = setTimeout(() => fail(`no ${pattern} on ${stream}`), long)
      this.#waiters.add(look)
      look()
      return Effect.sync(() => settle(Effect.never))
    })
  }

  /** The endpoint that it says it bound, the `nth` of them. */
  bound(nth = 1): Effect.Effect<string, ProgramError> {
    return Effect.map(
      this.await("stderr", new RegExp(`(?:^.*bound (\\S+)\n[^]*?){${nth}}`, "m")),
      (found) => found[1] ?? ""
    )
  }

  shown(): string {
    return JSON.stringify({ stdout: this.stdout, stderr: this.stderr, ended: this.ended })
  }

  /** Waits until the process has ended and both streams are closed. */
  readonly exit = Effect.suspend(() =>
    Effect.timeoutOrElse(
      Effect.promise(() => this.#exit),
      {
        duration: long,
        orElse: () => Effect.fail(new ProgramError({ message: `it goes on: ${this.shown()}` }))
      }
    )
  )

  /** Sends a signal, and gives how it ended and after how many milliseconds. */
  signal(signal: NodeJS.Signals) {
    return Effect.gen({ self: this }, function* () {
      const since = performance.now()
      this.process.kill(signal)
      const ended = yield* this.exit
      return { ...ended, took: performance.now() - since }
    })
  }
}

/** Runs it until the scope ends. */
export const run = (...args: ReadonlyArray<string>): Effect.Effect<Program, never, Scope.Scope> => runWith({}, ...args)

export const runWith = (
  options: ProgramOptions,
  ...args: ReadonlyArray<string>
): Effect.Effect<Program, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Program(args, options)),
    (running) =>
      Effect.suspend(() => {
        if (running.ended !== undefined) return Effect.void
        running.process.kill("SIGKILL")
        return Effect.ignore(running.exit)
      })
  )

/** Runs it to its end. */
export const ran = (
  options: ProgramOptions,
  ...args: ReadonlyArray<string>
): Effect.Effect<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }, ProgramError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const running = yield* runWith(options, ...args)
      const { code } = yield* running.exit
      return { code, stdout: running.stdout, stderr: running.stderr }
    })
  )
