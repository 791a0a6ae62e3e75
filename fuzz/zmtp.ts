/**
 * ZMTP 3, ZeroMQ's own protocol, spoken by hand over TCP: what no socket of the library would say can be said with it.
 */
import { connect, type Socket } from "node:net"

export const greeting = Buffer.concat([
  Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0]),
  Buffer.from("NULL".padEnd(20, "\0")),
  Buffer.alloc(32)
])

const property = (name: string, value: Uint8Array): Buffer => {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(value.length)
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), length, value])
}

export const command = (name: string, body: Uint8Array = Buffer.alloc(0)): Buffer => {
  const content = Buffer.concat([Buffer.from([name.length]), Buffer.from(name), body])
  return Buffer.concat([Buffer.from([4, content.length]), content])
}

export const ready = (type: "DEALER" | "ROUTER", identity: Uint8Array = Buffer.alloc(0)): Buffer =>
  command("READY", Buffer.concat([property("Socket-Type", Buffer.from(type)), property("Identity", identity)]))

/** A header of its own making: `length` may be other than that of the body. */
export const header = (length: bigint, more = false): Buffer => {
  const octets = Buffer.alloc(9)
  octets[0] = more ? 3 : 2
  octets.writeBigUInt64BE(length, 1)
  return octets
}

export const frame = (body: Uint8Array, more = false): Buffer =>
  Buffer.concat([
    body.length < 256 ? Buffer.from([more ? 1 : 0, body.length]) : header(BigInt(body.length), more),
    body
  ])

export const message = (frames: ReadonlyArray<Uint8Array>): Buffer =>
  Buffer.concat(frames.map((body, index) => frame(body, index < frames.length - 1)))

/** One end of a connection. What it hears is counted, and kept only as far as the handshake needs it. */
export class Peer {
  readonly socket: Socket
  heard = 0
  closed = false
  #start = ""
  readonly #settled: Promise<boolean>

  constructor(socket: Socket) {
    this.socket = socket
    socket.on("error", () => {})
    this.#settled = new Promise((resolve) => {
      socket.on("close", () => {
        this.closed = true
        resolve(false)
      })
      socket.on("data", (data) => {
        this.heard += data.length
        if (this.#start.length > 1000) return
        this.#start += data.toString("latin1")
        if (this.#start.includes("READY")) resolve(true)
      })
    })
  }

  /** Whether the handshake was done within the time. */
  shake(type: "DEALER" | "ROUTER", identity?: Uint8Array): Promise<boolean> {
    this.socket.write(Buffer.concat([greeting, ready(type, identity)]))
    return Promise.race([this.#settled, limit(5000).then(() => false)])
  }

  /** Waits until the other side has taken it, or for so long; false where it did not. */
  async write(octets: Uint8Array, patience = 100): Promise<boolean> {
    if (this.closed) return false
    if (this.socket.write(octets)) {
      await turn()
      return true
    }
    let done = false
    const drained = new Promise<void>((resolve) => this.socket.once("drain", resolve)).then(() => (done = true))
    await Promise.race([drained, sleep(patience)])
    return done
  }

  close(): void {
    this.socket.destroy()
  }
}

/** A connection to it, without a word so far; closed where nobody listens. */
export const open = (endpoint: string): Promise<Peer> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(endpoint)
    const socket = connect(Number(port), hostname)
    const peer = new Peer(socket)
    socket.once("connect", () => resolve(peer))
    socket.once("close", () => resolve(peer))
  })

/** A connection whose handshake is done. */
export const join = async (endpoint: string, identity?: Uint8Array): Promise<Peer> => {
  const peer = await open(endpoint)
  if (!peer.closed) await peer.shake("DEALER", identity)
  return peer
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
/** The same, where something else may come before it: it keeps no process alive. */
export const limit = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref())
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
