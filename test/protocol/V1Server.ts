import * as Message from "../../src/protocol/Message.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"

export interface V1Options {
  /** Of its `server/timeout`; 0 is never. */
  readonly timeout: number
  /** CZMQ tells a new tuple to the client which published it as well. */
  readonly echo: boolean
}

/**
 * A server as CZMQ has it, and its session with one client. Written from what was measured of CZMQ, not from our own
 * `Session`. Everything it says comes back in order.
 */
export class V1Server {
  readonly tuples = new Map<string, string>()
  member = false
  hellos = 0
  #heardAt = 0
  readonly #options: V1Options

  constructor(options: V1Options) {
    this.#options = options
  }

  /** A new connection has a new session. */
  connect(): void {
    this.member = false
  }

  /** Ends, and comes back with nothing. */
  restart(): void {
    this.connect()
    this.tuples.clear()
  }

  receive(message: Message.Message, now: number): ReadonlyArray<Message.Message> {
    this.expire(now)
    this.#heardAt = now
    switch (message._tag) {
      case "Ping":
        return [Message.pong]
      case "Hello":
        if (this.member) return this.#end()
        this.member = true
        this.hellos += 1
        return Array.from(this.tuples, ([key, value]) => Message.publish(new Tuple(key, value)))
      case "Publish": {
        if (!this.member) return this.#end()
        const { keyOctets, valueOctets } = message.tuple
        if (this.tuples.get(keyOctets) === valueOctets) return []
        this.tuples.set(keyOctets, valueOctets)
        return this.#options.echo ? [message] : []
      }
      default:
        return this.#end()
    }
  }

  /** Somebody else publishes here. */
  publish(key: string, value: string, now: number): ReadonlyArray<Message.Message> {
    this.expire(now)
    this.tuples.set(key, value)
    return this.member ? [Message.publish(new Tuple(key, value))] : []
  }

  expire(now: number): void {
    if (this.#options.timeout > 0 && now - this.#heardAt >= this.#options.timeout) this.member = false
  }

  #end(): ReadonlyArray<Message.Message> {
    this.member = false
    return [Message.invalid]
  }
}
