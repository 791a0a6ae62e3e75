/**
 * Faults of real processes. What takes longer than a few seconds is `npm run chaos`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric } from "effect"
import { execFile, spawn } from "node:child_process"
import { readdirSync } from "node:fs"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { join } from "node:path"
import { Relay } from "../../chaos/Relay.ts"
import { Patience } from "../../src/layers/LastWords.ts"
import * as Czmq from "./Czmq.ts"
import { czmqTest } from "./describeCzmq.ts"
import { eventually, numbered, ourNode, place } from "./OurNode.ts"
import { program, run } from "./Program.ts"

const options = { timeout: 60_000 }

const relayTo = (endpoint: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const relay = new Relay(Number(new URL(endpoint).port))
      await relay.listen()
      return relay
    }),
    (relay) => Effect.sync(() => relay.close())
  )

czmqTest(
  "a process that was stopped, and one whose event loop was blocked, for longer than CZMQ waits: both join again",
  () =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const server = yield* czmq.node("server")
      const endpoint = `tcp://127.0.0.1:${yield* server.bind("tcp://127.0.0.1:!")}`
      yield* server.publish("early", "1")
      const stopped = yield* run("serve", "--bind", "tcp://127.0.0.1:0", "--connect", endpoint)
      const blocked = yield* ourNode({ connect: [endpoint] })
      yield* stopped.await("stdout", /early = 1/)
      yield* blocked.awaitTuple("early")
      stopped.process.kill("SIGSTOP")
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)
      // Neither is told: it has forgotten both.
      yield* server.publish("meanwhile", "1")
      yield* server.awaitTuple("meanwhile")
      stopped.process.kill("SIGCONT")
      yield* stopped.await("stdout", /meanwhile = 1/)
      yield* blocked.awaitTuple("meanwhile")
    }),
  60_000
)

czmqTest(
  "a link that swallows everything, and a server that is stopped: both are given up, and nothing is lost",
  () =>
    Effect.gen(function* () {
      const czmq = yield* Czmq.make
      const stopped = yield* czmq.node("stopped")
      const endpoint = `tcp://127.0.0.1:${yield* stopped.bind("tcp://127.0.0.1:!")}`
      const server = yield* ourNode({ bind: [yield* place("tcp")] })
      const relay = yield* relayTo(server.endpoint)
      // 20 timeouts are a second at least.
      const ours = yield* ourNode({ connect: [`tcp://127.0.0.1:${relay.port}`, endpoint], remoteTimeout: 40 })
      yield* stopped.publish("early", "1")
      yield* server.awaitTuple("early")
      relay.swallow()
      yield* czmq.kill("SIGSTOP")
      yield* ours.gossip.publish("ours", "1")
      yield* server.gossip.publish("theirs", "1")
      const since = performance.now()
      const connections = Effect.sync(() => relay.connections)
      yield* eventually(connections, (count) => count === 2)
      // With the stopped one no handshake comes to an end, so that this stays for a while.
      const errors = Effect.map(ours.gossip.status, ({ remotes }) => remotes.map(({ error }) => error))
      yield* eventually(errors, (texts) => texts.includes("no answer for 1 s"))
      assert.isAbove(performance.now() - since, 900)
      yield* ours.gossip.publish("late", "1")
      yield* czmq.kill("SIGCONT")
      for (const key of ["ours", "theirs", "late"]) yield* stopped.awaitTuple(key)
      yield* server.awaitTuple("late")
      yield* ours.awaitTuple("theirs")
      // It is a member again: it is told of what is new, not only when it asks.
      yield* stopped.publish("after", "1")
      yield* server.awaitTuple("after")
    }),
  60_000
)

/** The command with so many descriptors. */
const limited = (descriptors: number, ...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const line = `ulimit -n ${descriptors} && exec "$@"`
      const child = spawn("sh", ["-c", line, "sh", process.execPath, program, ...args], {
        env: { ...process.env, NODE_OPTIONS: "" },
        stdio: ["ignore", "pipe", "pipe"]
      })
      const said = { stdout: "", stderr: "", ended: false }
      child.stdout.setEncoding("utf8").on("data", (text: string) => (said.stdout += text))
      child.stderr.setEncoding("utf8").on("data", (text: string) => (said.stderr += text))
      child.once("exit", () => (said.ended = true))
      return { child, said }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

describe.skipIf(process.platform === "win32")("descriptors that run out", () => {
  it.live(
    "by 100 connections of a stranger: the node says so, serves those it has, and takes new ones afterwards",
    () =>
      Effect.gen(function* () {
        const endpoint = yield* place("tcp")
        const { said } = yield* limited(64, "serve", "--bind", endpoint)
        const says = (stream: "stdout" | "stderr", what: RegExp) =>
          eventually(
            Effect.sync(() => said),
            (now) => what.test(now[stream]),
            20_000
          )
        yield* says("stderr", /bound/)
        const honest = yield* ourNode({ connect: [endpoint] })
        yield* honest.gossip.publish("before", "1")
        yield* says("stdout", /before = 1/)

        const sockets = Array.from({ length: 100 }, (): Socket => {
          const socket = connect(Number(new URL(endpoint).port), "127.0.0.1")
          return socket.on("error", () => {})
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
        yield* says("stderr", /WARN no file descriptors left/)
        yield* honest.gossip.publish("meanwhile", "1")
        yield* says("stdout", /meanwhile = 1/)

        for (const socket of sockets) socket.destroy()
        yield* says("stderr", /file descriptors are free again/)
        const late = yield* ourNode({ connect: [endpoint] })
        yield* late.awaitTuple("meanwhile")
        assert.isFalse(said.ended)
        assert.strictEqual(said.stderr.match(/no file descriptors left/g)?.length, 1, said.stderr)
      }),
    options
  )
})

describe("connections that are reset while their queues are full", () => {
  /** ZMTP 3.0 with the NULL mechanism, and octets of frames. */
  const zmtp = (...parts: ReadonlyArray<string | number>) =>
    Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.of(part))))
  const greeting = zmtp(0xff, "\0".repeat(8), 0x7f, 3, 0, "NULL".padEnd(20, "\0"), "\0".repeat(32))
  const ready = zmtp(4, 28, 5, "READY", 11, "Socket-Type", "\0\0\0", 6, "DEALER")
  const hello = zmtp(0, 4, 0xaa, 0xa0, 1, 1)
  const ping = zmtp(0, 4, 0xaa, 0xa0, 3, 1)
  const zmtpPing = zmtp(4, 7, 4, "PING", 0, 0)
  const flood = Buffer.concat([
    hello,
    ...Array.from({ length: 400 }, () => [...Array.from({ length: 40 }, () => ping), zmtpPing]).flat()
  ])

  it.live(
    "60 times, by strangers who ask for a heartbeat behind all that: the process goes on",
    () =>
      Effect.gen(function* () {
        const node = yield* run("serve", "--bind", "tcp://127.0.0.1:0")
        const endpoint = yield* node.bound()
        const attack = Effect.callback<void>((resume) => {
          const socket = connect(Number(new URL(endpoint).port), "127.0.0.1", () => {
            socket.write(Buffer.concat([greeting, ready]))
            setTimeout(() => {
              socket.write(flood, () => {
                setTimeout(() => {
                  socket.resetAndDestroy()
                  resume(Effect.void)
                }, Math.random() * 5)
              })
            }, 10)
          })
          socket.on("error", () => resume(Effect.void)).resume()
        })
        yield* Effect.all(
          Array.from({ length: 60 }, () => attack),
          { concurrency: 4 }
        )
        const honest = yield* ourNode({ connect: [endpoint], publish: { after: "1" } })
        yield* node.await("stdout", /after = 1/)
        yield* honest.close
      }),
    options
  )
})

describe.skipIf(process.platform !== "linux")("the end of a node in the middle of faults", () => {
  /** Sockets close in the background, a moment later. */
  const descriptors = Effect.sync(() => readdirSync("/proc/self/fd").length)

  it.live(
    "takes as long as it may at most, and leaves no fiber and no descriptor",
    () =>
      Effect.gen(function* () {
        let fibers = 0
        const service: Metric.FiberRuntimeMetricsService = {
          recordFiberStart: () => void (fibers += 1),
          recordFiberEnd: () => void (fibers -= 1)
        }
        const server = yield* ourNode({ bind: [yield* place("tcp")], publish: { early: "1" } })
        const relays = yield* Effect.forEach(["stall", "drop", "refuse", "delay", "none"] as const, (fault) =>
          Effect.map(relayTo(server.endpoint), (relay) => ({ fault, relay }))
        )
        // Accepts, and never says a word.
        const mute = createServer((socket) => socket.on("error", () => {}).resume())
        yield* Effect.promise(() => new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve)))
        yield* Effect.addFinalizer(() => Effect.sync(() => mute.close()))
        const { port } = mute.address() as AddressInfo
        const before = yield* descriptors
        for (let round = 0; round < 3; round++) {
          yield* Effect.gen(function* () {
            const node = yield* ourNode({
              bind: [yield* place("tcp"), yield* place("ipc")],
              connect: [
                ...relays.map(({ relay }) => `tcp://127.0.0.1:${relay.port}`),
                `tcp://127.0.0.1:${port}`,
                "tcp://127.0.0.1:1",
                "tcp://nobody.invalid:1"
              ]
            }).pipe(Effect.provideService(Patience, 300))
            yield* node.awaitTuple("early")
            for (const { fault, relay } of relays) {
              if (fault === "stall" || fault === "drop") relay[fault]("both")
              if (fault === "refuse") relay.refuse()
              if (fault === "delay") relay.delay(1000)
            }
            yield* Effect.forkChild(Effect.ignore(node.gossip.publishAll(numbered("k", 20_000, "v".repeat(100)))))
            yield* Effect.sleep("50 millis")
            const since = performance.now()
            yield* node.close
            assert.isBelow(performance.now() - since, 1000)
          }).pipe(Effect.scoped, Effect.provideService(Metric.FiberRuntimeMetrics, service))
          for (const { relay } of relays) {
            relay.cut()
            relay.heal()
          }
          yield* eventually(
            Effect.sync(() => fibers),
            (count) => count === 0
          )
        }
        yield* eventually(descriptors, (count) => count <= before)
      }),
    options
  )
})

describe.skipIf(process.platform !== "linux")("npm run chaos", () => {
  it.live(
    "for a second, from a seed: no violation",
    () =>
      Effect.gen(function* () {
        const main = join(import.meta.dirname, "../../chaos/main.ts")
        const args = [main, "--seconds", "1", "--seed", "11", "--every", "50", "--longest", "1500"]
        const { code, output } = yield* Effect.callback<{ readonly code: number; readonly output: string }>(
          (resume) => {
            execFile(process.execPath, args, { env: { ...process.env, NODE_OPTIONS: "" } }, (error, stdout, stderr) =>
              resume(Effect.succeed({ code: error === null ? 0 : Number(error.code), output: stdout + stderr }))
            )
          }
        )
        assert.strictEqual(code, 0, output)
        assert.match(output, /^seed 11,[^]*kill -9[^]*no violation\n$/)
      }),
    options
  )
})
