import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import * as Digest from "../../src/protocol/Digest.ts"
import * as Message from "../../src/protocol/Message.ts"
import * as NodeStatus from "../../src/protocol/NodeStatus.ts"
import * as Session from "../../src/protocol/Session.ts"
import * as Trailer from "../../src/protocol/Trailer.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import * as arbitrary from "./arbitraries.ts"

const tuple = new Tuple("key", "value")
const version = { time: 1_750_000_000_123, counter: 7, origin: "\u0001\u00ffabcdef" }
const digest = { count: 3, fingerprint: "0123456789abcdef", since: 1_750_000_000_123 }
const cargo = Trailer.make({ tag: Trailer.tags.entries, body: "" }, Digest.section(digest))
const messages = {
  HELLO: Message.hello,
  "HELLO of ours": Message.greeting,
  "HELLO with a digest": { ...Message.hello, trailer: Trailer.make(Digest.section(digest)) },
  "PING of ours": { ...Message.ping, trailer: Trailer.make({ tag: Trailer.tags.node, body: "" }) },
  "PING with a digest": { ...Message.ping, trailer: Trailer.make(Digest.section(digest)) },
  "PING with cargo": { ...Message.ping, trailer: cargo },
  PUBLISH: Message.publish(tuple),
  "PUBLISH with a version": Message.publish(tuple, version),
  PING: Message.ping,
  "PING that asks for the status": { ...Message.ping, trailer: NodeStatus.request },
  PONG: Message.pong,
  INVALID: Message.invalid,
  malformed: Message.decode([])
}
const actions = {
  "-": [],
  Dump: [{ _tag: "Dump", ours: false, digest: undefined }],
  "Dump of ours": [{ _tag: "Dump", ours: true, digest: undefined }],
  "Dump what differs": [{ _tag: "Dump", ours: true, digest }],
  Take: [{ _tag: "Take", cargo }],
  Tell: [{ _tag: "Tell" }],
  Accept: [{ _tag: "Accept", tuple }],
  "Accept the version": [{ _tag: "Accept", tuple, version }],
  PONG: [{ _tag: "Send", message: Message.pong }],
  Report: [{ _tag: "Report", now: 1500 }],
  INVALID: [{ _tag: "Send", message: Message.invalid }],
  "INVALID and PONG": [
    { _tag: "Send", message: Message.invalid },
    { _tag: "Send", message: Message.pong }
  ]
} as const satisfies Record<string, ReadonlyArray<Session.Action>>

const heardAt = 1000
const states = {
  Start: Session.start,
  Connected: { _tag: "Connected", heardAt, refused: 0 },
  "Connected, refused": { _tag: "Connected", heardAt, refused: 2 }
} as const satisfies Record<string, Session.State>
const accepted: Session.Input = { _tag: "Accepted" }
const received = (name: keyof typeof messages, now: number): Session.Input => ({
  _tag: "Received",
  message: messages[name],
  now
})

type Row = readonly [
  state: keyof typeof states,
  input: keyof typeof messages | "new tuple" | `tick, timeout ${string}`,
  does: keyof typeof actions,
  next: "Start" | "Connected",
  refused: number
]

describe("every state and every message", () => {
  it.each<Row>([
    ["Start", "HELLO", "Dump", "Connected", 0],
    ["Start", "HELLO of ours", "Dump of ours", "Connected", 0],
    ["Start", "HELLO with a digest", "Dump what differs", "Connected", 0],
    ["Start", "PING of ours", "INVALID and PONG", "Start", 0],
    ["Start", "PING with a digest", "INVALID and PONG", "Start", 0],
    ["Start", "PING with cargo", "INVALID", "Start", 0],
    ["Connected", "HELLO of ours", "Dump of ours", "Connected", 0],
    ["Connected", "HELLO with a digest", "Dump what differs", "Connected", 0],
    ["Connected", "PING of ours", "PONG", "Connected", 0],
    ["Connected", "PING with a digest", "PONG", "Connected", 0],
    ["Connected", "PING with cargo", "Take", "Connected", 0],
    ["Connected, refused", "HELLO of ours", "Dump of ours", "Connected", 2],
    ["Connected, refused", "PING with cargo", "Take", "Connected", 2],
    ["Start", "PING", "PONG", "Start", 0],
    ["Start", "PING that asks for the status", "Report", "Start", 0],
    ["Start", "PUBLISH", "INVALID", "Start", 1],
    ["Start", "PONG", "INVALID", "Start", 0],
    ["Start", "INVALID", "INVALID", "Start", 0],
    ["Start", "malformed", "INVALID", "Start", 0],
    ["Start", "new tuple", "-", "Start", 0],
    ["Connected", "PUBLISH", "Accept", "Connected", 0],
    ["Connected", "PUBLISH with a version", "Accept the version", "Connected", 0],
    ["Connected", "PING", "PONG", "Connected", 0],
    ["Connected", "PING that asks for the status", "Report", "Connected", 0],
    ["Connected", "HELLO", "INVALID", "Start", 0],
    ["Connected", "PONG", "INVALID", "Start", 0],
    ["Connected", "INVALID", "INVALID", "Start", 0],
    ["Connected", "malformed", "INVALID", "Start", 0],
    ["Connected", "new tuple", "Tell", "Connected", 0],
    ["Connected, refused", "HELLO", "Dump", "Connected", 1],
    ["Connected, refused", "PUBLISH", "Accept", "Connected", 2],
    ["Connected, refused", "PING", "PONG", "Connected", 0],
    ["Connected, refused", "malformed", "INVALID", "Start", 2]
  ])("%s, %s: %s, then %s", (state, input, does, next, refused) => {
    const now = 1500
    const step = Session.step(
      states[state],
      input === "new tuple" ? accepted : received(input as keyof typeof messages, now)
    )
    assert.deepStrictEqual(step.actions, actions[does])
    // Every message counts as activity, a tuple of somebody else does not.
    const heard = input === "new tuple" ? heardAt : now
    assert.deepStrictEqual(
      step.state,
      next === "Start" ? { _tag: "Start", refused } : { _tag: "Connected", heardAt: heard, refused }
    )
  })
})

describe("server/timeout", () => {
  it.each<readonly [state: keyof typeof states, timeout: number | undefined, deadline: number | undefined]>([
    ["Start", undefined, undefined],
    ["Start", 0, undefined],
    ["Start", 100, undefined],
    ["Connected", undefined, undefined],
    ["Connected", 0, undefined],
    ["Connected", 1, 1001],
    ["Connected", 100, 1100]
  ])("%s, timeout %s: ends at %s and not before", (name, timeout, deadline) => {
    const state = states[name]
    assert.strictEqual(Session.deadline(state, timeout), deadline)
    for (const now of [0, heardAt, 1001, 1099, 1100, 1e9]) {
      const step = Session.step(state, { _tag: "Tick", now, timeout })
      assert.deepStrictEqual(step.actions, [])
      assert.deepStrictEqual(step.state, deadline !== undefined && now >= deadline ? Session.start : state)
    }
  })

  it("that changes counts at once, from the last message", () => {
    assert.strictEqual(Session.deadline(states.Connected, 60_000), 61_000)
    assert.strictEqual(Session.deadline(states.Connected, 100), 1100)
    const { state } = Session.step(states.Connected, received("PING", 1090))
    assert.strictEqual(Session.deadline(state, 100), 1190)
  })
})

/** Anything at all, the time going on by 0 to 60 ms each. */
const inputs = Arbitrary.array(
  Arbitrary.all([
    arbitrary.oneOf(
      "HELLO",
      "PUBLISH",
      "PING",
      "PONG",
      "INVALID",
      "malformed",
      "HELLO",
      "PUBLISH",
      "new tuple",
      "tick"
    ),
    arbitrary.integer(0, 60)
  ]),
  { maxLength: 60 }
)
const timeouts = arbitrary.oneOf("unset", "0", "50")

const freeze = (state: Session.State): Session.State => Object.freeze(state)

it.prop(
  "a member is who said HELLO after the last INVALID or expiry, and none too many; PINGs are always answered",
  [inputs, timeouts],
  ([inputs, timeouts]) => {
    const timeout = timeouts === "unset" ? undefined : Number(timeouts)
    let state = freeze(Session.start)
    let now = 0
    let member = false
    let refused = 0
    let heard = 0
    for (const [name, elapsed] of inputs) {
      now += elapsed
      const input: Session.Input =
        name === "tick" ? { _tag: "Tick", now, timeout } : name === "new tuple" ? accepted : received(name, now)
      const step = Session.step(state, input)
      const did = step.actions.map((action) => (action._tag === "Send" ? action.message._tag : action._tag)).join()
      state = freeze(step.state)
      switch (name) {
        case "tick":
          if (timeout !== undefined && timeout > 0 && now - heard >= timeout) member = false
          assert.strictEqual(did, "")
          break
        case "new tuple":
          assert.strictEqual(did, member ? "Tell" : "")
          break
        case "PING":
          refused = 0
          assert.strictEqual(did, "Pong")
          break
        case "HELLO":
          // One that answers the INVALID to a tuple does no harm.
          assert.strictEqual(did, member && refused === 0 ? "Invalid" : "Dump")
          if (!member) member = true
          else if (refused > 0) refused -= 1
          else member = false
          break
        case "PUBLISH":
          assert.strictEqual(did, member ? "Accept" : "Invalid")
          break
        default:
          assert.strictEqual(did, "Invalid")
          member = false
      }
      if (name === "PUBLISH" && did === "Invalid") refused += 1
      if (name !== "tick" && name !== "new tuple") heard = now
      assert.strictEqual(state._tag, member ? "Connected" : "Start")
    }
  },
  { arbitrary: { runs: 300 } }
)
