/**
 * A bound ROUTER: the peers that are connected to it, their messages and their departures.
 *
 * @since 0.1.0
 */
import type * as Scope from "effect/Scope"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Endpoint from "../protocol/Endpoint.ts"
import type { BindOptions, Listener, Peer, PeerEvent } from "../services/Transport.ts"
import { TransportError } from "../services/Transport.ts"
import * as Connections from "./Connections.ts"
import * as Address from "./ZmqAddress.ts"
import { failure, fromCause } from "./ZmqError.ts"
import { Reader } from "./ZmqReader.ts"
import * as Socket from "./ZmqSocket.ts"
import * as ZapHandler from "./ZapHandler.ts"

/** Connections that may wait for `accept`: a whole network comes back at once when a server restarts. */
const backlog = 4096

/** How long what was sent last may take to reach the peers after the close, in ms, where nobody waits for it. */
const leastLinger = 100

/** How long the system may take to give the address back, in ms. It takes less than 3. */
const longestRelease = 200

/** The same for an inproc name. The socket itself ends only when all its peers have taken note. */
const longestForget = 20

/** libzmq forgets an inproc name on a thread of its own, some time after the close. */
const forgetting = Schedule.max([Schedule.spaced("5 millis"), Schedule.recurs(10)])

/** Ports tried in one go before other fibers get their turn; a try takes some 70 us. */
const portsPerTurn = 64

/**
 * Binds a ROUTER of its own to one endpoint. The scope unbinds it: the same address is free again when it has closed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bind = (
  endpoint: Endpoint.Endpoint,
  options: BindOptions = {}
): Effect.Effect<Listener, TransportError, Scope.Scope> => Socket.allOrNothing(bindOrFail(endpoint, options))

const bindOrFail = Effect.fnUntraced(function* (
  endpoint: Endpoint.Endpoint,
  { frameOctets, guard, heartbeatInterval, heartbeatTimeout, linger = () => 0 }: BindOptions
): Effect.fn.Return<Listener, TransportError, Scope.Scope> {
  const text = Endpoint.format(endpoint)
  const guarded = endpoint._tag === "Inproc" ? undefined : guard
  let port = 0
  if (endpoint._tag === "Tcp") yield* Address.checkDescriptors(text)
  const host = endpoint._tag === "Tcp" ? yield* Address.bindHost(endpoint.host, text) : undefined
  if (endpoint._tag === "Ipc" && Address.isFile(endpoint.path)) yield* Address.checkFree(endpoint.path, text)
  // Before the first handshake, and until the last.
  const clock = yield* Clock.Clock
  const count = Connections.counter(() => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)
  const connections = (address: string) => count(port, address)
  const security =
    guarded === undefined ? {} : ZapHandler.options(yield* ZapHandler.register(guarded, connections), guarded)
  const caution = guarded === undefined || guarded.mechanism === "null" ? Socket.amongStrangers : {}
  const router = yield* Effect.acquireRelease(
    open(text, {
      ...Socket.heartbeat(heartbeatInterval, heartbeatTimeout),
      ...Socket.longestFrame(guarded?.mechanism, frameOctets),
      ...security,
      ...caution,
      ipv6: host?.ipv6 ?? false
    }),
    (router) => Effect.suspend(() => router.close(linger()))
  )
  if (endpoint._tag === "Tcp" && host !== undefined) {
    yield* bindTcp(router, endpoint.port, (port) => Address.tcp(host, port))
  } else {
    yield* endpoint._tag === "Inproc"
      ? Effect.retry(router.bind(text), { while: isInUse, schedule: forgetting })
      : router.bind(text)
    if (endpoint._tag === "Ipc" && Address.isFile(endpoint.path)) router.file = Address.socketFile(endpoint.path)
  }
  const listener = router.listen(Result.getOrElse(Endpoint.parseBind(router.bound), () => endpoint))
  port = Endpoint.port(listener.endpoint)
  if (guarded !== undefined) {
    yield* Effect.forkScoped(Effect.map(guarded.revoked, (why) => router.giveUp(why)))
  }
  return listener
})

const isInUse = (error: TransportError): boolean => error.reason._tag === "AddressInUse"

const bindTcp = (
  router: Router,
  port: Endpoint.Port,
  at: (port: number | "*") => string
): Effect.Effect<void, TransportError> => {
  switch (port._tag) {
    case "Fixed":
      return router.bind(at(port.port))
    case "System":
      return router.bind(at("*"))
    case "Range":
      return Effect.flatMap(
        port.random ? Random.nextIntBetween(port.first, port.last) : Effect.succeed(port.first),
        (start) => bindFirstFree(router, port, start, at)
      )
  }
}

/** Tries each port of a range once, from `start` up and then from the first one on. */
const bindFirstFree = Effect.fnUntraced(function* (
  router: Router,
  range: { readonly first: number; readonly last: number },
  start: number,
  at: (port: number) => string
): Effect.fn.Return<void, TransportError> {
  const count = range.last - range.first + 1
  for (let tried = 0; tried < count; tried++) {
    const port = range.first + ((start - range.first + tried) % count)
    const result = yield* Effect.result(router.bind(at(port)))
    if (Result.isSuccess(result)) return
    if (!isInUse(result.failure)) return yield* result.failure
    if (tried % portsPerTurn === portsPerTurn - 1) yield* Effect.yieldNow
  }
  return yield* failure("bind", router.text, "AddressInUse", `no port from ${range.first} to ${range.last} is free`)
})

const open = (text: string, options: Partial<Socket.RouterSocket>): Effect.Effect<Router, TransportError> =>
  Effect.try({
    try: () => new Router(text, options),
    catch: (cause) => fromCause("bind", text, cause)
  })

/** No routing id is empty. */
const noPeer = { id: new Uint8Array(0), peer: "" }

const sameOctets = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

class Router {
  /** The endpoint as asked for, for errors. */
  readonly text: string
  file: Address.SocketFile | undefined = undefined
  private readonly socket: Socket.RouterSocket
  private readonly notice = Socket.makeNotice()
  private readonly peers = new Map<Peer, Buffer>()
  private last: { readonly id: Uint8Array; readonly peer: Peer } = noPeer
  private reader: Reader<PeerEvent> | undefined = undefined
  private closing = false

  constructor(text: string, options: Partial<Socket.RouterSocket>) {
    this.text = text
    this.socket = Socket.create(Socket.RouterSocket, {
      ...Socket.commonOptions,
      ...options,
      backlog,
      handover: true, // or a client that comes back at once under a fixed routing id is never read
      mandatory: true, // or messages to a peer that has left vanish unseen
      disconnectNotice: this.notice
    })
  }

  /** The endpoint as bound, in libzmq's words. */
  get bound(): string {
    return this.socket.lastEndpoint ?? this.text
  }

  bind(address: string): Effect.Effect<void, TransportError> {
    return Effect.try({
      try: () => this.socket.bindSync(address),
      catch: (cause) => fromCause("bind", this.text, cause)
    })
  }

  listen(endpoint: Endpoint.Endpoint): Listener {
    this.reader = new Reader(this.socket, this.closed("receive"), (message, batch) => this.accept(message, batch))
    return { endpoint, receive: this.reader.receive, send: (peer, messages) => this.send(peer, messages) }
  }

  /** Nobody is heard any more; the sockets stay as they are until the scope closes them. */
  giveUp(why: string): void {
    this.reader?.stop(failure("receive", this.text, "NotAdmitted", why))
  }

  private closed(operation: "receive" | "send"): TransportError {
    return failure(operation, this.text, "Closed", "the listener was closed")
  }

  private accept(message: Array<Buffer>, batch: Array<PeerEvent>): void {
    const id = message.shift()
    if (id === undefined) return
    const peer = this.peerOf(id)
    if (message.length !== 1 || !Socket.isNotice(message[0], this.notice)) {
      batch.push({ _tag: "Received", peer, frames: message })
      return
    }
    this.last = noPeer
    this.peers.delete(peer)
    if (!Socket.isWatcher(id)) batch.push({ _tag: "Gone", peer })
  }

  /** Messages come in runs of one sender: a look at the octets spares most of them the text and the map. */
  private peerOf(id: Buffer): Peer {
    const { last } = this
    if (sameOctets(id, last.id)) return last.peer
    const peer = id.toString("hex")
    const known = this.peers.get(peer)
    if (known === undefined) this.peers.set(peer, id)
    this.last = { id: known ?? id, peer }
    return peer
  }

  private send(peer: Peer, messages: ReadonlyArray<Uint8Array>): Effect.Effect<void, TransportError> {
    return Effect.suspend(() => {
      const id = this.peers.get(peer)
      const transmit = (message: Uint8Array): Promise<void> => {
        if (this.closing) throw this.closed("send")
        // Not the same buffer: this peer has left, and another one came under its routing id.
        if (id === undefined || this.peers.get(peer) !== id) {
          throw failure("send", this.text, "PeerGone", `peer ${peer} has left`)
        }
        return this.socket.send([id, message])
      }
      return Effect.mapError(Socket.sendAll(messages, transmit), (cause) =>
        cause instanceof TransportError ? cause : fromCause("send", this.text, cause)
      )
    })
  }

  /**
   * Frees the address, then comes back; what was sent last is flushed meanwhile, or waited for so many ms.
   *
   * Not `unbind`: it runs on another thread beside the pending receive, which a socket does not stand, it cuts the
   * connections with all that is queued for them, and the port is still taken for a moment when it ends. The monitor
   * tells when the listening socket of the system is closed; and when all of the socket is, which is when nothing is
   * left to be sent.
   */
  close(linger: number): Effect.Effect<unknown> {
    this.closing = true
    this.reader?.stop()
    this.peers.clear()
    if (this.file !== undefined) Address.removeFile(this.file)
    // Over inproc what was sent is in the memory of who reads it.
    if (this.text.startsWith("inproc:")) return Effect.timeoutOption(this.released("end", leastLinger), longestForget)
    return linger > 0
      ? Effect.timeoutOption(this.released("end", Math.max(linger, leastLinger)), Math.max(linger, longestRelease))
      : Effect.timeoutOption(this.released("close", leastLinger), longestRelease)
  }

  private released(when: "close" | "end", linger: number): Effect.Effect<void> {
    return Effect.callback((resume) => {
      try {
        Socket.observe(this.socket, (event) => {
          if (event.type === when || event.type === "end") resume(Effect.void)
        })
      } catch {
        // No descriptors are left for the monitor. A bind of this address may have to try twice.
        resume(Effect.void)
      }
      Socket.close(this.socket, linger)
    })
  }
}
