/**
 * ZAP (rfc.zeromq.org/spec/27): libzmq asks, for each handshake with a guarded listener, whether the other side may
 * enter. A context has one place to ask, so there is one handler for the process, for as long as anybody is guarded.
 * Guarded sockets enforce it: without a handler they let nobody in.
 *
 * @since 0.1.0
 */
import { isIP } from "node:net"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Z85 from "../protocol/Z85.ts"
import type { Applicant, Guard, TransportError } from "../services/Transport.ts"
import { failure, fromCause } from "./ZmqError.ts"
import { Reader } from "./ZmqReader.ts"
import * as Socket from "./ZmqSocket.ts"

const endpoint = "inproc://zeromq.zap.01"
const version = "1.0"

/** libzmq forgets an inproc name on a thread of its own, some time after the close of the handler before. */
const forgetting = Schedule.max([Schedule.spaced("5 millis"), Schedule.recurs(40)])

/** libzmq waits 5 s for a handshake. */
const patience = "3 seconds"

/** A guard, and how many connections an address has to its door. */
interface Door {
  readonly guard: Guard
  readonly connections: (address: string) => number | undefined
}

const doors = new Map<string, Door>()
let serial = 0

/** The handler that runs, while there are {@link doors}. */
let running: Scope.Closeable | undefined
const oneAtATime = Semaphore.makeUnsafe(1).withPermits(1)

/**
 * The domain under which a listener has to ask for this guard, for as long as the scope is open.
 *
 * @since 0.1.0
 * @category constructors
 */
export const register = (
  guard: Guard,
  connections: Door["connections"]
): Effect.Effect<string, TransportError, Scope.Scope> =>
  Effect.acquireRelease(
    oneAtATime(
      Effect.gen(function* () {
        running ??= yield* start
        const domain = `${guard.domain}#${++serial}`
        doors.set(domain, { guard, connections })
        return domain
      })
    ),
    (domain) =>
      oneAtATime(
        Effect.suspend(() => {
          doors.delete(domain)
          const scope = doors.size === 0 ? running : undefined
          if (scope === undefined) return Effect.void
          running = undefined
          return Scope.close(scope, Exit.void)
        })
      )
  )

const start = Effect.gen(function* () {
  const scope = yield* Scope.make()
  yield* Effect.gen(function* () {
    const socket = yield* Effect.acquireRelease(
      Effect.try({
        try: () => Socket.create(Socket.RouterSocket, { linger: 0, sendTimeout: 0, sendHighWaterMark: 0 }),
        catch: (cause) => fromCause("bind", endpoint, cause)
      }),
      (socket) => Effect.sync(() => Socket.close(socket, 0))
    )
    yield* Effect.retry(bind(socket), {
      while: ({ reason }) => reason._tag === "AddressInUse",
      schedule: forgetting
    })
    const closed = failure("receive", endpoint, "Closed", "the handler was closed")
    const reader = new Reader<ReadonlyArray<Buffer>>(socket, closed, (message, batch) => void batch.push(message))
    yield* Effect.addFinalizer(() => Effect.sync(() => reader.stop()))
    const answers = Effect.flatMap(reader.receive, (requests) =>
      Effect.forEach(requests, (request) => answer(socket, request), { concurrency: "unbounded", discard: true })
    )
    yield* Effect.forkIn(Effect.ignore(Effect.forever(answers)), scope)
  }).pipe(
    Scope.provide(scope),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )
  return scope
})

const bind = (socket: Socket.RouterSocket) =>
  Effect.try({
    try: () => socket.bindSync(endpoint),
    catch: (cause) => {
      const error = fromCause("bind", endpoint, cause)
      return error.reason._tag === "AddressInUse"
        ? failure("bind", endpoint, "AddressInUse", "another part of this process decides who may enter (ZAP)")
        : error
    }
  })

/** `[peer, "", version, request id, domain, address, routing id, mechanism, ...credentials]` */
const answer = (socket: Socket.RouterSocket, request: ReadonlyArray<Buffer>): Effect.Effect<void> => {
  const [peer, delimiter, , id, domain] = request
  if (peer === undefined || delimiter === undefined || id === undefined) return Effect.void
  const door = doors.get(String(domain))
  const applicant = door === undefined ? undefined : read(request, door)
  const decision =
    door === undefined || applicant === undefined || applicant.mechanism !== door.guard.mechanism
      ? Effect.succeed(400)
      : door.guard.admit(applicant).pipe(
          Effect.map((why) => (why === undefined ? 200 : 400)),
          Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.succeed(500) }),
          Effect.catchCause((cause) => Effect.as(Effect.logError("cannot tell who may enter", cause), 500))
        )
  return Effect.flatMap(decision, (status) =>
    Effect.ignore(
      Effect.tryPromise(() =>
        socket.send([peer, delimiter, version, id, String(status), status === 200 ? "OK" : "not admitted", "", ""])
      )
    )
  )
}

const read = (request: ReadonlyArray<Buffer>, { connections }: Door): Applicant | undefined => {
  const [, , , , , name, , mechanism, first, second] = request
  // Over ipc libzmq names user, group and process there.
  const address = isIP(String(name).replace(/%.*$/, "")) === 0 ? "" : String(name)
  const from = { address, connections: () => connections(address) }
  switch (String(mechanism)) {
    case "NULL":
      return { ...from, mechanism: "null" }
    case "PLAIN":
      return { ...from, mechanism: "plain", user: String(first), password: Redacted.make(String(second)) }
    case "CURVE":
      return first?.length === 32 ? { ...from, mechanism: "curve", key: Z85.encode(first) } : undefined
    default:
      return undefined
  }
}

/**
 * The options of a ROUTER that is guarded.
 *
 * @since 0.1.0
 * @category options
 */
export const options = (domain: string, { keys, mechanism }: Guard): Partial<Socket.RouterSocket> => ({
  zapDomain: domain,
  zapEnforceDomain: true,
  ...(mechanism === "plain" ? { plainServer: true } : {}),
  ...(mechanism === "curve" && keys !== undefined
    ? { curveServer: true, curveSecretKey: Redacted.value(keys.secretKey) }
    : {})
})
