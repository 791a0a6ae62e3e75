/**
 * Networks of our nodes in which one is away for longer than it is remembered what was deleted: it was ended, and comes
 * back with what it had, or is cut off. What the others delete meanwhile must not come back, and what it has set itself
 * must stay. Everything else that goes wrong is over soon: who hears of nobody for that long is away as well.
 */
import type { Dice } from "./Dice.ts"
import { linksOf } from "./links.ts"
import { type Event, isConnected, type NodeSpec, type Scenario } from "./Scenario.ts"

/** Whether the others do not need it to hear each other. */
const isDispensable = ({ links, nodes }: Pick<Scenario, "links" | "nodes">, node: number): boolean => {
  const moved = (index: number) => (index > node ? index - 1 : index)
  const left = links.filter(({ from, to }) => from !== node && to !== node)
  const others = {
    nodes: nodes.filter((_, index) => index !== node),
    links: left.map((link) => ({ ...link, from: moved(link.from), to: moved(link.to) }))
  }
  return others.nodes.length > 1 && isConnected(others)
}

/** Whether there is a network without whoever is away for too long. */
export const isSound = (scenario: Scenario): boolean => {
  const { events, retention = Number.POSITIVE_INFINITY } = scenario
  return events.every((event) => {
    if (!("for" in event) || event.for < retention) return true
    const away = event.do === "partition" ? event.nodes : "node" in event ? [event.node] : []
    return away.every((node) => isDispensable(scenario, node))
  })
}

const faultOf = (dice: Dice, at: number, links: number, nodes: number): Event => {
  const [link, time] = [dice.between(0, links - 1), dice.between(0, 300)]
  const chance = dice.next()
  if (chance < 0.4) return { at, do: "cut", link, loses: dice.chance(0.6), for: time }
  if (chance < 0.6) return { at, do: "stall", link, way: dice.pick(["there", "back", "both"]), for: time }
  if (chance < 0.8) return { at, do: "slow", link, by: dice.between(10, 300), for: time }
  return { at, do: "pause", node: dice.between(0, nodes - 1), sleeps: false, for: time }
}

/** It is remembered for longer what was deleted than clocks may differ. */
const maxDrift = 1000

/** There are three nodes at least. */
export const absence = (dice: Dice, seed: number, count: number): Scenario => {
  const nodes = Array.from({ length: count }, (): NodeSpec => {
    const skew = dice.chance(0.5) ? 0 : dice.between(-400, 400)
    return { kind: "ours", skew, queue: dice.pick([1000, 1000, 4, 1]) }
  })
  const links = linksOf(nodes, dice)
  const all = nodes.map((_, node) => node)
  const absent = dice.pick(all.filter((node) => isDispensable({ nodes, links }, node)))
  const others = all.filter((node) => node !== absent)
  const retention = dice.between(2000, 4000)
  const away = dice.between(1500, 2500)
  const time = retention + dice.between(1000, 3000)
  const isCutOff = dice.chance(0.4)
  const events: Array<Event> = [
    isCutOff
      ? { at: away, do: "partition", nodes: [absent], for: time }
      : { at: away, do: "restart", node: absent, disk: true, for: time }
  ]
  let values = 0
  const publish = (at: number, node: number, key: string) =>
    events.push({ at, do: "publish", node, key, value: `${++values}` })
  const keys = ["k1", "k2", "k3"].slice(0, dice.between(1, 3))
  // What nobody else touches is the absent one's.
  const own = (at: number) => publish(at, absent, `own${dice.between(1, 3)}`)
  for (const key of keys) {
    for (let more = dice.between(1, 3); more > 0; more--) publish(dice.between(0, away), dice.pick(others), key)
    // Then most are deleted, early enough to be forgotten, or not.
    const at = away + dice.between(1, dice.chance(0.7) ? time - retention : time + 500)
    if (dice.chance(0.8)) events.push({ at, do: "delete", node: dice.pick(others), key })
    if (dice.chance(0.2)) publish(at + dice.between(1, 2000), dice.pick(others), key)
  }
  for (let more = dice.between(0, 3); more > 0; more--) own(dice.between(0, away))
  if (dice.chance(0.5)) own(away - dice.between(1, 20))
  for (let more = isCutOff ? dice.between(0, 3) : 0; more > 0; more--) own(away + dice.between(1, time))
  for (let faults = dice.between(0, 3); faults > 0; faults--) {
    events.push(faultOf(dice, dice.between(0, away + time), links.length, nodes.length))
  }
  return { seed, maxDrift, retention, nodes, links, events: events.toSorted((a, b) => a.at - b.at) }
}
