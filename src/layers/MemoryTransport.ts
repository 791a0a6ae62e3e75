/**
 * One node's access to a `MemoryNetwork`. It behaves as the ZeroMQ transport does wherever the contract speaks, so
 * that one test suite runs over both: nothing here knows ZGP.
 *
 * Frames are passed on as they are, not copied: neither side may write into one.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as Endpoint from "../protocol/Endpoint.ts"
import * as Message from "../protocol/Message.ts"
import {
  type Applicant,
  type BindOptions,
  type ConnectOptions,
  type Connection,
  type Credentials,
  type Frames,
  type LinkOptions,
  type Listener,
  type Peer,
  type PeerEvent,
  Transport,
  type TransportError,
  type TransportReason
} from "../services/Transport.ts"
import { type Acceptor, type Call, type Fabric, transportError } from "./MemoryFabric.ts"
import { Inbox, Waiter } from "./MemoryInbox.ts"
import type { Link, Pipe } from "./MemoryPipe.ts"
import type { MemoryNetwork } from "./MemoryNetwork.ts"

/** Events or messages that one `receive` gives at most, so that a reader gets to its other work. */
const batchLimit = 512

/**
 * The transport of one host of the network; without a name it gets one of its own. The name says on which side of a
 * partition the node is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (network: MemoryNetwork["Service"], host?: string): Transport["Service"] => {
  const { fabric } = network
  const name = host ?? `host-${fabric.nextSerial()}`
  fabric.hosts.add(name)
  return Transport.of({
    bind: (endpoint, options) => bind(fabric, name, endpoint, options),
    connect: (endpoint, options) => connect(fabric, name, endpoint, options)
  })
}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (network: MemoryNetwork["Service"], host?: string): Layer.Layer<Transport> =>
  Layer.sync(Transport, () => make(network, host))

type Failure = readonly [tag: TransportReason, detail: string, code?: string]

const closed: Failure = ["Closed", "it was closed on this side"]
const lost: Failure = ["Lost", "the connection ended", "ECONNRESET"]
const peerGone: Failure = ["PeerGone", "the peer has left", "EHOSTUNREACH"]

/** Whether a frame is short enough to be read. */
const longestFrame = (endpoint: Endpoint.Endpoint, { frameOctets }: LinkOptions) => {
  const most = endpoint._tag === "Inproc" ? Number.POSITIVE_INFINITY : (frameOctets ?? Message.maxLength)
  return (frame: Uint8Array): boolean => frame.length <= most
}

/** Ends a connection at both its ends. */
const hangUp = ({ down, up }: Call): void => {
  up.cut()
  down.cut()
}

const bind = (
  fabric: Fabric,
  host: string,
  endpoint: Endpoint.Endpoint,
  options: BindOptions = {}
): Effect.Effect<Listener, TransportError, Scope.Scope> =>
  Effect.suspend(() => {
    const guard = endpoint._tag === "Inproc" ? undefined : options.guard
    const takes = longestFrame(endpoint, options)
    const inbox = new Inbox<PeerEvent>()
    const peers = new Map<Peer, Call>()
    let isClosed = false
    let ended: Failure | undefined
    const acceptor: Acceptor = {
      host,
      guard,
      connections: (from) => Array.from(peers.values()).filter(({ host }) => host === from).length,
      accept: (call) => {
        const peer = `${call.host}#${fabric.nextSerial()}`
        peers.set(peer, call)
        call.up.open(fabric.link(call.host, host), {
          frame: (frame, pipe) => {
            if (takes(frame)) inbox.push({ _tag: "Received", peer, frames: [frame] }, pipe)
            else hangUp(call)
          },
          end: () => {
            peers.delete(peer)
            call.down.writer.wake()
            inbox.push({ _tag: "Gone", peer })
          }
        })
        call.down.open(fabric.link(host, call.host), call.sink)
      }
    }
    const revoked = Effect.map(guard?.revoked ?? Effect.never, (why) => {
      ended = ["NotAdmitted", why]
      inbox.waiter.wake()
    })
    const close = (bound: Endpoint.Endpoint) =>
      Effect.sync(() => {
        isClosed = true
        fabric.unbind(bound)
        for (const call of peers.values()) {
          call.up.discard()
          call.down.end()
          call.down.writer.wake()
        }
        peers.clear()
        inbox.clear()
        inbox.waiter.wake()
      })
    return Effect.acquireRelease(
      Effect.suspend(() => Effect.fromResult(fabric.bind(endpoint, acceptor))),
      close
    ).pipe(
      Effect.tap(() => (guard === undefined ? Effect.void : Effect.forkScoped(revoked))),
      Effect.map((bound) => ({
        endpoint: bound,
        receive: receive(
          inbox,
          bound,
          () => (isClosed ? closed : ended),
          () => undefined
        ),
        send: (peer, messages) =>
          Effect.suspend(() => {
            const call = peers.get(peer)
            if (isClosed || call === undefined) {
              return Effect.fail(transportError("send", bound, ...(isClosed ? closed : peerGone)))
            }
            return send(call.down, messages, bound, () => (isClosed ? closed : peers.has(peer) ? undefined : peerGone))
          })
      }))
    )
  })

const connect = (
  fabric: Fabric,
  host: string,
  endpoint: Endpoint.Endpoint,
  options: ConnectOptions = {}
): Effect.Effect<Connection, TransportError, Scope.Scope> =>
  Effect.suspend(() => {
    // What libzmq does: an inproc connect does not know whether anybody is there.
    const handshaken = endpoint._tag === "Inproc" ? Effect.void : handshake(fabric, host, endpoint, options.credentials)
    return Effect.andThen(
      handshaken,
      Effect.suspend(() => open(fabric, host, endpoint, longestFrame(endpoint, options)))
    )
  })

/** One round trip over links that flow. */
const handshake = (
  fabric: Fabric,
  host: string,
  endpoint: Endpoint.Endpoint,
  credentials: Credentials | undefined
): Effect.Effect<void, TransportError> =>
  Effect.flatMap(Effect.fromResult(fabric.find(endpoint)), (acceptor) => {
    const there = fabric.link(host, acceptor.host)
    const back = fabric.link(acceptor.host, host)
    const roundTrip = Effect.suspend(() => {
      const delay = there.delay() + back.delay()
      const arrived = delay === 0 ? Effect.void : Effect.sleep(delay)
      return Effect.andThen(arrived, enter(acceptor, host, credentials, endpoint))
    })
    if (!there.stalled && !back.stalled) return roundTrip
    return Effect.andThen(flowing([there, back]), roundTrip).pipe(
      Effect.timeoutOrElse({
        duration: fabric.handshakeTimeout,
        orElse: () => Effect.fail(transportError("connect", endpoint, "Unreachable", "no answer in time", "ETIMEDOUT"))
      })
    )
  })

/** Asks the guard, as libzmq does: the mechanisms first, then the server's key, then who it is. */
const enter = (
  { connections, guard }: Acceptor,
  host: string,
  credentials: Credentials | undefined,
  endpoint: Endpoint.Endpoint
): Effect.Effect<void, TransportError> => {
  const from = { address: host, connections: () => connections(host) + 1 }
  const refused = (detail: string) => Effect.fail(transportError("connect", endpoint, "NotAdmitted", detail))
  if ((guard?.mechanism ?? "null") !== (credentials?.mechanism ?? "null")) {
    return refused("it wants another mechanism of security")
  }
  if (guard === undefined) return Effect.void
  if (credentials?.mechanism === "curve" && credentials.serverKey !== guard.keys?.publicKey) {
    return refused("it has another key")
  }
  return Effect.flatMap(guard.admit(applicantOf(from, credentials)), (why) =>
    why === undefined ? Effect.void : refused("it does not admit us")
  )
}

const applicantOf = (
  from: Pick<Applicant, "address" | "connections">,
  credentials: Credentials | undefined
): Applicant => {
  switch (credentials?.mechanism) {
    case undefined:
      return { ...from, mechanism: "null" }
    case "plain":
      return { ...from, mechanism: "plain", user: credentials.user, password: credentials.password }
    case "curve":
      return { ...from, mechanism: "curve", key: credentials.keys.publicKey }
  }
}

/** Waits until no link is stalled, or one is cut, which the caller then finds. */
const flowing = (links: ReadonlyArray<Link>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const link = links.find((link) => link.stalled)
    if (link === undefined || links.some((link) => link.severed)) return Effect.void
    const waiter = new Waiter()
    link.handshakes.add(waiter)
    return waiter
      .until(() => !link.stalled || link.severed)
      .pipe(Effect.ensuring(Effect.sync(() => link.handshakes.delete(waiter))), Effect.andThen(flowing(links)))
  })

const open = (
  fabric: Fabric,
  host: string,
  endpoint: Endpoint.Endpoint,
  takes: (frame: Uint8Array) => boolean
): Effect.Effect<Connection, TransportError, Scope.Scope> => {
  const inbox = new Inbox<Frames>()
  let isClosed = false
  let isLost = false
  const call: Call = {
    host,
    up: fabric.pipe(),
    down: fabric.pipe(),
    sink: {
      frame: (frame, pipe) => {
        if (takes(frame)) inbox.push([frame], pipe)
        else hangUp(call)
      },
      end: () => {
        isLost = true
        call.up.writer.wake()
        inbox.waiter.wake()
      }
    }
  }
  const place = Effect.suspend((): Effect.Effect<void, TransportError> => {
    const found = fabric.find(endpoint)
    if (Result.isSuccess(found)) {
      const acceptor = found.success
      if (fabric.link(host, acceptor.host).severed || fabric.link(acceptor.host, host).severed) {
        const detail = `there is no way from ${host} to ${acceptor.host}`
        return Effect.fail(transportError("connect", endpoint, "Unreachable", detail, "EHOSTUNREACH"))
      }
      acceptor.accept(call)
    } else if (endpoint._tag === "Inproc") {
      fabric.wait(endpoint, call)
    } else {
      return Effect.fail(found.failure)
    }
    fabric.connections++
    return Effect.void
  })
  const close = Effect.sync(() => {
    isClosed = true
    fabric.connections--
    call.down.discard()
    if (fabric.hangUp(endpoint, call)) call.up.discard()
    else call.up.end()
    call.up.writer.wake()
    inbox.clear()
    inbox.waiter.wake()
  })
  return Effect.acquireRelease(place, () => close).pipe(
    Effect.as({
      endpoint,
      receive: receive(
        inbox,
        endpoint,
        () => (isClosed ? closed : undefined),
        () => (isLost ? lost : undefined)
      ),
      send: (messages) => send(call.up, messages, endpoint, () => (isClosed ? closed : isLost ? lost : undefined))
    })
  )
}

/** `ended` comes before what is there to read, `drained` after it. */
const receive = <A>(
  inbox: Inbox<A>,
  endpoint: Endpoint.Endpoint,
  ended: () => Failure | undefined,
  drained: () => Failure | undefined
): Effect.Effect<ReadonlyArray<A>, TransportError> => {
  const ready = () => inbox.size > 0 || ended() !== undefined || drained() !== undefined
  const step: Effect.Effect<ReadonlyArray<A>, TransportError> = Effect.suspend(() => {
    const failure = ended() ?? (inbox.size > 0 ? undefined : drained())
    if (failure !== undefined) return Effect.fail(transportError("receive", endpoint, ...failure))
    // Taken only by the fiber that gets it: an interrupted wait leaves everything where it is.
    return inbox.size > 0 ? Effect.succeed(inbox.take(batchLimit)) : Effect.andThen(inbox.waiter.until(ready), step)
  })
  return step
}

const send = (
  pipe: Pipe,
  messages: ReadonlyArray<Uint8Array>,
  endpoint: Endpoint.Endpoint,
  ended: () => Failure | undefined
): Effect.Effect<void, TransportError> =>
  Effect.suspend(() => {
    let offset = 0
    const step: Effect.Effect<void, TransportError> = Effect.suspend(() => {
      const failure = ended()
      if (failure !== undefined) return Effect.fail(transportError("send", endpoint, ...failure))
      offset = pipe.write(messages, offset)
      return offset === messages.length
        ? Effect.void
        : Effect.andThen(
            pipe.writer.until(() => !pipe.full || ended() !== undefined),
            step
          )
    })
    return step
  })
