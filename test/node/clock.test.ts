/**
 * Machines that sleep, and clocks that are set: a node lives by the monotonic clock, which stands still while a machine
 * is suspended and knows nothing of the time of day.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import { Machine } from "./Machine.ts"
import { at, generator, HELLO, INVALID, knows, type Network, pass, quiet, start } from "./support.ts"

/** Nothing reaches a machine that sleeps, and nothing leaves it; what was under way goes on when it wakes. */
const asleep = (network: Network, machine: Machine, name: string, other: string, meanwhile: Effect.Effect<void>) =>
  Effect.gen(function* () {
    yield* network.stall(name, other)
    yield* network.stall(other, name)
    yield* machine.sleep
    yield* meanwhile
    yield* machine.wake
    yield* network.heal
  })

describe("a machine that was suspended", () => {
  const cases = [900, 1500, 600_000].flatMap((time) => [0, 100].map((busy) => ({ time, busy })))

  it.effect.each(cases)(
    "for $time ms, while the server forgot it, with $busy tuples under way: comes back by itself",
    ({ busy, time }) =>
      Effect.gen(function* () {
        const network = yield* MemoryNetwork.make({ latency: 2 })
        const machine = yield* Machine.make
        const server = yield* start(network, "server", { serverTimeout: 1000 })
        const client = yield* start(network, "client", { connect: [server.endpoint] }).pipe(
          Effect.provideService(Clock.Clock, machine.clock)
        )
        yield* pass(network, 20_100)
        yield* asleep(
          network,
          machine,
          "client",
          "server",
          Effect.gen(function* () {
            for (let n = 0; n < busy; n++) yield* server.gossip.publish(`busy-${n}`, "1").pipe(Effect.orDie)
            yield* pass(network, 850)
            yield* pass(network, time - 850)
          })
        )
        yield* server.gossip.publish("meanwhile", "1")
        yield* pass(network, 3000)
        yield* server.gossip.publish("later", "1")
        yield* pass(network, 100)
        assert.deepInclude(at((yield* server.gossip.status).listeners, 0), { peers: 1, members: 1 })
        assert.deepStrictEqual(yield* knows(client.gossip), yield* knows(server.gossip))
        assert.strictEqual((yield* knows(client.gossip)).length, busy + 2)
      })
  )

  it.effect("before it said the second PING of its life: comes back by itself", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ latency: 2 })
      const machine = yield* Machine.make
      const server = yield* start(network, "server", { serverTimeout: 1000 })
      const client = yield* start(network, "client", { connect: [server.endpoint] }).pipe(
        Effect.provideService(Clock.Clock, machine.clock)
      )
      yield* pass(network, 200)
      yield* asleep(network, machine, "client", "server", pass(network, 850))
      yield* pass(network, 3000)
      yield* server.gossip.publish("later", "1")
      yield* pass(network, 100)
      assert.deepStrictEqual(yield* knows(client.gossip), ["later=1"])
    })
  )
})

describe("a time of day that is set", () => {
  const hour = 3_600_000

  const linked = Effect.gen(function* () {
    const network = yield* MemoryNetwork.make({ latency: 2 })
    const machine = yield* Machine.make
    const [server, client] = yield* Effect.gen(function* () {
      const server = yield* start(network, "server", { serverTimeout: 5000, publish: { early: "1" } })
      return [server, yield* start(network, "client", { connect: [server.endpoint] })] as const
    }).pipe(Effect.provideService(Clock.Clock, machine.clock))
    yield* pass(network, 20_000)
    const hellos = Effect.map(
      Effect.all([network.count({ id: HELLO }), network.count({ id: INVALID })]),
      // A HELLO that was refused is said again: both are one.
      ([hello, invalid]) => hello - invalid
    )
    return { network, machine, server, client, hellos, before: yield* hellos }
  })

  it.effect.each<readonly [what: string, by: number, times: number]>([
    ["back by a day", -24 * hour, 0],
    ["back by a second", -1000, 0],
    ["forward by a moment", 400, 0],
    ["forward by a second", 1000, 0],
    ["forward by a year", 365 * 24 * hour, 0]
  ])("%s: nobody is forgotten, nothing is told twice, HELLO %s %s times", ([, by, times]) =>
    Effect.gen(function* () {
      const { before, client, hellos, machine, network, server } = yield* linked
      machine.wrong = by
      yield* pass(network, 1000)
      yield* server.gossip.publish("there", "1")
      yield* client.gossip.publish("back", "1")
      yield* quiet(network)
      assert.strictEqual((yield* hellos) - before, times)
      for (const { gossip, seen } of [server, client]) {
        assert.deepStrictEqual(yield* knows(gossip), ["back=1", "early=1", "there=1"])
        assert.strictEqual(seen.length, 3)
      }
      assert.deepInclude(at((yield* server.gossip.status).listeners, 0), { peers: 1, members: 1 })
    })
  )

  it.effect("to and fro all the time: a HELLO in ten timeouts at most, and no connection is lost", () =>
    Effect.gen(function* () {
      const { before, client, hellos, machine, network, server } = yield* linked
      const random = generator(7)
      const { connections, dropped } = yield* network.status
      for (let n = 0; n < 300; n++) {
        machine.wrong = Math.floor((random() - 0.5) * 40 * hour)
        yield* server.gossip.publish(`${n}`, "1")
        yield* pass(network, 200)
      }
      assert.isAtMost((yield* hellos) - before, 6)
      assert.deepInclude(yield* network.status, { connections, dropped })
      assert.strictEqual((yield* server.gossip.status).counters.defects, 0)
      assert.strictEqual((yield* knows(client.gossip)).length, 301)
    })
  )
})

describe("clocks that differ", () => {
  /** Three nodes in a chain, of which the first has a clock of its own. */
  const three = (wrong: number, maxDrift: number) =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ latency: 2 })
      const machine = yield* Machine.make
      machine.wrong = wrong
      const first = yield* start(network, "first", { maxDrift }).pipe(Effect.provideService(Clock.Clock, machine.clock))
      const second = yield* start(network, "second", { maxDrift, connect: [first.endpoint] })
      const third = yield* start(network, "third", { maxDrift, connect: [second.endpoint] })
      yield* pass(network, 10_000)
      return { network, first, second, third }
    })

  it.effect("by less than they may: what is set later wins, though its clock is behind", () =>
    Effect.gen(function* () {
      const { first, network, second, third } = yield* three(30_000, 60_000)
      yield* first.gossip.publish("key", "early, by a clock that is ahead")
      yield* quiet(network)
      yield* third.gossip.publish("key", "late")
      yield* quiet(network)
      for (const { gossip } of [first, second, third]) assert.deepStrictEqual(yield* knows(gossip), ["key=late"])
    })
  )

  it.effect("by more than they may: it is held back, counted, and there when the clock is", () =>
    Effect.gen(function* () {
      const { first, network, second, third } = yield* three(8000, 5000)
      yield* first.gossip.publish("key", "ahead")
      yield* first.gossip.publish("key", "ahead, and newer")
      yield* pass(network, 1500)
      yield* second.gossip.publish("other", "1")
      yield* pass(network, 500)
      assert.deepStrictEqual(yield* knows(third.gossip), ["other=1"])
      assert.strictEqual((yield* second.gossip.status).counters.held, 2)
      yield* pass(network, 2500)
      for (const { gossip } of [first, second, third]) {
        assert.deepStrictEqual(yield* knows(gossip), ["key=ahead, and newer", "other=1"])
      }
    })
  )
})
