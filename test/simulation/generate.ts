/** Makes a scenario of a seed. */
import { Dice } from "./Dice.ts"
import { absence } from "./absence.ts"
import { linksOf, withPair } from "./links.ts"
import type { Event, LinkSpec, NodeSpec, Scenario } from "./Scenario.ts"

/** What the nodes can do by now, and the runs may ask of them. */
export interface Abilities {
  /** Tuples can be deleted, and have lifetimes. */
  readonly deletes: boolean
  /** Two values of a key that chase each other through nodes of version 1 come to rest. */
  readonly damps: boolean
  /** A node that starts with nothing beside one of version 1 does not take from that what was deleted. */
  readonly startsAnew: boolean
}

export const abilities: Abilities = { deletes: true, damps: true, startsAnew: true }

/** What a run is about; drawn of the seed where it is not said. */
export interface Wish {
  readonly nodes?: number | undefined
  readonly kind?: "ours" | "mixed" | undefined
  /** All endpoints have rules. */
  readonly ruled?: boolean | undefined
  /** Two nodes of version 1 are linked with each other. */
  readonly pair?: boolean | undefined
  /** Keys are deleted beside nodes of version 1. */
  readonly deletes?: boolean | undefined
  /** A node is away for longer than it is remembered what was deleted. */
  readonly absence?: boolean | undefined
}

/** The `clock/max-drift` of all. */
export const maxDrift = 10_000

/** Most things last a moment, some long enough for every timeout. */
const lasting = (dice: Dice): number => (dice.chance(0.2) ? dice.between(1000, 7000) : dice.between(1, 900))

const skewOf = (dice: Dice): number => {
  const chance = dice.next()
  if (chance < 0.5) return 0
  if (chance < 0.9) return dice.between(-4000, 4000)
  return dice.between(maxDrift, maxDrift + 8000) * (dice.chance(0.5) ? 1 : -1)
}

const faultOf = (dice: Dice, at: number, nodes: number, links: number): Event => {
  const [node, link, time] = [dice.between(0, nodes - 1), dice.between(0, links - 1), lasting(dice)]
  const chance = dice.next()
  if (chance < 0.25) return { at, do: "cut", link, loses: dice.chance(0.6), for: dice.chance(0.4) ? 0 : time }
  if (chance < 0.4) return { at, do: "stall", link, way: dice.pick(["there", "back", "both"]), for: time }
  if (chance < 0.5) return { at, do: "slow", link, by: dice.between(10, 1500), for: time }
  if (chance < 0.6) {
    const side = Array.from({ length: nodes }, (_, index) => index).filter(() => dice.chance(0.5))
    return { at, do: "partition", nodes: side, for: time }
  }
  if (chance < 0.8) return { at, do: "restart", node, disk: dice.chance(0.5), for: dice.between(0, 1500) }
  if (chance < 0.9) return { at, do: "pause", node, sleeps: dice.chance(0.5), for: time }
  return { at, do: "clock", node, by: dice.between(-8000, 8000) }
}

/** The node of version 1, where it is the only one and has one link. */
const leafOf = (nodes: ReadonlyArray<Pick<NodeSpec, "kind">>, links: ReadonlyArray<LinkSpec>): number | undefined => {
  const [v1, another] = nodes.flatMap(({ kind }, index) => (kind === "v1" ? [index] : []))
  const own = links.filter(({ from, to }) => from === v1 || to === v1)
  return another === undefined && own.length === 1 ? v1 : undefined
}

/** Whether its connection ends. */
const cutsOff = (event: Event, leaf: number, links: ReadonlyArray<LinkSpec>): boolean => {
  const link = links.findIndex(({ from, to }) => from === leaf || to === leaf)
  switch (event.do) {
    case "cut":
      return event.link === link
    case "partition":
      return true
    case "restart":
      return event.node === links[link]?.from || event.node === links[link]?.to
    default:
      return false
  }
}

/** A machine whose time of day is set back by as much as it sleeps does not notice that it slept, see docs/reliability.md. */
const noticeable = (events: ReadonlyArray<Event>): ReadonlyArray<Event> => {
  const set = new Set(events.flatMap((event) => (event.do === "clock" ? [event.node] : [])))
  return events.map((event) => (event.do === "pause" && set.has(event.node) ? { ...event, sleeps: false } : event))
}

/** By then all are connected, and have what the others had to say, in ms. */
const joined = 1500

/**
 * Who may set what, so that what comes of it is promised. Among our own nodes: anybody anything. With nodes of version
 * 1, which tell no versions, the same in half of the runs: then all have to agree, and it does not matter on what. In
 * the others each key has one value, and nothing may be lost; but a node of version 1 that is alone with ours, at the
 * end of one link, and never cut off, may set its own keys as often as it likes, and the last value counts.
 */
const writesOf = (dice: Dice, nodes: ReadonlyArray<Pick<NodeSpec, "kind">>, leaf: number | undefined, span: number) => {
  // Those of version 1 are not told.
  const deletes = abilities.deletes && nodes.every(({ kind }) => kind === "ours")
  const free = nodes.every(({ kind }) => kind === "ours") || (abilities.damps && dice.chance(0.5))
  const keys = dice.between(1, 4)
  const events: Array<Event> = []
  let values = 0
  const write = (at: number, node: number): void => {
    const toggles = free || (node === leaf && at > joined)
    const own = free ? "k" : toggles ? "own" : `once${events.length}-`
    const key = `${own}${dice.between(1, keys)}`
    // Now and then a value that was there before: it toggles.
    const value = toggles ? (dice.chance(0.3) ? `t${dice.between(1, 2)}` : `${++values}`) : "1"
    const chance = dice.next()
    if (deletes && chance < 0.25) {
      events.push({ at, do: "delete", node, key })
    } else if (deletes && chance < 0.35) {
      events.push({ at, do: "lease", node, key, value, lifetime: dice.between(500, 2000), for: dice.between(0, 3000) })
    } else if (deletes && chance < 0.45) {
      events.push({ at, do: "publish", node, key, value, lifetime: dice.between(1, 4000) })
    } else {
      events.push({ at, do: "publish", node, key, value })
    }
  }
  for (let count = dice.between(1, 12); count > 0; count--) {
    const [at, node] = [dice.between(0, span), dice.between(0, nodes.length - 1)]
    // Some come in bursts.
    for (let burst = dice.chance(0.2) ? dice.between(2, 12) : 1; burst > 0; burst--) write(at, node)
  }
  return events
}

/** Some of what is set beside nodes of version 1 is deleted later, and now and then set anew. */
const deletesOf = (dice: Dice, writes: ReadonlyArray<Event>, nodes: ReadonlyArray<Pick<NodeSpec, "kind">>) => {
  const ours = nodes.flatMap(({ kind }, node) => (kind === "ours" ? [node] : []))
  return writes.flatMap((event): ReadonlyArray<Event> => {
    if (event.do !== "publish" || dice.chance(0.5)) return []
    const { key } = event
    const at = event.at + dice.between(100, 3000)
    const deleted: Event = { at, do: "delete", node: dice.pick(ours), key }
    if (dice.chance(0.9)) return [deleted]
    const node = dice.between(0, nodes.length - 1)
    return [deleted, { at: at + dice.between(100, 2000), do: "publish", node, key, value: "again" }]
  })
}

/** After one of the deletes one of ours comes back with nothing, and may hear of the key from a node of version 1 first. */
const freshOf = (dice: Dice, deletes: ReadonlyArray<Event>, nodes: ReadonlyArray<Pick<NodeSpec, "kind">>): Event => ({
  at: dice.pick(deletes).at + dice.between(100, 2000),
  do: "restart",
  node: dice.pick(nodes.flatMap(({ kind }, node) => (kind === "ours" ? [node] : []))),
  disk: false,
  for: dice.between(0, 1500)
})

/** Of nodes of ours that end nobody comes back with nothing. */
const withDisks = (events: ReadonlyArray<Event>): ReadonlyArray<Event> =>
  events.map((event) => (event.do === "restart" ? { ...event, disk: true } : event))

export const generate = (seed: number, wish: Wish = {}): Scenario => {
  const [dice, other] = [new Dice(seed, 1), new Dice(seed, 3)]
  const count = wish.nodes ?? dice.between(2, 6)
  const drawn = dice.chance(0.4) ? "mixed" : "ours"
  const mixed = (wish.kind ?? drawn) === "mixed"
  if (wish.absence ?? (!mixed && wish.ruled === undefined && other.chance(0.08))) {
    return absence(other, seed, Math.max(3, count))
  }
  // The first one is ours: each of version 1 finds somebody to be linked with.
  const kinds = Array.from({ length: count }, (_, index) => ({
    kind: mixed && index > 0 && (index === 1 || dice.chance(0.3)) ? ("v1" as const) : ("ours" as const)
  }))
  const isPaired = mixed && (wish.pair ?? other.chance(0.04))
  const tree = linksOf(kinds, dice)
  const links = isPaired ? withPair(kinds, tree, other) : tree
  const servesV1 = (index: number) => links.some(({ from, to }) => to === index && kinds[from]?.kind === "v1")
  const rules = wish.ruled === true || other.chance(0.1) ? 1 : 0.1
  const nodes = kinds.map(({ kind }, index): NodeSpec => {
    if (kind === "v1") return { kind, skew: 0, queue: 1000, timeout: dice.chance(0.8) ? 1000 : 0 }
    const ruled = other.chance(rules)
    const spec = { kind, skew: skewOf(dice), queue: dice.pick([1000, 1000, 4, 1]), ...(ruled && { ruled }) }
    // CZMQ's clients say no PING: a server that forgets them is not what they can live with.
    return servesV1(index) || dice.chance(0.7) ? spec : { ...spec, timeout: 1000 }
  })
  const span = dice.between(200, 6000)
  const leaf = leafOf(kinds, links)
  const writes = writesOf(dice, nodes, leaf, span)
  const events = [...writes]
  for (let faults = dice.between(0, 8); faults > 0; faults--) {
    const fault = faultOf(dice, dice.between(0, span), nodes.length, links.length)
    if (leaf === undefined || !cutsOff(fault, leaf, links)) events.push(fault)
  }
  const deletes =
    mixed && abilities.deletes && (wish.deletes ?? other.chance(0.4)) ? deletesOf(other, writes, kinds) : []
  const isFresh = deletes.length > 0 && abilities.startsAnew && leaf === undefined && other.chance(0.6)
  const fresh = isFresh ? [freshOf(other, deletes, kinds)] : []
  const all = [...fresh, ...(deletes.length > 0 && !abilities.startsAnew ? withDisks(events) : events), ...deletes]
  const torn = all.map((event): Event => {
    const fails = event.do === "restart" && event.disk && other.chance(0.4)
    return fails ? { ...event, loses: other.between(1, 1000) } : event
  })
  return { seed, maxDrift, nodes, links, events: noticeable(torn).toSorted((a, b) => a.at - b.at) }
}
