/** What must hold when the last fault is over and all was said. */
import * as Version from "../../src/protocol/Version.ts"
import type { Disk } from "./Disk.ts"
import { Held, type Versioned } from "./Held.ts"
import type { Host } from "./Host.ts"
import { OurNode } from "./OurNode.ts"
import { isShared, partsOf, type Scenario } from "./Scenario.ts"
import { showVersion } from "./Trace.ts"

type Disks = ReadonlyMap<Host, Disk>

type Said = Omit<Versioned, "remaining">

/** The newest that was acknowledged of a key, and still is somewhere. */
interface Required {
  /** Nothing where it was deleted. */
  readonly value: string | undefined
  /** Nothing where a node of version 1 has set it. */
  readonly version: Version.Version | undefined
  /** It was deleted, or has a lifetime. */
  readonly ends: boolean
}

export class Checks {
  readonly #world: { readonly hosts: ReadonlyArray<Host>; readonly scenario: Scenario }
  readonly #required = new Map<string, Required>()
  readonly #said: Array<string> = []
  readonly #parts: ReadonlyArray<number>
  readonly #isMixed: boolean
  /** Whether values of a key go on bouncing between nodes of version 1. */
  readonly #isStormy: (key: string) => boolean
  /** Keys that were deleted beside nodes of version 1, which hold them for ever: those are not asked. */
  readonly #deleted = new Set<string>()
  /** Those of them that others may not have known by then, or have set again: they may be back. */
  readonly #loose = new Set<string>()
  /** Nothing where no clocks are so far apart that anything is held back. */
  readonly held: Held | undefined

  constructor(
    world: { readonly hosts: ReadonlyArray<Host>; readonly scenario: Scenario },
    isStormy: (key: string) => boolean = () => false
  ) {
    this.#world = world
    this.#isStormy = isStormy
    this.#parts = partsOf(world.scenario)
    this.#isMixed = world.scenario.nodes.some(({ kind }) => kind === "v1")
    const { events, maxDrift } = world.scenario
    for (const event of this.#isMixed ? events : []) {
      if (event.do === "delete" && this.#settersOf(event.key) > 1) this.#loose.add(event.key)
    }
    const say = (violation: string) => void this.#said.push(violation)
    this.held = this.longestWait > maxDrift ? new Held(maxDrift, this.#longestWay, say) : undefined
  }

  /** How long a word is under way at most, over all links, and how long somebody slept who says it, in ms. */
  get #longestWay(): number {
    const { events, links } = this.#world.scenario
    const slow = events.map((event) => (event.do === "slow" ? event.by : 0))
    const slept = events.reduce((sum, event) => sum + (event.do === "pause" ? event.for : 0), 0)
    return links.reduce((sum, { latency }) => sum + latency[1], slept + Math.max(0, ...slow))
  }

  /** How long something may be held back because it comes from the future, in ms. */
  get longestWait(): number {
    const { events, nodes } = this.#world.scenario
    const set = events.reduce((sum, event) => sum + (event.do === "clock" ? Math.abs(event.by) : 0), 0)
    const skews = nodes.map(({ skew }) => skew)
    const lifetimes = events.map((event) => ("lifetime" in event ? event.lifetime : 0))
    return Math.max(...skews) - Math.min(...skews) + set + Math.max(0, ...lifetimes)
  }

  /** Somebody published, and was told that it is so. */
  published(host: Host, key: string, value: string, isHeld: boolean): void {
    if (!isHeld) this.#said.push(`not taken: ${host.name} does not hold ${key}=${value}, which it published`)
    this.#require(host, key, value)
  }

  /** Somebody deleted a key. */
  deleted(host: Host, key: string, isKnown: boolean): void {
    if (this.#isMixed && host.node instanceof OurNode && host.node.map.entries.get(key)?.deleted === true) {
      this.#deleted.add(key)
      // What a node of version 1 still has counts as set just now, or as older than all, whenever it was.
      this.#required.delete(key)
      if (!isKnown) this.#loose.add(key)
    }
    this.#require(host, key, undefined)
  }

  /**
   * Whether all nodes of ours hold the same of a key, so that they know it again when it is said by nodes of version 1
   * that are not told that it is deleted.
   */
  isKnown(key: string, disks: Disks): boolean {
    if (!this.#isMixed) return true
    const versions = this.#world.hosts.flatMap((host) => {
      if (host.spec.kind === "v1") return []
      const entries =
        host.node instanceof OurNode ? Array.from(host.node.map.entries.values()) : disks.get(host)?.entries
      const entry = entries?.find(({ tuple }) => tuple.key === key)
      return [entry === undefined ? "nothing" : showVersion(entry.version)]
    })
    // Two that hear each other only by way of version 1 may have heard it in the same moment.
    const parts = new Set(
      this.#world.hosts.flatMap(({ index, spec }) => (spec.kind === "v1" ? [] : this.#parts[index]))
    )
    // What is held back counts as set later than what is deleted now.
    const isHeldBack = this.#world.hosts.some(
      ({ node }) => node instanceof OurNode && this.held?.of(node, key) !== undefined
    )
    return this.#settersOf(key) === 1 && parts.size === 1 && new Set(versions).size === 1 && !isHeldBack
  }

  #settersOf(key: string): number {
    return this.#world.scenario.events.filter((event) => "value" in event && event.key === key).length
  }

  #require(host: Host, key: string, value: string | undefined): void {
    if (this.#loose.has(key)) return void this.#required.delete(key)
    const entry = host.node instanceof OurNode ? host.node.map.entries.get(key) : undefined
    const { lifetime = 0, version } = entry ?? {}
    // There was nothing to delete.
    if (value === undefined && version === undefined) return
    const before = this.#required.get(key)
    if (before?.version === undefined || version === undefined || Version.compare(version, before.version) > 0) {
      this.#required.set(key, { value, version, ends: value === undefined || lifetime > 0 })
    }
  }

  /** A node ended. What it alone knew is gone with it, if its disk has not got it. */
  gone(disks: Disks): void {
    for (const [key, required] of this.#required) {
      const isLeft = this.#world.hosts.some((host) => {
        const { node } = host
        if (node instanceof OurNode) {
          const early = this.held?.of(node, key)
          return this.#isAsNew(node.map.entries.get(key), required) || this.#isAsNew(early, required)
        }
        if (node !== undefined) return required.value !== undefined && node.held().get(key) === required.value
        return (
          disks.get(host)?.entries.some((entry) => entry.tuple.key === key && this.#isAsNew(entry, required)) === true
        )
      })
      if (!isLeft) this.#required.delete(key)
    }
  }

  violations(): ReadonlyArray<string> {
    return [...this.#said, ...this.#complaints(), ...this.#lost(), ...this.#different()]
  }

  /** By way of a node of version 1 a value may come back, and have another version. */
  #isAsNew(entry: Said | undefined, { value, version }: Required): boolean {
    if (entry === undefined) return false
    const order = version === undefined ? -1 : Version.compare(entry.version, version)
    if (order !== 0) return order > 0 || (entry.tuple.value === value && (version === undefined || this.#isMixed))
    const { deleted = false, lifetime = 0 } = entry
    return value === undefined ? deleted : deleted ? lifetime > 0 : entry.tuple.value === value
  }

  #complaints(): ReadonlyArray<string> {
    return this.#world.hosts.flatMap(({ name, node }) =>
      node === undefined ? [`away: ${name}`] : node.complaints().map((text) => `unwell: ${name} ${text}`)
    )
  }

  #lost(): ReadonlyArray<string> {
    return Array.from(this.#required).flatMap(([key, required]) =>
      this.#world.hosts.flatMap((host) => {
        const { name, node } = host
        if (this.#isApart(key) && !(node instanceof OurNode)) return []
        const entry = node instanceof OurNode ? node.map.entries.get(key) : undefined
        // Beside nodes of version 1 nobody has set it again: that it has a newer version is no excuse.
        const isBack = this.#deleted.has(key) && entry?.deleted === false
        const isHeld =
          node instanceof OurNode ? this.#isAsNew(entry, required) : node?.held().get(key) === required.value
        const isThere = isHeld && !isBack
        // Values that chase each other through nodes of version 1 come to rest at one of them.
        if (this.#isMixed && isShared(key) && node?.held().has(key) === true) return []
        // What is gone may have been forgotten.
        if (isThere || (entry === undefined && required.ends)) return []
        return required.value === undefined
          ? [`came back: ${key}, which was deleted, is at ${name}`]
          : [`lost: ${key}=${required.value} is not at ${name}, nor anything newer`]
      })
    )
  }

  /** Nodes of version 1 do not agree with ours, nor do those of ours that have some in between. */
  #isApart(key: string): boolean {
    return this.#deleted.has(key) || this.#isStormy(key)
  }

  #different(): ReadonlyArray<string> {
    const found: Array<string> = []
    const values = new Map<string, { readonly name: string; readonly text: string }>()
    const versions = new Map<string, { readonly name: string; readonly text: string }>()
    const keys = new Set(
      this.#world.hosts.flatMap(({ node }) =>
        Array.from((node instanceof OurNode ? node.map.entries : node?.held())?.keys() ?? [])
      )
    )
    for (const { index, name, node } of this.#world.hosts) {
      const held = node?.held()
      for (const key of keys) {
        const isApart = this.#isApart(key)
        if (isApart && !(node instanceof OurNode)) continue
        const text = held?.get(key) ?? "nothing"
        // Who is behind nodes of version 1 is not told.
        const whose = isApart ? `${this.#parts[index]} ${key}` : key
        const other = values.get(whose)
        if (other === undefined) values.set(whose, { name, text })
        else if (other.text !== text) {
          found.push(`different: of ${key} ${other.name} holds ${other.text}, ${name} holds ${text}`)
        }
        const entry = node instanceof OurNode ? node.map.entries.get(key) : undefined
        if (entry === undefined) continue
        // Behind a node of version 1 the same value has another version.
        const part = `${this.#parts[index]} ${key}`
        const version = showVersion(entry.version)
        const same = versions.get(part)
        if (same === undefined) versions.set(part, { name, text: version })
        else if (same.text !== version && other?.text === text) {
          found.push(`versions: of ${key}=${text} ${same.name} has ${same.text}, ${name} has ${version}`)
        }
      }
    }
    return found
  }
}
