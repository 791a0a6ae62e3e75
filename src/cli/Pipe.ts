/**
 * `zgossip pipe`: a node whose commands are lines of standard input, and whose replies and deliveries are lines of
 * standard output.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Gossip from "../Gossip.ts"
import * as ConfiguredTupleStore from "../layers/ConfiguredTupleStore.ts"
import * as FileConfig from "../layers/FileConfig.ts"
import * as ZmqTransport from "../layers/ZmqTransport.ts"
import * as Command from "../protocol/Command.ts"
import * as CommandText from "../protocol/CommandText.ts"
import * as Octets from "../protocol/Octets.ts"
import type { Failure } from "./Failure.ts"
import { usage } from "./Failure.ts"
import { securityOf } from "./Client.ts"
import { checkInput } from "./Files.ts"
import { settled } from "./Member.ts"
import type { NodeFlags } from "./NodeFlags.ts"
import { storeOf } from "./NodeFlags.ts"
import type { Globals } from "./Root.ts"
import type { Closed } from "./Terminal.ts"
import { say, write } from "./Terminal.ts"

/**
 * @since 0.1.0
 * @category commands
 */
export const pipe = Effect.fnUntraced(
  function* (globals: Globals, flags: Pick<NodeFlags, "store" | "storeSync">) {
    yield* Effect.mapError(checkInput, ({ message }) => usage(message))
    const given = { ...(yield* securityOf(globals.security)), ...(yield* storeOf(flags)) }
    const node = Gossip.layerStarted().pipe(
      Layer.provide([ZmqTransport.layer, ConfiguredTupleStore.layer]),
      Layer.provide(FileConfig.layer({ given, name: "flag" }))
    )
    yield* Effect.provide(drive, node)
  },
  Effect.scoped,
  // A process does not end while it could still read.
  Effect.ensuring(Effect.sync(() => void process.stdin.destroy()))
)

const drive = Effect.gen(function* () {
  const gossip = yield* Gossip.Gossip
  const { commands, take } = yield* gossip.pipe
  const { stdin } = yield* Stdio.Stdio
  /** The number of the line of each command, for its errors. */
  const lines = new WeakMap<Command.Command, number>()
  /** STATUS commands and their replies. The last one is ours: its reply says that all commands were carried out. */
  let asked = 0
  let answered = 0
  let last = Number.POSITIVE_INFINITY
  const carriedOut = yield* Deferred.make<void>()

  const offer = (batch: ReadonlyArray<Command.Command>) => {
    asked += batch.filter(({ _tag }) => _tag === "Status").length
    return Queue.offerAll(commands, batch)
  }

  let count = 0
  /** Carries out lines, and gives whether there may be more of them. */
  const acceptAll = Effect.fnUntraced(function* (texts: Iterable<Octets.Octets | undefined>) {
    const batch: Array<Command.Command> = []
    let more = true
    for (const line of texts) {
      count += 1
      const command = parse(line)
      if (Result.isFailure(command)) {
        yield* complain(count, command.failure)
      } else if (command.success !== undefined) {
        more = command.success._tag !== "Stop"
        if (!more) break
        lines.set(command.success, count)
        batch.push(command.success)
      }
    }
    yield* offer(batch)
    return more
  })

  const input = Effect.gen(function* () {
    const reader = new CommandText.LineReader()
    let more = true
    yield* stdin.pipe(
      Stream.mapError(({ message }) => usage(`cannot read standard input: ${message}`)),
      Stream.runForEachWhile((chunk) => Effect.map(acceptAll(reader.read(chunk)), (wanted) => (more = wanted)))
    )
    if (more) yield* acceptAll(reader.end())
    last = asked + 1
    yield* offer([{ _tag: "Status" }])
    yield* Deferred.await(carriedOut)
    yield* heard(gossip)
    // What was not taken yet is still given, to others as well.
    yield* gossip.stop
  })

  const printer = new Printer()
  const show = (reply: Command.Reply<Gossip.GossipError>): Effect.Effect<void> => {
    if (reply._tag === "Failed") return complain(lines.get(reply.command) ?? 0, reply.error.message)
    if (reply._tag === "Status" && ++answered === last) return Effect.asVoid(Deferred.succeed(carriedOut, undefined))
    return printer.print(Command.toStrings(reply))
  }
  const output = Effect.forever(Effect.flatMap(take, show), { disableYield: true }).pipe(
    Effect.catchIf(
      (error) => Cause.isDone(error),
      () => Effect.void
    ),
    Effect.andThen(printer.end)
  )

  yield* Effect.all([input, output, printer.run], { concurrency: "unbounded", discard: true })
})

/** No command where the line says nothing. */
const parse = (line: Octets.Octets | undefined): Result.Result<Command.Command | undefined, string> => {
  if (line === undefined) {
    return Result.fail(`it has more than ${CommandText.maxLineLength} octets, which are the most, and is skipped`)
  }
  return CommandText.parseLine(line).pipe(
    Result.flatMap((fields): Result.Result<Command.Command | undefined, { readonly message: string }> =>
      fields.length === 0 ? Result.succeed(undefined) : Command.fromStrings(fields.map(Octets.toBytes))
    ),
    Result.mapError(({ message }) => message)
  )
}

/** What somebody took for a command may be anything. */
const longestComplaint = 500

const complain = (line: number, detail: string): Effect.Effect<void> => {
  const text = detail.length > longestComplaint ? `${detail.slice(0, longestComplaint)} ...` : detail
  return say(`zgossip: line ${line}: ${text}`)
}

/** How many octets wait for standard output, besides those that came last. */
const mostWaiting = 256 * 1024

/** Writes each line as soon as it can be written; those that came while the one before was written go together. */
class Printer {
  #waiting: Array<string> = []
  #octets = 0
  #ended = false
  readonly #wanted = Latch.makeUnsafe(false)
  readonly #room = Latch.makeUnsafe(true)

  /** Waits while too much waits. */
  print(fields: ReadonlyArray<Octets.Octets>): Effect.Effect<void> {
    return isShort(fields)
      ? this.#put(`${CommandText.formatLine(fields)}\n`)
      : Effect.andThen(
          Effect.forEach(CommandText.formatPieces(fields), (piece) => this.#put(piece), { discard: true }),
          this.#put("\n")
        )
  }

  #put(text: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#waiting.push(text)
      this.#octets += text.length
      this.#wanted.openUnsafe()
      if (this.#octets < mostWaiting) return Effect.void
      this.#room.closeUnsafe()
      return this.#room.await
    })
  }

  /** Nothing more comes. */
  readonly end = Effect.sync(() => {
    this.#ended = true
    this.#wanted.openUnsafe()
  })

  /** Until the end. */
  readonly run: Effect.Effect<void, Closed | Failure> = Effect.gen({ self: this }, function* () {
    while (this.#waiting.length > 0 || !this.#ended) {
      yield* this.#wanted.await
      const text = this.#waiting.join("")
      this.#waiting = []
      this.#octets = 0
      if (!this.#ended) this.#wanted.closeUnsafe()
      this.#room.openUnsafe()
      yield* write(text)
    }
  })
}

/** A long line goes in pieces: escaped, it may be longer than the longest string. */
const isShort = (fields: ReadonlyArray<Octets.Octets>): boolean => fields.every(({ length }) => length < 1 << 20)

/** How long the node stays when its input has ended, for those who have not said what they know. */
const patience = "1 second"

/** Waits until the remotes that can be reached have been joined. That they know what we do is seen to by the node's end. */
const heard = (gossip: Gossip.Gossip["Service"]) =>
  Effect.ignore(
    Effect.timeout(
      settled(gossip, () => true),
      patience
    )
  )
