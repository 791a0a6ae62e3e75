/**
 * A node of version 1, as CZMQ's zgossip actor was measured to be: written from what that does, not from our own
 * machines. It tells each new tuple to all its clients and remotes, the one it came from included; it says no PING; it
 * forgets a client that is silent; it answers INVALID with HELLO, and forgets what was refused. What it says while there
 * is no connection is sent first on the next one, ahead of HELLO. Frames that would end CZMQ's process end it here.
 */
import type { Host, Node } from "./Host.ts"
import { Dialer, type Patience, type Route } from "./Route.ts"
import type { End, Lane, Wire } from "./Wire.ts"

/** libzmq's. */
const patience: Patience = { after: () => 100, afterHealthy: 100 }

const frames = {
  hello: Uint8Array.of(0xaa, 0xa0, 1, 1),
  pong: Uint8Array.of(0xaa, 0xa0, 4, 1),
  invalid: Uint8Array.of(0xaa, 0xa0, 5, 1)
}

const publishOf = (key: string, value: string): Uint8Array => {
  const frame = Buffer.alloc(4 + 1 + key.length + 4 + value.length + 4)
  frame.set([0xaa, 0xa0, 2, 1, key.length])
  frame.write(key, 5, "latin1")
  frame.writeUInt32BE(value.length, 5 + key.length)
  frame.write(value, 9 + key.length, "latin1")
  return frame
}

/** Nothing for what ends CZMQ. Octets behind the fields are ignored. */
const read = (frame: Uint8Array): { readonly id: number; readonly key: string; readonly value: string } | undefined => {
  const octets = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)
  const [one, two, id = 0, version] = octets
  if (one !== 0xaa || two !== 0xa0 || version !== 1 || id < 1 || id > 5) return undefined
  if (id !== 2) return { id, key: "", value: "" }
  const valueAt = 5 + (octets[4] ?? 0) + 4
  if (octets.length < valueAt) return undefined
  const end = valueAt + octets.readUInt32BE(valueAt - 4)
  if (octets.length < end + 4) return undefined
  return { id, key: octets.toString("latin1", 5, valueAt - 4), value: octets.toString("latin1", valueAt, end) }
}

/** libzmq's. */
const mostWaiting = 1000

/** Sends whatever there is to be sent while there is a connection, and keeps the rest for the next one. */
class Sender {
  #waiting: Array<Uint8Array> = []

  push(lane: Lane | undefined, frame: Uint8Array): void {
    if (lane !== undefined) lane.push(frame)
    else if (this.#waiting.length < mostWaiting) this.#waiting.push(frame)
  }

  go(lane: Lane | undefined): void {
    for (const frame of this.#waiting.splice(0)) this.push(lane, frame)
  }
}

interface Session {
  readonly wire: Wire
  member: boolean
  heardAt: number
}

export class V1Node implements Node {
  readonly #host: Host
  readonly #tuples = new Map<string, string>()
  readonly #sessions = new Set<Session>()
  readonly #remotes: ReadonlyArray<{ readonly dialer: Dialer; readonly sender: Sender }>
  #alive = true
  #endedBy: string | undefined

  constructor(host: Host, routes: ReadonlyArray<Route>) {
    this.#host = host
    this.#remotes = routes.map((route) => {
      const sender = new Sender()
      const there = () => dialer.wire?.there
      const hello = () => {
        sender.push(there(), frames.hello)
        for (const [key, value] of this.#tuples) sender.push(there(), publishOf(key, value))
      }
      let isFirst = true
      const dialer: Dialer = new Dialer(route, patience, {
        up: () => {
          sender.go(there())
          if (!isFirst) hello()
          isFirst = false
        },
        down: () => {},
        receive: (batch) =>
          this.#each(batch, ({ id, key, value }) => {
            if (id === 2) this.#accept(key, value)
            if (id === 5) sender.push(there(), frames.hello)
          }),
        roomy: () => {}
      })
      hello()
      dialer.dial()
      return { dialer, sender }
    })
  }

  accept(wire: Wire): End {
    const session: Session = { wire, member: false, heardAt: 0 }
    this.#sessions.add(session)
    return {
      receive: (batch) =>
        this.#each(batch, ({ id, key, value }) => {
          this.#expire(session)
          session.heardAt = this.#host.timeline.now
          this.#serve(session, id, key, value)
        }),
      roomy: () => {},
      // It is not told: the session lives on until it is too old, and what it is sent is lost.
      ended: () => void this.#sessions.delete(session)
    }
  }

  publish(key: string, value: string): boolean {
    this.#accept(key, value)
    return true
  }

  delete(): void {}

  kill(): void {
    this.#alive = false
    for (const { dialer } of this.#remotes) {
      dialer.stop()
      dialer.wire?.end(true)
    }
    for (const { wire } of this.#sessions) wire.end(true)
  }

  wake(): void {}

  held(): ReadonlyMap<string, string> {
    return this.#tuples
  }

  complaints(): ReadonlyArray<string> {
    return this.#endedBy === undefined ? [] : [`was ended by ${this.#endedBy}`]
  }

  #each(batch: ReadonlyArray<Uint8Array>, run: (message: NonNullable<ReturnType<typeof read>>) => void): void {
    for (const frame of batch) {
      if (!this.#alive) return
      const message = read(frame)
      if (message === undefined) {
        this.#endedBy ??= Buffer.from(frame).toString("hex")
        return this.kill()
      }
      run(message)
    }
  }

  #serve(session: Session, id: number, key: string, value: string): void {
    const say = (frame: Uint8Array) => session.wire.back.push(frame)
    if (id === 3) return say(frames.pong)
    if (id === 1 && !session.member) {
      session.member = true
      for (const [key, value] of this.#tuples) say(publishOf(key, value))
    } else if (id === 2 && session.member) this.#accept(key, value)
    else {
      session.member = false
      say(frames.invalid)
    }
  }

  #expire(session: Session): void {
    const timeout = this.#host.spec.timeout ?? 1000
    if (timeout > 0 && this.#host.timeline.now - session.heardAt >= timeout) session.member = false
  }

  #accept(key: string, value: string): void {
    if (this.#tuples.get(key) === value) return
    this.#tuples.set(key, value)
    for (const session of this.#sessions) {
      this.#expire(session)
      if (session.member) session.wire.back.push(publishOf(key, value))
    }
    for (const { dialer, sender } of this.#remotes) sender.push(dialer.wire?.there, publishOf(key, value))
  }
}
