/** What every transport does at a guarded door; part of the suite. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Redacted, Scope } from "effect"
import { curveKeyPair } from "zeromq"
import type * as Endpoint from "../../src/protocol/Endpoint.ts"
import type { Applicant, Connection, Credentials, Guard, Listener, Transport } from "../../src/services/Transport.ts"
import type { TransportError } from "../../src/services/Transport.ts"

interface Transports {
  readonly server: Transport["Service"]
  readonly client: Transport["Service"]
}

interface Place {
  readonly scheme: "tcp" | "ipc"
  readonly fresh: () => Endpoint.Endpoint
}

const keys = () => {
  const { publicKey, secretKey } = curveKeyPair()
  return { publicKey, secretKey: Redacted.make(secretKey) }
}

const [ours, theirs, strangers] = [keys(), keys(), keys()]

const curve = (own: typeof theirs, serverKey = ours.publicKey): Credentials => ({
  mechanism: "curve",
  keys: own,
  serverKey
})
const plain = (user: string, password: string): Credentials => ({
  mechanism: "plain",
  user,
  password: Redacted.make(password)
})

/** A guard that lets in whom `who` knows, and notes who asked. */
const guard = (mechanism: Guard["mechanism"], who: (applicant: Applicant) => boolean) => {
  const asked: Array<Applicant> = []
  const given: Guard = {
    mechanism,
    keys: mechanism === "curve" ? ours : undefined,
    domain: "test",
    admit: (applicant) =>
      Effect.sync(() => {
        asked.push(applicant)
        return who(applicant) ? undefined : "a stranger"
      }),
    revoked: Effect.never
  }
  return { asked, guard: given }
}

const octets = (text: string): Uint8Array => new TextEncoder().encode(text)

/** What is said on a connection arrives, and an answer comes back. */
const talks = (listener: Listener, connection: Connection) =>
  Effect.gen(function* () {
    yield* connection.send([octets("hello")])
    const [event] = yield* listener.receive
    if (event?._tag !== "Received") return assert.fail("nothing was received")
    assert.strictEqual(Buffer.from(event.frames[0] ?? []).toString(), "hello")
    yield* listener.send(event.peer, [octets("welcome")])
    const [answer] = yield* connection.receive
    assert.strictEqual(Buffer.from(answer?.[0] ?? []).toString(), "welcome")
  })

const refusal = (attempt: Effect.Effect<Connection, TransportError, Scope.Scope>) => Effect.flip(Effect.scoped(attempt))

export const guardSuite = (make: Effect.Effect<Transports, never, Scope.Scope>, places: ReadonlyArray<Place>): void => {
  describe.each(places)("a guarded door over $scheme", ({ fresh }) => {
    const test = (title: string, body: (transports: Transports) => Effect.Effect<void, unknown, Scope.Scope>) =>
      it.live(title, () => Effect.flatMap(make, body))

    test("by CURVE a key that is known enters; any other, none, or a password does not", ({ client, server }) =>
      Effect.gen(function* () {
        const { asked, guard: door } = guard("curve", (it) => it.mechanism === "curve" && it.key === theirs.publicKey)
        const listener = yield* server.bind(fresh(), { guard: door })
        const enter = (credentials?: Credentials) => client.connect(listener.endpoint, { credentials })
        yield* talks(listener, yield* enter(curve(theirs)))
        assert.strictEqual((yield* refusal(enter(curve(strangers)))).reason._tag, "NotAdmitted")
        assert.deepStrictEqual(
          asked.map((applicant) => (applicant.mechanism === "curve" ? applicant.key : applicant.mechanism)),
          [theirs.publicKey, strangers.publicKey]
        )
        // The guard is not even asked: nothing was proven.
        for (const credentials of [undefined, plain("user", "word"), curve(theirs, strangers.publicKey)]) {
          assert.strictEqual((yield* refusal(enter(credentials))).reason._tag, "NotAdmitted")
        }
        assert.lengthOf(asked, 2)
      }))

    test("a frame as long as may be is read in spite of what CURVE puts around it, a longer one is not", (transports) =>
      Effect.gen(function* () {
        const most = { frameOctets: 1024 }
        const { guard: door } = guard("curve", () => true)
        const listener = yield* transports.server.bind(fresh(), { guard: door, ...most })
        const connection = yield* transports.client.connect(listener.endpoint, { credentials: curve(theirs), ...most })
        yield* connection.send([new Uint8Array(1024)])
        const [event] = yield* listener.receive
        if (event?._tag !== "Received") return assert.fail("nothing was received")
        assert.strictEqual(event.frames[0]?.length, 1024)
        yield* listener.send(event.peer, [new Uint8Array(1024)])
        assert.strictEqual((yield* connection.receive)[0]?.[0]?.length, 1024)
        yield* connection.send([new Uint8Array(1025)])
        assert.strictEqual((yield* listener.receive)[0]?._tag, "Gone")
      }))

    test("by PLAIN a password that is known enters; no other", ({ client, server }) =>
      Effect.gen(function* () {
        const { asked, guard: door } = guard(
          "plain",
          (it) => it.mechanism === "plain" && it.user === "ann" && Redacted.value(it.password) === "right"
        )
        const listener = yield* server.bind(fresh(), { guard: door })
        const enter = (credentials?: Credentials) => client.connect(listener.endpoint, { credentials })
        yield* talks(listener, yield* enter(plain("ann", "right")))
        assert.strictEqual((yield* refusal(enter(plain("ann", "wrong")))).reason._tag, "NotAdmitted")
        assert.strictEqual((yield* refusal(enter(plain("bob", "right")))).reason._tag, "NotAdmitted")
        for (const credentials of [undefined, curve(theirs)]) {
          assert.strictEqual((yield* refusal(enter(credentials))).reason._tag, "NotAdmitted")
        }
        assert.lengthOf(asked, 3)
        assert.notInclude(JSON.stringify(asked), "right")
      }))

    test("without keys by the address", ({ client, server }) =>
      Effect.gen(function* () {
        let open = false
        const { asked, guard: door } = guard("null", () => open)
        const listener = yield* server.bind(fresh(), { guard: door })
        const error = yield* refusal(client.connect(listener.endpoint))
        assert.strictEqual(error.reason._tag, "NotAdmitted")
        assert.notInclude(error.message, "a stranger", "why is for the log of the server")
        open = true
        yield* talks(listener, yield* client.connect(listener.endpoint))
        assert.lengthOf(asked, 2)
        assert.isString(asked[0]?.address)
      }))

    test("who shows a key to an open door is not let in in the clear", ({ client, server }) =>
      Effect.gen(function* () {
        const listener = yield* server.bind(fresh())
        const error = yield* refusal(client.connect(listener.endpoint, { credentials: curve(theirs) }))
        assert.strictEqual(error.reason._tag, "NotAdmitted")
      }))

    test("two doors ask each its own guard, and the one stays when the other closes", ({ client, server }) =>
      Effect.gen(function* () {
        const [one, two] = [guard("curve", () => true), guard("curve", () => false)]
        const scope = yield* Scope.fork(yield* Effect.scope)
        const first = yield* Scope.provide(server.bind(fresh(), { guard: one.guard }), scope)
        const second = yield* server.bind(fresh(), { guard: two.guard })
        yield* Effect.scoped(client.connect(first.endpoint, { credentials: curve(theirs) }))
        yield* refusal(client.connect(second.endpoint, { credentials: curve(theirs) }))
        yield* Scope.close(scope, Exit.void)
        yield* refusal(client.connect(second.endpoint, { credentials: curve(theirs) }))
        assert.deepStrictEqual([one.asked.length, two.asked.length], [1, 2])
        // And again, where it was the last one.
        for (let n = 0; n < 5; n++) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const listener = yield* server.bind(fresh(), { guard: one.guard })
              yield* talks(listener, yield* client.connect(listener.endpoint, { credentials: curve(theirs) }))
            })
          )
        }
      }))

    test("when somebody may not stay the listener says so, and nobody is heard any more", ({ client, server }) =>
      Effect.gen(function* () {
        const revoked = yield* Deferred.make<string>()
        const { guard: door } = guard("curve", () => true)
        const listener = yield* server.bind(fresh(), { guard: { ...door, revoked: Deferred.await(revoked) } })
        const connection = yield* client.connect(listener.endpoint, { credentials: curve(theirs) })
        yield* talks(listener, connection)
        const reading = yield* Effect.forkScoped(Effect.flip(listener.receive), { startImmediately: true })
        yield* Deferred.succeed(revoked, "her key was lost")
        const error = yield* Fiber.join(reading)
        assert.deepStrictEqual([error.reason._tag, error.reason.detail], ["NotAdmitted", "her key was lost"])
        assert.strictEqual((yield* Effect.flip(listener.receive)).reason._tag, "NotAdmitted")
      }))
  })
}
