import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Message from "../../src/protocol/Message.ts"
import * as Refusals from "../../src/protocol/Refusals.ts"
import * as Session from "../../src/protocol/Session.ts"
import * as Trailer from "../../src/protocol/Trailer.ts"

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString("hex")

describe("Refusals", () => {
  it("golden frames", () => {
    assert.strictEqual(
      hex(Message.encode({ ...Message.ping, trailer: Refusals.request })).slice(0, 36),
      "aaa00301" + "855a4758" + "01" + "00000012" + "03" + "00000000"
    )
    const frame = Message.encode({ ...Message.pong, trailer: Refusals.encode({ rule: 2 }) })
    assert.include(Buffer.from(frame).toString("latin1"), '{"rule":2}')
    const message = Message.decode([frame])
    assert.deepStrictEqual(message._tag === "Pong" ? Refusals.decode(message.trailer) : undefined, { rule: 2 })
  })

  it("of somebody who says something else count for nothing", () => {
    const said = (body: string) => Refusals.decode(Trailer.make({ tag: Trailer.tags.refusals, body }))
    assert.isUndefined(Refusals.decode(undefined))
    for (const body of ["", "[", "null", "7", '"rule"']) assert.isUndefined(said(body), body)
    assert.deepStrictEqual(said('{"rule":-1,"value":1.5,"tuples":"3","octets":4,"more":5,"__proto__":{"rule":1}}'), {
      octets: 4
    })
    assert.strictEqual(Refusals.total({ rule: 1, octets: 4 }), 5)
  })

  it.prop("decoding is total", { body: Schema.String }, ({ body }) => {
    Refusals.decode(Trailer.make({ tag: Trailer.tags.refusals, body: Buffer.from(body).toString("latin1") }))
  })

  it("are told to who asks, in a session or before it", () => {
    for (const state of [Session.start, { _tag: "Connected", heardAt: 1, refused: 0 }] as const) {
      const message = { ...Message.ping, trailer: Refusals.request }
      const { actions } = Session.step(state, { _tag: "Received", message, now: 1 })
      assert.deepStrictEqual(actions, [{ _tag: "Confess" }])
    }
  })
})
