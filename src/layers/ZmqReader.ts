/**
 * Reading a socket: in batches, one ahead.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { TransportError } from "../services/Transport.ts"
import { codeOf, fromCause } from "./ZmqError.ts"
import type { DealerSocket, RouterSocket } from "./ZmqSocket.ts"
import { close, inLine, readsAtOnce, turn } from "./ZmqSocket.ts"

/** How many octets of frames one batch holds at most before it ends: 512 messages of 1 MiB would be half a GiB. */
const batchOctets = 4 * 1024 * 1024

/** A frame counts for no less, a routing id too: 512 messages of 200 empty frames would be a tenth of a second. */
const leastOctets = batchOctets / 1024

/**
 * Reads a socket in batches, and always one batch ahead: a receive is pending, or a batch is held. So libzmq can
 * process its commands (it does so only inside calls), an interrupted `receive` loses nothing, and while nobody calls
 * `receive` at most one batch leaves the socket.
 *
 * @since 0.1.0
 * @category models
 */
export class Reader<A> {
  private readonly socket: RouterSocket | DealerSocket
  private readonly accept: (message: Array<Buffer>, batch: Array<A>) => void
  private held: ReadonlyArray<A> | undefined = undefined
  private waiter: (() => void) | undefined = undefined
  private idle = false
  private ended = false
  private why: TransportError | undefined = undefined
  private timeout: -1 | 0 = -1
  private readonly closed: TransportError

  /**
   * `accept` puts what one message says into the batch, or calls `finish`; it must not throw. `closed` is what
   * `receive` fails with once the socket was closed.
   */
  constructor(
    socket: RouterSocket | DealerSocket,
    closed: TransportError,
    accept: (message: Array<Buffer>, batch: Array<A>) => void
  ) {
    this.socket = socket
    this.closed = closed
    this.accept = accept
    void this.fill()
  }

  /** One batch of at least one item. Fails when all is read and the socket has ended, from then on always. */
  readonly receive: Effect.Effect<ReadonlyArray<A>, TransportError> = Effect.callback((resume) => {
    if (this.held !== undefined || this.ended) return resume(this.take())
    if (this.waiter !== undefined) return resume(Effect.die(new Error("receive has one caller at a time")))
    this.waiter = () => resume(this.take())
    return Effect.sync(() => {
      this.waiter = undefined
    })
  })

  /** Ends the reading, behind what has arrived by now, and closes the socket then. The first reason counts. */
  finish(why: TransportError): void {
    this.why ??= why
    if (!this.idle || this.socket.closed) return
    // The pending receive would wait for ever for a message that cannot come. Closing rejects it.
    if (!this.socket.readable) return close(this.socket, 0)
    // Looking may have swallowed the wake-up of the pending receive. A send looks again on its behalf; this one is empty.
    void this.socket.send([])
  }

  /** Ends the reading at once, and gives nothing any more: our own side closes the socket, now or soon. */
  stop(why = this.closed): void {
    this.why = why
    this.held = undefined
    this.ended = true
    this.wake()
  }

  private take(): Effect.Effect<ReadonlyArray<A>, TransportError> {
    const batch = this.held
    if (batch === undefined) return Effect.fail(this.why ?? this.closed)
    this.held = undefined
    void this.fill()
    return Effect.succeed(batch)
  }

  private wake(): void {
    const waiter = this.waiter
    this.waiter = undefined
    waiter?.()
  }

  private async fill(): Promise<void> {
    const batch: Array<A> = []
    await turn()
    await inLine(0)
    while (batch.length === 0 && !this.ended) {
      try {
        await this.drain(batch)
      } catch (cause) {
        // EAGAIN: nothing is left. It ends a batch; without one the socket is closed, or was to finish.
        if (batch.length > 0 || (codeOf(cause) === "EAGAIN" && !this.socket.closed && this.why === undefined)) continue
        this.why ??= this.socket.closed ? this.closed : fromCause("receive", this.closed.endpoint, cause)
        this.ended = true
        close(this.socket, 0)
      }
    }
    this.idle = false
    if (batch.length > 0 && !this.ended) this.held = batch
    this.wake()
  }

  /** Without a timeout each receive asks the system first whether it has to wait: 0 is a third faster. */
  private async drain(batch: Array<A>): Promise<void> {
    const { accept, socket } = this
    this.waitFor(this.why === undefined ? -1 : 0)
    this.idle = true
    let message = await socket.receive()
    this.idle = false
    accept(message, batch)
    // A message often comes alone. To look is cheaper than to run into EAGAIN; a second look is not.
    if (!socket.readable) return
    this.waitFor(0)
    let octets = size(message)
    const batchMessages = readsAtOnce()
    while (batch.length < batchMessages && octets < batchOctets) {
      message = await socket.receive()
      accept(message, batch)
      octets += size(message)
    }
  }

  private waitFor(timeout: -1 | 0): void {
    if (timeout === this.timeout) return
    this.socket.receiveTimeout = timeout
    this.timeout = timeout
  }
}

const size = (message: ReadonlyArray<Buffer>): number => {
  let octets = 0
  for (const frame of message) octets += Math.max(frame.length, leastOctets)
  return octets
}
