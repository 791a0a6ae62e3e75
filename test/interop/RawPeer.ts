/**
 * Raw ZeroMQ peers for black-box tests: a DEALER that plays a client, a ROUTER that plays a server, and the five
 * messages of ZGP v1 written out by hand. Nothing here imports src/ on purpose: a codec that checks itself checks
 * nothing.
 */
import { Data, Effect, type Scope } from "effect"
import { Dealer, Router } from "zeromq"

/** A peer that did not get what it waited for. */
export class RawPeerError extends Data.TaggedError("RawPeerError")<{ readonly message: string }> {}

// ---------------------------------------------------------------------------------------------------------------------
// The wire, by hand

const octets = (text: string | Uint8Array): Buffer => Buffer.from(text as string)

const uint32 = (value: number): Buffer => Buffer.from([value >>> 24, value >>> 16, value >>> 8, value])

/** Golden frames. */
export const Wire = {
  /** The octets that hexadecimal digits say; blanks are free. */
  hex: (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ""), "hex"),
  HELLO: Buffer.from("aaa00101", "hex"),
  PING: Buffer.from("aaa00301", "hex"),
  PONG: Buffer.from("aaa00401", "hex"),
  INVALID: Buffer.from("aaa00501", "hex"),
  PUBLISH: (key: string | Uint8Array, value: string | Uint8Array, ttl = 0): Buffer =>
    Buffer.concat([
      Buffer.from("aaa00201", "hex"),
      Buffer.from([octets(key).length]),
      octets(key),
      uint32(octets(value).length),
      octets(value),
      uint32(ttl)
    ])
} as const

/** What a frame says. `rest` holds the octets behind the last field. */
export type Said =
  | { readonly type: "HELLO" | "PING" | "PONG" | "INVALID"; readonly rest: Buffer }
  | {
      readonly type: "PUBLISH"
      readonly key: Buffer
      readonly value: Buffer
      readonly ttl: number
      readonly rest: Buffer
    }
  | { readonly type: "MALFORMED"; readonly rest: Buffer }

/** Reads one frame, never throws. */
export const said = (frame: Buffer): Said => {
  const malformed: Said = { type: "MALFORMED", rest: frame }
  if (frame.length < 4 || frame[0] !== 0xaa || frame[1] !== 0xa0 || frame[3] !== 1) return malformed
  const type = (["HELLO", "PUBLISH", "PING", "PONG", "INVALID"] as const)[frame[2]! - 1]
  if (type === undefined) return malformed
  if (type !== "PUBLISH") return { type, rest: frame.subarray(4) }
  const keyEnd = 5 + (frame[4] ?? 0)
  if (frame.length < keyEnd + 4) return malformed
  const valueEnd = keyEnd + 4 + frame.readUInt32BE(keyEnd)
  if (frame.length < valueEnd + 4) return malformed
  return {
    type,
    key: frame.subarray(5, keyEnd),
    value: frame.subarray(keyEnd + 4, valueEnd),
    ttl: frame.readUInt32BE(valueEnd),
    rest: frame.subarray(valueEnd + 4)
  }
}

/** Trailers about versions, which our nodes put behind HELLO and PUBLISH: magic, version 1, a length, and tag 5 or 6. */
const isAboutVersions = (rest: Buffer): boolean => /^855a475801.{8}0[56]/.test(rest.toString("hex", 0, 10))

/**
 * A frame for people: `HELLO`, `PUBLISH key=value`, `PUBLISH key=value ttl=5`, `MALFORMED aaa0..`; what stands behind it
 * in hex, save versions.
 */
export const show = (frame: Buffer): string => {
  const message = said(frame)
  const rest =
    message.rest.length === 0 || isAboutVersions(message.rest)
      ? ""
      : ` +${message.rest.length > 32 ? `${message.rest.length} octets` : message.rest.toString("hex")}`
  if (message.type !== "PUBLISH") return `${message.type}${rest}`
  const short = (text: Buffer): string =>
    text.length > 60 ? `${text.subarray(0, 60).toString("latin1")}..(${text.length})` : text.toString()
  return `PUBLISH ${short(message.key)}=${short(message.value)}${message.ttl === 0 ? "" : ` ttl=${message.ttl}`}${rest}`
}

// ---------------------------------------------------------------------------------------------------------------------
// The peers

/** What both peers can do. A message is its frames; on a ROUTER the first of them is the sender's routing id. */
export interface RawPeer {
  /** The endpoint as bound or connected: a wildcard port is resolved. */
  readonly endpoint: string
  /** Sends one message. On a ROUTER the first frame is the receiver's routing id; a stranger's id fails. */
  readonly send: (...frames: ReadonlyArray<string | Uint8Array>) => Effect.Effect<void, RawPeerError>
  /** The next message that `next` has not given yet. */
  readonly next: (timeout?: number) => Effect.Effect<ReadonlyArray<Buffer>, RawPeerError>
  /** The next message as text: its last frame as `show` shows it. */
  readonly nextText: (timeout?: number) => Effect.Effect<string, RawPeerError>
  /** Everything that came, whether `next` has given it or not. A live array: it grows. */
  readonly received: ReadonlyArray<ReadonlyArray<Buffer>>
  /** `received` as texts: last frames, as `show` shows them. */
  readonly texts: () => ReadonlyArray<string>
  /** Fails where a message comes within so many milliseconds that `next` has not given yet. */
  readonly expectNothing: (ms: number) => Effect.Effect<void, RawPeerError>
  /** Closes before the scope does; `rawRouter` can bind a ROUTER's address again. */
  readonly close: Effect.Effect<void>
}

/** A client. */
export interface RawDealer extends RawPeer {
  /** PING, then everything up to its PONG: what the server had to say up to here. Fails on an INVALID. */
  readonly untilPong: (timeout?: number) => Effect.Effect<ReadonlyArray<string>, RawPeerError>
}

const DEFAULT_TIMEOUT = 2000

/** An open socket that nobody references is collected, and closed silently. */
const open = new Set<Peer>()

class Peer implements RawPeer {
  readonly received: Array<ReadonlyArray<Buffer>> = []
  readonly socket: Dealer | Router
  readonly what: string
  endpoint = ""
  #given = 0
  #closing = false
  #sending: Promise<void> = Promise.resolve()
  #reading: Promise<void> = Promise.resolve()
  readonly #waiters = new Set<() => void>()

  constructor(socket: Dealer | Router, what: string) {
    this.socket = socket
    this.what = what
    open.add(this)
  }

  /**
   * One reader for the whole life of the socket: a receive cannot be cancelled, a second one is refused. While the
   * socket unbinds every receive is refused too.
   */
  read(): void {
    const loop = async (): Promise<void> => {
      while (!this.socket.closed) {
        try {
          this.received.push(await this.socket.receive())
        } catch (error) {
          if (this.socket.closed) return
          if (!this.#closing) throw error
          await new Promise(setImmediate)
        }
        for (const look of [...this.#waiters]) look()
      }
    }
    this.#reading = loop()
  }

  readonly send = (...frames: ReadonlyArray<string | Uint8Array>): Effect.Effect<void, RawPeerError> =>
    Effect.tryPromise({
      try: () => {
        // One send at a time; copies, since what is sent without a copy must never change afterwards
        const next = this.#sending.then(() => this.socket.send(frames.map(octets)))
        this.#sending = next.catch(() => {})
        return next
      },
      catch: (cause) => new RawPeerError({ message: `${this.what} cannot send: ${String(cause)}` })
    })

  readonly #wait = (timeout: number): Effect.Effect<boolean> =>
    Effect.callback<boolean>((resume) => {
      const stop = (): void => {
        clearTimeout(timer)
        this.#waiters.delete(look)
      }
      const look = (): void => {
        if (this.received.length <= this.#given) return
        stop()
        resume(Effect.succeed(true))
      }
      const timer = setTimeout(() => {
        stop()
        resume(Effect.succeed(false))
      }, timeout)
      this.#waiters.add(look)
      look()
      return Effect.sync(stop)
    })

  readonly #fail = (message: string): RawPeerError =>
    new RawPeerError({
      message: `${this.what} ${this.endpoint}: ${message}; it received [${this.texts().slice(-20).join(", ")}]`
    })

  readonly next = (timeout = DEFAULT_TIMEOUT): Effect.Effect<ReadonlyArray<Buffer>, RawPeerError> =>
    Effect.flatMap(this.#wait(timeout), (came) => {
      const message = this.received[this.#given]
      if (!came || message === undefined) return Effect.fail(this.#fail(`no message within ${timeout} ms`))
      this.#given++
      return Effect.succeed(message)
    })

  readonly nextText = (timeout = DEFAULT_TIMEOUT): Effect.Effect<string, RawPeerError> =>
    Effect.map(this.next(timeout), (frames) => show(frames.at(-1)!))

  readonly texts = (): ReadonlyArray<string> => this.received.map((frames) => show(frames.at(-1)!))

  readonly expectNothing = (ms: number): Effect.Effect<void, RawPeerError> =>
    Effect.flatMap(this.#wait(ms), (came) =>
      came ? Effect.fail(this.#fail(`expected silence, got ${show(this.received[this.#given]!.at(-1)!)}`)) : Effect.void
    )

  readonly untilPong = (timeout = DEFAULT_TIMEOUT): Effect.Effect<ReadonlyArray<string>, RawPeerError> =>
    Effect.gen({ self: this }, function* () {
      yield* this.send(Wire.PING)
      const before: Array<string> = []
      for (;;) {
        const text = yield* this.nextText(timeout)
        if (text === "PONG") return before
        if (text === "INVALID") return yield* this.#fail("INVALID instead of PONG")
        before.push(text)
      }
    })

  /**
   * Not by way of `unbind`: it runs on another thread beside the pending receive, and now and then the library aborts
   * the process over it (`pipe_t::process_pipe_term_ack`).
   */
  readonly close = Effect.promise(async () => {
    open.delete(this)
    this.#closing = true
    if (this.socket.closed) return
    this.socket.close()
    await this.#reading
  })
}

/** Sets options after construction: an option that a constructor refuses corrupts the heap. */
const configure = <S extends Dealer | Router>(socket: S, options: Partial<S>): S => {
  try {
    return Object.assign(socket, { linger: 0, sendHighWaterMark: 0, receiveHighWaterMark: 0, ...options })
  } catch (error) {
    socket.close()
    throw error
  }
}

/** A client: connects and says nothing until told to. The routing id is ZeroMQ's own choice unless given. */
export const rawDealer = (
  endpoint: string,
  options: { readonly routingId?: string } = {}
): Effect.Effect<RawDealer, RawPeerError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const socket = configure(new Dealer(), { sendTimeout: 1000, reconnectInterval: 20, ...options })
        const peer = new Peer(socket, "raw DEALER")
        socket.connect(endpoint)
        peer.endpoint = endpoint
        peer.read()
        return peer
      },
      catch: (cause) => new RawPeerError({ message: `raw DEALER cannot connect ${endpoint}: ${String(cause)}` })
    }),
    (peer) => peer.close
  )

/** Tries for some seconds: ZeroMQ gives an address back in the background, some time after it was unbound or closed. */
const bindWhenFree = async (socket: Router, endpoint: string): Promise<void> => {
  const deadline = performance.now() + 5000
  for (;;) {
    try {
      return await socket.bind(endpoint)
    } catch (error) {
      const busy = (error as NodeJS.ErrnoException).code === "EADDRINUSE"
      if (!busy || performance.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

/** A server: binds and answers nothing by itself. */
export const rawRouter = (endpoint: string): Effect.Effect<RawPeer, RawPeerError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const socket = configure(new Router(), { mandatory: true, sendTimeout: 0, handover: true })
        const peer = new Peer(socket, "raw ROUTER")
        try {
          await bindWhenFree(socket, endpoint)
        } catch (error) {
          open.delete(peer)
          socket.close()
          throw error
        }
        peer.endpoint = socket.lastEndpoint ?? endpoint
        peer.read()
        return peer
      },
      catch: (cause) => new RawPeerError({ message: `raw ROUTER cannot bind ${endpoint}: ${String(cause)}` })
    }),
    (peer) => peer.close
  )
