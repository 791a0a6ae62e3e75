/**
 * A guest on a network: one connection to one node, for as long as one question takes. It says what any client says,
 * HELLO, PUBLISH and PING, so it works with every node of every make. Behind HELLO it says that it understands what
 * nodes of ours say to each other, but not what it holds: so it is given everything, and a fence behind what is long.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as EnvironmentNotices from "../layers/EnvironmentNotices.ts"
import * as Guards from "../layers/Guards.ts"
import * as ZmqTransport from "../layers/ZmqTransport.ts"
import * as Endpoint from "../protocol/Endpoint.ts"
import * as Message from "../protocol/Message.ts"
import * as NodeStatus from "../protocol/NodeStatus.ts"
import { defaults, variable } from "../protocol/Settings.ts"
import * as Refusals from "../protocol/Refusals.ts"
import * as Trailer from "../protocol/Trailer.ts"
import type { Change } from "../protocol/TupleMap.ts"
import type { Connection, Credentials, TransportError } from "../services/Transport.ts"
import { Transport } from "../services/Transport.ts"
import { Failure, usage } from "./Failure.ts"
import type { Globals } from "./Root.ts"
import { changesIn, isGone, type Keep, Selection, type Tuples } from "./Selection.ts"

/**
 * One question at a time; one that was interrupted is the last.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client {
  /** The node that answered. */
  readonly endpoint: string
  /** HELLO, PING, until PONG: all tuples of the node, or what `keep` keeps of them, in the order in which it tells them. */
  readonly select: (keep: Keep) => Effect.Effect<Tuples, Trouble>
  /**
   * HELLO, PUBLISH, PING, until PONG: the node has taken them all, or says why not, if it is of this make. Each ends
   * after what remains of its lifetime, if it has one. That is said even where it is 0: so a node knows that this is
   * meant now.
   */
  readonly publish: (tuples: ReadonlyArray<Message.Said>) => Effect.Effect<void, Failure>
  /** PING, until PONG. */
  readonly ping: Effect.Effect<void, Trouble>
  /** PING, until PONG: what the node tells of itself; CZMQ and older nodes tell nothing. */
  readonly status: Effect.Effect<NodeStatus.NodeStatus | undefined, Trouble>
  /** How many tuples it has told until now. */
  readonly told: () => number
  /** How many were sent to it: what it does not read waits on our side after some thousands. */
  readonly sent: () => number
}

/** How many octets a command holds at most: a stranger could go on telling for ever. */
const mostOctets = 2 ** 29

/** How many tuples become frames before those are sent. */
const tuplesAtOnce = 1000

/**
 * How it went wrong with a node. `detail` is what `message` says without the endpoint and without advice.
 *
 * @since 0.1.0
 * @category errors
 */
export class Trouble extends Failure {
  readonly detail: string

  constructor(kind: "unreachable" | "protocol", detail: string, message: string) {
    super({ kind, message })
    this.detail = detail
  }
}

/**
 * Asks the first of the endpoints that answers, within the time, and leaves.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ask = <A, E, R>(
  { endpoints, security, timeout }: Pick<Globals, "endpoints" | "security" | "timeout">,
  question: (client: Client) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | Failure, Exclude<Exclude<R, Scope.Scope>, Transport>> =>
  Effect.suspend(() => {
    let reached: Client | undefined
    return Effect.flatMap(credentials(security), (credentials) => connect(endpoints, credentials)).pipe(
      Effect.tap((client) => Effect.sync(() => (reached = client))),
      Effect.flatMap(question),
      within(timeout, endpoints, () => reached),
      Effect.scoped,
      Effect.provide(ZmqTransport.layer)
    )
  })

/**
 * Gives up after so many milliseconds, or so many in which nothing more was sent.
 *
 * @since 0.1.0
 * @category combinators
 */
export const within =
  (timeout: number, endpoints: ReadonlyArray<string>, reached: () => Client | undefined = () => undefined) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | Trouble, R> => {
    const sent = () => reached()?.sent() ?? 0
    const patience = Effect.gen(function* () {
      for (let before = -1; before !== sent();) {
        before = sent()
        yield* Effect.sleep(timeout)
      }
      return yield* late(timeout, endpoints, reached())
    })
    return Effect.raceFirst(self, patience)
  }

const late = (timeout: number, endpoints: ReadonlyArray<string>, client: Client | undefined): Trouble => {
  const time = timeout < 1000 ? `${timeout} ms` : `${timeout / 1000} s`
  const advice = "--timeout waits longer"
  if (client !== undefined && client.told() > 0) {
    const detail = `told ${client.told()} tuples and came to no end within ${time}`
    return new Trouble("unreachable", detail, `${client.endpoint} ${detail}; ${advice}`)
  }
  const which = client?.endpoint ?? endpoints.join(", ")
  const detail = `no answer within ${time}`
  return new Trouble("unreachable", detail, `no answer from ${which} within ${time}: is it a zgossip node? ${advice}`)
}

/**
 * Connects to the first of these endpoints that answers; all are tried at once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const connect = (
  endpoints: readonly [string, ...ReadonlyArray<string>],
  credentials?: Credentials
): Effect.Effect<Client, Failure, Transport | Scope.Scope> =>
  Effect.gen(function* () {
    const parsed = yield* Effect.forEach(endpoints, parse)
    if (parsed.length === 1) return yield* reach(parsed[0], credentials)
    const troubles: Array<Trouble> = []
    // One that takes the connection and is silent then must not stand in the way of the others. Those that lose the
    // race are closed, at the latest with the scope.
    const attempts = parsed.map((endpoint) =>
      Effect.tap(reach(endpoint, credentials), ({ ping }) => ping).pipe(
        Effect.tapError((trouble) => Effect.sync(() => troubles.push(trouble)))
      )
    )
    return yield* Effect.mapError(Effect.raceAll(attempts), () => noneOf(endpoints, troubles))
  })

/**
 * What to show to a node: what the flags say, else the environment. Files are read here.
 *
 * @since 0.1.0
 * @category getters
 */
export const credentials = Effect.fnUntraced(function* (flags: Globals["security"]) {
  const [fault] = yield* EnvironmentNotices.faults
  if (fault !== undefined) return yield* usage(fault)
  const security = yield* securityOf(flags)
  if (security.certificate !== undefined && security.serverKey === undefined && security.user === undefined) {
    return yield* usage("--certificate says who we are; whom to expect is missing: give --server-key too")
  }
  return yield* Effect.mapError(Guards.credentialsOf(security), ({ detail, path }) => usage(`${path}: ${detail}`))
})

/**
 * The flags, else the environment.
 *
 * @since 0.1.0
 * @category getters
 */
export const securityOf = (flags: Globals["security"]): Effect.Effect<Globals["security"], Failure> =>
  Effect.all({
    certificate: orVariable(flags.certificate, "zgossip/security/certificate"),
    serverKey: orVariable(flags.serverKey, "zgossip/security/server-key"),
    user: orVariable(flags.user, "zgossip/security/user")
  })

const orVariable = <A>(flag: A | undefined, path: string): Effect.Effect<A | string | undefined, Failure> =>
  flag === undefined
    ? Config.option(Config.String(variable(path))).pipe(
        Effect.map(Option.getOrUndefined),
        Effect.mapError(({ message }) => usage(message))
      )
    : Effect.succeed(flag)

const parse = (text: string): Effect.Effect<Endpoint.Endpoint, Failure> => {
  const endpoint = Endpoint.parseConnect(text)
  if (Result.isSuccess(endpoint) && endpoint.success._tag === "Inproc") {
    return Effect.fail(
      usage(`--endpoint ${Endpoint.brief(text)} is inside of another process: name one with tcp:// or ipc://`)
    )
  }
  return Result.isSuccess(endpoint)
    ? Effect.succeed(endpoint.success)
    : Effect.fail(usage(`--endpoint ${endpoint.failure.message}`))
}

const advice = "start a node with zgossip serve, or name another with --endpoint"

const keyAdvice = "see --server-key, --certificate and --user"

const reach = (
  endpoint: Endpoint.Endpoint,
  credentials: Credentials | undefined
): Effect.Effect<Client, Trouble, Transport | Scope.Scope> =>
  Transport.use(({ connect }) => connect(endpoint, { credentials })).pipe(
    Effect.map(make),
    Effect.mapError(({ endpoint, reason: { _tag, detail } }) =>
      _tag === "Protocol"
        ? noNode(endpoint, detail)
        : _tag === "NotAdmitted"
          ? new Trouble("unreachable", detail, `not admitted by ${endpoint}: ${detail}; ${keyAdvice}`)
          : new Trouble("unreachable", detail, `cannot reach ${endpoint}: ${detail}; ${advice}`)
    )
  )

/** Why tuples were not taken, and what to do. */
const why: Readonly<Record<Refusals.Reason, string>> = {
  rule: "its clients may not set such keys, ask its operator for an endpoint where they may",
  value: "the value is longer than it takes, see limits/value-octets there",
  frame: "the tuple is longer than it takes, see limits/frame-octets there",
  tuples: "it holds as many as it may, see limits/tuples there",
  octets: "it holds as many octets as it may, see limits/octets there"
}

const noNode = (endpoint: string, detail: string): Trouble =>
  new Trouble("protocol", `not a zgossip node: ${detail}`, `${endpoint} is not a zgossip node: ${detail}`)

/** Where one of them could not be reached, trying again may help; where none of them is a node, it does not. */
const noneOf = (endpoints: ReadonlyArray<string>, troubles: ReadonlyArray<Trouble>): Trouble => {
  const kind = troubles.every((trouble) => trouble.kind === "protocol") ? "protocol" : "unreachable"
  const detail = [...new Set(troubles.map((trouble) => trouble.detail))].join(", or ")
  return new Trouble(kind, detail, `cannot reach any of ${endpoints.join(", ")}: ${detail}; ${advice}`)
}

/** What comes before the PONG that is waited for, and what it tells of tuples. */
type Hear = (message: Message.Message, changes: ReadonlyArray<Change>) => Trouble | undefined

/** Says back what a fence says. */
const answerTo = ({ trailer }: Message.Trailable): Message.Trailable | undefined => {
  const body = Trailer.find(trailer, Trailer.tags.fence)
  return body === undefined ? undefined : { ...Message.ping, trailer: Trailer.make({ tag: Trailer.tags.fenced, body }) }
}

/** As set now: its whole life is what remains of it. */
const afresh = ({ lifetime = 0, remaining = lifetime, tuple }: Message.Said): Message.Publish =>
  Message.publish(tuple, undefined, { lifetime: remaining, remaining })

const make = (connection: Connection): Client => {
  const endpoint = Endpoint.format(connection.endpoint)
  let told = 0
  let sent = 0

  const lost = ({ reason: { detail } }: TransportError) =>
    new Trouble("unreachable", detail, `lost ${endpoint}: ${detail}; try again`)

  const sender = Semaphore.makeUnsafe(1)

  /** The reader learns of a loss too, behind what the node had to say before. */
  const say = (messages: ReadonlyArray<Message.Message>, orLost: Effect.Effect<void> = Effect.never) =>
    Effect.catchIf(
      Semaphore.withPermit(sender, connection.send(messages.map(Message.encode))),
      (error) => error.reason._tag === "Lost",
      () => orLost
    )

  const untilPong = Effect.fnUntraced(function* (hear: Hear) {
    for (;;) {
      let fence: Message.Trailable | undefined
      for (const frames of yield* connection.receive) {
        const message = Message.decode(frames)
        const changes = message._tag === "Malformed" ? undefined : changesIn(message)
        if (message._tag === "Malformed" || changes === undefined) {
          const reason = message._tag === "Malformed" ? message.reason : "Entries"
          return yield* noNode(endpoint, `it sent what is no message of the protocol (${reason})`)
        }
        if (message._tag === "Pong" && !Trailer.carries(message.trailer)) return message
        for (const change of changes) if (!isGone(change)) told++
        const trouble = hear(message, changes)
        if (trouble !== undefined) return yield* trouble
        if (message._tag === "Pong") fence = answerTo(message) ?? fence
      }
      if (fence !== undefined) yield* say([fence], Effect.void)
    }
  })

  /** Says this and a PING, and listens at the same time: a node may have a lot to say before it reads on. */
  const converse = (
    speech: Effect.Effect<void, TransportError>,
    hear: Hear,
    ping = Message.ping
  ): Effect.Effect<Message.Trailable, Trouble> =>
    Effect.all([untilPong(hear), Effect.andThen(speech, say([ping]))], { concurrency: "unbounded" }).pipe(
      Effect.map(([pong]) => pong),
      Effect.catchTag("TransportError", (error) => Effect.fail(lost(error)))
    )

  const hearNothing = () => undefined

  const refused = (what: string): Trouble =>
    new Trouble("protocol", `INVALID in answer to ${what}`, `${endpoint} refused ${what}: it answered INVALID`)

  const select = (keep: Keep): Effect.Effect<Tuples, Trouble> =>
    Effect.suspend(() => {
      const selection = new Selection(keep)
      return Clock.clockWith((clock) => {
        const hear: Hear = ({ _tag }, changes) => {
          if (_tag === "Invalid") return refused("HELLO")
          for (const change of changes) selection.hear(change, clock.currentTimeMillisUnsafe())
          return selection.octets > mostOctets ? tooMuch(selection.size) : undefined
        }
        return Effect.map(converse(say([Message.greeting]), hear), () =>
          selection.tuples(clock.currentTimeMillisUnsafe())
        )
      })
    })

  const notTaken = (count: number, of: number, refusals: Refusals.Refusals): Failure => {
    const whys = Object.keys(refusals).map((reason) => why[reason as Refusals.Reason])
    return usage(`${endpoint} did not take ${count} of ${of} tuple${of === 1 ? "" : "s"}: ${whys.join(", ")}`)
  }

  /** A node ends the connection at a frame that is too long for it, and has no word for that. */
  const tooLong = (tuples: ReadonlyArray<Message.Said>, trouble: Trouble): Trouble => {
    const longest = tuples.reduce((most, { tuple }) => Math.max(most, Message.publishLength(tuple)), 0)
    const advice = `a tuple makes a frame of ${longest} octets, see limits/frame-octets there`
    return longest <= defaults.frameOctets
      ? trouble
      : new Trouble("unreachable", trouble.detail, `lost ${endpoint}: ${trouble.detail}; ${advice}`)
  }

  const tooMuch = (size: number): Trouble => {
    const detail = `told ${size} tuples, more than ${mostOctets / 2 ** 20} MiB, and came to no end`
    return new Trouble("protocol", detail, `${endpoint} ${detail}`)
  }

  return {
    endpoint,
    select,
    publish: (tuples) => {
      const speech = Effect.gen(function* () {
        yield* say([Message.greeting])
        for (let at = 0; at < tuples.length; at += tuplesAtOnce) {
          const chunk = tuples.slice(at, at + tuplesAtOnce)
          yield* say(chunk.map(afresh))
          sent += chunk.length
        }
      })
      const hear: Hear = ({ _tag }) => (_tag === "Invalid" ? refused("the tuples") : undefined)
      // A node that does not know the question takes what it can, and says nothing of the rest.
      const answer = Effect.mapError(
        converse(speech, hear, { ...Message.ping, trailer: Refusals.request }),
        (trouble) => (trouble.kind === "unreachable" ? tooLong(tuples, trouble) : trouble)
      )
      return Effect.flatMap(answer, ({ trailer }) => {
        const refusals = Refusals.decode(trailer) ?? {}
        const count = Refusals.total(refusals)
        return count === 0 ? Effect.void : Effect.fail(notTaken(count, tuples.length, refusals))
      })
    },
    // Not a member, a guest may be told INVALID by CZMQ when a tuple comes by.
    ping: Effect.asVoid(converse(Effect.void, hearNothing)),
    status: converse(Effect.void, hearNothing, { ...Message.ping, trailer: NodeStatus.request }).pipe(
      Effect.map(({ trailer }) => NodeStatus.decode(trailer))
    ),
    told: () => told,
    sent: () => sent
  }
}
