/**
 * What strangers do to a node, each for a while: attacks on its listener, and on its own connections to servers. An act
 * is told apart by its name and its seed, and does the same every time as far as the other side lets it.
 */
import type { Socket } from "node:net"
import * as Frames from "./frames.ts"
import type { Random } from "./frames.ts"
import * as Zmtp from "./zmtp.ts"
import { type Peer, sleep } from "./zmtp.ts"

export interface Stage {
  readonly endpoint: string
  readonly random: Random
  /** Whether the act still has time. */
  readonly on: () => boolean
  /** How many connections an act that is about many may take. */
  readonly crowd: number
}

type Act = (stage: Stage) => Promise<void>

const { hello, invalid, ping, pong, publish } = Frames
const many = (octets: Uint8Array, count: number): Buffer => Buffer.concat(Array.from({ length: count }, () => octets))
const helloFrame = Zmtp.frame(hello)

/** A member floods the node with what `next` makes, and reads or does not. */
const flood =
  (
    next: (random: Random, round: number) => Uint8Array,
    options: { readonly reads: boolean; readonly first?: Uint8Array }
  ): Act =>
  async ({ endpoint, on, random }) => {
    const peer = await Zmtp.join(endpoint)
    if (!options.reads) peer.socket.pause()
    await peer.write(options.first ?? helloFrame)
    for (let round = 0; on() && !peer.closed; round++) await peer.write(next(random, round))
    peer.close()
  }

const crowd =
  (greet: (peer: Peer) => Promise<unknown>, more: (peers: ReadonlyArray<Peer>, stage: Stage) => Promise<void>): Act =>
  async (stage) => {
    const peers: Array<Peer> = []
    while (peers.length < stage.crowd && stage.on()) {
      const opened = await Promise.all(Array.from({ length: 50 }, () => Zmtp.open(stage.endpoint)))
      await Promise.all(opened.filter(({ closed }) => !closed).map(greet))
      peers.push(...opened)
    }
    await more(peers, stage)
    for (const peer of peers) peer.close()
  }

const wait = async (_: unknown, { on }: Stage): Promise<void> => {
  while (on()) await sleep(20)
}

const member = async (peer: Peer): Promise<void> => {
  await peer.shake("DEALER")
  peer.socket.pause()
  await peer.write(helloFrame)
}

/** New connections again and again, each of which says this and goes. */
const churn =
  (say: (peer: Peer, random: Random) => Promise<unknown>): Act =>
  async ({ endpoint, on, random }) => {
    while (on()) {
      const peer = await Zmtp.open(endpoint)
      if (!peer.closed) await say(peer, random)
      peer.close()
      await Zmtp.turn()
    }
  }

const newKeys = (random: Random, count: number): Buffer =>
  Buffer.concat(Array.from({ length: count }, () => Zmtp.frame(publish(random.octets(8), "v"))))

const megabyte = [Buffer.alloc(2 ** 20, "a"), Buffer.alloc(2 ** 20, "b")] as const

const absurd = [2n ** 28n + 2n ** 20n, 2n ** 28n, 2n ** 32n, 2n ** 40n, 2n ** 62n, 2n ** 63n, 2n ** 64n - 1n] as const

const fuzzedMessages = (random: Random): Buffer =>
  Buffer.concat(Array.from({ length: 200 }, () => Zmtp.message(Frames.fuzzed(random))))

const commands = [
  Zmtp.command("PING", Buffer.from([0, 1, ...Buffer.alloc(16, 7)])),
  Zmtp.command("PING", Buffer.from([0xff, 0xff])),
  Zmtp.command("PING"),
  Zmtp.command("PONG", Buffer.alloc(16)),
  Zmtp.command("SUBSCRIBE", Buffer.from("a")),
  Zmtp.command("CANCEL"),
  Zmtp.command("ERROR", Buffer.from([3, 1, 2, 3])),
  Zmtp.command("READY", Buffer.alloc(40)),
  Zmtp.command("NONSENSE", Buffer.alloc(100)),
  Buffer.from([4, 0]),
  Buffer.from([7, 200]),
  Buffer.from([0xff, 0xff, 0xff])
] as const

/** On the listener. */
export const onListener: Readonly<Record<string, Act>> = {
  "HELLO twice, and reads": flood(() => many(helloFrame, 2000), { reads: true }),
  "HELLO twice, and does not read": flood(() => many(helloFrame, 2000), { reads: false }),
  "INVALID storm": flood(() => many(Zmtp.frame(invalid), 2000), { reads: true }),
  "malformed storm": flood(() => many(Zmtp.frame(Buffer.from("aaa00701", "hex")), 2000), { reads: true }),
  "PING flood, and reads": flood(() => many(Zmtp.frame(ping), 2000), { reads: true }),
  "PING flood, and does not read": flood(() => many(Zmtp.frame(ping), 2000), { reads: false }),
  "PUBLISH of new keys": flood((random) => newKeys(random, 500), { reads: true }),
  "PUBLISH of new keys, and does not read": flood((random) => newKeys(random, 500), { reads: false }),
  "PUBLISH of one key": flood(
    (_, round) =>
      Buffer.concat(Array.from({ length: 500 }, (_, n) => Zmtp.frame(publish("same", `${round * 500 + n}`)))),
    { reads: true }
  ),
  "PUBLISH without HELLO": flood((random) => newKeys(random, 500), { reads: true, first: Zmtp.frame(ping) }),
  "PUBLISH of a MiB": flood((_, round) => Zmtp.frame(publish("big", megabyte[round % 2 === 0 ? 0 : 1])), {
    reads: true
  }),
  "many frames": flood((random) => Zmtp.message(Array.from({ length: 1 + random.below(200) }, () => hello)), {
    reads: true
  }),
  "fuzzed messages": flood(fuzzedMessages, { reads: true }),
  "fuzzed messages, and does not read": flood(fuzzedMessages, { reads: false }),
  "spoofed ids inside": flood(
    (random) => Zmtp.message([Frames.oneOf(random, [ping, hello, random.octets(5)]), random.octets(5), hello]),
    { reads: true }
  ),
  "one id for all": churn(async (peer, random) => {
    await peer.shake("DEALER", Buffer.from("everybody"))
    await peer.write(Buffer.concat([helloFrame, Zmtp.message(Frames.fuzzed(random))]))
    if (random.below(2) === 0) await sleep(random.below(10))
  }),
  "PINGs and a reset": churn(async (peer) => {
    await peer.shake("DEALER")
    peer.socket.pause()
    for (let n = 0; n < 3; n++) await peer.write(many(Zmtp.frame(ping), 3000), 20)
    peer.socket.resetAndDestroy()
  }),
  "HELLO and gone": churn(async (peer) => {
    await peer.shake("DEALER")
    await peer.write(helloFrame)
  }),
  "absurd lengths": churn(async (peer, random) => {
    await peer.shake("DEALER")
    await peer.write(Buffer.concat([Zmtp.header(Frames.oneOf(random, absurd), random.below(2) === 0), hello]))
    await sleep(5)
  }),
  "half a frame": crowd(async (peer) => {
    await peer.shake("DEALER")
    await peer.write(Zmtp.header(2n ** 27n))
    await peer.write(hello)
  }, wait),
  "garbage instead of a greeting": churn(async (peer, random) => {
    await peer.write(random.octets(1 + random.below(200)))
    await sleep(random.below(5))
  }),
  "garbage instead of a handshake": churn(async (peer, random) => {
    await peer.write(Buffer.concat([Zmtp.greeting, random.octets(1 + random.below(200))]))
    await sleep(random.below(5))
  }),
  "garbage behind the handshake": churn(async (peer, random) => {
    await peer.shake("DEALER")
    await peer.write(random.octets(1 + random.below(200)))
    await sleep(random.below(5))
  }),
  "commands of ZeroMQ's": churn(async (peer, random) => {
    await peer.shake("DEALER")
    await peer.write(Buffer.concat(Array.from({ length: 3 }, () => Frames.oneOf(random, commands))))
    await sleep(random.below(5))
  }),
  "connections that never speak": crowd(async () => {}, wait),
  "handshakes that never speak": crowd((peer) => peer.shake("DEALER"), wait),
  "a crowd that says HELLO": crowd(member, wait),
  "a crowd that is told of a flood, and does not read": crowd(member, async (_, stage) => {
    await flood((random) => newKeys(random, 500), { reads: true })(stage)
  }),
  "a crowd that says HELLO twice": crowd(member, async (peers, { on }) => {
    while (on()) {
      await Promise.all(peers.map((peer) => peer.write(many(helloFrame, 20), 20)))
    }
  }),
  "slow writers": crowd(
    (peer) => peer.shake("DEALER"),
    async (peers, { on, random }) => {
      const octets = Buffer.concat([helloFrame, newKeys(random, 10)])
      for (let at = 0; on(); at = (at + 1) % octets.length) {
        for (const peer of peers) if (!peer.closed) peer.socket.write(octets.subarray(at, at + 1))
        await sleep(5)
      }
    }
  )
}

/** What a hostile server does with a connection of the node's, for as long as the act lasts. */
type Behaviour = (peer: Peer, stage: Stage) => Promise<void>

const server =
  (next: (random: Random, round: number) => Uint8Array, pause = 0): Behaviour =>
  async (peer, { on, random }) => {
    await peer.shake("ROUTER")
    for (let round = 0; on() && !peer.closed; round++) {
      await peer.write(next(random, round))
      if (pause > 0) await sleep(pause)
    }
  }

/** On the node's own connections. */
export const onServer: Readonly<Record<string, Behaviour>> = {
  "server that never speaks": wait,
  "server that says nothing behind the handshake": server(() => Buffer.alloc(0), 20),
  "server of garbage": async (peer, { random }) => {
    await peer.write(random.octets(1 + random.below(300)))
    await sleep(20)
  },
  "server of garbage behind the handshake": async (peer, { random }) => {
    await peer.shake("ROUTER")
    await peer.write(random.octets(1 + random.below(300)))
    await sleep(20)
  },
  "server that hangs up": async (peer) => {
    await peer.shake("ROUTER")
  },
  "dump without end": server((random) => newKeys(random, 500)),
  "server of one key": server((_, round) =>
    Buffer.concat(Array.from({ length: 500 }, (_, n) => Zmtp.frame(publish("server", `${round * 500 + n}`))))
  ),
  "server of a MiB": server((_, round) => Zmtp.frame(publish("server big", megabyte[round % 2 === 0 ? 0 : 1]))),
  "INVALIDs of a server": server(() => many(Zmtp.frame(invalid), 2000)),
  "INVALID to everything": server(() => Buffer.concat([Zmtp.frame(pong), Zmtp.frame(invalid)]), 2),
  "PONGs that nobody asked for": server(() => many(Zmtp.frame(pong), 2000)),
  "HELLOs of a server": server(() => Buffer.concat([many(helloFrame, 500), many(Zmtp.frame(ping), 500)])),
  "server that floods and resets": async (peer) => {
    await peer.shake("ROUTER")
    for (let n = 0; n < 3; n++) await peer.write(many(Zmtp.frame(pong), 3000), 20)
    peer.socket.resetAndDestroy()
  },
  "fuzzed server": server(fuzzedMessages, 5),
  "frames of a server": server((random) => Zmtp.message(Array.from({ length: 1 + random.below(200) }, () => pong))),
  "absurd lengths of a server": async (peer, { random }) => {
    await peer.shake("ROUTER")
    await peer.write(Buffer.concat([Zmtp.header(Frames.oneOf(random, absurd), random.below(2) === 0), pong]))
    await sleep(20)
  },
  "half a frame of a server": async (peer, stage) => {
    await peer.shake("ROUTER")
    await peer.write(Buffer.concat([Zmtp.header(2n ** 27n), pong]))
    await wait(undefined, stage)
  },
  "server that does not read": async (peer, stage) => {
    await peer.shake("ROUTER")
    peer.socket.pause()
    await wait(undefined, stage)
  }
}

/** Serves one connection of the node's as the act says. */
export const serve = (socket: Socket, behaviour: Behaviour, stage: Stage): void => {
  const peer = new Zmtp.Peer(socket)
  void behaviour(peer, stage).finally(() => peer.close())
}

export const names: ReadonlyArray<string> = [...Object.keys(onListener), ...Object.keys(onServer)]
