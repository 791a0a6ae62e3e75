/**
 * Real CZMQ zgossip actors for tests and benchmarks.
 *
 * The actors live in a C program of our own (czmq-driver.c, its head says the line protocol), so that one test can run
 * dozens of them and can also kill or suspend all of them with one signal. The program is built on first use, which
 * needs libczmq's headers: `availability` tells whether that works, describeCzmq.ts what tests do where it does not.
 *
 * All waiting here is on real time, whatever clock the test has.
 */
import { Data, Effect, type Scope } from "effect"
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process"
import { createHash, randomUUID } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/** What a developer types to get the tests that need real CZMQ. */
export const INSTALL_COMMAND = "apt-get install libczmq-dev pkg-config gcc"

/** Something CZMQ did not do: a bind that failed, a reply or delivery that did not come, a process that died. */
export class CzmqError extends Data.TaggedError("CzmqError")<{ readonly message: string }> {}

// ---------------------------------------------------------------------------------------------------------------------
// Building the driver

/** The driver's program file, or why there is none. */
export type Availability =
  { readonly available: true; readonly program: string } | { readonly available: false; readonly reason: string }

const known = new Map<string, Availability>()

/**
 * Builds the driver, or the other program of that name, unless this very source was built before. Test files run in
 * parallel processes: each builds under a name of its own and renames, so nobody ever runs a half-written program.
 */
export const availability = (name: "czmq-driver" | "czmq-curve" = "czmq-driver"): Availability => {
  const found = known.get(name) ?? build(name)
  known.set(name, found)
  return found
}

const build = (name: string): Availability => {
  const missing = (reason: string): Availability => ({ available: false, reason })
  const here = dirname(fileURLToPath(import.meta.url))
  const ask = (...what: ReadonlyArray<string>) => spawnSync("pkg-config", [...what, "libczmq"], { encoding: "utf8" })
  const version = ask("--modversion")
  if (version.error !== undefined) return missing("pkg-config is not installed")
  if (version.status !== 0) return missing("libczmq's headers are not installed")
  const flags = ask("--cflags", "--libs").stdout.trim().split(/\s+/)
  const source = join(here, `${name}.c`)
  const key = createHash("sha256").update(version.stdout).update(readFileSync(source)).digest("hex").slice(0, 16)
  const cache = join(here, "../../node_modules/.cache/effect-zgossip")
  const program = join(cache, `${name}-${key}`)
  if (existsSync(program)) return { available: true, program }
  mkdirSync(cache, { recursive: true })
  const fresh = `${program}.${randomUUID()}`
  const compiler = process.env["CC"] ?? "cc"
  const cc = spawnSync(compiler, ["-std=gnu11", "-O2", "-Wall", "-o", fresh, source, ...flags], { encoding: "utf8" })
  if (cc.error !== undefined) return missing(`the C compiler (${compiler}) is not installed`)
  if (cc.status !== 0) {
    rmSync(fresh, { force: true })
    return missing(`${name}.c does not compile: ${cc.stderr.split("\n", 1)[0]}`)
  }
  renameSync(fresh, program)
  return { available: true, program }
}

// ---------------------------------------------------------------------------------------------------------------------
// Waiting for a fact that arrives line by line

/** A condition over what was received so far; `undefined` means "not yet". */
interface Waiter {
  readonly look: () => void
  readonly fail: (message: string) => void
}

const DEFAULT_TIMEOUT = 5000

const pause = (ms: number): Effect.Effect<void> =>
  Effect.promise(() => new Promise((resolve) => setTimeout(resolve, ms)))

/** Resumes when `check` answers, fails with what was seen instead when `timeout` ms pass or the process dies. */
const waitFor = <A>(
  state: { readonly waiters: Set<Waiter>; readonly dead: () => string | undefined },
  timeout: number,
  what: () => string,
  check: () => A | undefined
): Effect.Effect<A, CzmqError> =>
  Effect.callback<A, CzmqError>((resume) => {
    const fail = (message: string): void => {
      stop()
      resume(Effect.fail(new CzmqError({ message: `${message}: ${what()}` })))
    }
    const look = (): void => {
      const found = check()
      if (found === undefined) return
      stop()
      resume(Effect.succeed(found))
    }
    const waiter: Waiter = { look, fail }
    const timer = setTimeout(() => fail(`nothing within ${timeout} ms`), timeout)
    const stop = (): void => {
      clearTimeout(timer)
      state.waiters.delete(waiter)
    }
    state.waiters.add(waiter)
    look()
    const dead = state.dead()
    if (dead !== undefined && state.waiters.has(waiter)) fail(dead)
    return Effect.sync(stop)
  })

// ---------------------------------------------------------------------------------------------------------------------
// The line protocol

const escapeField = (field: string | Uint8Array): string => {
  let text = ""
  for (const octet of typeof field === "string" ? Buffer.from(field) : field)
    text +=
      octet < 0x21 || octet > 0x7e || octet === 0x25
        ? `%${octet.toString(16).toUpperCase().padStart(2, "0")}`
        : String.fromCharCode(octet)
  return text
}

const unescapeField = (field: string): Buffer =>
  Buffer.from(
    field.includes("%") ? field.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))) : field,
    "latin1"
  )

// ---------------------------------------------------------------------------------------------------------------------
// One actor

/** One DELIVER of a zgossip actor, octet for octet. */
export interface Tuple {
  readonly key: Buffer
  readonly value: Buffer
}

/** When an actor had counted so many DELIVERs; `at` is comparable with `process.hrtime.bigint()`. */
export interface Reached {
  readonly count: number
  readonly elapsedNs: number
  readonly at: bigint
}

/** A live zgossip actor. Timeouts are in milliseconds, 5000 where none is given. */
export interface CzmqNode {
  readonly name: string
  /** One multipart message down the actor's command pipe, as `zstr_sendx` would send it. */
  readonly send: (...fields: ReadonlyArray<string | Uint8Array>) => Effect.Effect<void, CzmqError>
  /**
   * BIND, then PORT. Fails where CZMQ says that the bind failed; 0 for what has no port. CZMQ hands out `*` ports from
   * 49152 upwards, so a port that a restart wants back goes to whoever binds next: take `!` (a random one) for those.
   */
  readonly bind: (endpoint: string) => Effect.Effect<number, CzmqError>
  /**
   * `bind` for an address that was in use a moment ago, tried again until it is free: ZeroMQ closes sockets in the
   * background, so neither zactor_destroy nor a close of ours means that the address can be had.
   */
  readonly rebind: (endpoint: string, timeout?: number) => Effect.Effect<number, CzmqError>
  /** PORT as CZMQ answers it, -1 included. */
  readonly port: Effect.Effect<number, CzmqError>
  readonly connect: (endpoint: string) => Effect.Effect<void, CzmqError>
  readonly publish: (key: string | Uint8Array, value: string | Uint8Array) => Effect.Effect<void, CzmqError>
  readonly set: (path: string, value: string | number) => Effect.Effect<void, CzmqError>
  readonly status: Effect.Effect<number, CzmqError>
  /** What was delivered so far, in order. A live array: it grows. */
  readonly deliveries: ReadonlyArray<Tuple>
  /** The same as `key=value` texts. */
  readonly texts: () => ReadonlyArray<string>
  readonly awaitDelivered: (count: number, timeout?: number) => Effect.Effect<ReadonlyArray<Tuple>, CzmqError>
  /** Waits for a delivery of this key, and of this value unless it is left out. */
  readonly awaitTuple: (
    key: string | Uint8Array,
    value?: string | Uint8Array,
    timeout?: number
  ) => Effect.Effect<Tuple, CzmqError>
  /** Waits until STATUS says exactly `count`. */
  readonly awaitStatus: (count: number, timeout?: number) => Effect.Effect<void, CzmqError>
  /** Waits until the actor ends by itself. */
  readonly awaitEnded: (timeout?: number) => Effect.Effect<void, CzmqError>
  /** Publishes PREFIX000001.. in bulk; done when the actor's pipe has taken them all, not when they arrived. */
  readonly publishMany: (options: {
    readonly prefix: string
    readonly count: number
    readonly valueSize: number
    readonly fill?: string
    readonly timeout?: number
  }) => Effect.Effect<void, CzmqError>
  /** From now on DELIVERs are only counted by the driver: `deliveries` stands still, `count` and `awaitCount` go on. */
  readonly quiet: Effect.Effect<void, CzmqError>
  /** DELIVERs since the actor was made, as the driver counted them. */
  readonly count: Effect.Effect<number, CzmqError>
  /** Waits, in the driver, for the `count`th DELIVER since the actor was made. One at a time. */
  readonly awaitCount: (count: number, timeout?: number) => Effect.Effect<Reached, CzmqError>
  /** Ends the actor as an application does, with zactor_destroy. */
  readonly destroy: Effect.Effect<void, CzmqError>
}

/** One item of a configuration as CZMQ read it: the top has level 1, the value has one character for each octet. */
export interface ZconfigItem {
  readonly level: number
  readonly name: string
  readonly value: string
}

/** Values of keys and tuples in failure messages: short, printable. */
const show = (octets: Uint8Array | string): string => {
  const text = escapeField(octets)
  return text.length > 40 ? `${text.slice(0, 40)}..(${octets.length})` : text
}

class NodeState {
  readonly deliveries: Array<Tuple> = []
  readonly replies = new Map<string, Array<ReadonlyArray<string>>>()
  readonly waiters = new Set<Waiter>()
  readonly name: string
  ended = false
  /** Replies still to come whose askers have given up: a late answer must not be taken for the next one. */
  readonly #abandoned = new Map<string, number>()

  constructor(name: string) {
    this.name = name
  }

  receive(fields: ReadonlyArray<string>): void {
    const [method = "", ...rest] = fields
    if (method === "DELIVER") {
      this.deliveries.push({ key: unescapeField(rest[0] ?? ""), value: unescapeField(rest[1] ?? "") })
    } else if ((this.#abandoned.get(method) ?? 0) > 0) {
      this.abandon(method, -1)
    } else {
      if (method === "ENDED") this.ended = true
      const queue = this.replies.get(method) ?? []
      queue.push(rest)
      this.replies.set(method, queue)
    }
    for (const waiter of [...this.waiters]) waiter.look()
  }

  take(method: string): ReadonlyArray<string> | undefined {
    return this.replies.get(method)?.shift()
  }

  abandon(method: string, count = 1): void {
    this.#abandoned.set(method, (this.#abandoned.get(method) ?? 0) + count)
  }

  seen(): string {
    const last = this.deliveries.slice(-10).map((tuple) => `${show(tuple.key)}=${show(tuple.value)}`)
    const dots = this.deliveries.length > last.length ? ".. " : ""
    return `${this.name} has ${this.deliveries.length} deliveries [${dots}${last.join(" ")}]${this.ended ? ", and ended" : ""}`
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// One process

/** One driver process, that is: one CZMQ application with any number of actors. */
export interface Czmq {
  readonly pid: number
  /** A new zgossip actor. Names are free of blanks, and unique in the process. */
  readonly node: (name: string) => Effect.Effect<CzmqNode, CzmqError>
  /** Sets the zero of `elapsedNs` and says when that was. */
  readonly mark: Effect.Effect<bigint, CzmqError>
  /** What zconfig_load makes of a file: every item in its order, or undefined where it refuses the file. */
  readonly zconfigLoad: (file: string) => Effect.Effect<ReadonlyArray<ZconfigItem> | undefined, CzmqError>
  /** zconfig_save to `target` of what zconfig_load read. */
  readonly zconfigSave: (file: string, target: string) => Effect.Effect<void, CzmqError>
  /** Signals the whole process: SIGKILL is a crash, SIGSTOP a suspended machine, SIGCONT its coming back. */
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** What CZMQ logged so far. */
  readonly log: () => string
}

class Driver {
  readonly nodes = new Map<string, NodeState>()
  readonly own = new NodeState("-")
  readonly process: ChildProcessWithoutNullStreams
  readonly exited: Promise<void>
  death: string | undefined
  log = ""
  #partial = ""

  constructor(program: string) {
    this.process = spawn(program, [], { stdio: ["pipe", "pipe", "pipe"] })
    this.process.stdout.setEncoding("latin1").on("data", (text: string) => this.#read(text))
    this.process.stderr.setEncoding("utf8").on("data", (text: string) => (this.log += text))
    this.process.stdin.on("error", () => {}) // EPIPE: the exit says it better
    this.exited = new Promise((resolve) => {
      this.process.once("error", (error) => {
        this.#die(`could not be started: ${error.message}`)
        resolve()
      })
      this.process.once("close", (code, signal) => {
        this.#die(`ended with ${signal ?? `exit code ${code}`}`)
        resolve()
      })
    })
  }

  /** From here on every wait fails, and says why. */
  #die(how: string): void {
    this.death ??= `the CZMQ process ${how}${this.log === "" ? "" : ` (its log ends with: ${this.log.slice(-500)})`}`
    for (const node of [this.own, ...this.nodes.values()])
      for (const waiter of [...node.waiters]) waiter.fail(this.death)
  }

  #read(text: string): void {
    const lines = (this.#partial + text).split("\n")
    this.#partial = lines.pop() ?? ""
    for (const line of lines) {
      const [name = "", ...fields] = line.split(" ")
      if (name !== "-") this.nodes.get(name)?.receive(fields)
      else if (fields[0] === "ERROR") this.#die(`refused a command, ${fields.slice(1).join(" ")}`)
      else this.own.receive(fields)
    }
  }

  readonly write = (line: string): Effect.Effect<void, CzmqError> =>
    Effect.suspend(() => {
      if (this.death !== undefined)
        return Effect.fail(new CzmqError({ message: `${this.death}: ${line.slice(0, 80)}` }))
      this.process.stdin.write(`${line}\n`)
      return Effect.void
    })

  /** Waits for the next answer of this kind. The line goes out only after the wait for its answer has begun. */
  readonly ask = <A>(
    state: NodeState,
    line: string,
    method: string,
    read: (fields: ReadonlyArray<string>) => A,
    timeout = DEFAULT_TIMEOUT
  ): Effect.Effect<A, CzmqError> =>
    Effect.andThen(
      this.write(line),
      this.wait(state, timeout, `the ${method} of ${state.name}`, () => state.take(method)).pipe(
        Effect.onExit((exit) => Effect.sync(() => (exit._tag === "Success" ? undefined : state.abandon(method)))),
        Effect.map(read)
      )
    )

  readonly wait = <A>(
    state: NodeState,
    timeout: number,
    what: string,
    check: () => A | undefined
  ): Effect.Effect<A, CzmqError> =>
    waitFor(
      { waiters: state.waiters, dead: () => this.death },
      timeout,
      () => `waited for ${what}; ${state === this.own ? "" : state.seen()}`,
      check
    )

  readonly node = (name: string): Effect.Effect<CzmqNode, CzmqError> =>
    Effect.suspend(() => {
      const state = new NodeState(name)
      this.nodes.set(name, state)
      return Effect.as(
        this.ask(state, `new ${name}`, "READY", () => true),
        this.#handle(state)
      )
    })

  readonly zconfigLoad = (file: string): Effect.Effect<ReadonlyArray<ZconfigItem> | undefined, CzmqError> =>
    this.ask(this.own, `zconfig-load ${escapeField(file)}`, "ZCONFIG", ([answer, ...fields]) =>
      answer === "REFUSED"
        ? undefined
        : Array.from({ length: fields.length / 3 }, (_, index) => {
            const [level, name = "", value = ""] = fields.slice(index * 3, index * 3 + 3)
            return { level: Number(level), name, value: unescapeField(value).toString("latin1") }
          })
    )

  readonly zconfigSave = (file: string, target: string): Effect.Effect<void, CzmqError> =>
    Effect.flatMap(
      this.ask(this.own, `zconfig-save ${escapeField(file)} ${escapeField(target)}`, "ZCONFIG", ([answer]) => answer),
      (answer) =>
        answer === "SAVED"
          ? Effect.void
          : Effect.fail(new CzmqError({ message: `CZMQ did not save ${file} as ${target}: ${this.log.slice(-200)}` }))
    )

  #handle(state: NodeState): CzmqNode {
    const { name } = state
    const send = (...fields: ReadonlyArray<string | Uint8Array>): Effect.Effect<void, CzmqError> =>
      state.ended
        ? Effect.fail(new CzmqError({ message: `${name} has ended: ${String(fields[0])}` }))
        : this.write(["send", name, ...fields.map(escapeField)].join(" "))
    const number = (fields: ReadonlyArray<string>): number => Number(fields[0])
    const port = this.ask(state, `send ${name} PORT`, "PORT", number)
    const status = this.ask(state, `send ${name} STATUS`, "STATUS", number)
    const bind = (endpoint: string): Effect.Effect<number, CzmqError> =>
      Effect.flatMap(Effect.andThen(send("BIND", endpoint), port), (bound) =>
        bound === -1
          ? Effect.fail(new CzmqError({ message: `CZMQ could not bind ${endpoint}: ${this.log.slice(-200)}` }))
          : Effect.succeed(bound)
      )
    const deliveries = (count: number): string => `${count} deliveries`
    return {
      name,
      send,
      port,
      status,
      deliveries: state.deliveries,
      texts: () => state.deliveries.map((tuple) => `${tuple.key.toString()}=${tuple.value.toString()}`),
      bind,
      rebind: (endpoint, timeout = DEFAULT_TIMEOUT) =>
        Effect.gen(function* () {
          const deadline = performance.now() + timeout
          for (;;) {
            const bound = yield* Effect.result(bind(endpoint))
            if (bound._tag === "Success") return bound.success
            if (performance.now() > deadline) return yield* bound.failure
            yield* pause(10)
          }
        }),
      connect: (endpoint) => send("CONNECT", endpoint),
      publish: (key, value) => send("PUBLISH", key, value),
      set: (path, value) => send("SET", path, String(value)),
      awaitDelivered: (count, timeout = DEFAULT_TIMEOUT) =>
        this.wait(state, timeout, deliveries(count), () =>
          state.deliveries.length >= count ? state.deliveries : undefined
        ),
      awaitTuple: (key, value, timeout = DEFAULT_TIMEOUT) =>
        Effect.suspend(() => {
          const wantedKey = Buffer.from(key as string)
          const wantedValue = value === undefined ? undefined : Buffer.from(value as string)
          let looked = 0
          return this.wait(state, timeout, `${show(key)}${value === undefined ? "" : `=${show(value)}`}`, () => {
            for (; looked < state.deliveries.length; looked++) {
              const tuple = state.deliveries[looked]!
              if (tuple.key.equals(wantedKey) && (wantedValue?.equals(tuple.value) ?? true)) return tuple
            }
            return undefined
          })
        }),
      awaitStatus: (count, timeout = DEFAULT_TIMEOUT) =>
        Effect.gen(function* () {
          const deadline = performance.now() + timeout
          for (;;) {
            const held = yield* status
            if (held === count) return
            if (performance.now() > deadline)
              return yield* new CzmqError({
                message: `STATUS ${count} did not come within ${timeout} ms, it is ${held}: ${state.seen()}`
              })
            yield* pause(5)
          }
        }),
      awaitEnded: (timeout = DEFAULT_TIMEOUT) =>
        Effect.asVoid(this.wait(state, timeout, "the actor's end", () => (state.ended ? true : undefined))),
      publishMany: ({ count, fill = "v", prefix, timeout = 120_000, valueSize }) =>
        this.ask(
          state,
          `publish ${name} ${escapeField(prefix)} ${count} ${valueSize} ${fill}`,
          "PUBLISHED",
          () => undefined as void,
          timeout
        ),
      quiet: this.ask(state, `quiet ${name}`, "QUIET", () => undefined as void),
      count: this.ask(state, `count ${name}`, "COUNT", number),
      awaitCount: (count, timeout = 120_000) =>
        this.ask(
          state,
          `await ${name} ${count}`,
          "REACHED",
          (fields) => ({ count: Number(fields[0]), elapsedNs: Number(fields[1]), at: BigInt(fields[2] ?? 0) }),
          timeout
        ),
      destroy: Effect.asVoid(this.ask(state, `destroy ${name}`, "DESTROYED", () => true))
    }
  }
}

/** Starts a driver process; closing the scope kills it, suspended or not, and waits until it is gone. */
export const make: Effect.Effect<Czmq, CzmqError, Scope.Scope> = Effect.gen(function* () {
  const found = availability()
  if (!found.available) return yield* new CzmqError({ message: `${found.reason}; ${INSTALL_COMMAND}` })
  const driver = yield* Effect.acquireRelease(
    Effect.sync(() => new Driver(found.program)),
    (driver) =>
      Effect.promise(() => {
        driver.process.kill("SIGKILL")
        return driver.exited
      })
  )
  return {
    pid: driver.process.pid ?? 0,
    node: driver.node,
    zconfigLoad: driver.zconfigLoad,
    zconfigSave: driver.zconfigSave,
    mark: driver.ask(driver.own, "mark", "MARK", (fields) => BigInt(fields[0] ?? 0)),
    kill: (signal) =>
      Effect.promise(() => {
        driver.process.kill(signal)
        return signal === "SIGKILL" ? driver.exited : Promise.resolve()
      }),
    log: () => driver.log
  }
})

export const Czmq = { make, availability }
