/**
 * The state and the counters of a node as metrics of Effect, for whichever exporter the application has. Never a label
 * for a key: there may be a million of them.
 *
 * | metric | kind | attributes |
 * | --- | --- | --- |
 * | `zgossip_tuples`, `zgossip_tuples_bytes`, `zgossip_tombstones` | gauge | |
 * | `zgossip_store_bytes`, `zgossip_store_failing` (1 or 0), `zgossip_store_damaged` (1 or 0) | gauge | |
 * | `zgossip_listeners`, `zgossip_listeners_lost`, `zgossip_peers`, `zgossip_members` | gauge | |
 * | `zgossip_remotes` | gauge | `state`: Connected, Joining, Disconnected |
 * | `zgossip_ready` | gauge: 1 or 0, see `GossipHealth` | |
 * | `zgossip_accepted_total`, `zgossip_duplicates_total`, `zgossip_renewed_total`, `zgossip_held_total`, `zgossip_stale_total`, `zgossip_damped_total` | counter | |
 * | `zgossip_deleted_total`, `zgossip_expired_total`, `zgossip_forgotten_total` | counter | |
 * | `zgossip_invalid_total` | counter | `direction`: sent, received |
 * | `zgossip_malformed_total`, `zgossip_malformed_trailers_total`, `zgossip_refused_total` | counter | `reason` |
 * | `zgossip_replies_dropped_total`, `zgossip_defects_total` | counter | |
 * | `zgossip_fell_behind_total`, `zgossip_windows_full_total`, `zgossip_messages_delayed_total` | counter | |
 * | `zgossip_dumps_delayed_total`, `zgossip_dumps_merged_total` | counter | |
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type { Counters, Status } from "../services/Gossip.ts"
import { Gossip } from "../services/Gossip.ts"
import * as GossipHealth from "./GossipHealth.ts"

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
      /** What was counted up to the last update. */
      const counted = new Map<string, number>()
      const update = Effect.flatMap(gossip.status, (status) =>
        Effect.andThen(
          Effect.forEach(
            countsOf(status.counters),
            ({ count, description, labels, name }) => {
              const id = `${name} ${Object.values(labels).join()}`
              const more = count - (counted.get(id) ?? 0)
              counted.set(id, count)
              const metric = Metric.counter(name, { description, incremental: true })
              return Metric.update(Metric.withAttributes(metric, labels), more)
            },
            { discard: true }
          ),
          updateGauges(status)
        )
      )
      // A node that was stopped has said its last.
      const labelled = Effect.provideService(update, Metric.CurrentMetricAttributes, attributes)
      yield* Effect.addFinalizer(() => Effect.ignore(labelled))
      yield* Effect.forkScoped(Effect.ignore(Effect.forever(Effect.andThen(labelled, Effect.sleep(interval)))))
    })
  )

/** What a counter is called outside. One with `labels` is a part of a metric; one with reasons has each as a label. */
interface Named {
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
  readonly description: string
}

/** No counter can be forgotten: the types say so. */
const names: { readonly [counter in keyof Counters]: Named } = {
  accepted: { name: "zgossip_accepted_total", description: "Tuples that were new here" },
  duplicates: { name: "zgossip_duplicates_total", description: "Tuples that were held already" },
  renewed: { name: "zgossip_renewed_total", description: "Tuples held, with a newer version of the same value" },
  deleted: { name: "zgossip_deleted_total", description: "Keys that were deleted" },
  expired: { name: "zgossip_expired_total", description: "Keys whose value had its time" },
  forgotten: { name: "zgossip_forgotten_total", description: "Tombstones forgotten after tombstone/retention" },
  held: {
    name: "zgossip_held_total",
    description: "Tuples held back, as their versions are too far ahead of our clock"
  },
  stale: { name: "zgossip_stale_total", description: "Tuples of a dump that a newer value of ours outlived" },
  damped: {
    name: "zgossip_damped_total",
    description: "Tuples not passed on, as values of their key chased each other"
  },
  invalidSent: { name: "zgossip_invalid_total", labels: { direction: "sent" }, description: "INVALID said and heard" },
  invalidReceived: {
    name: "zgossip_invalid_total",
    labels: { direction: "received" },
    description: "INVALID said and heard"
  },
  repliesDropped: {
    name: "zgossip_replies_dropped_total",
    description: "Replies dropped because their peer asks and does not read"
  },
  defects: { name: "zgossip_defects_total", description: "Messages dropped because of a fault of zgossip itself" },
  fellBehind: {
    name: "zgossip_fell_behind_total",
    description: "Times a peer or subscriber had not read what there was room for"
  },
  windowsFull: {
    name: "zgossip_windows_full_total",
    description: "Times a peer had not read what may be under way to it, see limits/flight-octets"
  },
  messagesDelayed: {
    name: "zgossip_messages_delayed_total",
    description: "Messages that were read later, as the node takes only so many a second"
  },
  dumpsDelayed: { name: "zgossip_dumps_delayed_total", description: "Dumps that wait as their client had many" },
  dumpsMerged: { name: "zgossip_dumps_merged_total", description: "Dumps that a later HELLO took the place of" },
  malformed: { name: "zgossip_malformed_total", description: "Messages that were none" },
  malformedTrailers: {
    name: "zgossip_malformed_trailers_total",
    description: "Trailers that were none, behind messages that count"
  },
  refused: { name: "zgossip_refused_total", description: "Tuples, messages and clients refused because of a limit" }
}

interface Count {
  readonly name: string
  readonly description: string
  readonly labels: Readonly<Record<string, string>>
  readonly count: number
}

const countsOf = (counters: Counters): ReadonlyArray<Count> =>
  (Object.keys(names) as ReadonlyArray<keyof Counters>).flatMap((key): ReadonlyArray<Count> => {
    const { labels = {}, ...named } = names[key]
    const value = counters[key]
    return typeof value === "number"
      ? [{ ...named, labels, count: value }]
      : Object.entries(value).map(([reason, count]) => ({
          ...named,
          labels: { ...labels, reason: snake(reason) },
          count
        }))
  })

const snake = (name: string): string => name.replaceAll(/(?<=[a-z])[A-Z]/g, "_$&").toLowerCase()

const states = ["Connected", "Joining", "Disconnected"] as const satisfies ReadonlyArray<RemoteState>
type RemoteState = Status["remotes"][number]["state"]

const updateGauges = (status: Status): Effect.Effect<void> => {
  const { aloneFor = 0, listeners, lost, octets, remotes, store, tombstones, tuples } = status
  const sum = (count: (listener: Status["listeners"][number]) => number) =>
    listeners.reduce((sum, listener) => sum + count(listener), 0)
  const gauges: ReadonlyArray<readonly [name: string, value: number, description: string]> = [
    ["zgossip_tuples", tuples, "Tuples held"],
    ["zgossip_tuples_bytes", octets, "Octets of the keys and values held"],
    ["zgossip_tombstones", tombstones, "Keys of which is remembered that they were deleted or had their time"],
    ["zgossip_alone_seconds", aloneFor / 1000, "For how long it has been cut off from all its remotes"],
    ["zgossip_store_bytes", store?.octets ?? 0, "Octets of the log of tuples on the disk"],
    ["zgossip_store_failing", store?.failure === undefined ? 0 : 1, "Whether the disk takes nothing"],
    ["zgossip_store_damaged", store?.isDamaged === true ? 1 : 0, "Whether something on the disk was lost at the start"],
    ["zgossip_listeners", listeners.length, "Endpoints served on"],
    ["zgossip_listeners_lost", lost.length, "Endpoints to be bound again"],
    ["zgossip_peers", sum(({ peers }) => peers), "Clients that spoke"],
    ["zgossip_members", sum(({ members }) => members), "Clients that said HELLO"],
    [
      "zgossip_ready",
      GossipHealth.ofStatus(status).ready ? 1 : 0,
      "Whether it serves everywhere, and all remotes are connected and were heard"
    ]
  ]
  return Effect.andThen(
    Effect.forEach(gauges, ([name, value, description]) => Metric.update(Metric.gauge(name, { description }), value), {
      discard: true
    }),
    Effect.forEach(
      states,
      (state) =>
        Metric.update(
          Metric.withAttributes(Metric.gauge("zgossip_remotes", { description: "Endpoints to connect to" }), { state }),
          remotes.filter((remote) => remote.state === state).length
        ),
      { discard: true }
    )
  )
}
