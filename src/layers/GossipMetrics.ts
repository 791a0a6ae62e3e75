/**
 * The state and the counters of a node as metrics of Effect, for whichever exporter the application has. Never a label
 * for a key: there may be a million of them.
 *
 * | metric | kind | attributes |
 * | --- | --- | --- |
 * | `zgossip_tuples` | gauge | |
 * | `zgossip_listeners`, `zgossip_peers`, `zgossip_members` | gauge | |
 * | `zgossip_remotes` | gauge | `state`: Connected, Joining, Disconnected |
 * | `zgossip_accepted_total`, `zgossip_duplicates_total`, `zgossip_stale_total` | counter | |
 * | `zgossip_invalid_total` | counter | `direction`: sent, received |
 * | `zgossip_malformed_total`, `zgossip_refused_total` | counter | `reason` |
 * | `zgossip_replies_dropped_total`, `zgossip_defects_total` | counter | |
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type { Counters, Status } from "../services/Gossip.ts"
import { Gossip } from "../services/Gossip.ts"

/**
 * Brings the metrics up to date every second, or as often as is said, and once more as it ends. Where there are several
 * nodes in one process, `attributes` tell them apart.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = ({
  attributes = {},
  interval = "1 second"
}: {
  readonly attributes?: Readonly<Record<string, string>>
  readonly interval?: Duration.Input
} = {}): Layer.Layer<never, never, Gossip> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const gossip = yield* Gossip
      let counted = new Map<string, number>()
      const update = Effect.flatMap(gossip.status, (status) => {
        const now = new Map(countersOf(status.counters))
        const before = counted
        counted = now
        const counts = Effect.forEach(now, ([id, count]) => {
          const [name = "", attribute, value = ""] = id.split(" ")
          const metric = Metric.counter(name, { incremental: true })
          const labelled = attribute === undefined ? metric : Metric.withAttributes(metric, { [attribute]: value })
          return Metric.update(labelled, count - (before.get(id) ?? 0))
        })
        return Effect.andThen(counts, updateGauges(status))
      })
      // A node that was stopped has said its last.
      const labelled = Effect.provideService(update, Metric.CurrentMetricAttributes, attributes)
      yield* Effect.addFinalizer(() => Effect.ignore(labelled))
      yield* Effect.forkScoped(Effect.ignore(Effect.forever(Effect.andThen(labelled, Effect.sleep(interval)))))
    })
  )

/** Each as its name and, if there is one, its attribute. */
const countersOf = (counters: Counters): ReadonlyArray<readonly [id: string, count: number]> => [
  ["zgossip_accepted_total", counters.accepted],
  ["zgossip_duplicates_total", counters.duplicates],
  ["zgossip_stale_total", counters.stale],
  ["zgossip_invalid_total direction sent", counters.invalidSent],
  ["zgossip_invalid_total direction received", counters.invalidReceived],
  ["zgossip_replies_dropped_total", counters.repliesDropped],
  ["zgossip_defects_total", counters.defects],
  ...reasons("zgossip_malformed_total", counters.malformed),
  ...reasons("zgossip_refused_total", counters.refused)
]

const reasons = (name: string, counts: Readonly<Record<string, number>>) =>
  Object.entries(counts).map(([reason, count]) => [`${name} reason ${reason.toLowerCase()}`, count] as const)

const states = ["Connected", "Joining", "Disconnected"] as const

const updateGauges = ({ listeners, remotes, tuples }: Status): Effect.Effect<void> => {
  const sum = (count: (listener: Status["listeners"][number]) => number) =>
    listeners.reduce((sum, listener) => sum + count(listener), 0)
  const gauges: ReadonlyArray<readonly [name: string, value: number]> = [
    ["zgossip_tuples", tuples],
    ["zgossip_listeners", listeners.length],
    ["zgossip_peers", sum(({ peers }) => peers)],
    ["zgossip_members", sum(({ members }) => members)]
  ]
  return Effect.andThen(
    Effect.forEach(gauges, ([name, value]) => Metric.update(Metric.gauge(name), value), { discard: true }),
    Effect.forEach(
      states,
      (state) =>
        Metric.update(
          Metric.withAttributes(Metric.gauge("zgossip_remotes"), { state }),
          remotes.filter((remote) => remote.state === state).length
        ),
      { discard: true }
    )
  )
}
