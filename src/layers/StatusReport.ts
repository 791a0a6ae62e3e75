/**
 * The answer to a PING that asks for the status. A stranger may ask as often as it likes: a client gets an answer once a
 * second and a bare PONG otherwise, and what many ask at the same time is made once.
 *
 * @since 0.1.0
 */
import * as Message from "../protocol/Message.ts"
import * as NodeStatus from "../protocol/NodeStatus.ts"
import type { TupleStore } from "../services/TupleStore.ts"
import type { Clients } from "./Clients.ts"
import type { Client, Joined, Served } from "./GossipLink.ts"
import type { Journal } from "./Journal.ts"

/** Milliseconds between two answers to one client. */
const perClient = 1000

/** Milliseconds for which an answer is good enough for others. */
const fresh = 100

const pong = Message.encode(Message.pong)

/** What it is about. */
interface Node {
  readonly startedAt: number | undefined
  readonly served: ReadonlyMap<string, Served>
  readonly joined: ReadonlyMap<string, Joined>
  readonly journal: Journal
}

/**
 * @since 0.1.0
 * @category models
 */
export class StatusReport {
  readonly #node: Node
  readonly #store: TupleStore["Service"]
  readonly #clients: Clients
  #frame = pong
  #madeAt = Number.NEGATIVE_INFINITY

  constructor(node: Node, store: TupleStore["Service"], clients: Clients) {
    this.#node = node
    this.#store = store
    this.#clients = clients
  }

  /** The frame of the PONG. */
  answer(client: Client, now: number): Uint8Array {
    if (now - client.reportedAt < perClient) return pong
    client.reportedAt = now
    if (now - this.#madeAt >= fresh) {
      this.#madeAt = now
      this.#frame = Message.encode({ ...Message.pong, trailer: NodeStatus.encode(this.#status(now)) })
    }
    return this.#frame
  }

  #status(now: number): NodeStatus.NodeStatus {
    const { joined, journal, served, startedAt } = this.#node
    const remotes = { Connected: 0, Joining: 0, Disconnected: 0 }
    for (const { remote } of joined.values()) remotes[remote._tag] += 1
    return {
      software: NodeStatus.software,
      version: NodeStatus.version,
      uptimeSeconds: startedAt === undefined ? 0 : Math.floor((now - startedAt) / 1000),
      ready: startedAt !== undefined && remotes.Connected === joined.size,
      tuples: this.#store.size(),
      listeners: served.size,
      ...this.#clients.counts,
      remotes,
      counters: { ...journal.snapshot() }
    }
  }
}
