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
import type { Tuple } from "../protocol/Tuple.ts"
import type { CommandPipe, Gossip, GossipError } from "../services/Gossip.ts"
import { stoppedError } from "../services/Gossip.ts"
import type { GossipEngine } from "./GossipEngine.ts"
import type { Subscriber } from "./GossipLink.ts"
import type { Submit } from "./GossipNode.ts"

const capacity = 1000

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  gossip: Gossip["Service"],
  publish: (tuple: Tuple) => Effect.Effect<void, GossipError>,
  submit: Submit,
  subscriber: Subscriber
) {
  const commands = yield* Queue.bounded<Command.Command>(capacity)
  let taken: ReadonlyArray<Command.Reply<GossipError>> = []
  let next = 0

  const reply = (answer: (engine: GossipEngine) => Command.Reply<GossipError>) =>
    submit((engine) => engine.reply(subscriber, answer(engine)))

  const carryOut = (command: Command.Command): Effect.Effect<void, GossipError> => {
    switch (command._tag) {
      case "Bind":
        return Effect.asVoid(gossip.bind(command.endpoint))
      case "Unbind":
        return gossip.unbind(command.endpoint)
      case "Port":
        return reply(({ port }) => ({ _tag: "Port", port }))
      case "Connect":
        return gossip.connect(command.endpoint)
      case "Disconnect":
        return gossip.disconnect(command.endpoint)
      case "Publish":
        return publish(command.tuple)
      case "Status":
        return reply((engine) => ({ _tag: "Status", tuples: engine.status().tuples }))
      case "Set":
        return gossip.set(command.path, command.value)
      case "Configure":
        return gossip.configure(command.file)
      case "Save":
        return gossip.save(command.file)
      case "Verbose":
        return gossip.set("server/verbose", "1")
      case "Stop":
        // From a fiber of its own: this one ends with the node.
        return Effect.asVoid(Effect.forkDetach(gossip.stop))
    }
  }

  yield* Queue.take(commands).pipe(
    Effect.tap((command) => submit((engine) => engine.journal.trace(() => `command ${command._tag}`))),
    Effect.flatMap((command) =>
      carryOut(command).pipe(
        Effect.catch((error) => reply(() => ({ _tag: "Failed", command, error }))),
        // A fault of ours costs this command, not those behind it.
        Effect.catchDefect((defect) => Effect.logError(`${command._tag} is dropped`, Cause.die(defect)))
      )
    ),
    Effect.andThen(subscriber.room),
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
