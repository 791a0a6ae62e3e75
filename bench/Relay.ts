/**
 * A TCP relay between a node and its clients, in the process of the benchmark. It counts octets both ways, and reads
 * just enough of ZMTP (the NULL mechanism) to count the HELLO and PONG frames among them, and those with tuples:
 * PUBLISH, and PING or PONG with entries behind them. What it measures is the same for every implementation, and nobody
 * can tell that it is there.
 */
import { Effect, type Scope } from "effect"
import { createServer, type Server, Socket } from "node:net"
import * as Trailer from "../src/protocol/Trailer.ts"
import { BenchError } from "./Implementation.ts"

const greetingSize = 64
const commandFlag = 4
const longFlag = 2

/** Of a frame: up to the tag of the first section of the trailer of a PING or PONG. */
const lookedAt = 14

/** One direction of one connection. */
export class Meter {
  octets = 0
  hellos = 0
  news = 0
  pongs = 0
  #skip = greetingSize
  /** Of the frame that begins: flags, length, and the first octets of its body. */
  #head: Array<number> = []

  feed(chunk: Uint8Array): void {
    this.octets += chunk.length
    let at = 0
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, chunk.length - at)
        this.#skip -= skipped
        at += skipped
      } else {
        this.#head.push(chunk[at++]!)
        this.#look()
      }
    }
  }

  #look(): void {
    const head = this.#head
    const flags = head[0]!
    const start = (flags & longFlag) === 0 ? 2 : 9
    if (head.length < start) return
    const length = head.slice(1, start).reduce((sum, octet) => sum * 256 + octet, 0)
    const wanted = Math.min(lookedAt, length)
    if (head.length < start + wanted) return
    if ((flags & commandFlag) === 0 && head[start] === 0xaa && head[start + 1] === 0xa0) {
      const id = head[start + 2]
      const hasEntries = (id === 3 || id === 4) && head[start + lookedAt - 1] === Trailer.tags.entries
      if (id === 1) this.hellos += 1
      if (id === 2 || hasEntries) this.news += 1
      if (id === 4) this.pongs += 1
    }
    this.#skip = length - wanted
    this.#head = []
  }
}

export interface Link {
  /** When the client was accepted, as `Node.connect` gives times. */
  readonly acceptedAt: number
  readonly toServer: Meter
  readonly toClient: Meter
}

export class Relay {
  readonly links: Array<Link> = []
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(target: string) {
    const port = Number(new URL(target).port)
    this.#server = createServer((client) => {
      const link = {
        acceptedAt: Number(process.hrtime.bigint()),
        toServer: new Meter(),
        toClient: new Meter()
      }
      this.links.push(link)
      const server = new Socket().connect(port, "127.0.0.1")
      for (const [from, to, meter] of [
        [client, server, link.toServer],
        [server, client, link.toClient]
      ] as const) {
        this.#sockets.add(from)
        from.setNoDelay(true)
        from.on("error", () => {}) // "close" follows
        from.on("close", () => {
          this.#sockets.delete(from)
          to.destroy()
        })
        from.on("data", (chunk: Buffer) => meter.feed(chunk))
        from.pipe(to)
      }
    })
  }

  readonly listen: Effect.Effect<void, BenchError> = Effect.callback((resume) => {
    this.#server.once("error", ({ message }) => resume(Effect.fail(new BenchError({ message }))))
    this.#server.listen(0, "127.0.0.1", () => resume(Effect.void))
  })

  get endpoint(): string {
    const address = this.#server.address()
    return `tcp://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
  }

  /** Breaks all connections; new ones are accepted as before. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  close(): void {
    this.#server.close()
    this.cut()
  }
}

/** A relay in front of the node at this endpoint. */
export const relay = (target: string): Effect.Effect<Relay, BenchError, Scope.Scope> =>
  Effect.tap(
    Effect.acquireRelease(
      Effect.sync(() => new Relay(target)),
      (relay) => Effect.sync(() => relay.close())
    ),
    (relay) => relay.listen
  )
