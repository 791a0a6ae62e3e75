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
    ["forward by a second", 1000, 1],
    ["forward by a year", 365 * 24 * hour, 1]
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
        machine.wrong = Math.floor((random() - 0.5) * 100 * hour)
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
