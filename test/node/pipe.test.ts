/**
 * The command pipe: typed commands and replies, and the multipart strings of the original's actor interface.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Option, Queue, Scope } from "effect"
import * as Gossip from "../../src/Gossip.ts"
import * as MemoryNetwork from "../../src/layers/MemoryNetwork.ts"
import type { Command } from "../../src/protocol/Command.ts"
import * as Tuple from "../../src/protocol/Tuple.ts"
import { build, capture, knows, pass, quiet, settle, start, write } from "./support.ts"

/** A node and its pipe. */
const open = (options: Gossip.Options = {}) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.make()
    const gossip = yield* build(Gossip.layerMemory(network, { host: "here", ...options }))
    const pipe = yield* gossip.pipe
    const send = (...commands: ReadonlyArray<Command>) => Queue.offerAll(pipe.commands, commands)
    const lines = (...commands: ReadonlyArray<string>) =>
      Effect.forEach(commands, (line) => pipe.send(line.split(" ")), { discard: true })
    return { network, gossip, pipe, send, lines }
  })

const publish = (key: string, value: string): Command => ({ _tag: "Publish", tuple: new Tuple.Tuple(key, value) })

/** A reply, for people. */
const show = (reply: Awaited<Effect.Success<Gossip.CommandPipe["take"]>>): string => {
  switch (reply._tag) {
    case "Port":
      return `Port ${reply.port}`
    case "Status":
      return `Status ${reply.tuples}`
    case "Deliver":
      return `Deliver ${write(reply.tuple)}`
    case "Failed":
      return `Failed ${reply.command._tag} ${reply.error.reason._tag}`
  }
}

const next = (pipe: Gossip.CommandPipe, count: number) =>
  Effect.map(Effect.replicateEffect(pipe.take, count), (replies) => replies.map(show))

const numbers = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, n) => n)

const isDone = (exit: Exit.Exit<unknown, Cause.Done>) =>
  Exit.isFailure(exit) && Option.exists(Cause.findErrorOption(exit.cause), Cause.isDone)

describe("typed", () => {
  it.effect("PORT: 0 at first, that of the last bind, 0 for inproc, -1 after a failure; earlier binds go on", () =>
    Effect.gen(function* () {
      const { gossip, network, pipe, send } = yield* open()
      yield* send(
        { _tag: "Port" },
        { _tag: "Bind", endpoint: "tcp://*:*" },
        { _tag: "Port" },
        { _tag: "Bind", endpoint: "inproc://name" },
        { _tag: "Port" },
        { _tag: "Bind", endpoint: "tcp://*:49152" },
        { _tag: "Port" },
        { _tag: "Bind", endpoint: "nonsense" },
        { _tag: "Port" }
      )
      assert.deepStrictEqual(yield* next(pipe, 7), [
        "Port 0",
        "Port 49152",
        "Port 0",
        "Failed Bind AddressInUse",
        "Port -1",
        "Failed Bind InvalidEndpoint",
        "Port -1"
      ])
      yield* gossip.publish("still", "here")
      for (const endpoint of ["tcp://127.0.0.1:49152", "inproc://name"]) {
        const client = yield* start(network, `to ${endpoint.slice(0, 3)}`, { endpoint: "none", connect: [endpoint] })
        yield* quiet(network)
        assert.deepStrictEqual(yield* knows(client.gossip), ["still=here"])
      }
    })
  )

  it.effect("PUBLISH is delivered to its publisher, and STATUS comes behind the deliveries before it", () =>
    Effect.gen(function* () {
      const { pipe, send } = yield* open()
      yield* send(
        { _tag: "Status" },
        publish("a", "1"),
        publish("b", "1"),
        publish("a", "1"),
        { _tag: "Status" },
        publish("a", "2"),
        { _tag: "Status" }
      )
      assert.deepStrictEqual(yield* next(pipe, 6), [
        "Status 0",
        "Deliver a=1",
        "Deliver b=1",
        "Status 2",
        "Deliver a=2",
        "Status 2"
      ])
    })
  )

  it.effect("delivers what others publish, from the moment the pipe was opened, to every pipe", () =>
    Effect.gen(function* () {
      const { gossip, network, pipe } = yield* open({ bind: ["inproc://here"], publish: { before: "1" } })
      const second = yield* gossip.pipe
      yield* start(network, "other", { connect: ["inproc://here"], publish: { there: "1" } })
      yield* quiet(network)
      assert.deepStrictEqual(yield* next(pipe, 1), ["Deliver there=1"])
      assert.deepStrictEqual(yield* next(second, 1), ["Deliver there=1"])
    })
  )

  it.effect("CONNECT, DISCONNECT, UNBIND", () =>
    Effect.gen(function* () {
      const { gossip, network, pipe, send } = yield* open()
      yield* start(network, "other", { publish: { there: "1" } })
      yield* send({ _tag: "Connect", endpoint: "inproc://other" }, { _tag: "Connect", endpoint: "inproc://other" })
      yield* quiet(network)
      assert.deepStrictEqual(yield* next(pipe, 1), ["Deliver there=1"])
      yield* send(
        { _tag: "Disconnect", endpoint: "inproc://other" },
        { _tag: "Disconnect", endpoint: "inproc://other" },
        { _tag: "Bind", endpoint: "inproc://here" },
        { _tag: "Unbind", endpoint: "inproc://here" },
        { _tag: "Unbind", endpoint: "inproc://here" },
        { _tag: "Status" }
      )
      assert.deepStrictEqual(yield* next(pipe, 3), [
        "Failed Disconnect NotConnected",
        "Failed Unbind NotBound",
        "Status 1"
      ])
      const { listeners, remotes } = yield* gossip.status
      assert.deepStrictEqual([listeners, remotes], [[], []])
    })
  )

  it.effect("nonsense leaves the node alive, and is told as a failure that carries command and error", () =>
    Effect.gen(function* () {
      const { pipe, send } = yield* open()
      const command: Command = { _tag: "Connect", endpoint: "nonsense" }
      yield* send(
        command,
        { _tag: "Bind", endpoint: "" },
        { _tag: "Set", path: "no/such", value: "1" },
        publish("a", "1")
      )
      const reply = yield* pipe.take
      assert.strictEqual(reply._tag, "Failed")
      if (reply._tag === "Failed") {
        assert.deepStrictEqual(reply.command, command)
        assert.instanceOf(reply.error, Gossip.GossipError)
        assert.match(reply.error.message, /^cannot connect nonsense: /)
      }
      assert.deepStrictEqual(yield* next(pipe, 3), [
        "Failed Bind InvalidEndpoint",
        "Failed Set InvalidSetting",
        "Deliver a=1"
      ])
    })
  )

  it.effect("Stop ends the node; what was there is taken, then the pipe is done", () =>
    Effect.gen(function* () {
      const { gossip, network, pipe, send } = yield* open({ bind: ["inproc://here"] })
      yield* send(publish("a", "1"), { _tag: "Status" }, { _tag: "Stop" }, { _tag: "Status" })
      yield* gossip.stopped
      assert.deepInclude(yield* network.status, { listeners: 0, connections: 0 })
      assert.deepStrictEqual(yield* next(pipe, 2), ["Deliver a=1", "Status 1"])
      assert.isTrue(isDone(yield* Effect.exit(pipe.take)))
      assert.isTrue(isDone(yield* Effect.exit(pipe.receive)))
      assert.isTrue(isDone(yield* Effect.exit(pipe.take)))
      // Nobody takes commands any more, and who sends one is told.
      assert.deepInclude(yield* Effect.flip(pipe.send(["STATUS"])), {
        command: "Status",
        detail: "the node was stopped"
      })
    })
  )

  it.effect("a taker that waits while the node stops is done", () =>
    Effect.gen(function* () {
      const { gossip, network, pipe } = yield* open()
      const waiting = yield* Effect.forkChild(Effect.exit(pipe.take))
      yield* settle(network)
      yield* gossip.stop
      assert.isTrue(isDone(yield* Fiber.join(waiting)))
    })
  )

  it.effect("a pipe that is closed leaves the node, and its other pipes, as they are", () =>
    Effect.gen(function* () {
      const { gossip, network, pipe } = yield* open()
      const scope = yield* Scope.make()
      const other = yield* Scope.provide(gossip.pipe, scope)
      yield* Scope.close(scope, Exit.void)
      yield* gossip.publish("a", "1")
      yield* settle(network)
      assert.isTrue(isDone(yield* Effect.exit(other.take)))
      assert.deepStrictEqual(yield* next(pipe, 1), ["Deliver a=1"])
    })
  )
})

describe("a pipe that nobody reads", () => {
  it.effect("carries out its own publishes and $TERM all the same", () =>
    Effect.gen(function* () {
      const { gossip, lines, pipe } = yield* open()
      yield* Effect.forEach(numbers(5000), (n) => pipe.send(["PUBLISH", `k${n}`, "v"]), { discard: true })
      yield* lines("PORT", "$TERM")
      yield* gossip.stopped
      const replies = yield* Effect.forEach(numbers(5001), () => pipe.receive)
      assert.strictEqual(replies.filter(([name]) => name === "DELIVER").length, 5000)
      assert.strictEqual(replies.filter(([name]) => name === "PORT").length, 1)
    })
  )

  it.effect("takes no more commands while a thousand replies wait", () =>
    Effect.gen(function* () {
      const { gossip, network, pipe } = yield* open()
      const sending = yield* Effect.forkChild(
        Effect.forEach(numbers(5000), () => pipe.send(["STATUS"]), { discard: true })
      )
      yield* settle(network)
      assert.isUndefined(sending.pollUnsafe())
      yield* gossip.publish("still", "alive")
      yield* Effect.forEach(numbers(5000), () => pipe.receive, { discard: true })
      yield* Fiber.join(sending)
    })
  )
})

describe("multipart strings", () => {
  it.effect("the commands of the original", () =>
    Effect.gen(function* () {
      const { lines, network, pipe } = yield* open()
      yield* start(network, "other")
      yield* lines("BIND tcp://*:*", "PORT", "CONNECT inproc://other", "PUBLISH key value", "STATUS")
      yield* lines("BIND inproc://name", "PORT", "BIND tcp://*:49152", "PORT", "CONNECT nonsense", "STATUS")
      yield* lines("SET server/timeout 100", "SET no/such 1", "VERBOSE", "STATUS", "$TERM")
      const replies: Array<ReadonlyArray<string>> = []
      yield* Effect.exit(Effect.forever(Effect.tap(pipe.receive, (reply) => Effect.sync(() => replies.push(reply)))))
      assert.deepStrictEqual(replies, [
        ["PORT", "49152"],
        ["DELIVER", "key", "value"],
        ["STATUS", "1"],
        ["PORT", "0"],
        ["PORT", "-1"],
        ["STATUS", "1"],
        ["STATUS", "1"]
      ])
    })
  )

  it.effect("key and value are octets, whole", () =>
    Effect.gen(function* () {
      const { gossip, pipe } = yield* open()
      yield* pipe.send(["PUBLISH", Uint8Array.of(0, 255), Uint8Array.of(1, 0, 2)])
      yield* pipe.send(["PUBLISH", "größe", ""])
      assert.deepStrictEqual(yield* pipe.receive, ["DELIVER", "\u0000\u00ff", "\u0001\u0000\u0002"])
      assert.deepStrictEqual(yield* pipe.receive, ["DELIVER", Buffer.from("größe").toString("latin1"), ""])
      assert.strictEqual((yield* gossip.entries).length, 2)
    })
  )

  it.effect("what is no command is refused at once, and changes nothing", () =>
    Effect.gen(function* () {
      const { pipe } = yield* open()
      for (const strings of [
        [],
        [""],
        ["bind", "tcp://*:*"],
        ["BIND"],
        ["PORT", "1"],
        ["PUBLISH", "key"],
        ["PUBLISH", "k".repeat(256), ""],
        ["toString"]
      ]) {
        const error = yield* Effect.flip(pipe.send(strings))
        assert.strictEqual(error._tag, "CommandError", strings.join(" "))
      }
      yield* pipe.send(["STATUS"])
      assert.deepStrictEqual(yield* pipe.receive, ["STATUS", "0"])
    })
  )

  it.effect("a failure has no strings: it is logged, and the next reply comes", () =>
    Effect.gen(function* () {
      const log = capture()
      const { lines, pipe } = yield* open()
      yield* lines("CONNECT nonsense", "STATUS")
      assert.deepStrictEqual(yield* Effect.provide(pipe.receive, log.layer), ["STATUS", "0"])
      assert.strictEqual(log.lines.length, 1)
      assert.match(log.lines[0] ?? "", /^Warn cannot connect nonsense: /)
    })
  )
})

describe("settings", () => {
  it.effect("VERBOSE traces commands and state machines", () =>
    Effect.gen(function* () {
      const log = capture()
      yield* Effect.gen(function* () {
        const { lines, network } = yield* open({ bind: ["inproc://here"] })
        yield* lines("STATUS")
        yield* settle(network)
        assert.deepStrictEqual(log.lines, ["Info bound inproc://here"], "nothing before")
        yield* lines("VERBOSE", "PUBLISH a 1", "CONNECT inproc://here")
        yield* pass(network, 1000)
      }).pipe(Effect.provide(log.layer), Effect.scoped)
      const traced = log.lines.map((line) => line.replace(/client \S+:/, "client:").replace(/^Info /, ""))
      for (const line of [
        "command Publish",
        "command Connect",
        "inproc://here client: Start + HELLO -> Connected",
        "inproc://here: Disconnected -> Joining",
        "inproc://here: Joining + PONG -> Connected",
        "inproc://here client: Connected + PING -> Connected"
      ]) {
        assert.include(traced, line)
      }
    })
  )

  it.effect("SET server/verbose 0 ends it", () =>
    Effect.gen(function* () {
      const log = capture()
      yield* Effect.gen(function* () {
        const { lines, network } = yield* open({ verbose: true })
        yield* lines("STATUS", "SET server/verbose 0", "STATUS", "STATUS")
        yield* settle(network)
      }).pipe(Effect.provide(log.layer), Effect.scoped)
      assert.deepStrictEqual(log.lines, ["Info command Status", "Info command Set"])
    })
  )
})

describe("a pipe whose replies nobody takes", () => {
  it.effect("stops taking commands, and holds up neither the node nor other pipes", () =>
    Effect.gen(function* () {
      const { gossip, network, pipe } = yield* open({ bind: ["inproc://here"] })
      const client = yield* start(network, "client", { connect: ["inproc://here"] })
      yield* quiet(network)
      const asking = yield* Effect.forkChild(Effect.replicateEffect(pipe.send(["STATUS"]), 10_000))
      yield* settle(network)
      assert.isUndefined(asking.pollUnsafe(), "offers wait")
      yield* gossip.publishAll(Array.from({ length: 5000 }, (_, n) => [`k${n % 100}`, `${n}`] as const))
      yield* quiet(network)
      assert.strictEqual((yield* client.gossip.status).tuples, 100)
      const { counters } = yield* gossip.status
      assert.strictEqual(counters.repliesDropped, 0)

      // Once it is read, every answer comes, and the newest value of every key.
      const newest = new Map<string, string>()
      let answers = 0
      while (answers < 10_000) {
        const strings = yield* pipe.receive
        if (strings[0] === "STATUS") answers += 1
        else newest.set(strings[1] ?? "", strings[2] ?? "")
      }
      yield* Fiber.join(asking)
      assert.deepStrictEqual([newest.size, newest.get("k99"), newest.get("k0")], [100, "4999", "4900"])
    })
  )

  it.effect("can be stopped all the same, through the service", () =>
    Effect.gen(function* () {
      const { gossip, network, pipe } = yield* open()
      const asking = yield* Effect.forkChild(Effect.exit(Effect.replicateEffect(pipe.send(["STATUS"]), 10_000)))
      yield* settle(network)
      yield* gossip.stop
      yield* settle(network)
      assert.isDefined(asking.pollUnsafe(), "whoever waits to offer is let go")
    })
  )
})
