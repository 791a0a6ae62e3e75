/**
 * Sockets of the `zeromq` package with the habits that keep them from harm: options are set after construction (a
 * constructor that throws corrupts the heap), every open socket is held by a strong reference (a collected one closes
 * silently), no send is ever left pending, and monitor events are drained to the end (undrained ones stop the I/O thread
 * of the whole process). Reading is in `ZmqReader`.
 *
 * Nothing here knows endpoints or peers: see `ZmqListener` and `ZmqConnection`.
 *
 * @since 0.1.0
 */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Zmq from "zeromq"
import * as Message from "../protocol/Message.ts"
import type { Guard } from "../services/Transport.ts"
import { codeOf } from "./ZmqError.ts"

/** Octets of a notice: long enough that no peer guesses it and forges a departure. */
const noticeSize = 32

/** How many messages are sent, through all sockets together, before the event loop turns: so many, and one sender's. */
const sendsPerTurn = 256

/** Wait between two looks at a full pipe, in ms: doubles up to the last, so that a peer that stalls costs little. */
const firstPause = 1
const longestPause = 512

/**
 * Octets that libzmq reads ahead, ZMQ_IN_BATCH_SIZE. Its engine does not expect what anybody can do: to reset a
 * connection while the queue behind it is full. If something makes it send afterwards, it asserts `!_io_error`, and the
 * process is gone. A heartbeat of its own makes it send, so it has none. A ZMTP PING does that waits behind a message
 * among what was read ahead: it takes nine octets, and the message has at least one of them.
 *
 * Not less: a length of eight octets would be read past the buffer, and then taken for a part of it. Found by
 * `npm run fuzz`, as a message whose memory was anybody's.
 *
 * It costs a tenth to a third of the speed, so it is for sockets that strangers reach. Those who were let in can end the
 * process in other ways, see docs/security.md.
 *
 * @since 0.1.0
 * @category options
 */
export const amongStrangers = { inBatchSize: 9 } as const

/**
 * Options of every socket, in libzmq's units: ms, and messages per peer.
 *
 * @since 0.1.0
 * @category options
 */
export const commonOptions = {
  linger: 0,
  sendTimeout: 0, // or a send to a full pipe stays pending and blocks all others
  sendHighWaterMark: 1000,
  receiveHighWaterMark: 1000, // what a peer sent right before it left, and did not fit into this, libzmq loses
  handshakeInterval: 5_000
} as const

/**
 * The longest frame that is read: more memory is not taken on a stranger's word. A longer one ends its connection, and
 * libzmq does not say why: its monitor has the event `disconnect`, as for any other end. It counts what CURVE puts
 * around a frame.
 *
 * @since 0.1.0
 * @category options
 */
export const longestFrame = (mechanism: Guard["mechanism"] | undefined, octets = Message.maxLength) => ({
  maxMessageSize: octets + (mechanism === "curve" ? curveEnvelope : 0)
})

/** Its name, a nonce, the flags and the proof of a MESSAGE command. */
const curveEnvelope = 33

/**
 * How a host that vanished without a word is noticed: by TCP, whose times are whole seconds. Also a peer that takes
 * nothing for so long while something waits for it is given up.
 *
 * Not by ZeroMQ's own heartbeats, which send: see {@link amongStrangers}.
 *
 * @since 0.1.0
 * @category options
 */
export const heartbeat = (interval = 5_000, timeout = 15_000) => ({
  heartbeatInterval: 0,
  tcpKeepalive: 1,
  tcpKeepaliveIdle: seconds(interval),
  tcpKeepaliveInterval: seconds(timeout / probes),
  tcpKeepaliveCount: probes,
  tcpMaxRetransmitTimeout: interval + timeout
})

/** How many probes of TCP's go unanswered before a connection is closed. */
const probes = 3

const seconds = (milliseconds: number): number => Math.max(1, Math.ceil(milliseconds / 1000))

const open = new Set<Zmq.Socket>()

/**
 * A text that only this process knows. libzmq puts it into the queue of received messages, behind the last one, where
 * a connection ends.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeNotice = (): Buffer => randomBytes(noticeSize)

/**
 * Whether a frame is the notice. Most frames have another length, and need no comparison.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isNotice = (frame: Buffer | undefined, notice: Buffer): boolean =>
  frame?.length === noticeSize && notice.equals(frame)

/**
 * Routing ids of sockets that only watch whether an inproc listener is there, so that our own listeners do not take
 * them for peers. Within one process they are as secret as a notice.
 */
const watcherPrefix = makeNotice().toString("hex")
let watchers = 0

/**
 * A routing id of its own for each watcher.
 *
 * @since 0.1.0
 * @category watchers
 */
export const watcherId = (): string => `${watcherPrefix}${++watchers}`

/**
 * Tells watchers from peers.
 *
 * @since 0.1.0
 * @category watchers
 */
export const isWatcher = (routingId: Buffer): boolean =>
  routingId.length > watcherPrefix.length && routingId.toString("latin1").startsWith(watcherPrefix)

/**
 * A ROUTER that can be told what to receive when a peer has left (ZMQ_DISCONNECT_MSG, a draft option).
 *
 * @since 0.1.0
 * @category models
 */
export class RouterSocket extends Zmq.Router {
  set inBatchSize(octets: number) {
    this.setInt32Option(101, octets)
  }

  set disconnectNotice(notice: Buffer) {
    this.setStringOption(111, notice)
  }
}

/**
 * A DEALER that can be told what to receive when its connection was lost (ZMQ_HICCUP_MSG, a draft option).
 *
 * @since 0.1.0
 * @category models
 */
export class DealerSocket extends Zmq.Dealer {
  set inBatchSize(octets: number) {
    this.setInt32Option(101, octets)
  }

  set hiccupNotice(notice: Buffer) {
    this.setStringOption(114, notice)
  }
}

/**
 * Creates a socket and sets its options, or throws and leaves nothing behind.
 *
 * @since 0.1.0
 * @category constructors
 */
export const create = <S extends Zmq.Socket>(Socket: new () => S, options: Partial<S>): S => {
  const socket = new Socket()
  try {
    Object.assign(socket, options)
  } catch (cause) {
    socket.close()
    throw cause
  }
  open.add(socket)
  return socket
}

/**
 * Closes a socket. What it has accepted for sending is still flushed for up to `linger` ms, in the background.
 *
 * @since 0.1.0
 * @category destructors
 */
export const close = (socket: Zmq.Socket, linger: number): void => {
  open.delete(socket)
  if (socket.closed) return
  socket.linger = linger
  socket.close()
}

/**
 * Hands every monitor event of a socket to `listener` until the socket is closed. Must be called before `connect`:
 * earlier events are lost. Throws where no descriptors are left for the monitor.
 *
 * @since 0.1.0
 * @category events
 */
export const observe = (socket: Zmq.Socket, listener: (event: Zmq.Event) => void): void => {
  const events = socket.events
  const drain = async () => {
    for await (const event of events) {
      try {
        listener(event)
      } catch {
        // A listener that throws must not end the draining.
      }
    }
  }
  drain().catch(() => undefined) // the iteration may fail where the socket is closed under it
}

/**
 * Sends messages in order through a socket with `sendTimeout` 0. Where the pipe is full it comes back to the same
 * message after a pause, for as long as it takes; nothing is pending meanwhile, so that other peers of the same socket
 * get theirs, and an interruption ends it at once.
 *
 * `transmit` hands one message to the socket; what it throws or rejects with ends the sending, except EAGAIN.
 *
 * @since 0.1.0
 * @category sending
 */
export const sendAll = (
  messages: ReadonlyArray<Uint8Array>,
  transmit: (message: Uint8Array) => Promise<void>
): Effect.Effect<void, unknown> => {
  const loop = (first: number, pause: number): Effect.Effect<void, unknown> =>
    Effect.flatMap(push(messages, first, transmit), (next) =>
      next === messages.length
        ? Effect.void
        : Effect.flatMap(Effect.sleep(pause), () =>
            loop(next, next > first ? firstPause : Math.min(pause * 2, longestPause))
          )
    )
  return Effect.suspend(() => (messages.length === 0 ? Effect.void : loop(0, firstPause)))
}

let waiting: Array<() => void> = []
let gone = 0
let sends = sendsPerTurn
let turning = false

/**
 * Waits for the turn to send so many messages; a reader waits for it too, and sends none. All are let go in order, each
 * for what it has: however many peers are sent something, the event loop turns all the while, and nothing more is read
 * before those who were to be answered had their turn. So who floods us waits for its own answers, and nobody else does.
 *
 * @since 0.1.0
 * @category scheduling
 */
export const inLine = (messages: number): Promise<void> =>
  new Promise((resume) => {
    waiting.push(() => {
      sends -= messages
      resume()
    })
    letGo()
  })

/**
 * How much may be read at a time: less where many wait to be sent something, as a tuple may be told to all of them, and
 * what is read faster than it is sent waits in front of every answer.
 *
 * @since 0.1.0
 * @category scheduling
 */
export const readsAtOnce = (): number =>
  Math.min(mostReads, Math.max(fewestReads, Math.floor(readsAndSends / (waiting.length - gone + 1))))

/** Messages of one batch: 512 of 3 to 5 us each leave the event loop free after 2 ms. */
const mostReads = 512
const fewestReads = 16
const readsAndSends = 4096

const letGo = (): void => {
  while (sends > 0 && gone < waiting.length) waiting[gone++]?.()
  if (gone === waiting.length || gone >= 1024) {
    waiting = waiting.slice(gone)
    gone = 0
  }
  if (turning) return
  turning = true
  setImmediate(() => {
    turning = false
    sends = sendsPerTurn
    if (waiting.length > 0) letGo()
  })
}

/** Sends from the message at `first` on until the pipe is full, and gives the first one that was not sent. */
const push = (
  messages: ReadonlyArray<Uint8Array>,
  first: number,
  transmit: (message: Uint8Array) => Promise<void>
): Effect.Effect<number, unknown> =>
  Effect.callback((resume) => {
    let wanted = true
    const run = async () => {
      let next = first
      try {
        await inLine(messages.length - next)
        for (let message = messages[next]; wanted && message !== undefined; message = messages[next]) {
          await transmit(message)
          next++
        }
        resume(Effect.succeed(next))
      } catch (cause) {
        resume(codeOf(cause) === "EAGAIN" ? Effect.succeed(next) : Effect.fail(cause))
      }
    }
    void run()
    return Effect.sync(() => {
      wanted = false
    })
  })

/**
 * Runs `acquire` in a scope of its own below the caller's, and closes it at once where it fails or is interrupted: a
 * caller that tries again and again within one scope collects nothing.
 *
 * @since 0.1.0
 * @category scopes
 */
export const allOrNothing = <A, E, R>(acquire: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Scope.fork(yield* Effect.scope)
      return yield* restore(Scope.provide(acquire, scope)).pipe(
        Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
      )
    })
  )

/**
 * Lets timers and other sockets have their turn.
 *
 * @since 0.1.0
 * @category scheduling
 */
export const turn = (): Promise<void> => new Promise((resume) => setImmediate(resume))
