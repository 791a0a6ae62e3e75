/**
 * What happens in one run: a plain value, made of a seed, that can be written down as JSON, made smaller, and played
 * again. Times are virtual milliseconds from the start of the run, nodes and links are given by their place in the list.
 */

/** A node of ours, or one of version 1 of the protocol, as CZMQ's are. */
export interface NodeSpec {
  readonly kind: "ours" | "v1"
  /** What its time of day is wrong by at the start. */
  readonly skew: number
  /** How many tuples may wait for one peer. */
  readonly queue: number
  /** Its `server/timeout`; nothing where none is set, 1000 for version 1. */
  readonly timeout?: number
  /** Its endpoint has rules, which allow everything: so what is held is not compared over it. */
  readonly ruled?: boolean
}

/** `from` connects to `to`. Messages take a time between the two given ones. */
export interface LinkSpec {
  readonly from: number
  readonly to: number
  readonly latency: readonly [least: number, most: number]
}

/** What somebody does with a tuple, or what goes wrong and for how long. */
export type Event = { readonly at: number } & (
  | {
      readonly do: "publish"
      readonly node: number
      readonly key: string
      readonly value: string
      readonly lifetime?: number
    }
  | { readonly do: "delete"; readonly node: number; readonly key: string }
  /** It has a lifetime, and is renewed for so long, unless somebody sets or deletes it; then its owner deletes it. */
  | {
      readonly do: "lease"
      readonly node: number
      readonly key: string
      readonly value: string
      readonly lifetime: number
      readonly for: number
    }
  /** The connection breaks, and there is no new one for so long. What is under way arrives, unless it is lost. */
  | { readonly do: "cut"; readonly link: number; readonly loses: boolean; readonly for: number }
  /** Nothing gets through, and nobody is told. */
  | { readonly do: "stall"; readonly link: number; readonly way: "there" | "back" | "both"; readonly for: number }
  /** Messages take so much longer. */
  | { readonly do: "slow"; readonly link: number; readonly by: number; readonly for: number }
  /** All links between these nodes and the others are cut. */
  | { readonly do: "partition"; readonly nodes: ReadonlyArray<number>; readonly for: number }
  /** It ends without a last word, and comes back with what it had, or with nothing. */
  | {
      readonly do: "restart"
      readonly node: number
      readonly disk: boolean
      readonly for: number
      /** The power fails: what was written in the last so many ms is not on the disk, or in part. */
      readonly loses?: number
    }
  /** It reads nothing and does nothing: a process that is stopped, or a machine that sleeps, whose clock stands still. */
  | { readonly do: "pause"; readonly node: number; readonly sleeps: boolean; readonly for: number }
  /** Its time of day is set. */
  | { readonly do: "clock"; readonly node: number; readonly by: number }
)

export interface Scenario {
  readonly seed: number
  /** The `clock/max-drift` of all. */
  readonly maxDrift: number
  /** Their `tombstone/retention`, where it is not longer than the run. */
  readonly retention?: number
  readonly nodes: ReadonlyArray<NodeSpec>
  readonly links: ReadonlyArray<LinkSpec>
  readonly events: ReadonlyArray<Event>
}

/** Nodes of ours have small letters, those of version 1 capitals. */
export const nameOf = ({ nodes }: Scenario, index: number): string => {
  const letter = String.fromCharCode(97 + index)
  return nodes[index]?.kind === "v1" ? letter.toUpperCase() : letter
}

/** Whether anybody may set this key, at any time. The others have one writer, or one value. */
export const isShared = (key: string): boolean => key.startsWith("k")

/** When the last fault is over. */
export const endOf = ({ events }: Scenario): number =>
  events.reduce((end, event) => Math.max(end, event.at + ("for" in event ? event.for : 0)), 0)

/** Whether what one node says can come to all others. */
export const isConnected = ({ links, nodes }: Pick<Scenario, "links" | "nodes">): boolean => {
  const reached = new Set([0])
  for (let before = 0; before < reached.size;) {
    before = reached.size
    for (const { from, to } of links) {
      if (reached.has(from)) reached.add(to)
      else if (reached.has(to)) reached.add(from)
    }
  }
  return reached.size === nodes.length
}

/** The nodes of ours that are linked with each other without one of version 1 in between, each with a number of its part. */
export const partsOf = ({ links, nodes }: Scenario): ReadonlyArray<number> => {
  const parts = nodes.map((_, index) => index)
  for (let changed = true; changed;) {
    changed = false
    for (const { from, to } of links) {
      if (nodes[from]?.kind === "v1" || nodes[to]?.kind === "v1") continue
      const least = Math.min(parts[from]!, parts[to]!)
      changed ||= parts[from] !== least || parts[to] !== least
      parts[from] = parts[to] = least
    }
  }
  return parts
}

const words = (scenario: Scenario, event: Event): string => {
  const node = (index: number) => nameOf(scenario, index)
  const link = (index: number) => {
    const { from, to } = scenario.links[index]!
    return `${node(from)}-${node(to)}`
  }
  switch (event.do) {
    case "publish":
      return `${node(event.node)} publishes ${event.key}=${event.value}${event.lifetime === undefined ? "" : ` for ${event.lifetime} ms`}`
    case "delete":
      return `${node(event.node)} deletes ${event.key}`
    case "lease":
      return `${node(event.node)} leases ${event.key}=${event.value} for ${event.for} ms, ${event.lifetime} ms at a time`
    case "cut":
      return `${link(event.link)} is cut for ${event.for} ms, ${event.loses ? "what is under way is lost" : "what is under way arrives"}`
    case "stall":
      return `${link(event.link)} stalls for ${event.for} ms${event.way === "both" ? "" : `, the way ${event.way} only`}`
    case "slow":
      return `${link(event.link)} takes ${event.by} ms more for ${event.for} ms`
    case "partition":
      return `${event.nodes.map(node).join("")} and the others are parted for ${event.for} ms`
    case "restart":
      return `${node(event.node)} ends, and comes back after ${event.for} ms ${event.disk ? `with what it had${event.loses === undefined ? "" : ` ${event.loses} ms before`}` : "with nothing"}`
    case "pause":
      return `${node(event.node)} ${event.sleeps ? "sleeps" : "is stopped"} for ${event.for} ms`
    case "clock":
      return `the time of day of ${node(event.node)} is set by ${event.by} ms`
  }
}

export const show = (scenario: Scenario, event: Event): string => words(scenario, event)

/** For people: who there is, who is linked with whom, and what happens. */
export const print = (scenario: Scenario): string => {
  const nodes = scenario.nodes.map(({ kind, queue, ruled = false, skew, timeout }, index) => {
    const more = [
      skew === 0 ? "" : `, its clock is wrong by ${skew} ms`,
      kind === "ours" && queue < 1000 ? `, ${queue} tuples wait for a peer at most` : "",
      timeout === undefined ? "" : `, server/timeout ${timeout}`,
      ruled ? ", has rules that allow everything" : ""
    ]
    return `  ${nameOf(scenario, index)}  ${kind === "v1" ? "version 1" : "ours"}${more.join("")}`
  })
  const links = scenario.links.map(
    ({ from, latency: [least, most], to }) =>
      `  ${nameOf(scenario, from)} connects to ${nameOf(scenario, to)}, ${least} to ${most} ms`
  )
  const events = scenario.events.map((event) => `  ${String(event.at).padStart(6)}  ${words(scenario, event)}`)
  const { maxDrift, retention, seed } = scenario
  const kept = retention === undefined ? "" : `, tombstone/retention ${retention}`
  return [`seed ${seed}, clock/max-drift ${maxDrift}${kept}`, ...nodes, ...links, ...events].join("\n")
}
