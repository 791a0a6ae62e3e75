import * as Message from "../../src/protocol/Message.ts"
import { Outbox } from "../../src/protocol/Outbox.ts"
import * as Remote from "../../src/protocol/Remote.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import * as TupleMap from "../../src/protocol/TupleMap.ts"
import { V1Server, type V1Options } from "./V1Server.ts"

type Tuples = Readonly<Record<string, string>>

export interface WorldOptions extends V1Options {
  /** Items in our outbox. */
  readonly maxItems: number
}

export const calm: WorldOptions = { timeout: 1000, echo: false, maxItems: 1000 }

/**
 * Our side of a link (a map, an outbox, the client machine), a v1 server, and the wires between them. Time passes and
 * messages move only when told to, so a test says exactly who was slow.
 *
 * Each key has one writer: `c...` is written here, `s...` by somebody at the server. So there is one right value for
 * each at the end, `expected`.
 */
export class LinkWorld {
  now = 0
  readonly map = TupleMap.make()
  readonly outbox: Outbox<Message.Message>
  readonly server: V1Server
  readonly expected = new Map<string, string>()
  remote = Remote.start
  toServer: Array<Message.Message> = []
  toUs: Array<Message.Message> = []
  readonly #timing: Remote.Timing = { pingInterval: 250, timeout: 1000, silence: 20_000 }
  #writes = 0

  constructor(options: Partial<WorldOptions> = {}) {
    const { maxItems, ...server } = { ...calm, ...options }
    this.server = new V1Server(server)
    this.outbox = new Outbox<Message.Message>(
      (synced) => publishes(TupleMap.read(this.map, { upTo: this.map.sequence, unknownTo: { link, synced } })),
      () => 1,
      { maxItems, maxSize: 1_000_000 }
    )
  }

  // Who writes

  /** We publish. */
  publish(key: string, value = String(++this.#writes)): void {
    this.expected.set(key, value)
    this.#accept(new Tuple(key, value), TupleMap.elsewhere)
  }

  /** Somebody publishes at the server. */
  serve(key: string, value = String(++this.#writes)): void {
    this.expected.set(key, value)
    this.toUs.push(...this.server.publish(key, value, this.now))
  }

  // What moves

  /** Our sender takes from the outbox. */
  send(count: number): void {
    if (this.remote._tag !== "Disconnected") this.toServer.push(...this.outbox.take(count, 1_000_000))
  }

  /** The server reads and answers. */
  read(count: number): void {
    for (const message of this.toServer.splice(0, count)) this.toUs.push(...this.server.receive(message, this.now))
  }

  /** We read. */
  hear(count: number): void {
    for (const message of this.toUs.splice(0, count)) {
      this.#step({ _tag: "Received", message, now: this.now, sequence: this.map.sequence })
    }
  }

  tick(): void {
    this.#step({
      _tag: "Tick",
      now: this.now,
      sequence: this.map.sequence,
      idle: this.outbox.isEmpty,
      behind: this.outbox.isBehind,
      taken: this.outbox.taken
    })
  }

  /** Everything that waits has moved. */
  settle(): void {
    for (let round = 0; !this.outbox.isEmpty || this.toServer.length > 0 || this.toUs.length > 0; round++) {
      if (round === 1000) throw new Error("the two sides never come to rest")
      this.send(100)
      this.read(100)
      this.hear(100)
    }
  }

  // What passes

  /** Time in which all is well. */
  live(milliseconds: number): void {
    for (const end = this.now + milliseconds; this.now < end;) {
      this.now = Math.min(end, this.now + 50)
      this.tick()
      this.settle()
    }
  }

  /** Time in which our process stands still, while the server reads and expires. */
  stall(milliseconds: number): void {
    this.read(Number.POSITIVE_INFINITY)
    this.now += milliseconds
  }

  // What breaks

  up(): void {
    this.#step({ _tag: "Up", now: this.now, sequence: this.map.sequence })
  }

  down(): void {
    this.outbox.clear()
    this.toServer = []
    this.toUs = []
    this.server.connect()
    this.#step({ _tag: "Down" })
  }

  /** Of what was written at the server, that is left which had come to us. */
  restart(): void {
    this.down()
    this.server.restart()
    for (const key of [...this.expected.keys()].filter((key) => key.startsWith("s"))) {
      const held = this.map.entries.get(key)
      if (held === undefined) this.expected.delete(key)
      else this.expected.set(key, held.tuple.value)
    }
  }

  /** What we hold, what the server holds, what both should hold. */
  get sides(): readonly [ours: Tuples, theirs: Tuples, expected: Tuples] {
    const sorted = (entries: Iterable<readonly [string, string]>) =>
      Object.fromEntries(Array.from(entries).toSorted(([one], [two]) => (one < two ? -1 : 1)))
    return [
      sorted(Array.from(this.map.entries, ([key, { tuple }]) => [key, tuple.value] as const)),
      sorted(this.server.tuples),
      sorted(this.expected)
    ]
  }

  #step(input: Remote.Input): void {
    const { actions, state } = Remote.step(this.remote, input, this.#timing)
    this.remote = state
    for (const action of actions) {
      switch (action._tag) {
        case "Accept": {
          const { synced, tuple } = action
          this.#accept(tuple, link, synced === undefined ? undefined : { link, synced })
          break
        }
        case "Send":
          if (!this.outbox.push(action.message)) throw new Error("a reply is dropped")
          break
        case "ReplayNews":
          this.#pour({ upTo: action.upTo, unknownTo: { link, synced: action.synced } })
          break
        case "ReplayLost":
          this.#pour({ upTo: action.upTo, knownTo: { link, synced: action.synced }, except: action.dumped })
          break
        case "Forget":
          this.outbox.forget()
          break
        case "Close":
          this.down()
          this.up()
          break
        default:
          throw new Error(`${action._tag}, unasked`)
      }
    }
  }

  #accept(tuple: Tuple, by: number, known?: TupleMap.Known): void {
    if (TupleMap.merge(this.map, { tuple }, { link: by, known, now: this.now }) !== "Accepted" || by === link) return
    if (Remote.step(this.remote, { _tag: "Accepted" }, this.#timing).actions[0]?._tag === "Tell") {
      this.outbox.put(this.map.sequence, Message.publish(tuple), tuple.keyOctets)
    }
  }

  #pour(range: TupleMap.Range): void {
    this.outbox.pour(publishes(TupleMap.read(this.map, range)))
  }
}

/** The number of our only remote. */
const link = 1

function* publishes(entries: Iterable<TupleMap.Entry>): Generator<Message.Message, void> {
  for (const { tuple } of entries) yield Message.publish(tuple)
}
