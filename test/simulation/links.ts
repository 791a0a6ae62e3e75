/** Who is linked with whom. */
import type { Dice } from "./Dice.ts"
import type { LinkSpec, NodeSpec } from "./Scenario.ts"

/**
 * With a link between two nodes of version 1, if there are two: over it two values of a key bounce for ever, as often as
 * its latency lets them. It is as long as that can be paid for, and short enough to be a storm, as the others are not to
 * hold it up.
 */
export const withPair = (
  nodes: ReadonlyArray<Pick<NodeSpec, "kind">>,
  links: ReadonlyArray<LinkSpec>,
  dice: Dice
): ReadonlyArray<LinkSpec> => {
  const all = nodes.flatMap(({ kind }, node) => (kind === "v1" ? [node] : []))
  if (all.length < 2) return links
  const from = dice.pick(all)
  const to = dice.pick(all.filter((node) => node !== from))
  const fast = links.map((link): LinkSpec => {
    const [least, most] = link.latency
    return { ...link, latency: [least, Math.min(most, least + 20)] }
  })
  return [...fast, { from, to, latency: [10, 20] }]
}

/** A tree, and some links more. No two nodes of version 1 are linked. */
export const linksOf = (nodes: ReadonlyArray<Pick<NodeSpec, "kind">>, dice: Dice): Array<LinkSpec> => {
  const links: Array<LinkSpec> = []
  const isV1 = (index: number) => nodes[index]?.kind === "v1"
  const add = (a: number, b: number) => {
    if (a === b || (isV1(a) && isV1(b))) return
    const [from, to] = dice.chance(0.5) ? [a, b] : [b, a]
    if (links.some((link) => link.from === from && link.to === to)) return
    const least = dice.between(0, 10)
    links.push({ from, to, latency: [least, least + (dice.chance(0.3) ? dice.between(0, 300) : dice.between(0, 20))] })
  }
  for (let index = 1; index < nodes.length; index++) {
    const others = Array.from({ length: index }, (_, other) => other).filter((other) => !isV1(index) || !isV1(other))
    add(index, dice.pick(others))
  }
  for (let more = dice.between(0, Math.ceil(nodes.length / 2)); more > 0; more--) {
    add(dice.between(0, nodes.length - 1), dice.between(0, nodes.length - 1))
  }
  return links
}
