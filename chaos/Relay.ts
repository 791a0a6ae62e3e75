/** A TCP relay between two nodes, which does to their connections what networks do. */
import { createServer, type Server, Socket } from "node:net"
import type { Ways } from "./Plan.ts"

/** One direction of one connection. */
class Flow {
  readonly #from: Socket
  readonly #to: Socket
  readonly #held: Array<Buffer> = []
  #timer: NodeJS.Timeout | undefined
  stalled = false
  dropping = false
  delay = 0

  constructor(from: Socket, to: Socket) {
    this.#from = from
    this.#to = to
    from.on("data", (chunk: Buffer) => {
      if (this.dropping) return
      this.#held.push(chunk)
      if (this.delay === 0 && this.#timer === undefined) this.#flush()
      else this.#timer ??= setTimeout(() => this.#flush(), this.delay)
    })
    to.on("drain", () => this.resume())
  }

  #flush(): void {
    this.#timer = undefined
    let room = true
    for (const chunk of this.#held.splice(0)) room = this.#to.write(chunk)
    if (!room) this.#from.pause()
  }

  /** Not read: what is sent meanwhile waits in the sender's kernel, and then in the sender. */
  stall(): void {
    this.stalled = true
    this.#from.pause()
  }

  resume(): void {
    if (!this.stalled) this.#from.resume()
  }

  heal(): void {
    this.stalled = false
    this.dropping = false
    this.delay = 0
    this.resume()
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  readonly there: Flow
  readonly back: Flow
}

export class Relay {
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  #fault: ((pair: Pair) => void) | undefined
  #refusing = false
  port = 0
  octets = 0
  connections = 0

  constructor(target: number) {
    this.#server = createServer((client) => {
      if (this.#refusing) return client.resetAndDestroy()
      this.connections += 1
      const server = new Socket().connect(target, "127.0.0.1")
      const pair = { client, server, there: new Flow(client, server), back: new Flow(server, client) }
      this.#pairs.add(pair)
      for (const [one, other] of [
        [client, server],
        [server, client]
      ] as const) {
        one.setNoDelay(true)
        one.on("data", (chunk: Buffer) => (this.octets += chunk.length))
        one.on("error", () => {}) // "close" follows
        one.on("close", () => {
          pair.there.end()
          pair.back.end()
          this.#pairs.delete(pair)
          other.destroy()
        })
      }
      this.#fault?.(pair)
    })
  }

  listen(port = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject)
      this.#server.listen(port, "127.0.0.1", () => {
        const address = this.#server.address()
        this.port = typeof address === "object" ? (address?.port ?? 0) : 0
        resolve()
      })
    })
  }

  cut(): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy()
      server.resetAndDestroy()
    }
  }

  refuse(): void {
    this.#refusing = true
    this.cut()
  }

  stall(ways: Ways): void {
    this.#during(ways, (flow) => flow.stall())
  }

  delay(by: number): void {
    this.#during("both", (flow) => {
      flow.delay = by
    })
  }

  drop(ways: Ways): void {
    this.#during(ways, (flow) => {
      flow.dropping = true
    })
  }

  /** The connections that there are stay, and nothing passes any more; those made from now on are whole. */
  swallow(): void {
    for (const { back, there } of this.#pairs) {
      there.dropping = true
      back.dropping = true
    }
  }

  /** What was held goes on. */
  heal(): void {
    this.#fault = undefined
    this.#refusing = false
    for (const { back, there } of this.#pairs) {
      there.heal()
      back.heal()
    }
  }

  close(): void {
    this.#server.close()
    this.cut()
  }

  /** To the connections that there are, and to those that are made meanwhile. */
  #during(ways: Ways, what: (flow: Flow) => void): void {
    const fault = ({ back, there }: Pair) => {
      if (ways !== "back") what(there)
      if (ways !== "there") what(back)
    }
    this.#fault = fault
    for (const pair of this.#pairs) fault(pair)
  }
}
