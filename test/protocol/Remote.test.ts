import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import * as Digest from "../../src/protocol/Digest.ts"
import * as Message from "../../src/protocol/Message.ts"
import * as Remote from "../../src/protocol/Remote.ts"
import * as Trailer from "../../src/protocol/Trailer.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import * as arbitrary from "./arbitraries.ts"

const timing: Remote.Timing = { pingInterval: 250, timeout: 1000, silence: 20_000 }

const digest = { count: 3, fingerprint: "0123456789abcdef", since: 1_750_000_000_123 }
const messages = {
  HELLO: Message.hello,
  PING: Message.ping,
  PONG: Message.pong,
  "PONG of ours": { ...Message.pong, trailer: Trailer.make({ tag: Trailer.tags.node, body: "" }) },
  "PONG with a digest": { ...Message.pong, trailer: Trailer.make(Digest.section(digest)) },
  "PONG with cargo": { ...Message.pong, trailer: Trailer.make({ tag: Trailer.tags.entries, body: "" }) },
  INVALID: Message.invalid,
  malformed: Message.decode([]),
  "PUBLISH k=v": Message.publish(new Tuple("k", "v")),
  "PUBLISH l=v": Message.publish(new Tuple("l", "v"))
}

/** One machine, its time and its map's sequence number. Every input returns what the machine does, as a line. */
class Link {
  state: Remote.State = Remote.start
  now = 0
  sequence = 0
  behind = false
  idle = true
  taken = 0
  readonly #timing: Remote.Timing

  constructor(of: Remote.Timing = timing) {
    this.#timing = of
  }

  sleeps = (): string => this.#step({ _tag: "Slept" })
  up = (): string => this.#step({ _tag: "Up", now: this.now, sequence: this.sequence })
  down = (): string => this.#step({ _tag: "Down" })
  tells = (): string => this.#step({ _tag: "Accepted" })
  hears = (name: keyof typeof messages): string =>
    this.#step({ _tag: "Received", message: messages[name], now: this.now, sequence: this.sequence })
  ticks = (): string => {
    const { behind, idle, now, sequence, taken } = this
    return this.#step({ _tag: "Tick", now, sequence, idle, behind, taken })
  }

  /** Lets time pass without a tick. */
  wait(milliseconds: number): this {
    this.now += milliseconds
    return this
  }

  /** Publishes here: the map changes, the machine is asked. */
  publish(): string {
    this.sequence += 1
    return this.tells()
  }

  /** Time passes; each PING is sent when it is due and answered at once. */
  live(milliseconds: number): this {
    const end = this.now + milliseconds
    for (let due = Remote.deadline(this.state); due !== undefined && due <= end; due = Remote.deadline(this.state)) {
      this.now = due
      assert.strictEqual(this.ticks(), "PING")
      assert.strictEqual(this.hears("PONG"), "-")
    }
    this.now = end
    return this
  }

  #step(input: Remote.Input): string {
    const { actions, state } = Remote.step(this.state, input, this.#timing)
    this.state = state
    return actions.length === 0 ? "-" : actions.map(line).join(" ")
  }
}

const line = (action: Remote.Action): string => {
  switch (action._tag) {
    case "Send":
      return action.message._tag.toUpperCase()
    case "Accept":
      return `Accept(${action.tuple.key}${action.synced === undefined ? "" : `, synced ${action.synced}`})`
    case "ReplayNews":
      return `News(${action.synced}-${action.upTo})`
    case "ReplayLost":
      return `Lost(${action.synced}-${action.upTo} except [${[...action.dumped].join()}])`
    case "Tell":
    case "Forget":
      return action._tag
    case "Compare":
    case "Take":
      return action._tag
    case "Close":
      return `Close(${action.silent})`
  }
}

/** The ways into each state; `sequence` is 5 all along. */
const into = {
  Disconnected: () => Object.assign(new Link(), { sequence: 5 }),
  /** For the first time: nothing is synced. */
  Joining: () => {
    const link = into.Disconnected()
    link.up()
    return link
  },
  /** The dump is complete, the replay is not acknowledged. */
  Connected: () => {
    const link = into.Joining()
    link.hears("PONG")
    return link
  },
  /** All 5 changes are synced. */
  Synced: () => {
    const link = into.Connected()
    link.hears("PONG")
    return link
  },
  /** The server is one of ours, and says what it holds. */
  Compared: () => {
    const link = into.Joining()
    link.sequence = 7
    assert.strictEqual(link.hears("PONG with a digest"), "Compare News(5-7) PING")
    link.sequence = 5
    return link
  },
  /** The server is one of ours, and does not say what it holds. */
  Ours: () => {
    const link = into.Joining()
    assert.strictEqual(link.hears("PONG of ours"), "News(0-5) Lost(0-5 except []) PING")
    return link
  },
  /** On a new connection, all 5 changes synced. */
  Rejoining: () => {
    const link = into.Synced()
    link.down()
    link.up()
    return link
  },
  /** On the same connection, after an INVALID. */
  Repairing: () => {
    const link = into.Synced()
    link.hears("INVALID")
    return link
  },
  /** On the same connection, out of doubt. */
  Doubting: () => {
    const link = into.Synced().live(250)
    link.wait(1250).ticks()
    link.hears("PONG")
    link.wait(250).ticks()
    assert.strictEqual(link.hears("PONG"), helloAgain)
    return link
  },
  /** The second HELLO was refused as well. */
  Refused: () => {
    const link = into.Joining()
    link.hears("INVALID")
    link.hears("PONG")
    link.hears("PONG")
    link.hears("INVALID")
    return link
  }
}

const hello = "Forget HELLO PING"
const helloAgain = "Forget PING HELLO PING"

type Input = keyof typeof messages | "slept" | "up" | "down" | "new tuple" | "tick" | "tick, early" | "silence"
type Row = readonly [state: keyof typeof into, input: Input, does: string, next: Remote.State["_tag"]]

/** Nothing is heard any more: what it does about it in the end, and after how much time. */
const silence = (link: Link): string => {
  const since = link.now
  for (let due = Remote.deadline(link.state); due !== undefined; due = Remote.deadline(link.state)) {
    const does = link.wait(due - link.now).ticks()
    if (does.includes("Close")) return `${does} at ${link.now - since}`
    if (link.now - since > 30_000_000) return "for ever"
  }
  return "-"
}

const give = (link: Link, input: Input): string => {
  switch (input) {
    case "slept":
      return link.sleeps()
    case "up":
      return link.up()
    case "down":
      return link.down()
    case "new tuple":
      return link.tells()
    case "tick":
      return link.wait((Remote.deadline(link.state) ?? 0) - link.now).ticks()
    case "tick, early":
      return link.wait((Remote.deadline(link.state) ?? 1) - 1 - link.now).ticks()
    case "silence":
      return silence(link)
    default:
      return link.hears(input)
  }
}

describe("every state and every input", () => {
  it.each<Row>([
    ["Disconnected", "up", hello, "Joining"],
    ["Disconnected", "down", "-", "Disconnected"],
    ["Disconnected", "tick", "-", "Disconnected"],
    ["Disconnected", "new tuple", "-", "Disconnected"],
    ["Disconnected", "PUBLISH k=v", "-", "Disconnected"],
    ["Disconnected", "PONG", "-", "Disconnected"],
    ["Disconnected", "INVALID", "-", "Disconnected"],
    ["Disconnected", "HELLO", "-", "Disconnected"],
    ["Disconnected", "PING", "-", "Disconnected"],
    ["Disconnected", "malformed", "-", "Disconnected"],
    ["Disconnected", "slept", "-", "Disconnected"],
    ["Disconnected", "silence", "-", "Disconnected"],

    ["Joining", "up", hello, "Joining"],
    ["Joining", "down", "-", "Disconnected"],
    ["Joining", "tick", "PING", "Joining"],
    ["Joining", "tick, early", "-", "Joining"],
    ["Joining", "new tuple", "-", "Joining"],
    ["Joining", "PUBLISH k=v", "Accept(k, synced 0)", "Joining"],
    ["Joining", "PONG", "News(0-5) Lost(0-5 except []) PING", "Connected"],
    ["Joining", "INVALID", helloAgain, "Joining"],
    ["Joining", "HELLO", "-", "Joining"],
    ["Joining", "PING", "-", "Joining"],
    ["Joining", "malformed", "-", "Joining"],
    ["Joining", "slept", "-", "Joining"],
    ["Joining", "silence", "Close(20000) at 20000", "Disconnected"],

    ["Rejoining", "PUBLISH k=v", "Accept(k, synced 5)", "Joining"],
    ["Rejoining", "PONG", "News(5-5) Lost(5-5 except []) PING", "Connected"],
    ["Rejoining", "INVALID", helloAgain, "Joining"],
    ["Rejoining", "silence", "Close(20000) at 20000", "Disconnected"],

    ["Repairing", "up", hello, "Joining"],
    ["Repairing", "new tuple", "-", "Joining"],
    ["Repairing", "PUBLISH k=v", "Accept(k, synced 5)", "Joining"],
    ["Repairing", "PONG", "-", "Joining"],
    ["Repairing", "INVALID", "-", "Joining"],
    ["Repairing", "tick", "PING", "Joining"],
    ["Repairing", "silence", "Close(20000) at 20000", "Disconnected"],

    ["Doubting", "up", hello, "Joining"],
    ["Doubting", "new tuple", "-", "Joining"],
    ["Doubting", "PUBLISH k=v", "Accept(k, synced 5)", "Joining"],
    ["Doubting", "PONG", "-", "Joining"],
    ["Doubting", "INVALID", "-", "Joining"],
    ["Doubting", "tick", "PING", "Joining"],
    ["Doubting", "silence", "Close(20000) at 20000", "Disconnected"],

    ["Refused", "up", hello, "Joining"],
    ["Refused", "down", "-", "Disconnected"],
    ["Refused", "tick", "Forget PING HELLO PING", "Joining"],
    ["Refused", "tick, early", "-", "Joining"],
    ["Refused", "new tuple", "-", "Joining"],
    ["Refused", "PUBLISH k=v", "Accept(k, synced 0)", "Joining"],
    ["Refused", "PONG", "-", "Joining"],
    ["Refused", "INVALID", "-", "Joining"],
    ["Refused", "silence", "Close(20000) at 20000", "Disconnected"],

    ["Connected", "up", hello, "Joining"],
    ["Connected", "down", "-", "Disconnected"],
    ["Connected", "tick", "PING", "Connected"],
    ["Connected", "tick, early", "-", "Connected"],
    ["Connected", "new tuple", "Tell", "Connected"],
    ["Joining", "PONG with cargo", "Take", "Joining"],
    ["Connected", "PONG with cargo", "Take", "Connected"],
    ["Connected", "PONG with a digest", "Compare", "Connected"],
    ["Compared", "PONG with a digest", "Compare", "Connected"],
    ["Compared", "PONG with cargo", "Take", "Connected"],
    ["Compared", "new tuple", "Tell", "Connected"],
    ["Compared", "PUBLISH k=v", "Accept(k)", "Connected"],
    ["Compared", "INVALID", helloAgain, "Joining"],
    ["Compared", "tick", "PING", "Connected"],
    ["Ours", "PONG of ours", "-", "Connected"],
    ["Ours", "new tuple", "Tell", "Connected"],
    ["Ours", "INVALID", helloAgain, "Joining"],
    ["Connected", "PUBLISH k=v", "Accept(k)", "Connected"],
    ["Connected", "PONG", "-", "Connected"],
    ["Connected", "INVALID", helloAgain, "Joining"],
    ["Connected", "HELLO", "-", "Connected"],
    ["Connected", "PING", "-", "Connected"],
    ["Connected", "malformed", "-", "Connected"],
    ["Connected", "slept", "-", "Connected"],
    ["Connected", "silence", "Close(20000) at 20000", "Disconnected"],

    ["Synced", "up", hello, "Joining"],
    ["Synced", "INVALID", helloAgain, "Joining"],
    // Every PING was answered: it is the next that is not.
    ["Synced", "silence", "Close(20000) at 20250", "Disconnected"]
  ])("%s, %s: %s, then %s", (state, input, does, next) => {
    const link = into[state]()
    assert.strictEqual(give(link, input), does)
    assert.strictEqual(link.state._tag, next)
  })
})

describe("PONG", () => {
  it("that nobody asked for says nothing: those that follow still answer their PINGs", () => {
    const link = into.Synced()
    for (let n = 0; n < 1000; n++) link.hears("PONG")
    link.live(10_000)
    assert.strictEqual(link.state._tag, "Connected")
    if (link.state._tag === "Connected") {
      assert.strictEqual(link.state.link.pongs, link.state.link.pings)
      assert.deepStrictEqual(link.state.link.open, [])
      assert.strictEqual(link.state.link.doubtedFrom, Number.POSITIVE_INFINITY)
    }
  })
})

describe("INVALID", () => {
  it("from a server that takes every HELLO and refuses what follows draws one HELLO with each PING, not more", () => {
    const link = new Link()
    link.up()
    const hellos = (count: number) =>
      Array.from({ length: count }, () => `${link.hears("PONG")} ${link.hears("PONG")} ${link.hears("INVALID")}`)
        .join(" ")
        .split(" ")
        .filter((word) => word === "HELLO").length
    const first = hellos(1000)
    assert.isAtMost(first, 2)
    let later = 0
    for (let pings = 0; pings < 10; pings++) {
      link.wait(250)
      later +=
        link
          .ticks()
          .split(" ")
          .filter((word) => word === "HELLO").length + hellos(1000)
    }
    assert.isAtLeast(later, 5, "it goes on trying")
    assert.isAtMost(later, 10)
  })

  it("100 of them cost one HELLO", () => {
    const link = into.Synced()
    const answers = Array.from({ length: 100 }, () => link.hears("INVALID"))
    assert.deepStrictEqual(
      answers.filter((answer) => answer !== "-"),
      [helloAgain]
    )
  })

  it("that answers the HELLO is repaired at once, then once for each PING interval", () => {
    const link = into.Synced()
    const hellos: Array<number> = []
    const replies: Array<keyof typeof messages> = ["INVALID"]
    for (let n = 0; link.now < 5000 && n < 10_000; n++) {
      const answer = replies.length > 0 ? link.hears(replies.shift() ?? "PONG") : link.wait(10).ticks()
      if (answer.includes("HELLO")) hellos.push(link.now)
      // A server that takes no HELLO.
      for (const word of answer.split(" ")) {
        if (word === "PING") replies.push("PONG")
        if (word === "HELLO") replies.push("INVALID")
      }
    }
    assert.deepStrictEqual(hellos.slice(0, 5), [0, 0, 250, 500, 750])
    assert.strictEqual(hellos.length, 2 + 20)
  })

  it("is over with the first HELLO that is taken", () => {
    const link = into.Refused()
    give(link, "tick")
    for (let pong = 0; pong < 2; pong++) link.hears("PONG")
    assert.strictEqual(link.state._tag, "Joining")
    link.hears("PONG")
    assert.strictEqual(link.state._tag, "Connected")
    // And counts from the beginning again.
    link.wait(250)
    link.hears("INVALID")
    link.hears("PONG")
    link.hears("PONG")
    link.hears("PONG")
    assert.strictEqual(link.state._tag, "Connected")
  })
})

describe("a server of ours", () => {
  it("says INVALID where it has forgotten us, so its PONG leaves no doubt", () => {
    const link = into.Compared()
    for (let times = 0; times < 10; times++) {
      link.wait(5000).ticks()
      assert.strictEqual(link.hears("PONG with a digest"), "Compare")
    }
  })

  it("is compared with, so what it has seen need not be known, and what it had seen before is not forgotten", () => {
    const link = into.Synced()
    link.down()
    link.up()
    link.hears("PONG with a digest")
    link.sequence = 9
    for (let times = 0; times < 3; times++) {
      link.wait(250).ticks()
      link.hears("PONG with a digest")
    }
    assert.strictEqual(link.state.synced, 5)
  })

  it("that was taken for another is recognized when it answers", () => {
    const link = into.Joining()
    for (let tick = 0; link.state._tag === "Joining"; tick++) link.wait(250).ticks()
    assert.deepInclude(link.state, { ours: false, compared: false })
    link.hears("PONG with a digest")
    assert.deepInclude(link.state, { ours: true, compared: true })
  })

  it("is told nothing twice by a PONG that carries something: it answers nothing", () => {
    const link = into.Joining()
    for (let times = 0; times < 5; times++) assert.strictEqual(link.hears("PONG with cargo"), "Take")
    assert.strictEqual(link.state._tag, "Joining")
  })
})

describe("what the server has seen", () => {
  it("all that was held before the HELLO, once the PING behind its replay is answered", () => {
    const link = into.Connected()
    assert.strictEqual(link.state.synced, 0)
    link.sequence = 6
    link.hears("PONG")
    assert.strictEqual(link.state.synced, 5)
  })

  it("what was told since, once the next PING is answered", () => {
    const link = into.Synced()
    link.publish()
    give(link, "tick")
    link.publish()
    assert.strictEqual(link.state.synced, 5)
    link.hears("PONG")
    assert.strictEqual(link.state.synced, 6)
    link.live(250)
    assert.strictEqual(link.state.synced, 7)
  })

  it("nothing while tuples wait behind the PING", () => {
    const link = into.Synced()
    link.publish()
    link.behind = true
    link.live(1000)
    assert.strictEqual(link.state.synced, 5)
    link.behind = false
    link.live(250)
    assert.strictEqual(link.state.synced, 6)
  })

  it("not before that PONG, though others come", () => {
    const link = into.Synced()
    give(link, "tick")
    link.publish()
    give(link, "tick")
    link.hears("PONG")
    link.publish()
    give(link, "tick")
    // Of the second PING, which vouches for nothing: the fence is the third.
    link.hears("PONG")
    assert.strictEqual(link.state.synced, 5)
    link.hears("PONG")
    assert.strictEqual(link.state.synced, 7)
  })

  it("nothing of what came behind the PING which is not yet answered", () => {
    const link = into.Synced()
    link.publish()
    give(link, "tick")
    for (let ping = 0; ping < 3; ping++) {
      link.publish()
      give(link, "tick")
    }
    link.hears("PONG")
    assert.strictEqual(link.state.synced, 6)
    for (let pong = 0; pong < 3; pong++) link.hears("PONG")
    assert.strictEqual(link.state.synced, 6, "one fence at a time")
    link.live(250)
    assert.strictEqual(link.state.synced, 9)
  })

  it("stays over the connections: what is newer goes out behind HELLO", () => {
    const link = into.Synced()
    link.publish()
    link.down()
    link.sequence = 9
    assert.strictEqual(link.up(), "Forget HELLO PING")
    assert.strictEqual(link.hears("PUBLISH k=v"), "Accept(k, synced 5)")
    assert.strictEqual(link.hears("PUBLISH l=v"), "Accept(l, synced 5)")
    assert.strictEqual(link.hears("PONG"), "News(5-9) Lost(5-9 except [k,l]) PING")
    link.hears("PONG")
    assert.strictEqual(link.state.synced, 9)
  })

  it("a PONG lost with its connection counts for nothing", () => {
    const link = into.Synced()
    link.publish()
    give(link, "tick")
    link.down()
    link.up()
    assert.strictEqual(link.hears("PONG"), "News(5-6) Lost(5-6 except []) PING")
    assert.strictEqual(link.state.synced, 5)
    link.hears("PONG")
    assert.strictEqual(link.state.synced, 6)
  })
})

describe("a server that is silent while we join", () => {
  const lastTicks = (link: Link, ticks: number) =>
    Array.from({ length: ticks }, () => `${link.wait(250).now} ${link.ticks()}`).slice(-2)

  it("and never answered a PING is taken as joined after three timeouts, counted from its last tuple", () => {
    const link = into.Joining()
    link.wait(600)
    link.hears("PUBLISH k=v")
    assert.deepStrictEqual(lastTicks(link, 13), ["3600 PING", "3850 News(0-5) Lost(0-5 except [k]) PING"])
    assert.deepStrictEqual([link.state._tag, link.state.synced], ["Connected", 0])
    assert.strictEqual(link.hears("PUBLISH k=v"), "Accept(k)")
  })

  it.each(["Rejoining", "Repairing", "Doubting"] as const)("but answered before is waited for: %s", (state) => {
    const link = into[state]()
    for (let tick = 0; tick < 79; tick++) assert.strictEqual(link.wait(250).ticks(), "PING")
    assert.strictEqual(link.state._tag, "Joining")
    assert.match(link.hears("PUBLISH k=v"), /^Accept\(k, synced/)
  })
})

describe("silence, for so long that the connection is given up", () => {
  it.each(["PONG", "PUBLISH k=v", "HELLO", "PING", "malformed"] as const)(
    "begins anew with any message: %s",
    (name) => {
      const link = into.Connected()
      for (let tick = 0; tick < 1000; tick++) {
        assert.strictEqual(link.wait(250).ticks(), "PING")
        if (tick % 79 === 0) link.hears(name)
      }
      assert.strictEqual(silence(link), `Close(20000) at ${20_000 - (999 % 79) * 250}`)
    }
  )

  it("counts from a PING, however seldom they are", () => {
    const rare = new Link({ pingInterval: 30_000, timeout: 60_000, silence: 20_000 })
    rare.up()
    rare.hears("PONG")
    rare.hears("PONG")
    assert.strictEqual(rare.wait(30_000).ticks(), "PING")
    assert.strictEqual(rare.wait(15_000).hears("PONG"), "-")
    assert.strictEqual(rare.wait(15_000).ticks(), "PING")
    assert.strictEqual(rare.wait(30_000).ticks(), "Close(30000)")
  })

  it("is none as long as what waits to be sent is taken, and is one where it is not", () => {
    const link = Object.assign(into.Connected(), { idle: false })
    for (let tick = 0; tick < 1000; tick++) {
      link.taken += 1
      assert.notInclude(link.wait(250).ticks(), "Close")
    }
    assert.strictEqual(silence(link), "Close(20000) at 20000")
  })

  it("nor is the time in which we stood still: what was said meanwhile is still to be read", () => {
    const link = into.Connected()
    for (let tick = 0; tick < 60; tick++) link.wait(250).ticks()
    assert.strictEqual(link.wait(60_000).ticks(), "PING")
    assert.strictEqual(silence(link), "Close(20000) at 20000")
  })

  it("may be twice as long on each connection, to a bound, until the server has taken our news", () => {
    const link = into.Synced()
    link.publish()
    const rounds = (count: number) =>
      Array.from({ length: count }, () => {
        const does = silence(link)
        assert.strictEqual(link.state._tag, "Disconnected")
        assert.strictEqual(link.down(), "-")
        assert.match(link.up(), /^Forget HELLO PING$/)
        // It says something at once, and takes nothing.
        link.hears("PONG")
        return Number(/Close\((\d+)\)/.exec(does)?.[1])
      })
    const doubled = Array.from({ length: 11 }, (_, round) => 20_000 * 2 ** round)
    assert.deepStrictEqual(rounds(13), [...doubled, 20_480_000, 20_480_000])
    assert.strictEqual(link.hears("PONG"), "-")
    assert.deepStrictEqual([link.state.synced, silence(link)], [6, "Close(20000) at 20250"])
  })

  it("is borne for ever where there can be none, over inproc", () => {
    const link = new Link({ ...timing, silence: Number.POSITIVE_INFINITY })
    link.up()
    assert.strictEqual(silence(link), "for ever")
  })
})

describe("PINGs", () => {
  it("never stop, and come as often as the interval says", () => {
    const link = into.Disconnected()
    link.up()
    let last = link.now
    let pings = 0
    for (let n = 0; n < 500; n++) {
      const due = Remote.deadline(link.state)
      assert.isDefined(due)
      assert.isAtMost((due ?? 0) - last, timing.pingInterval)
      assert.strictEqual(link.wait((due ?? 0) - link.now).ticks(), "PING")
      last = link.now
      if (++pings % 7 !== 0) link.hears("PONG")
    }
  })

  it("do not pile up behind what a server does not read: 16 and no more, until it does", () => {
    const link = into.Synced()
    link.idle = false
    const sent = Array.from({ length: 60 }, () => link.wait(250).ticks())
    assert.deepStrictEqual(sent.lastIndexOf("PING"), 15)
    link.hears("PONG")
    assert.strictEqual(link.wait(250).ticks(), "PING")
    assert.strictEqual(link.wait(250).ticks(), "-")
    link.idle = true
    assert.strictEqual(link.wait(250).ticks(), "PING")
  })

  it("are one after a long stall, not one for each interval that was missed", () => {
    const link = into.Synced()
    assert.strictEqual(link.wait(60_000).ticks(), "PING")
    assert.strictEqual(link.ticks(), "-")
    assert.strictEqual(Remote.deadline(link.state), 60_250)
  })
})

describe("doubt: the server may have forgotten us", () => {
  const settled = () => into.Synced().live(10_000)
  /** The next PONG is not late. */
  const next = (link: Link): string => {
    link.wait(Math.max(0, (Remote.deadline(link.state) ?? 0) - link.now)).ticks()
    return link.hears("PONG")
  }

  it.each([
    [750, "-"],
    [751, helloAgain],
    [60_000, helloAgain]
  ])("no PONG to a PING for %s ms, the one before being 250 ms older: then, with the next, %s", (gap, does) => {
    const link = settled()
    link.wait(250).ticks()
    assert.strictEqual(link.wait(gap).hears("PONG"), "-")
    assert.strictEqual(next(link), does)
  })

  it("a process that stood still says HELLO, once it can be sure of an answer", () => {
    const link = settled()
    assert.strictEqual(link.wait(1500).ticks(), "PING")
    assert.strictEqual(link.hears("PONG"), "-")
    assert.strictEqual(next(link), helloAgain)
  })

  it("a PUBLISH behind the late PONG clears it, one before does not", () => {
    for (const [first, second, does] of [
      ["PONG", "PUBLISH k=v", "-"],
      ["PUBLISH k=v", "PONG", helloAgain]
    ] as const) {
      const link = settled()
      link.wait(1500).ticks()
      link.hears(first)
      link.hears(second)
      assert.strictEqual(next(link), does)
    }
  })

  it.each([
    ["goes on", 1, 0],
    ["ends", 0, 1]
  ])("a busy server, whose PONGs wait behind its tuples: where that %s, HELLO %s times less, %s", (_, more, hellos) => {
    const link = settled()
    const busy = (n: number) => {
      assert.strictEqual(link.wait(10).hears("PUBLISH k=v"), "Accept(k)")
      if (n % 25 === 0) assert.strictEqual(link.ticks(), "PING")
    }
    for (let n = 1; n <= 5000; n++) busy(n)
    for (let pong = 0; pong < 200; pong++) assert.strictEqual(link.hears("PONG"), "-")
    const answers = Array.from({ length: 8 }, () => {
      if (more > 0) link.hears("PUBLISH k=v")
      return next(link)
    })
    assert.deepStrictEqual(answers.slice(0, 3), ["-", "-", "-"], "for a timeout it is waited for")
    assert.strictEqual(answers.filter((does) => does === helloAgain).length, hellos)
  })

  it.each([
    [1000, 0],
    [1010, 1],
    [1400, 1]
  ])(
    "our PINGs are held up for %s ms while its tuples keep coming until it forgets us: HELLO %s times",
    (held, hellos) => {
      const link = settled()
      // The last one that was in time was sent and answered at 0.
      let pings = 0
      const since = link.now
      while (link.now < since + held) {
        if ((Remote.deadline(link.state) ?? 0) <= link.wait(10).now) {
          assert.strictEqual(link.ticks(), "PING")
          pings += 1
        } else if (link.now < since + 1000) assert.strictEqual(link.hears("PUBLISH k=v"), "Accept(k)")
      }
      const answers = Array.from({ length: pings }, () => link.hears("PONG"))
      for (let n = 0; n < 8; n++) answers.push(next(link))
      assert.strictEqual(answers.filter((does) => does === helloAgain).length, hellos)
    }
  )

  it("nor does a dump that takes longer than the timeout, or each would bring the next", () => {
    const link = into.Joining()
    for (let n = 1; n <= 500; n++) {
      if (n % 25 === 0) link.ticks()
      link.wait(10).hears("PUBLISH k=v")
    }
    while (link.hears("PONG") !== "-" || link.state._tag === "Joining");
    for (let pong = 0; pong < 20; pong++) assert.strictEqual(link.hears("PONG"), "-")
    assert.strictEqual(next(link), "-")
    assert.strictEqual(next(link), "-")
  })

  it.each([
    [1500, timing, false],
    [5000, { pingInterval: 5000, timeout: 1000, silence: 20_000 }, false],
    [250, timing, true]
  ])("costs a dump once in ten timeouts at most: a PONG each %s ms", (gap, timing, sleeps) => {
    const link = Object.assign(new Link(timing), { sequence: 5 })
    link.up()
    link.hears("PONG")
    link.hears("PONG")
    const hellos: Array<number> = []
    for (let n = 0; n < (sleeps ? 360 : 60); n++) {
      if (sleeps) link.sleeps()
      link.wait(gap).ticks()
      if (!link.hears("PONG").includes("HELLO")) continue
      hellos.push(link.now)
      for (let pong = 0; pong < 3; pong++) link.wait(10).hears("PONG")
      assert.strictEqual(link.state._tag, "Connected")
    }
    const gaps = hellos.slice(1).map((at, index) => at - (hellos[index] ?? 0))
    assert.isAtLeast(hellos.length, 5)
    assert.isAbove(Math.min(...gaps), 10 * timing.timeout)
  })

  it("a machine that slept: the first PING after it is in doubt, whatever was said before", () => {
    const link = settled()
    link.wait(250).ticks()
    assert.strictEqual(link.sleeps(), "-")
    // Both were on their way before.
    assert.strictEqual(link.hears("PONG"), "-")
    assert.strictEqual(link.hears("PUBLISH k=v"), "Accept(k)")
    assert.strictEqual(next(link), "-")
    assert.strictEqual(next(link), helloAgain)
  })

  it("a machine that slept, or the time of day was set: a tuple behind the PONG clears it", () => {
    const link = settled()
    link.sleeps()
    assert.strictEqual(next(link), "-")
    link.hears("PUBLISH k=v")
    for (let pong = 0; pong < 50; pong++) assert.strictEqual(next(link), "-")
  })

  it("a machine that slept while it joined", () => {
    const link = into.Joining()
    link.sleeps()
    assert.strictEqual(link.hears("PONG"), "News(0-5) Lost(0-5 except []) PING")
    assert.strictEqual(link.hears("PONG"), "-")
    assert.strictEqual(next(link), helloAgain)
  })

  it("is kept until it may be acted on", () => {
    const link = settled()
    const doubt = () => {
      link.wait(1500).ticks()
      link.hears("PONG")
    }
    doubt()
    assert.strictEqual(next(link), helloAgain)
    for (let pong = 0; pong < 3; pong++) link.hears("PONG")
    doubt()
    const hellos = Array.from({ length: 100 }, () => next(link)).filter((does) => does.includes("HELLO"))
    assert.strictEqual(hellos.length, 1)
  })

  it("PINGs beyond 16 that are open do not make an old PONG look young", () => {
    const link = settled()
    for (let ping = 0; ping < 20; ping++) link.wait(250).ticks()
    link.hears("PONG")
    link.hears("PUBLISH k=v")
    link.wait(250).ticks()
    // The first that is later than the timeout behind PING 17, which was sent 750 ms before PING 20.
    for (let pong = 2; pong <= 17; pong++) {
      link.hears("PONG")
      link.hears("PUBLISH k=v")
    }
    assert.strictEqual(link.wait(600).hears("PONG"), "-")
    assert.strictEqual(link.hears("PONG"), helloAgain)
  })
})

const inputs = Arbitrary.array(
  Arbitrary.all([
    arbitrary.oneOf(
      ...[
        "up",
        "up",
        "down",
        "slept",
        "tick",
        "tick",
        "publish",
        "publish",
        "late",
        "busy",
        "PUBLISH k=v",
        "PUBLISH l=v"
      ],
      ...["PONG", "PONG", "PONG", "INVALID", "HELLO", "PING", "malformed"]
    ),
    arbitrary.oneOf("0", "10", "250", "1000", "1001", "20000")
  ]),
  { maxLength: 60 }
)

it.prop(
  "over any inputs: HELLO leads each connection, nothing is sent without one, `synced` never goes back or ahead",
  [inputs],
  ([inputs]) => {
    const link = new Link()
    let up = false
    for (const [name, elapsed] of inputs) {
      link.wait(Number(elapsed))
      const before = link.state
      const frozen = JSON.stringify(before)
      let does = "-"
      switch (name) {
        case "up":
          does = link.up()
          assert.match(does, /^Forget HELLO PING$/)
          assert.strictEqual(link.state._tag, "Joining")
          up = true
          break
        case "down":
          assert.strictEqual(link.down(), "-")
          up = false
          break
        case "slept":
          assert.strictEqual(link.sleeps(), "-")
          break
        case "tick":
          does = link.ticks()
          break
        case "publish":
          does = link.publish()
          if (!up) assert.strictEqual(does, "-")
          break
        case "busy":
          link.idle = !link.idle
          break
        case "late":
          link.behind = !link.behind
          break
        default:
          does = link.hears(name as keyof typeof messages)
      }
      assert.strictEqual(JSON.stringify(before), frozen, "the state before is left as it was")
      if (!up)
        assert.deepStrictEqual([does, link.state._tag, Remote.deadline(link.state)], ["-", "Disconnected", undefined])
      assert.isAtLeast(link.state.synced, before.synced)
      assert.isAtMost(link.state.synced, link.sequence)
      // HELLO never goes out alone, and only the first on a connection without a PING ahead.
      if (does.includes("HELLO") && name !== "up")
        assert.match(does, /^Forget PING HELLO PING( News\(\d+-\d+\) PING)?$/)
      if (name === "tick" && up && (Remote.deadline(before) ?? 0) <= link.now && link.idle && !does.startsWith("Lost"))
        assert.include(does, "PING")
      const due = Remote.deadline(link.state)
      if (up && (name === "tick" || name === "up")) assert.isTrue(due !== undefined && due > link.now)
    }
  },
  { arbitrary: { runs: 200 } }
)
