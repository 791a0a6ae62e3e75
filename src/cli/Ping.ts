/**
 * `zgossip ping`
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as ZmqTransport from "../layers/ZmqTransport.ts"
import type { Client } from "./Client.ts"
import { connect, credentials, Trouble, within } from "./Client.ts"
import { Failure, usage } from "./Failure.ts"
import type { Globals } from "./Root.ts"
import { parseTime } from "./Root.ts"
import { timed } from "./Status.ts"
import { paint, printable, write } from "./Terminal.ts"
import { json, milliseconds } from "./Text.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Input {
  readonly count: Option.Option<number>
  readonly interval: string
}

/**
 * @since 0.1.0
 * @category commands
 */
export const ping = Effect.fnUntraced(
  function* (globals: Globals, input: Input) {
    const { endpoints } = globals
    const interval = parseTime(input.interval)
    if (interval === undefined) {
      return yield* usage(`--interval ${JSON.stringify(input.interval)} is no time: write 500ms, 5s or 1m`)
    }
    const count = Option.getOrElse(input.count, () => Number.POSITIVE_INFINITY)
    if (count < 1) return yield* usage(`--count ${count} is no number of PINGs: write 1 or more`)

    const scores = new Scores()
    let last: Trouble | undefined
    const attempt = yield* pinger(globals)
    const loop = Effect.gen(function* () {
      for (let seq = 1; ; seq++) {
        const start = yield* Clock.monotonicTimeNanos
        const answer = yield* attempt
        scores.add(answer.time)
        last = answer.trouble
        yield* write(`${line(globals, seq, answer)}\n`)
        if (seq >= count) return
        const passed = Number((yield* Clock.monotonicTimeNanos) - start) / 1e6
        yield* Effect.sleep(Math.max(0, interval - passed))
      }
    })
    const summary = Effect.suspend(() => write(`${scores.summary(globals)}\n`))
    yield* Effect.onInterrupt(loop, () => Effect.ignore(summary))
    yield* summary
    if (scores.received > 0 || last === undefined) return
    return yield* new Failure({
      kind: last.kind,
      message: `no PONG from ${endpoints.join(", ")}: ${last.detail}`
    })
  },
  Effect.scoped,
  Effect.provide(ZmqTransport.layer)
)

interface Answer {
  readonly endpoint: string
  readonly time?: number
  readonly trouble?: Trouble
}

/** A PING and what came of it. It keeps its connection, and makes a new one after each that failed. */
const pinger = ({ endpoints, security, timeout }: Globals) =>
  Effect.gen(function* () {
    const parent = yield* Effect.scope
    const shown = yield* credentials(security)
    let current: { readonly client: Client; readonly scope: Scope.Closeable } | undefined

    const open = Effect.gen(function* () {
      if (current !== undefined) return current.client
      const scope = yield* Scope.fork(parent)
      const client = yield* connect(endpoints, shown).pipe(
        Scope.provide(scope),
        Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
      )
      current = { client, scope }
      return client
    })
    const drop = Effect.suspend(() => {
      const scope = current?.scope
      current = undefined
      return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
    })

    return Effect.gen(function* () {
      const client = yield* open
      const time = yield* timed(client.ping)
      return { endpoint: client.endpoint, time }
    }).pipe(
      within(timeout, endpoints),
      Effect.catchIf(
        (error) => error instanceof Trouble,
        (trouble) => {
          const endpoint = current?.client.endpoint ?? endpoints.join(", ")
          return Effect.as(drop, { endpoint, trouble } satisfies Answer)
        }
      ),
      Effect.map((answer): Answer => answer)
    )
  })

const line = ({ color, format }: Globals, seq: number, { endpoint, time, trouble }: Answer): string => {
  if (format === "json") {
    return json(
      time === undefined ? { endpoint, seq, error: trouble?.detail } : { endpoint, seq, timeMs: milliseconds(time) }
    )
  }
  return time === undefined
    ? paint("red", `no PONG from ${endpoint}: seq=${seq}: ${printable(trouble?.detail ?? "")}`, { color })
    : `PONG from ${endpoint}: seq=${seq} time=${milliseconds(time)} ms`
}

/** Only sums: it may run for weeks. */
class Scores {
  sent = 0
  received = 0
  private least = Number.POSITIVE_INFINITY
  private most = 0
  private sum = 0
  private squares = 0

  add(time: number | undefined): void {
    this.sent += 1
    if (time === undefined) return
    this.received += 1
    this.least = Math.min(this.least, time)
    this.most = Math.max(this.most, time)
    this.sum += time
    this.squares += time * time
  }

  /** As ping(8) has it. `mdev` is the standard deviation. */
  summary({ endpoints, format }: Globals): string {
    const { received, sent } = this
    const average = this.sum / received
    const deviation = Math.sqrt(Math.max(0, this.squares / received - average * average))
    const [minMs, avgMs, maxMs, mdevMs] = [this.least, average, this.most, deviation].map(milliseconds)
    const lossPercent = sent === 0 ? 0 : Math.round((1000 * (sent - received)) / sent) / 10
    if (format === "json") {
      return json({ sent, received, lossPercent, ...(received > 0 ? { minMs, avgMs, maxMs, mdevMs } : {}) })
    }
    const times = received > 0 ? `\nround trip min/avg/max/mdev = ${minMs}/${avgMs}/${maxMs}/${mdevMs} ms` : ""
    return `\n--- ${endpoints.join(", ")} ---\n${sent} sent, ${received} received, ${lossPercent}% lost${times}`
  }
}
