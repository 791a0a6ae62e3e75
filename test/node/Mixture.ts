/**
 * Nodes of ours and of version 1, as CZMQ's are, with all the wires between them: no sockets, and no time but that which
 * is told. Ours are the real engine. Which frame moves next is drawn from a seed.
 */
import { Effect } from "effect"
import { GossipEngine } from "../../src/layers/GossipEngine.ts"
import type { Client, Served } from "../../src/layers/GossipLink.ts"
import * as MemoryTupleStore from "../../src/layers/MemoryTupleStore.ts"
import * as Message from "../../src/protocol/Message.ts"
import * as Settings from "../../src/protocol/Settings.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import { TupleStore } from "../../src/services/TupleStore.ts"
import type { Peer } from "../../src/services/Transport.ts"
import { at, type Edges, generator } from "./support.ts"

/** One direction of a link. */
interface Wire {
  readonly queue: Array<Uint8Array>
  readonly read: (frame: Uint8Array) => void
  /** What waits at the sender. */
  readonly fill: () => ReadonlyArray<Uint8Array>
}

interface Member {
  readonly name: string
  readonly publish: (key: string, value: string) => void
  readonly get: (key: string) => string | undefined
  /** How often its application was told. */
  readonly deliveries: () => number
  /** As a server: what the client says is to be read by `read`, and what it is told is sent with `send`. */
  readonly serve: (send: (frame: Uint8Array) => void) => Pick<Wire, "read" | "fill">
  readonly connect: (send: (frame: Uint8Array) => void) => Pick<Wire, "read" | "fill">
}

const nothing = () => []

/** As measured: it takes whatever it is told, and tells all its links, the one it heard it from as well. */
const czmq = (name: string): Member => {
  const tuples = new Map<string, string>()
  const links = new Set<(frame: Uint8Array) => void>()
  let deliveries = 0
  const publish = (key: string, value: string) => {
    if (tuples.get(key) === value) return
    tuples.set(key, value)
    deliveries += 1
    const frame = Message.encode(Message.publish(new Tuple(key, value)))
    for (const send of links) send(frame)
  }
  const tell = (send: (frame: Uint8Array) => void) => {
    for (const [key, value] of tuples) send(Message.encode(Message.publish(new Tuple(key, value))))
  }
  return {
    name,
    publish,
    get: (key) => tuples.get(key),
    deliveries: () => deliveries,
    serve: (send) => ({
      fill: nothing,
      read: (frame) => {
        const message = Message.decode([frame])
        if (message._tag === "Ping") send(Message.encode(Message.pong))
        else if (message._tag === "Hello") {
          tell(send)
          links.add(send)
        } else if (message._tag === "Publish") publish(message.tuple.keyOctets, message.tuple.valueOctets)
        else throw new Error(`${name} is told ${message._tag}`)
      }
    }),
    connect: (send) => {
      send(Message.encode(Message.hello))
      tell(send)
      links.add(send)
      return {
        fill: nothing,
        read: (frame) => {
          const message = Message.decode([frame])
          if (message._tag === "Publish") publish(message.tuple.keyOctets, message.tuple.valueOctets)
        }
      }
    }
  }
}

export class Mixture {
  now = 0
  readonly members: ReadonlyArray<Member>
  readonly engines: ReadonlyArray<GossipEngine>
  readonly random: () => number
  readonly #wires: Array<Wire> = []
  /** How long a frame is under way, in ms, on the average where one moves at a time. */
  readonly #pace: number

  private constructor(
    seed: number,
    pace: number,
    members: ReadonlyArray<Member>,
    engines: ReadonlyArray<GossipEngine>
  ) {
    this.random = generator(seed)
    this.#pace = pace
    this.members = members
    this.engines = engines
  }

  /** One node for each letter: `o` is ours, `c` is CZMQ's. */
  static make(kinds: string, edges: Edges, { pace = 0.2, seed = 1 } = {}): Effect.Effect<Mixture> {
    return Effect.gen(function* () {
      const engines: Array<GossipEngine> = []
      const members: Array<Member> = []
      let clock = () => 0
      for (const [n, kind] of Array.from(kinds).entries()) {
        const name = `${kind}${n}`
        if (kind === "c") {
          members.push(czmq(name))
          continue
        }
        const store = yield* Effect.scoped(
          Effect.map(TupleStore, (store) => store).pipe(Effect.provide(MemoryTupleStore.layer))
        )
        const engine = new GossipEngine(store, Settings.defaults, () => 1.75e12 + clock(), name)
        engines.push(engine)
        members.push(ours(name, engine, store, () => clock()))
      }
      const mixture = new Mixture(seed, pace, members, engines)
      clock = () => mixture.now
      for (const [from, to] of edges) mixture.link(from, to)
      mixture.pass(1000)
      return mixture
    })
  }

  /** The first connects to the second. */
  link(from: number, to: number): void {
    const up: Array<Uint8Array> = []
    const down: Array<Uint8Array> = []
    const server = at(this.members, to).serve((frame) => down.push(frame))
    const client = at(this.members, from).connect((frame) => up.push(frame))
    this.#wires.push(
      { queue: up, fill: client.fill, read: server.read },
      { queue: down, fill: server.fill, read: client.read }
    )
  }

  publish(member: number, value: string): void {
    at(this.members, member).publish("k", value)
  }

  get values(): ReadonlyArray<string | undefined> {
    return this.members.map(({ get }) => get("k"))
  }

  get agree(): boolean {
    return new Set(this.values).size === 1
  }

  deliveries(): ReadonlyArray<number> {
    return this.members.map(({ deliveries }) => deliveries())
  }

  /** Lets so many frames move; gives how many did. */
  move(count: number): number {
    for (let moved = 0; moved < count; moved++) {
      const ready = this.#wires.filter((wire) => {
        wire.queue.push(...wire.fill())
        return wire.queue.length > 0
      })
      if (ready.length === 0) return moved
      const wire = at(ready, Math.floor(this.random() * ready.length))
      // Sockets give what is there, mostly
      const burst = this.random() < 0.3 ? 1 + Math.floor(this.random() * 8) : 1
      for (const frame of wire.queue.splice(0, burst)) wire.read(frame)
      this.now += this.random() * 2 * this.#pace
      this.#tick()
    }
    return count
  }

  /** Lets so many milliseconds pass. Gives when all agreed for good, after how many. */
  pass(milliseconds: number): number {
    const from = this.now
    let agreed = from
    for (const end = from + milliseconds; this.now < end;) {
      const moved = this.move(1)
      if (!this.agree) agreed = this.now
      if (moved > 0) continue
      const due = Math.min(...this.engines.map((engine) => engine.deadline(this.now)))
      this.now = Math.min(end, Math.max(due, this.now + 0.01))
      this.#tick()
    }
    return agreed - from
  }

  #tick(): void {
    for (const engine of this.engines) if (engine.deadline(this.now) <= this.now) engine.tick(this.now)
  }
}

const ours = (name: string, engine: GossipEngine, store: TupleStore["Service"], now: () => number): Member => {
  const clients = new Map<Peer, Client>()
  const served: Served = {
    endpoint: `inproc://${name}`,
    rules: { publish: undefined, read: undefined },
    clients: new Map(),
    arrived: (peer, client) => void clients.set(peer, client),
    left: (peer) => void clients.delete(peer),
    dumping: undefined
  }
  engine.serve(served)
  let links = 0
  return {
    name,
    publish: (key, value) => void engine.publish(new Tuple(key, value)),
    get: (key) => store.get(key)?.tuple.valueOctets,
    deliveries: () => engine.journal.counters.accepted,
    serve: () => {
      const peer = String(++links)
      return {
        fill: () => clients.get(peer)?.mailbox.takeNow() ?? [],
        read: (frame) => engine.receivePeers(served, [{ _tag: "Received", peer, frames: [frame] }], now())
      }
    },
    connect: () => {
      const joined = engine.join(`inproc://${name}-${++links}`)
      engine.up(joined, now())
      return {
        fill: () => joined.mailbox.takeNow(),
        read: (frame) => engine.receiveRemote(joined, [[frame]], now())
      }
    }
  }
}
