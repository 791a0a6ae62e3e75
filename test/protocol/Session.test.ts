import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import * as Message from "../../src/protocol/Message.ts"
import * as NodeStatus from "../../src/protocol/NodeStatus.ts"
import * as Session from "../../src/protocol/Session.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import * as arbitrary from "./arbitraries.ts"

const tuple = new Tuple("key", "value")
const messages = {
  HELLO: Message.hello,
  PUBLISH: Message.publish(tuple),
  PING: Message.ping,
  "PING that asks for the status": { ...Message.ping, trailer: NodeStatus.request },
  PONG: Message.pong,
  INVALID: Message.invalid,
  malformed: Message.decode([])
}
const actions = {
  "-": [],
  Dump: [{ _tag: "Dump" }],
  Tell: [{ _tag: "Tell" }],
  Accept: [{ _tag: "Accept", tuple }],
  PONG: [{ _tag: "Send", message: Message.pong }],
  Report: [{ _tag: "Report", now: 1500 }],
  INVALID: [{ _tag: "Send", message: Message.invalid }]
} as const satisfies Record<string, ReadonlyArray<Session.Action>>

const heardAt = 1000
const states = { Start: Session.start, Connected: { _tag: "Connected", heardAt } } as const
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
  next: keyof typeof states
]

describe("every state and every message", () => {
  it.each<Row>([
    ["Start", "HELLO", "Dump", "Connected"],
    ["Start", "PING", "PONG", "Start"],
    ["Start", "PING that asks for the status", "Report", "Start"],
    ["Start", "PUBLISH", "INVALID", "Start"],
    ["Start", "PONG", "INVALID", "Start"],
    ["Start", "INVALID", "INVALID", "Start"],
    ["Start", "malformed", "INVALID", "Start"],
    ["Start", "new tuple", "-", "Start"],
    ["Connected", "PUBLISH", "Accept", "Connected"],
    ["Connected", "PING", "PONG", "Connected"],
    ["Connected", "PING that asks for the status", "Report", "Connected"],
    ["Connected", "HELLO", "INVALID", "Start"],
    ["Connected", "PONG", "INVALID", "Start"],
    ["Connected", "INVALID", "INVALID", "Start"],
    ["Connected", "malformed", "INVALID", "Start"],
    ["Connected", "new tuple", "Tell", "Connected"]
  ])("%s, %s: %s, then %s", (state, input, does, next) => {
    const now = 1500
    const step = Session.step(
      states[state],
      input === "new tuple" ? accepted : received(input as keyof typeof messages, now)
    )
    assert.deepStrictEqual(step.actions, actions[does])
    // Every message counts as activity, a tuple of somebody else does not.
    const heard = input === "new tuple" ? heardAt : now
    assert.deepStrictEqual(step.state, next === "Start" ? Session.start : { _tag: "Connected", heardAt: heard })
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
  "a member is who said HELLO after the last INVALID or expiry; PINGs are always answered",
  [inputs, timeouts],
  ([inputs, timeouts]) => {
    const timeout = timeouts === "unset" ? undefined : Number(timeouts)
    let state = freeze(Session.start)
    let now = 0
    let member = false
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
          assert.strictEqual(did, "Pong")
          break
        case "HELLO":
          assert.strictEqual(did, member ? "Invalid" : "Dump")
          member = !member
          break
        case "PUBLISH":
          assert.strictEqual(did, member ? "Accept" : "Invalid")
          break
        default:
          assert.strictEqual(did, "Invalid")
          member = false
      }
      if (name !== "tick" && name !== "new tuple") heard = now
      assert.strictEqual(state._tag, member ? "Connected" : "Start")
    }
  },
  { arbitrary: { runs: 300 } }
)
