/**
 * The endpoints that a node connects to, as they are in the beginning. Only the engine calls it.
 *
 * @since 0.1.0
 */
import * as Message from "../protocol/Message.ts"
import * as Remote from "../protocol/Remote.ts"
import type { Settings } from "../protocol/Settings.ts"
import { Told } from "../protocol/Told.ts"
import type { TupleStore } from "../services/TupleStore.ts"
import * as Exchange from "./Exchange.ts"
import type { Flights } from "./Flights.ts"
import { isOurs, type Joined, noteTold } from "./GossipLink.ts"
import * as Mailbox from "./Mailbox.ts"

/**
 * The machine starts disconnected. `link` is its number in the tuple map, up to `synced` the map is no news, and
 * `clock` is that of entries.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  endpoint: string,
  {
    clock,
    flights,
    link,
    load,
    settings,
    store,
    synced
  }: {
    readonly link: number
    readonly store: TupleStore["Service"]
    readonly settings: Settings
    readonly load: Mailbox.Load
    readonly flights: Flights
    readonly synced: number
    readonly clock: () => number
  }
): Joined => {
  const window = flights.ofServer(() => isOurs(joined))
  const joined: Joined = {
    endpoint,
    link,
    remote: { ...Remote.start, synced },
    progress: Exchange.begin(),
    told: new Told(),
    error: undefined,
    giveUp: () => {},
    awaited: 0,
    flight: window.flight,
    mailbox: Mailbox.ofFrames(store, {
      link,
      limits: Mailbox.limits(settings),
      load,
      carrier: Message.ping,
      window,
      ours: () => isOurs(joined),
      told: (entry) => noteTold(joined, entry, clock(), false),
      clock,
      versions: true
    })
  }
  return joined
}
