/**
 * What goes wrong, and when: drawn from a seed before anything runs, so that the same seed throws the same faults at the
 * same nodes and links at the same moments.
 */

/** One way only, as the frames of a link go: from the one that connected to the one that is bound, back, or both. */
export type Ways = "there" | "back" | "both"

/** Times are milliseconds. */
export type Fault =
  /** kill -9, and a new process with nothing after `away`. */
  | { readonly _tag: "Kill"; readonly node: number; readonly away: number }
  /** SIGSTOP, then SIGCONT: a machine that stands still while all others go on. */
  | { readonly _tag: "Stop"; readonly node: number; readonly time: number }
  /** The event loop does nothing else for so long. */
  | { readonly _tag: "Block"; readonly node: number; readonly time: number }
  /** The time of day is set, to and fro. */
  | { readonly _tag: "Clock"; readonly node: number; readonly by: number }
  /** All connections of a link break at once; new ones are possible. */
  | { readonly _tag: "Cut"; readonly link: number }
  /** The same, and for a while there are no new ones. */
  | { readonly _tag: "Refuse"; readonly link: number; readonly time: number }
  /** Nothing moves. It goes on where it stood still. */
  | { readonly _tag: "Stall"; readonly link: number; readonly ways: Ways; readonly time: number }
  /** Everything takes longer. */
  | { readonly _tag: "Delay"; readonly link: number; readonly by: number; readonly time: number }
  /** What is sent is lost, and nobody is told until the connection breaks. */
  | { readonly _tag: "Drop"; readonly link: number; readonly ways: Ways; readonly time: number }
  /** More connections than there are descriptors. */
  | { readonly _tag: "Descriptors"; readonly time: number }
  /** The disk is full while the configuration is saved and while it is loaded. */
  | { readonly _tag: "Disk" }
  /** The name of a server cannot be resolved, and its connection is lost. */
  | { readonly _tag: "Names"; readonly time: number }
  /** The same as `Stop`, for the process of the CZMQ nodes. */
  | { readonly _tag: "StopCzmq"; readonly time: number }

export type Kind = Fault["_tag"]

export interface Timed {
  readonly at: number
  readonly fault: Fault
}

export interface Network {
  readonly nodes: number
  /** These are never killed, so that what one process collects over the whole run shows. */
  readonly veterans: ReadonlyArray<number>
  readonly links: number
  /** The link by which the host name is needed. */
  readonly named: number
  readonly czmq: boolean
  /** No fault takes longer. */
  readonly longest: number
  /** What this machine cannot do. */
  readonly without: ReadonlySet<Kind>
}

/** How often each is drawn, in relation to the others. */
const weights: Readonly<Record<Kind, number>> = {
  Kill: 14,
  Stop: 12,
  Block: 6,
  Clock: 8,
  Cut: 14,
  Refuse: 8,
  Stall: 16,
  Delay: 8,
  Drop: 10,
  Descriptors: 3,
  Disk: 3,
  Names: 3,
  StopCzmq: 3
}

const kinds = Object.keys(weights) as ReadonlyArray<Kind>

/** mulberry32 */
export const generator = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** At most so many nodes stand still or are away at a time: more would be another network, not a faulty one. */
const mostOut = 3

/** Faults from `0` to `duration`, one each `every` on average. A node or link has one at a time. */
export const make = (seed: number, duration: number, every: number, network: Network): ReadonlyArray<Timed> => {
  const random = generator(seed)
  const between = (least: number, most: number): number => Math.round(least + random() * (most - least))
  const short = (least: number, most: number): number => Math.min(between(least, most), network.longest)
  const among = <A>(all: ReadonlyArray<A>): A | undefined => all[Math.floor(random() * all.length)]
  const busy = new Map<string, number>()
  const possible = kinds.filter((kind) => !network.without.has(kind) && (kind !== "StopCzmq" || network.czmq))
  const total = possible.reduce((sum, kind) => sum + weights[kind], 0)
  const numbers = (count: number) => Array.from({ length: count }, (_, n) => n)

  /** Mostly longer than the timeout of a second, now and then much longer. */
  const long = (): number => (random() < 0.08 ? short(8000, 20_000) : short(300, 4000))
  const ways = (): Ways => among(["there", "back", "both"] as const) ?? "both"

  const draw = (at: number): readonly [fault: Fault, what: string, time: number] | undefined => {
    const free = (what: string) => (busy.get(what) ?? 0) <= at
    const out = numbers(network.nodes).filter((n) => !free(`node ${n}`)).length
    const node = (all: ReadonlyArray<number>) =>
      out >= mostOut ? undefined : among(all.filter((n) => free(`node ${n}`)))
    const link = () => among(numbers(network.links).filter((n) => free(`link ${n}`)))
    let left = random() * total
    const kind = possible.find((kind) => (left -= weights[kind]) < 0) ?? "Cut"
    switch (kind) {
      case "Kill": {
        const one = node(numbers(network.nodes).filter((n) => !network.veterans.includes(n)))
        const away = random() < 0.3 ? 0 : short(0, 4000)
        // A process takes a while to start.
        return one === undefined ? undefined : [{ _tag: kind, node: one, away }, `node ${one}`, away + 3000]
      }
      case "Stop":
      case "Block": {
        const [one, time] = [node(numbers(network.nodes)), kind === "Stop" ? long() : short(1100, 3000)]
        return one === undefined ? undefined : [{ _tag: kind, node: one, time }, `node ${one}`, time]
      }
      case "Clock": {
        const [one, by] = [among(numbers(network.nodes)) ?? 0, between(-86_400_000, 86_400_000)]
        return [{ _tag: kind, node: one, by: random() < 0.3 ? Math.round(by / 40_000) : by }, `clock ${one}`, 0]
      }
      case "Cut": {
        const one = link()
        return one === undefined ? undefined : [{ _tag: kind, link: one }, `link ${one}`, 0]
      }
      case "Refuse": {
        const [one, time] = [link(), short(200, 4000)]
        return one === undefined ? undefined : [{ _tag: kind, link: one, time }, `link ${one}`, time]
      }
      case "Stall":
      case "Drop": {
        const [one, time, which] = [link(), long(), ways()]
        return one === undefined ? undefined : [{ _tag: kind, link: one, ways: which, time }, `link ${one}`, time]
      }
      case "Delay": {
        const [one, by, time] = [link(), between(10, 700), short(1000, 5000)]
        return one === undefined ? undefined : [{ _tag: kind, link: one, by, time }, `link ${one}`, time]
      }
      case "Descriptors": {
        const time = short(1000, 4000)
        return free("descriptors") ? [{ _tag: kind, time }, "descriptors", time + 2000] : undefined
      }
      case "Disk":
        return free("disk") ? [{ _tag: kind }, "disk", 3000] : undefined
      case "Names": {
        const time = short(1000, 5000)
        return free("names") && free(`link ${network.named}`) ? [{ _tag: kind, time }, "names", time + 1000] : undefined
      }
      case "StopCzmq": {
        const time = short(500, 3000)
        return free("czmq") ? [{ _tag: kind, time }, "czmq", time + 1000] : undefined
      }
    }
  }

  const plan: Array<Timed> = []
  for (let at = every; at < duration; at += Math.max(1, between(0, 2 * every))) {
    const drawn = draw(at)
    if (drawn === undefined) continue
    const [fault, what, time] = drawn
    busy.set(what, at + time)
    plan.push({ at, fault })
  }
  return plan
}
