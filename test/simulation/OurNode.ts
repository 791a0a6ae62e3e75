/**
 * A node of ours: its engine as it is in `src`, called by this one instead of the inbox fiber of `GossipNode`, with the
 * lanes of the simulation in the place of sockets. What `GossipNode` and `NodeLinks` do besides is done here as well:
 * ticks when they are due, delays between attempts to connect, a look at whether the machine slept.
 */
import { GossipEngine } from "../../src/layers/GossipEngine.ts"
import type { Item, Joined, Served } from "../../src/layers/GossipLink.ts"
import type { Mailbox } from "../../src/layers/Mailbox.ts"
import * as Settings from "../../src/protocol/Settings.ts"
import { Sleep } from "../../src/protocol/Sleep.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import * as TupleMap from "../../src/protocol/TupleMap.ts"
import type { Dice } from "./Dice.ts"
import { type Disk, Memory, type Store } from "./Disk.ts"
import { type Held, type Holder, versionedIn } from "./Held.ts"
import type { Host } from "./Host.ts"
import { Dialer, type Patience, type Route } from "./Route.ts"
import { isHeartbeat } from "./Trace.ts"
import type { End, Lane, Wire } from "./Wire.ts"

/** What a broken rule may put in the place of what is right, and who is to know what happens. */
export interface Parts {
  /** What it holds will be asked for when it starts again. */
  readonly isKept: boolean
  readonly store: (store: Store, map: TupleMap.TupleMap) => Store
  readonly settings: Partial<Settings.Settings>
  /** Gives what the node hears in the place of a frame, or nothing where it does not. */
  readonly hear: (frame: Uint8Array) => Uint8Array | undefined
  /** Nothing where no clocks are that far apart. */
  readonly held: Held | undefined
  readonly merged: ((key: string, outcome: TupleMap.Outcome) => void) | undefined
}

/** As `NodeLinks` has it. */
const patience: Patience = {
  after: (tries, dice) => Math.min(2000, 50 * 2 ** tries) * (0.8 + 0.4 * dice.next()),
  afterHealthy: 20
}

/** So many frames are taken from a mailbox at a time. */
const chunk = 16

/** Another one for each start of each node; a trace shows it as the name of the node and how often it was started. */
const originOf = ({ name, starts }: Host): string => `${name}${starts}`.padEnd(8, "-")

export class OurNode implements Holder {
  readonly map: TupleMap.TupleMap
  readonly #host: Host
  readonly #engine: GossipEngine
  readonly #served: Served
  readonly #remotes: ReadonlyArray<{ readonly dialer: Dialer; readonly joined: Joined }>
  readonly #clients = new Map<string, Wire>()
  #peers = 0
  #alive = true
  /** The time on the monotonic clock of the tick that comes. */
  #armed = Number.POSITIVE_INFINITY
  #tick = 0
  readonly #sleep: Sleep
  readonly #parts: Parts
  readonly #memory: Memory

  constructor(host: Host, routes: ReadonlyArray<Route>, parts: Parts, disk: Disk | undefined) {
    this.#host = host
    this.#sleep = new Sleep(host.timeOfDay(), host.monotonic())
    this.#parts = parts
    this.#memory = new Memory(host, originOf(host), disk, parts.isKept)
    this.map = this.#memory.map
    const store = parts.store(this.#watched(this.#memory.store), this.map)
    const { queue, ruled = false, timeout } = host.spec
    const everything = ruled ? [""] : undefined
    const settings = { ...Settings.defaults, queueTuples: queue, serverTimeout: timeout, ...parts.settings }
    const engine = (this.#engine = new GossipEngine(store, settings, () => host.timeOfDay(), host.name))
    this.#served = {
      endpoint: `inmemory://${host.name}`,
      rules: { publish: everything, read: everything },
      clients: new Map(),
      dumping: undefined,
      arrived: () => {},
      left: () => {}
    }
    engine.serve(this.#served)
    engine.startedAt = host.monotonic()
    this.#remotes = routes.map((route) => {
      const joined = engine.join(`inmemory://${route.to.name}`)
      const dialer = new Dialer(route, patience, {
        up: () => this.#run((now) => engine.up(joined, now)),
        down: () => this.#run(() => engine.down(joined)),
        receive: (frames) =>
          this.#run((now) =>
            this.#each(
              frames,
              () => true,
              (frame) => engine.receiveRemote(joined, [[frame]], now)
            )
          ),
        roomy: () => this.#pump()
      })
      joined.giveUp = () => host.timeline.after(0, () => dialer.giveUp())
      dialer.dial()
      return { dialer, joined }
    })
  }

  accept(wire: Wire): End {
    const peer = `${++this.#peers}`
    this.#clients.set(peer, wire)
    return {
      receive: (frames) =>
        this.#run((now) =>
          this.#each(
            frames,
            () => this.#served.clients.get(peer)?.session._tag === "Connected",
            (frame) => this.#engine.receivePeers(this.#served, [{ _tag: "Received", peer, frames: [frame] }], now)
          )
        ),
      roomy: () => this.#pump(),
      ended: () => {
        this.#clients.delete(peer)
        this.#run((now) => this.#engine.receivePeers(this.#served, [{ _tag: "Gone", peer }], now))
      }
    }
  }

  publish(key: string, value: string, lifetime = 0): boolean {
    this.#run(() => void this.#engine.publish(new Tuple(key, value), lifetime))
    return this.map.entries.get(key)?.tuple.value === value
  }

  delete(key: string): void {
    this.#run(() => void this.#engine.unpublish(key))
  }

  kill(): void {
    this.#alive = false
    for (const { dialer } of this.#remotes) {
      dialer.stop()
      dialer.wire?.end(true)
    }
    for (const wire of this.#clients.values()) wire.end(true)
  }

  wake(): void {
    // Ticks that were due meanwhile are late, and those to come are later than they were said to be.
    this.#armed = Number.POSITIVE_INFINITY
    this.#arm()
  }

  held(): ReadonlyMap<string, string> {
    const live = Array.from(this.map.entries.values()).filter((one) => TupleMap.isLive(one, this.#host.timeOfDay()))
    return new Map(live.map(({ tuple }) => [tuple.key, tuple.value]))
  }

  complaints(): ReadonlyArray<string> {
    const { counters } = this.#engine.journal
    const malformed = [...Object.values(counters.malformed), ...Object.values(counters.malformedTrailers)]
    return [
      ...(counters.defects > 0 ? [`${counters.defects} defects`] : []),
      ...(malformed.some((count) => count > 0) ? ["was sent something malformed"] : []),
      ...this.#remotes.flatMap(({ joined }) =>
        joined.remote._tag === "Connected" ? [] : [`is ${joined.remote._tag} at ${joined.endpoint}`]
      )
    ]
  }

  save(loses: number, dice: Dice): Disk {
    return this.#memory.save(loses, dice)
  }

  get heldBack(): number {
    return this.#engine.journal.counters.held
  }

  /** Who is no member says nothing that counts. */
  #each(frames: ReadonlyArray<Uint8Array>, isMember: () => boolean, run: (frame: Uint8Array) => void): void {
    const { held } = this.#parts
    for (const frame of frames) {
      if (held !== undefined && !isHeartbeat(frame) && isMember()) {
        for (const change of versionedIn(frame)) held.heard(this.#host, this, change)
      }
      const heard = this.#parts.hear(frame)
      if (heard !== undefined) run(heard)
    }
  }

  #watched(store: Store): Store {
    const { held, merged } = this.#parts
    if (held === undefined && merged === undefined) return store
    return {
      ...store,
      merge: (change, arrival) => {
        const outcome = store.merge(change, arrival)
        if (outcome !== "Stale") held?.taken(this.#host, change)
        merged?.(change.tuple.key, outcome)
        return outcome
      }
    }
  }

  #run(step: (now: number) => void): void {
    if (!this.#alive) return
    this.#engine.now = this.#host.monotonic()
    step(this.#engine.now)
    this.#memory.commit()
    this.#engine.flush()
    this.#pump()
    this.#arm()
  }

  /** Sends what there is room for. */
  #pump(): void {
    if (!this.#alive || this.#host.isPaused) return
    for (const [peer, { back }] of this.#clients) {
      const client = this.#served.clients.get(peer)
      if (client !== undefined) send(client.mailbox, back)
    }
    for (const { dialer, joined } of this.#remotes) {
      if (dialer.wire !== undefined) send(joined.mailbox, dialer.wire.there)
    }
  }

  #arm(): void {
    const due = this.#engine.deadline(this.#host.monotonic())
    if (!this.#alive || due >= this.#armed || !Number.isFinite(due)) return
    this.#armed = due
    const tick = ++this.#tick
    const { timeline } = this.#host
    timeline.at(Math.ceil(this.#host.whenMonotonic(due)), () => {
      if (tick !== this.#tick || this.#host.isPaused) return
      this.#run((now) => {
        this.#armed = Number.POSITIVE_INFINITY
        const { remoteTimeout } = this.#engine.settings
        if (this.#sleep.hasBeen(this.#host.timeOfDay(), now, remoteTimeout)) this.#engine.slept()
        this.#engine.tick(now)
      })
    })
  }
}

const send = (mailbox: Mailbox<Item, Uint8Array>, lane: Lane): void => {
  for (let room = lane.room; room > 0 && !mailbox.outbox.isEmpty; room = lane.room) {
    const frames = mailbox.takeNow(Math.min(room, chunk))
    if (frames.length === 0) return
    for (const frame of frames) lane.push(frame)
  }
}
