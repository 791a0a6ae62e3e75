/**
 * The status of a node, for its application and for those who ask over the wire, by a PING. A stranger may ask as often
 * as it likes: a client gets an answer once a second and a bare PONG otherwise, and what many ask at the same time is
 * made once.
 *
 * @since 0.1.0
 */
import * as Message from "../protocol/Message.ts"
import * as NodeStatus from "../protocol/NodeStatus.ts"
import type { Status } from "../services/Gossip.ts"
import type { TupleStore } from "../services/TupleStore.ts"
import type { Clients } from "./Clients.ts"
import type { Client, Joined, Served } from "./GossipLink.ts"
import type { Journal } from "./Journal.ts"
import type { Quota } from "./Quota.ts"

/** Milliseconds between two answers to one client. */
const perClient = 1000

/** Milliseconds for which an answer is good enough for others. */
const fresh = 100

const pong = Message.encode(Message.pong)

/** What it is about. */
interface Node {
  readonly startedAt: number | undefined
  readonly served: ReadonlyMap<string, Served>
  readonly lost: ReadonlyMap<string, string>
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
  readonly #quota: Quota
  #frame = pong
  #madeAt = Number.NEGATIVE_INFINITY
  /** Since when none of the remotes is connected; infinity where one is, undefined where none ever was. */
  #apartSince: number | undefined

  constructor(node: Node, store: TupleStore["Service"], clients: Clients, quota: Quota) {
    this.#node = node
    this.#store = store
    this.#clients = clients
    this.#quota = quota
  }

  /** A remote may have come or gone. */
  look(now: number): void {
    const { joined } = this.#node
    if (joined.size === 0) this.#apartSince = undefined
    else if (isAnyConnected(joined.values())) this.#apartSince = Number.POSITIVE_INFINITY
    else if (this.#apartSince === Number.POSITIVE_INFINITY) this.#apartSince = now
  }

  #aloneFor(now: number): number | undefined {
    const since = this.#apartSince ?? Number.POSITIVE_INFINITY
    return since < Number.POSITIVE_INFINITY && this.#clients.counts.members === 0 ? now - since : undefined
  }

  status(now: number): Status {
    const { joined, journal, lost, served } = this.#node
    return {
      ...this.#held,
      octets: this.#quota.octets,
      listeners: Array.from(served.values(), ({ clients, endpoint }) => ({
        endpoint,
        peers: clients.size,
        members: Array.from(clients.values()).filter(({ session }) => session._tag === "Connected").length
      })),
      lost: Array.from(lost, ([endpoint, error]) => ({ endpoint, error })),
      remotes: Array.from(joined.values(), ({ endpoint, error, remote }) => ({ endpoint, state: remote._tag, error })),
      aloneFor: this.#aloneFor(now),
      store: this.#store.disk(),
      counters: journal.snapshot()
    }
  }

  get #held(): { readonly tuples: number; readonly tombstones: number } {
    const tombstones = this.#store.tombstones()
    return { tuples: this.#store.size() - tombstones, tombstones }
  }

  /** The frame of the PONG. */
  answer(client: Client, now: number): Uint8Array {
    if (now - client.reportedAt < perClient) return pong
    client.reportedAt = now
    if (now - this.#madeAt >= fresh) {
      this.#madeAt = now
      this.#frame = Message.encode({ ...Message.pong, trailer: NodeStatus.encode(this.#told(now)) })
    }
    return this.#frame
  }

  #told(now: number): NodeStatus.NodeStatus {
    const { joined, journal, lost, served, startedAt } = this.#node
    const disk = this.#store.disk()
    const aloneFor = this.#aloneFor(now)
    const remotes = { Connected: 0, Joining: 0, Disconnected: 0 }
    for (const { remote } of joined.values()) remotes[remote._tag] += 1
    return {
      software: NodeStatus.software,
      version: NodeStatus.version,
      uptimeSeconds: startedAt === undefined ? 0 : Math.floor((now - startedAt) / 1000),
      ready: startedAt !== undefined && lost.size === 0 && remotes.Connected === joined.size,
      ...this.#held,
      listeners: served.size,
      lost: lost.size,
      ...this.#clients.counts,
      remotes,
      ...(aloneFor !== undefined && { aloneSeconds: Math.floor(aloneFor / 1000) }),
      ...(disk !== undefined && {
        store: { octets: disk.octets, failing: disk.failure !== undefined, damaged: disk.isDamaged }
      }),
      counters: { ...journal.snapshot() }
    }
  }
}

const isAnyConnected = (remotes: Iterable<Joined>): boolean => {
  for (const { remote } of remotes) if (remote._tag === "Connected") return true
  return false
}
