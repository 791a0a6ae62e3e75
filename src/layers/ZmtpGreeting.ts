/**
 * What a server says first: which mechanism of security it wants. libzmq reads that too, but closes the connection on a
 * server that wants another one before it has told, now and then.
 *
 * @since 0.1.0
 */
import { connect } from "node:net"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** Where it stands in a greeting (rfc.zeromq.org/spec/37), behind signature and version. */
const mechanismAt = 12
const mechanismEnd = 32

const patience = "1 second"

/** Ours up to the version: it makes the server go on, and does not tell it yet that we are not what it wants. */
const beginning = Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1])

/**
 * The name of the mechanism that a server wants; nothing where it is no ZeroMQ socket or says nothing in time.
 *
 * @since 0.1.0
 * @category getters
 */
export const mechanismOf = (
  to: { readonly host: string; readonly port: number } | { readonly path: string }
): Effect.Effect<string | undefined> =>
  Effect.callback<string | undefined>((resume) => {
    const socket = connect(to)
    let heard = Buffer.alloc(0)
    const done = () => {
      socket.destroy()
      const isGreeting = heard.length >= mechanismEnd && heard[0] === 0xff && heard[9] === 0x7f
      resume(
        Effect.succeed(
          isGreeting ? heard.toString("latin1", mechanismAt, mechanismEnd).replace(/\0.*$/s, "") : undefined
        )
      )
    }
    socket.on("data", (data) => {
      heard = Buffer.concat([heard, data])
      if (heard.length >= mechanismEnd) done()
    })
    socket.once("connect", () => socket.write(beginning))
    socket.once("close", done)
    socket.on("error", done)
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeoutOption(patience), Effect.map(Option.getOrUndefined))
