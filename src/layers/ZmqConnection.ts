/**
 * One connection of a DEALER: it comes up once, and its first loss is its end.
 *
 * A DEALER that reconnects by itself would flush what was queued for the lost connection onto the next one, ahead of
 * the greeting that has to come first there. So each attempt is a new socket that never tries twice.
 *
 * @since 0.1.0
 */
import type * as Scope from "effect/Scope"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Redacted from "effect/Redacted"
import type * as Zmq from "zeromq"
import * as Endpoint from "../protocol/Endpoint.ts"
import type { ConnectOptions, Connection, Credentials, Frames, TransportReason } from "../services/Transport.ts"
import { TransportError } from "../services/Transport.ts"
import * as Octets from "../protocol/Octets.ts"
import { mechanismOf } from "./ZmtpGreeting.ts"
import * as Address from "./ZmqAddress.ts"
import { codeOf, failure, fromCause } from "./ZmqError.ts"
import { Reader } from "./ZmqReader.ts"
import * as Socket from "./ZmqSocket.ts"

/** How long one address may take until the handshake is done. */
const longestAttempt = "5 seconds"

/**
 * ZMQ_RECONNECT_IVL in ms: 12 days, libzmq doubles it at most. -1, which means never, also drops the messages that
 * have arrived and were not read when the connection ends, and the notice of the loss with them.
 */
const never = 2 ** 30

/** How long what was sent last may take to leave after the close, in ms, where nobody waits for it. */
const leastLinger = 100

/** How often an inproc connection looks whether the other side is still there. */
const inprocCheck = "50 millis"

/**
 * Connects to one endpoint, once. The addresses of a host are tried in turn; if none answers, the error is that of the
 * first.
 *
 * @since 0.1.0
 * @category constructors
 */
export const connect = (
  endpoint: Endpoint.Endpoint,
  { credentials, frameOctets, heartbeatInterval, heartbeatTimeout, linger }: ConnectOptions = {}
): Effect.Effect<Connection, TransportError, Scope.Scope> => {
  const options = {
    ...Socket.heartbeat(heartbeatInterval, heartbeatTimeout),
    ...Socket.longestFrame(credentials?.mechanism, frameOctets),
    ...proofOf(credentials)
  }
  const text = Endpoint.format(endpoint)
  switch (endpoint._tag) {
    case "Inproc":
      return Socket.allOrNothing(dialInproc(endpoint, text))
    case "Ipc":
      return Socket.allOrNothing(dial(endpoint, text, options, linger)).pipe(
        explained({ path: endpoint.path }, text),
        Effect.catchIf(
          (error) => error.reason._tag === "Refused",
          () => Effect.flip(Address.whyRefused(endpoint.path, text))
        )
      )
    case "Tcp": {
      if (endpoint.port._tag !== "Fixed") {
        return Effect.fail(failure("connect", text, "Unsupported", "a connection needs one port"))
      }
      const { port } = endpoint.port
      return Effect.flatMap(Address.connectHosts(endpoint.host, text), (hosts) => {
        const attempts = hosts.map((host) =>
          Socket.allOrNothing(dial(endpoint, Address.tcp(host, port), { ...options, ipv6: host.ipv6 }, linger)).pipe(
            explained({ host: host.text, port }, text)
          )
        )
        return firstOf(attempts, failure("connect", text, "UnknownHost", "the host name has no address"))
      })
    }
  }
}

const proofOf = (credentials: Credentials | undefined): Partial<Socket.DealerSocket> => {
  switch (credentials?.mechanism) {
    case undefined:
      return Socket.amongStrangers
    case "plain":
      return {
        ...Socket.amongStrangers,
        plainUsername: credentials.user,
        plainPassword: Redacted.value(credentials.password)
      }
    case "curve":
      return {
        curveServerKey: credentials.serverKey,
        curvePublicKey: credentials.keys.publicKey,
        curveSecretKey: Redacted.value(credentials.keys.secretKey)
      }
  }
}

/** A server that broke the handshake off may want what we did not show. */
const explained =
  (to: Parameters<typeof mechanismOf>[0], text: string) =>
  <A, R>(self: Effect.Effect<A, TransportError, R>): Effect.Effect<A, TransportError, R> =>
    Effect.catchIf(
      self,
      ({ reason }) => reason._tag === "Protocol" && reason.code === "EPIPE",
      (error) =>
        Effect.flatMap(mechanismOf(to), (mechanism) =>
          Effect.fail(
            mechanism === undefined || mechanism === "NULL"
              ? error
              : failure("connect", text, "NotAdmitted", `it admits by ${Octets.printable(mechanism)} only`)
          )
        )
    )

/** The first attempt that succeeds; else the error of the first one, or `none` where there is none. */
const firstOf = <A, R>(
  attempts: ReadonlyArray<Effect.Effect<A, TransportError, R>>,
  none: TransportError
): Effect.Effect<A, TransportError, R> => {
  const [first, ...rest] = attempts
  if (first === undefined) return Effect.fail(none)
  if (rest.length === 0) return first
  return first.pipe(Effect.catch((error) => Effect.mapError(firstOf(rest, none), () => error)))
}

/** Over tcp and ipc: the monitor tells when the handshake is done, and whether it failed. */
const dial = Effect.fnUntraced(function* (
  endpoint: Endpoint.Endpoint,
  address: string,
  options: Partial<Socket.DealerSocket>,
  linger?: () => number
): Effect.fn.Return<Connection, TransportError, Scope.Scope> {
  const dealer = yield* open(endpoint, options, linger)
  const up = yield* Deferred.make<void, TransportError>()
  yield* dealer.attempt((socket) => {
    Socket.observe(socket, (event) => {
      const outcome = dealer.judge(event)
      if (outcome !== undefined) Deferred.doneUnsafe(up, outcome)
      // All of the socket is closed: nothing is left to be sent.
      if (event.type === "end") dealer.gone.openUnsafe()
    })
    socket.connect(address)
  })
  yield* Effect.timeoutOrElse(Deferred.await(up), {
    duration: longestAttempt,
    orElse: () => Effect.fail(dealer.tooLate())
  })
  return dealer.start()
})

/**
 * Over inproc, where libzmq reports nothing: neither when the other side binds (what is sent before waits for it), nor
 * when it is closed. What can be seen is that a socket without a pipe is not writable. The dealer's own pipe may also
 * be full, so a second, silent socket goes the same way; its pipe has no bound, hence it is never full. Closing the
 * listener shows at the next look; one that was bound again has another pipe.
 */
const dialInproc = Effect.fnUntraced(function* (
  endpoint: Endpoint.Endpoint,
  address: string
): Effect.fn.Return<Connection, TransportError, Scope.Scope> {
  const dealer = yield* open(endpoint, {})
  const watcher = yield* open(endpoint, { sendHighWaterMark: 0, routingId: Socket.watcherId() })
  yield* dealer.attempt((socket) => socket.connect(address))
  yield* watcher.attempt((socket) => socket.connect(address))
  yield* Effect.sleep(inprocCheck).pipe(
    Effect.repeat({ until: () => !watcher.writable }),
    Effect.andThen(Effect.sync(() => dealer.lose())),
    Effect.forkScoped
  )
  return dealer.start()
})

/** Over inproc nobody lingers: what was sent is in the memory of who reads it. */
const open = (endpoint: Endpoint.Endpoint, options: Partial<Socket.DealerSocket>, linger = () => 0) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => new Dealer(endpoint, options),
      catch: (cause) => fromCause("connect", Endpoint.format(endpoint), cause)
    }),
    (dealer) => Effect.suspend(() => dealer.close(linger()))
  )

/** By what we have shown. */
const refused = {
  null: "it does not admit us, ask its operator to allow this address",
  plain: "it does not admit us, it does not know this user and password",
  curve: "it does not admit us, ask its operator to allow our public key"
}

const mismatch = {
  null: "it admits nobody without a key or a password",
  plain: "it does not take a password",
  curve: "it does not speak CURVE"
}

class Dealer {
  private readonly endpoint: Endpoint.Endpoint
  private readonly mechanism: keyof typeof refused
  private readonly socket: Socket.DealerSocket
  readonly gone = Latch.makeUnsafe(false)
  private readonly notice = Socket.makeNotice()
  private reader: Reader<Frames> | undefined = undefined
  private state: "connecting" | "up" | "lost" | "closed" = "connecting"

  constructor(endpoint: Endpoint.Endpoint, options: Partial<Socket.DealerSocket>) {
    this.endpoint = endpoint
    this.mechanism = options.curveServerKey ? "curve" : options.plainUsername === undefined ? "null" : "plain"
    this.socket = Socket.create(Socket.DealerSocket, {
      ...Socket.commonOptions,
      reconnectInterval: never,
      hiccupNotice: this.notice,
      ...options
    })
  }

  get writable(): boolean {
    return this.socket.writable
  }

  failed(operation: "connect" | "receive" | "send", tag: TransportReason, detail: string, code?: string) {
    return failure(operation, Endpoint.format(this.endpoint), tag, detail, code)
  }

  tooLate(): TransportError {
    return this.failed("connect", "Unreachable", `no handshake within ${longestAttempt}`)
  }

  /** What a handshake that failed says. */
  private whyNot(code: string | undefined): TransportError {
    // libzmq's own patience, which is as long as ours, has ended.
    if (code === "EAGAIN") return this.tooLate()
    if (code === "ERR_ZMTP_MECHANISM_MISMATCH") {
      return this.failed("connect", "NotAdmitted", mismatch[this.mechanism], code)
    }
    if (code !== "EPIPE") {
      return this.failed("connect", "Protocol", "the handshake failed, is it a ZeroMQ socket?", code)
    }
    // So ends a server that cannot read what was meant for another one; what else it may be see `explained`.
    return this.mechanism === "curve"
      ? this.failed("connect", "NotAdmitted", "it broke the handshake off, is the server key its own?", code)
      : this.failed("connect", "Protocol", "it broke the handshake off, is it a ZeroMQ socket?", code)
  }

  attempt(run: (socket: Socket.DealerSocket) => void): Effect.Effect<void, TransportError> {
    return Effect.try({
      try: () => run(this.socket),
      catch: (cause) => fromCause("connect", Endpoint.format(this.endpoint), cause)
    })
  }

  /** What an event says about the attempt; `undefined` where it says nothing yet. */
  judge(event: Zmq.Event): Effect.Effect<void, TransportError> | undefined {
    switch (event.type) {
      case "handshake":
        if (this.state === "connecting") this.state = "up"
        return Effect.void
      case "close":
        return Effect.fail(this.failed("connect", "Refused", "nobody listens there (yet)"))
      case "handshake:error:protocol":
      case "handshake:error:other":
        return Effect.fail(this.whyNot(codeOf(event.error)))
      case "handshake:error:auth":
        return Effect.fail(this.failed("connect", "NotAdmitted", refused[this.mechanism], `${event.error.status}`))
      case "disconnect":
        // The reader learns it from the notice, behind the last message.
        if (this.state === "up") this.state = "lost"
        return Effect.fail(this.failed("connect", "Unreachable", "the connection ended during the handshake"))
      default:
        return undefined
    }
  }

  start(): Connection {
    if (this.state === "connecting") this.state = "up"
    const reader = new Reader<Frames>(this.socket, this.closed("receive"), (message, batch) => {
      if (message.length === 1 && Socket.isNotice(message[0], this.notice)) this.lose()
      else batch.push(message)
    })
    this.reader = reader
    return { endpoint: this.endpoint, receive: reader.receive, send: (messages) => this.send(messages) }
  }

  /** The other side is gone. What it has sent is still read. */
  lose(): void {
    if (this.state !== "closed") this.state = "lost"
    this.reader?.finish(this.lost("receive"))
  }

  private lost(operation: "receive" | "send"): TransportError {
    return this.failed(operation, "Lost", "the connection was lost")
  }

  private closed(operation: "receive" | "send"): TransportError {
    return this.failed(operation, "Closed", "the connection was closed")
  }

  private send(messages: ReadonlyArray<Uint8Array>): Effect.Effect<void, TransportError> {
    const transmit = (message: Uint8Array): Promise<void> => {
      if (this.state === "up") return this.socket.send(message)
      throw this.state === "lost" ? this.lost("send") : this.closed("send")
    }
    return Effect.mapError(Socket.sendAll(messages, transmit), (cause) =>
      cause instanceof TransportError ? cause : fromCause("send", Endpoint.format(this.endpoint), cause)
    )
  }

  /** Waits so many ms at most until what was sent has left. */
  close(linger: number): Effect.Effect<unknown> {
    const isUp = this.state === "up"
    this.state = "closed"
    this.reader?.stop()
    Socket.close(this.socket, isUp ? Math.max(linger, leastLinger) : 0)
    return isUp && linger > 0 ? Effect.timeoutOption(this.gone.await, linger) : Effect.void
  }
}
