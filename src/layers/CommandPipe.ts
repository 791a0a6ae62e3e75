/**
 * The command pipe: a queue of commands, carried out one after the other, and a mailbox of replies and deliveries.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Command from "../protocol/Command.ts"
import type { CommandPipe, Gossip } from "../services/Gossip.ts"
import { GossipError, stoppedError } from "../services/Gossip.ts"
import type { GossipEngine } from "./GossipEngine.ts"
import type { Subscriber } from "./GossipLink.ts"
import type { Submit } from "./GossipNode.ts"
import type { Refusal } from "./Quota.ts"

const capacity = 1000

/** How many are in hand at a time. */
const batchCapacity = 256

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  gossip: Gossip["Service"],
  limitReached: (refusal: Refusal) => GossipError,
  submit: Submit,
  subscriber: Subscriber
) {
  const commands = yield* Queue.bounded<Command.Command>(capacity)
  let taken: ReadonlyArray<Command.Reply<GossipError>> = []
  let next = 0

  /** What the inbox carries out by itself. */
  const carryOutAtOnce = (engine: GossipEngine, command: AtOnce): void => {
    switch (command._tag) {
      case "Publish": {
        const refusal = engine.publish(command.tuple, command.lifetime)
        if (refusal === undefined) return
        return engine.reply(subscriber, { _tag: "Failed", command, error: limitReached(refusal) })
      }
      case "Unpublish":
        if (engine.unpublish(command.key)) return
        return engine.reply(subscriber, { _tag: "Failed", command, error: noSuchKey })
      case "Port":
        return engine.reply(subscriber, { _tag: "Port", port: engine.port })
      case "Status":
        return engine.reply(subscriber, { _tag: "Status", tuples: engine.status().tuples })
    }
  }

  /** Those from `at` on that can be carried out together, in one turn of the inbox; gives the first that was not. */
  const carryOutTogether = (batch: ReadonlyArray<Command.Command>, at: number) =>
    submit((engine) => {
      let next = at
      for (; subscriber.outbox.takesReplies; next++) {
        const command = batch[next]
        if (command === undefined || !isAtOnce(command)) break
        engine.journal.trace(() => `command ${command._tag}`)
        try {
          carryOutAtOnce(engine, command)
        } catch (defect) {
          // A fault of ours costs this command, not those behind it.
          engine.journal.defect(`command ${command._tag}`, defect)
        }
      }
      return next
    })

  const carryOut = (command: Exclude<Command.Command, AtOnce>): Effect.Effect<void, GossipError> => {
    switch (command._tag) {
      case "Bind":
        return Effect.asVoid(gossip.bind(command.endpoint))
      case "Unbind":
        return gossip.unbind(command.endpoint)
      case "Connect":
        return gossip.connect(command.endpoint)
      case "Disconnect":
        return gossip.disconnect(command.endpoint)
      case "Set":
        return gossip.set(command.path, command.value)
      case "Configure":
        return gossip.configure(command.file)
      case "Save":
        return gossip.save(command.file)
      case "Verbose":
        return gossip.set("server/verbose", "1")
      case "Stop":
        // Nothing behind it is carried out. From a fiber of its own: this one ends with the node.
        return Effect.andThen(Queue.shutdown(commands), Effect.andThen(Effect.forkDetach(gossip.stop), gossip.stopped))
    }
  }

  const carryOutAlone = Effect.fnUntraced(function* (command: Exclude<Command.Command, AtOnce>) {
    yield* submit((engine) => engine.journal.trace(() => `command ${command._tag}`))
    yield* carryOut(command).pipe(
      Effect.catch((error) => submit((engine) => engine.reply(subscriber, { _tag: "Failed", command, error }))),
      // As above.
      Effect.catchDefect((defect) => Effect.logError(`${command._tag} is dropped`, Cause.die(defect)))
    )
  })

  const carryOutAll = Effect.fnUntraced(function* (batch: ReadonlyArray<Command.Command>) {
    for (let at = 0; at < batch.length;) {
      const command = batch[at]
      if (command === undefined || isAtOnce(command)) {
        at = yield* carryOutTogether(batch, at)
      } else {
        yield* carryOutAlone(command)
        at += 1
      }
      yield* subscriber.room
    }
  })

  yield* Queue.takeBetween(commands, 1, batchCapacity).pipe(
    Effect.flatMap(carryOutAll),
    Effect.forever,
    Effect.raceFirst(gossip.stopped),
    // A command may find out first that the node has stopped.
    Effect.catch(() => Effect.void),
    Effect.ensuring(Queue.shutdown(commands)),
    Effect.forkScoped
  )

  const take: CommandPipe["take"] = Effect.suspend(() => {
    const reply = taken[next]
    if (reply !== undefined) {
      next += 1
      return Effect.succeed(reply)
    }
    return Effect.flatMap(subscriber.take, (replies) => {
      if (replies.length === 0) return Cause.done()
      taken = replies
      next = 0
      return take
    })
  })

  const receive: CommandPipe["receive"] = Effect.flatMap(take, (reply) =>
    reply._tag === "Failed"
      ? Effect.andThen(Effect.logWarning(reply.error.message), receive)
      : Effect.succeed(Command.toStrings(reply))
  )

  const pipe: CommandPipe = {
    commands,
    take,
    send: (strings) => {
      const command = Command.fromStrings(strings)
      return Result.isSuccess(command)
        ? Effect.flatMap(Queue.offer(commands, command.success), (taken) =>
            taken
              ? Effect.void
              : Effect.fail(
                  new Command.CommandError({ command: command.success._tag, detail: stoppedError.reason.detail })
                )
          )
        : Effect.fail(command.failure)
    },
    receive
  }
  return pipe
})

type AtOnce = Extract<Command.Command, { readonly _tag: "Publish" | "Unpublish" | "Port" | "Status" }>

const atOnce: ReadonlyArray<Command.Command["_tag"]> = ["Publish", "Unpublish", "Port", "Status"]

const isAtOnce = (command: Command.Command): command is AtOnce => atOnce.includes(command._tag)

const noSuchKey = new GossipError({
  operation: "unpublish",
  reason: { _tag: "NoSuchKey", detail: "there is no such key" }
})
