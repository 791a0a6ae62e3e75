/**
 * An outbox whose reader can wait.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Reply } from "../protocol/Command.ts"
import * as Message from "../protocol/Message.ts"
import type { Limits } from "../protocol/Outbox.ts"
import { Outbox } from "../protocol/Outbox.ts"
import type { Settings } from "../protocol/Settings.ts"
import type { GossipError } from "../services/Gossip.ts"
import type { TupleStore } from "../services/TupleStore.ts"

/** One chunk: what a sender hands to its socket at a time, and the grain of fairness between peers. */
const chunkItems = 512
const chunkSize = 256 * 1024

/**
 * The inbox fiber puts, one fiber takes.
 *
 * @since 0.1.0
 * @category models
 */
export class Mailbox<A> {
  readonly outbox: Outbox<A>
  #wake: (() => void) | undefined
  #roomy: (() => void) | undefined
  #closed = false

  constructor(outbox: Outbox<A>) {
    this.outbox = outbox
  }

  /** Waits until there is something to take, and takes a chunk of it; an empty one once the mailbox is closed. */
  readonly take: Effect.Effect<ReadonlyArray<A>> = Effect.callback<ReadonlyArray<A>>((resume) => {
    const taken = this.#take()
    if (taken.length > 0 || this.#closed) return resume(Effect.succeed(taken))
    if (this.#wake !== undefined) return resume(Effect.die(new Error("a mailbox has one reader at a time")))
    this.#wake = () => {
      const taken = this.#take()
      if (taken.length === 0 && !this.#closed) return
      this.#wake = undefined
      resume(Effect.succeed(taken))
    }
    return Effect.sync(() => {
      this.#wake = undefined
    })
  })

  /** Waits until a reply would be taken, because its reader took from it. */
  readonly room: Effect.Effect<void> = Effect.callback<void>((resume) => {
    if (this.outbox.takesReplies || this.#closed) return resume(Effect.void)
    this.#roomy = () => resume(Effect.void)
    return Effect.sync(() => {
      this.#roomy = undefined
    })
  })

  /** Tells a waiting reader to look again. */
  wake(): void {
    this.#wake?.()
  }

  /** The reader gets what is there, then nothing any more. */
  close(): void {
    this.#closed = true
    this.wake()
  }

  #take(): ReadonlyArray<A> {
    const taken = this.outbox.take(chunkItems, chunkSize)
    if (this.outbox.takesReplies || this.#closed) this.#roomy?.()
    return taken
  }
}

/**
 * @since 0.1.0
 * @category limits
 */
export const limits = ({ queueOctets, queueTuples }: Settings): Limits => ({
  maxItems: queueTuples,
  maxSize: queueOctets
})

/**
 * For a peer: frames. What waited is encoded when its turn comes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofFrames = (store: TupleStore["Service"], limits: Limits): Mailbox<Uint8Array> =>
  new Mailbox(
    new Outbox(
      (key) => {
        const tuple = store.get(key)
        return tuple === undefined ? undefined : Message.encode(Message.publish(tuple))
      },
      (frame) => frame.length,
      limits
    )
  )

/**
 * For a subscriber in this process: deliveries, and replies to its commands.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofReplies = (store: TupleStore["Service"], limits: Limits): Mailbox<Reply<GossipError>> =>
  new Mailbox(
    new Outbox<Reply<GossipError>>(
      (key) => {
        const tuple = store.get(key)
        return tuple === undefined ? undefined : { _tag: "Deliver", tuple }
      },
      (reply) => (reply._tag === "Deliver" ? reply.tuple.keyOctets.length + reply.tuple.valueOctets.length : 1),
      limits
    )
  )
