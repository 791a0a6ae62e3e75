/**
 * `npm run bench:flight`: long values, over real sockets and between processes. First without harm: a dump and a stream
 * to a node of ours and to a reader of version 1. Then members that read nothing come one after the other, while ever
 * new values of 1 MiB are told: what memory the node takes, and how those fare who do read.
 *
 *     npm run bench:flight -- --seconds 20 --deaf 20
 */
import { fork, type ChildProcess } from "node:child_process"
import { randomBytes } from "node:crypto"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { parseArgs } from "node:util"
import { Effect, Stream } from "effect"
import { Dealer } from "zeromq"
import * as Gossip from "../src/Gossip.ts"

const MiB = 2 ** 20
const frame = (id: number): Buffer => Buffer.from([0xaa, 0xa0, id, 1])
const [HELLO, PING] = [frame(1), frame(3)]
const PUBLISH = 2
const PONG = 4

// The node, and a node beside it, in processes of their own

const serve = async (connect: string | undefined): Promise<void> => {
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const program = Effect.gen(function* () {
    const gossip = yield* Gossip.Gossip
    let last = ""
    yield* Effect.forkChild(
      Stream.runForEach(gossip.deliveries, ({ key, valueOctets }) =>
        Effect.sync(() => void (last = `${key} ${valueOctets.slice(0, 12)}`))
      )
    )
    const endpoint = connect === undefined ? yield* gossip.bind("tcp://127.0.0.1:*") : ""
    if (connect !== undefined) yield* gossip.connect(connect)
    process.on("message", () => {
      void Effect.runPromise(gossip.status).then(({ counters, tuples }) =>
        process.send?.({ tuples, counters, last, resident: process.memoryUsage().rss, held: delay.max / 1e6 })
      )
    })
    process.on("disconnect", () => process.exit(0))
    process.send?.({ endpoint })
    return yield* Effect.never
  })
  await Effect.runPromise(Effect.scoped(Effect.provide(program, Gossip.layer())))
}

interface Answer {
  readonly endpoint: string
  readonly tuples: number
  readonly counters: { readonly windowsFull?: number; readonly accepted: number; readonly fellBehind: number }
  readonly last: string
  readonly resident: number
  readonly held: number
}

const answer = (child: ChildProcess): Promise<Answer> =>
  new Promise((resolve) => child.once("message", (message) => resolve(message as Answer)))
const ask = (child: ChildProcess): Promise<Answer> => {
  const answered = answer(child)
  child.send("status")
  return answered
}
const start = async (...args: ReadonlyArray<string>): Promise<readonly [ChildProcess, Answer]> => {
  const child = fork(new URL(import.meta.url), ["--as-node", ...args])
  return [child, await answer(child)]
}

// Clients without manners

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const until = async (what: () => Promise<boolean>, ms = 60_000): Promise<void> => {
  for (const end = performance.now() + ms; !(await what());) {
    if (performance.now() > end) throw new Error("it did not come true")
    await sleep(5)
  }
}

const dealer = (endpoint: string, receiveHighWaterMark: number): Dealer => {
  const socket = Object.assign(new Dealer(), { linger: 0, sendHighWaterMark: 0, receiveHighWaterMark })
  socket.connect(endpoint)
  return socket
}

let values = 0
/** A value that nobody has yet. */
const fresh = (() => {
  const all = randomBytes(MiB - 12)
  return (key: string, octets = MiB): Buffer => {
    const rest = all.subarray(0, octets - 12)
    const head = Buffer.alloc(4 + 1 + key.length + 4)
    HELLO.copy(head)
    head[2] = PUBLISH
    head[4] = key.length
    head.write(key, 5)
    head.writeUInt32BE(octets, 5 + key.length)
    return Buffer.concat([head, Buffer.from(String(++values).padStart(12, "0")), rest, Buffer.alloc(4)])
  }
})()

/** Publishes, and waits until no more than a few are not taken. */
const writer = (endpoint: string) => {
  const socket = dealer(endpoint, 0)
  let open = 0
  let wake = (): void => {}
  void (async () => {
    for await (const [frame] of socket) {
      if (frame?.[2] === PONG) open -= 1
      wake()
    }
  })().catch(() => {})
  void socket.send(HELLO)
  return {
    publish: async (key: string, octets = MiB): Promise<void> => {
      while (open >= 4) await new Promise<void>((resolve) => (wake = resolve))
      open += 1
      await socket.send(fresh(key, octets))
      await socket.send(PING)
    },
    close: () => socket.close()
  }
}

/** A reader of version 1; as CZMQ it says back what is new to it, if it `echoes`. */
const reader = (endpoint: string, echoes: boolean) => {
  const socket = dealer(endpoint, 0)
  let [told, worst, pongs, asked] = [0, 0, 0, 0]
  let last = ""
  void (async () => {
    for await (const [frame] of socket) {
      if (frame?.[2] === PONG) {
        worst = Math.max(worst, performance.now() - asked)
        asked = 0
        pongs += 1
      } else if (frame?.[2] === PUBLISH) {
        told += 1
        const end = 5 + frame[4]!
        last = `${frame.toString("latin1", 5, end)} ${frame.toString("latin1", end + 4, end + 16)}`
        if (echoes) void socket.send(frame)
      }
    }
  })().catch(() => {})
  const ping = (): void => {
    if (asked > 0) worst = Math.max(worst, performance.now() - asked)
    else {
      asked = performance.now()
      void socket.send(PING)
    }
  }
  void socket.send(HELLO)
  ping()
  return {
    ping,
    told: () => told,
    pongs: () => pongs,
    last: () => last,
    /** The worst PONG since the last time. */
    worst: () => {
      const was = worst
      worst = 0
      return was
    },
    close: () => socket.close()
  }
}

// The rows

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const mib = (octets: number): string => `${Math.round(octets / MiB)} MiB`

const harmless = async (count: number): Promise<void> => {
  const [node, { endpoint }] = await start()
  const out = writer(endpoint)
  for (let n = 0; n < count; n++) await out.publish(`key${n}`)
  await until(async () => (await ask(node)).tuples === count)
  let from = performance.now()
  const [other] = await start(endpoint)
  const started = performance.now() - from
  await until(async () => (await ask(other)).tuples === count)
  say(`a dump of ${count} MiB to a node of ours: ${Math.round(performance.now() - from - started)} ms`)
  for (const echoes of [true, false]) {
    from = performance.now()
    const client = reader(endpoint, echoes)
    await until(async () => client.pongs() === 1)
    say(`to a reader of version 1 that ${echoes ? "echoes" : "does not echo"}: ${Math.round(performance.now() - from)} ms, ${client.told()} tuples`) // prettier-ignore
    client.close()
  }
  await sleep(500)
  from = performance.now()
  for (let n = 0; n < count; n++) await out.publish(`key${n % 8}`)
  const last = `key${(count - 1) % 8} ${String(values).padStart(12, "0")}`
  await until(async () => (await ask(other)).last === last)
  const seconds = (performance.now() - from) / 1000
  say(
    `a stream of ${count} values of 1 MiB, until a node of ours has the last one: ${(count / seconds).toFixed(0)} MiB/s`
  )
  say(`windows were full ${(await ask(node)).counters.windowsFull} times`)
  out.close()
  node.kill()
  other.kill()
}

const attack = async (deaf: number, seconds: number, echoes: boolean): Promise<void> => {
  const [node, { endpoint }] = await start()
  const [other] = await start(endpoint)
  const out = writer(endpoint)
  const honest = reader(endpoint, echoes)
  for (let n = 0; n < 20; n++) await out.publish(`key${n % 8}`)
  await sleep(500)
  const before = (await ask(node)).resident
  honest.worst()
  let [peak, published] = [before, 0]
  const members: Array<Dealer> = []
  const begin = performance.now()
  const end = begin + 1000 * seconds
  const watch = setInterval(() => {
    honest.ping()
    void ask(node).then(({ resident }) => (peak = Math.max(peak, resident)))
  }, 50)
  while (performance.now() < end) {
    while (members.length < Math.min(deaf, Math.ceil(((performance.now() - begin) / (1000 * seconds)) * deaf))) {
      const member = dealer(endpoint, 1)
      members.push(member)
      await member.send(HELLO)
    }
    await out.publish(`key${published++ % 8}`)
  }
  clearInterval(watch)
  await sleep(200)
  const { counters, held, resident } = await ask(node)
  const told = honest.told()
  // Of its own: an echo may bring back an older value of a key that changes.
  await out.publish("end", 12)
  const last = `end ${String(values).padStart(12, "0")}`
  const at = performance.now()
  await until(async () => (await ask(other)).last === last)
  const ours = Math.round(performance.now() - at)
  let raw = "never within 20 s"
  await until(async () => honest.last() === last, 20_000).then(
    () => (raw = `after ${Math.round(performance.now() - at)} ms`),
    () => {}
  )
  say(
    `${members.length} deaf members, ${published} values of 1 MiB in ${seconds} s, a reader of version 1 that ${echoes ? "echoes" : "does not echo"}:\n` +
      `  resident ${mib(before)} before, ${mib(peak)} at most, ${mib(resident)} at the end\n` +
      `  worst honest PONG ${Math.round(honest.worst())} ms of ${honest.pongs()}, event loop held up ${Math.round(held)} ms at most\n` +
      `  the reader was told ${told} tuples and has the last one ${raw}, the node of ours after ${ours} ms\n` +
      `  windows were full ${counters.windowsFull} times, peers fell behind ${counters.fellBehind} times`
  )
  for (const member of members) member.close()
  honest.close()
  out.close()
  node.kill()
  other.kill()
}

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "as-node": { type: "boolean", default: false },
    seconds: { type: "string", default: "20" },
    deaf: { type: "string", default: "20" },
    count: { type: "string", default: "200" }
  }
})

if (given["as-node"]) await serve(positionals[0])
else {
  const run = async (): Promise<void> => {
    await harmless(Number(given.count))
    await attack(Number(given.deaf), Number(given.seconds), true)
    await attack(Number(given.deaf), Number(given.seconds), false)
  }
  await run().then(
    () => process.exit(0),
    (error: unknown) => {
      say(String(error))
      process.exit(1)
    }
  )
}
