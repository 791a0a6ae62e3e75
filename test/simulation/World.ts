/** Plays a scenario: the machines, the links between them, and what happens to them. */
import * as Settings from "../../src/protocol/Settings.ts"
import type * as TupleMap from "../../src/protocol/TupleMap.ts"
import { Checks } from "./Checks.ts"
import { Dice } from "./Dice.ts"
import type { Disk, Store } from "./Disk.ts"
import { Host } from "./Host.ts"
import { OurNode } from "./OurNode.ts"
import { Route, type Tap } from "./Route.ts"
import { endOf, type Event, nameOf, type Scenario, show } from "./Scenario.ts"
import { hasPair, Storms } from "./Storms.ts"
import { Timeline } from "./Timeline.ts"
import { isHeartbeat, Trace } from "./Trace.ts"
import { V1Node } from "./V1Node.ts"

/** What may be put in the place of a rule of our nodes, to see whether that is found. */
export interface Rules {
  readonly store?: (store: Store, map: TupleMap.TupleMap) => Store
  readonly settings?: Partial<Settings.Settings>
  /** Gives what a node of ours hears in the place of a frame, or nothing where it does not. */
  readonly hear?: (frame: Uint8Array, by: Host) => Uint8Array | undefined
  /** Gives what arrives in the place of a frame, or nothing where it does not. */
  readonly carry?: (frame: Uint8Array, from: Host, to: Host) => Uint8Array | undefined
  /** Gives what is said to a frame, besides what its reader says. */
  readonly answer?: (frame: Uint8Array, from: Host, to: Host) => Uint8Array | undefined
  readonly disk?: (disk: Disk) => Disk | undefined
}

export interface Options {
  readonly rules?: Rules | undefined
  readonly trace?: boolean | undefined
  /** Shows PING and PONG in the trace as well. */
  readonly heartbeats?: boolean | undefined
}

export interface Outcome {
  readonly violations: ReadonlyArray<string>
  /** How long it took after the last fault until all was well, in virtual ms. */
  readonly settled: number
  /** Frames that arrived, and those of them that are no heartbeats. */
  readonly frames: number
  readonly news: number
  readonly trace: ReadonlyArray<string>
}

/** After the last fault: no news for so long is quiet, and that has to come within so many ms. */
const [silence, patience] = [3000, 60_000]
/** News on all links: what takes more does not come to rest. */
const mostNews = 20_000

export class World implements Tap {
  readonly timeline = new Timeline()
  readonly hosts: ReadonlyArray<Host>
  readonly routes: ReadonlyArray<Route>
  readonly checks: Checks
  readonly scenario: Scenario
  readonly trace: Trace | undefined
  readonly #rules: Rules
  /** What the disks of nodes hold that are away. */
  readonly #disks = new Map<Host, Disk>()
  /** How many faults keep a node away. */
  readonly #away = new Map<Host, number>()
  /** Nothing where there are none. */
  readonly #storms: Storms | undefined
  readonly #end: number
  readonly #torn: Dice
  #frames = 0
  #news = 0
  #newsAt = 0

  constructor(scenario: Scenario, { heartbeats = false, rules = {}, trace = false }: Options = {}) {
    this.scenario = scenario
    this.#rules = rules
    this.trace = trace ? new Trace(() => this.timeline.now, heartbeats) : undefined
    this.hosts = scenario.nodes.map((spec, index) => new Host(index, nameOf(scenario, index), spec, this.timeline))
    this.routes = scenario.links.map(
      (spec) => new Route(spec, this.host(spec.from), this.host(spec.to), this.timeline, this, scenario.seed)
    )
    this.#storms = hasPair(scenario) ? new Storms() : undefined
    this.#end = endOf(scenario)
    this.#torn = new Dice(scenario.seed, 4)
    this.checks = new Checks(this, (key) => this.#storms?.isStormy(key, this.timeline.now) === true)
  }

  run(): Outcome {
    for (const host of this.hosts) this.#start(host)
    for (const event of this.scenario.events) this.timeline.at(event.at, () => this.#happen(event))
    const end = this.#end
    const goesOn = () => this.#news < mostNews
    this.timeline.runUntil(end, goesOn)
    const late = end + patience + this.checks.longestWait
    let violations: ReadonlyArray<string> = []
    let settled = 0
    for (let until = end + silence; goesOn(); until = this.#newsAt + silence) {
      // Not well yet, and quiet: only time can help.
      if (until <= this.timeline.now) until = this.timeline.now + 1000
      this.timeline.runUntil(Math.min(until, late), goesOn)
      const isQuiet = this.timeline.now - this.#newsAt >= silence
      violations = [
        ...this.checks.violations(),
        ...(this.#storms?.violations() ?? []),
        ...(isQuiet ? [] : ["not quiet: somebody still has something to say"])
      ]
      settled = Math.max(0, this.#newsAt - end)
      if (violations.length === 0 || this.timeline.now >= late) break
    }
    if (!goesOn()) violations = [`storm: more than ${mostNews} messages`]
    return { violations, settled, frames: this.#frames, news: this.#news, trace: this.trace?.lines ?? [] }
  }

  host(index: number): Host {
    const host = this.hosts[index]
    if (host === undefined) throw new Error(`there is no node ${index}`)
    return host
  }

  // What the links tell

  arrives(from: Host, to: Host, frame: Uint8Array, sentAt: number): void {
    this.#frames += 1
    const isStorm = this.#storms?.isStorm(from, to, frame, this.timeline.now) === true
    if (!isStorm && !isHeartbeat(frame)) {
      this.#news += 1
      this.#newsAt = this.timeline.now
    }
    this.trace?.arrives(from, to, frame, sentAt)
  }

  loses(from: Host, to: Host, count: number): void {
    this.trace?.note(`${from.name} > ${to.name}  ${count} on the way are lost`)
  }

  links(from: Host, to: Host, isUp: boolean): void {
    this.trace?.note(`${from.name} - ${to.name}  ${isUp ? "connected" : "the connection ends"}`)
  }

  carry(from: Host, to: Host, frame: Uint8Array): Uint8Array | undefined {
    const { carry } = this.#rules
    return carry === undefined ? frame : carry(frame, from, to)
  }

  answer(from: Host, to: Host, frame: Uint8Array): Uint8Array | undefined {
    return this.#rules.answer?.(frame, from, to)
  }

  // What happens

  #start(host: Host): void {
    host.starts += 1
    const routes = this.routes.filter(({ from }) => from === host)
    if (host.spec.kind === "v1") {
      host.node = new V1Node(host, routes)
      return
    }
    const { disk = (disk) => disk, hear, settings = {}, store = (store) => store } = this.#rules
    const { events, maxDrift, retention = Settings.defaults.retention } = this.scenario
    const kept = this.#disks.get(host)
    const parts = {
      store,
      settings: { maxDrift, retention, ...settings },
      hear: (frame: Uint8Array) => (hear === undefined ? frame : hear(frame, host)),
      held: this.checks.held,
      isKept: events.some((event) => event.do === "restart" && event.disk && event.node === host.index),
      merged: this.#storms && ((key: string, outcome: TupleMap.Outcome) => this.#merged(host, key, outcome))
    }
    host.node = new OurNode(host, routes, parts, kept && disk(kept))
    this.#disks.delete(host)
  }

  #merged(host: Host, key: string, outcome: TupleMap.Outcome): void {
    if (this.timeline.now > this.#end) this.#storms?.merged(host, key, outcome)
  }

  /** With its disk, it loses what was written in the last `loses` ms; else all. */
  #stop(host: Host, loses: number | undefined): void {
    const { node } = host
    if (node === undefined) return
    if (node instanceof OurNode && loses !== undefined) this.#disks.set(host, node.save(loses, this.#torn))
    node.kill()
    host.node = undefined
    this.checks.gone(this.#disks)
  }

  #happen(event: Event): void {
    this.trace?.note(`*  ${show(this.scenario, event)}`)
    const over = (run: () => void) => "for" in event && this.timeline.after(event.for, run)
    switch (event.do) {
      case "publish":
        return this.#publish(this.host(event.node), event.key, event.value, event.lifetime)
      case "delete":
        return this.#delete(this.host(event.node), event.key)
      case "lease":
        return this.#lease(this.host(event.node), event, this.timeline.now + event.for)
      case "cut":
        return this.#sever([this.#route(event.link)], event.loses, over)
      case "partition": {
        const isHere = ({ index }: Host) => event.nodes.includes(index)
        return this.#sever(
          this.routes.filter(({ from, to }) => isHere(from) !== isHere(to)),
          true,
          over
        )
      }
      case "stall": {
        const route = this.#route(event.link)
        const ways = { there: [route.there], back: [route.back], both: [route.there, route.back] }[event.way]
        for (const way of ways) way.stalls += 1
        over(() => {
          for (const way of ways) way.stalls -= 1
          route.resume()
        })
        return
      }
      case "slow": {
        const route = this.#route(event.link)
        route.extra += event.by
        over(() => void (route.extra -= event.by))
        return
      }
      case "restart": {
        const host = this.host(event.node)
        this.#away.set(host, (this.#away.get(host) ?? 0) + 1)
        this.#stop(host, event.disk ? (event.loses ?? 0) : undefined)
        over(() => {
          const left = (this.#away.get(host) ?? 1) - 1
          this.#away.set(host, left)
          if (left === 0) this.#start(host)
        })
        return
      }
      case "pause": {
        const host = this.host(event.node)
        host.pause(event.sleeps)
        over(() => {
          host.resume(event.sleeps)
          for (const route of this.routes) if (route.from === host || route.to === host) route.resume()
        })
        return
      }
      case "clock":
        this.host(event.node).setClock(event.by)
    }
  }

  #publish(host: Host, key: string, value: string, lifetime?: number): void {
    host.awake(() => {
      const { node } = host
      if (node === undefined) return
      const isHeld = node.publish(key, value, lifetime)
      this.checks.published(host, key, value, isHeld)
    })
  }

  #delete(host: Host, key: string): void {
    host.awake(() => {
      const isKnown = this.checks.isKnown(key, this.#disks)
      host.node?.delete(key)
      this.checks.deleted(host, key, isKnown)
    })
  }

  /** As `Announcements` has it: never against somebody else who has made something of the key. */
  #lease(host: Host, { key, lifetime, value }: Extract<Event, { readonly do: "lease" }>, until: number): void {
    const { node } = host
    if (!(node instanceof OurNode)) return
    let mine: TupleMap.Entry | undefined
    const held = () => node.map.entries.get(key)
    const isMine = () => held()?.version === mine?.version
    const renew = (): void =>
      host.awake(() => {
        if (host.node !== node) return
        if (this.timeline.now >= until) {
          if (isMine()) this.#delete(host, key)
          return
        }
        const other = held()
        if (mine !== undefined && other !== undefined && !isMine() && (other.deleted || other.tuple.value !== value))
          return
        this.#publish(host, key, value, lifetime)
        mine = held()
        this.timeline.at(Math.min(until, this.timeline.now + Math.max(1, Math.floor(lifetime / 3))), renew)
      })
    renew()
  }

  #sever(routes: ReadonlyArray<Route>, loses: boolean, over: (run: () => void) => void): void {
    for (const route of routes) {
      route.severed += 1
      route.cut(loses)
    }
    over(() => {
      for (const route of routes) route.severed -= 1
    })
  }

  #route(index: number): Route {
    const route = this.routes[index]
    if (route === undefined) throw new Error(`there is no link ${index}`)
    return route
  }
}

export const play = (scenario: Scenario, options?: Options): Outcome => new World(scenario, options).run()
