/**
 * Makes a scenario that fails smaller, as long as it still fails in the same way: fewer events, nodes and links, then
 * plainer ones. The same scenario always becomes the same.
 */
import { isSound } from "./absence.ts"
import { type Event, isConnected, type NodeSpec, type Scenario } from "./Scenario.ts"

/** Whether it still fails as it did. */
export type Fails = (scenario: Scenario) => boolean

/** Without some of the events: halves first, then quarters, and so on (Zeller's ddmin). */
const withoutEvents = (scenario: Scenario, fails: Fails): Scenario => {
  let events = scenario.events
  for (let size = Math.ceil(events.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < events.length;) {
      const fewer = [...events.slice(0, start), ...events.slice(start + size)]
      if (fails({ ...scenario, events: fewer })) events = fewer
      else start += size
    }
  }
  return { ...scenario, events }
}

const withoutLink = (scenario: Scenario, index: number): Scenario => {
  const links = scenario.links.filter((_, link) => link !== index)
  const events = scenario.events.flatMap((event): ReadonlyArray<Event> => {
    if (!("link" in event)) return [event]
    return event.link === index ? [] : [{ ...event, link: event.link > index ? event.link - 1 : event.link }]
  })
  return { ...scenario, links, events }
}

const withoutNode = (scenario: Scenario, index: number): Scenario => {
  let smaller = scenario
  for (let link = scenario.links.length - 1; link >= 0; link--) {
    const { from, to } = scenario.links[link]!
    if (from === index || to === index) smaller = withoutLink(smaller, link)
  }
  const moved = (node: number) => (node > index ? node - 1 : node)
  return {
    ...smaller,
    nodes: smaller.nodes.filter((_, node) => node !== index),
    links: smaller.links.map((link) => ({ ...link, from: moved(link.from), to: moved(link.to) })),
    events: smaller.events.flatMap((event): ReadonlyArray<Event> => {
      if ("nodes" in event) return [{ ...event, nodes: event.nodes.filter((node) => node !== index).map(moved) }]
      if (!("node" in event)) return [event]
      return event.node === index ? [] : [{ ...event, node: moved(event.node) }]
    })
  }
}

const fewer = (scenario: Scenario, fails: Fails): Scenario => {
  let smaller = scenario
  const attempt = (candidate: Scenario) => {
    if (isConnected(candidate) && isSound(candidate) && fails(candidate)) smaller = candidate
  }
  for (let node = scenario.nodes.length - 1; node >= 0; node--) {
    if (smaller.nodes.length > 1) attempt(withoutNode(smaller, node))
  }
  for (let link = smaller.links.length - 1; link >= 0; link--) attempt(withoutLink(smaller, link))
  return smaller
}

/** One after the other, what is plainer than it is. */
function* plainer(scenario: Scenario): Generator<Scenario> {
  for (const [index, node] of scenario.nodes.entries()) {
    const { timeout: _, ...others } = node
    const { ruled = false, ...free } = node
    const plain: ReadonlyArray<NodeSpec> = [
      { ...node, skew: 0 },
      { ...node, queue: 1000 },
      ...(node.kind === "ours" ? [others] : []),
      ...(ruled ? [free] : [])
    ]
    for (const one of plain) yield { ...scenario, nodes: scenario.nodes.with(index, one) }
  }
  for (const [index, link] of scenario.links.entries()) {
    const [least] = link.latency
    for (const latency of [
      [5, 5],
      [least, least]
    ] as const) {
      yield { ...scenario, links: scenario.links.with(index, { ...link, latency }) }
    }
  }
  for (const [index, event] of scenario.events.entries()) {
    const plain: Array<Event> = []
    if ("for" in event) {
      for (const time of [0, Math.round(event.for / 2), Math.floor(event.for / 100) * 100]) {
        if (time < event.for) plain.push({ ...event, for: time })
      }
    }
    if (event.do === "restart" && event.loses !== undefined) {
      const { loses: _, ...kept } = event
      plain.push(kept)
    }
    if (event.do === "stall" && event.way === "both") {
      plain.push({ ...event, way: "there" }, { ...event, way: "back" })
    }
    if (event.do === "partition") {
      for (const node of event.nodes) plain.push({ ...event, nodes: event.nodes.filter((other) => other !== node) })
    }
    for (const one of plain) yield { ...scenario, events: scenario.events.with(index, one) }
  }
}

const simpler = (scenario: Scenario, fails: Fails): Scenario => {
  let smaller = scenario
  for (const candidate of plainer(scenario)) {
    // Each is made of the first one: what was taken by then is kept.
    const merged: Scenario = {
      ...scenario,
      nodes: candidate.nodes.map((node, index) => (node === scenario.nodes[index] ? smaller.nodes[index]! : node)),
      links: candidate.links.map((link, index) => (link === scenario.links[index] ? smaller.links[index]! : link)),
      events: candidate.events.map((event, index) =>
        event === scenario.events[index] ? smaller.events[index]! : event
      )
    }
    if (fails(merged)) smaller = merged
  }
  return smaller
}

/** Rounds at most; each is made of what the one before it left. */
const rounds = 6

export const shrink = (scenario: Scenario, fails: Fails): Scenario => {
  let smaller = scenario
  for (let round = 0; round < rounds; round++) {
    const before = JSON.stringify(smaller)
    smaller = simpler(fewer(withoutEvents(smaller, fails), fails), fails)
    if (JSON.stringify(smaller) === before) break
  }
  return smaller
}
