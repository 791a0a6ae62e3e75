import { assert, describe, it } from "@effect/vitest"
import type { Resolution } from "../../src/protocol/Chase.ts"
import { comebacks, Hearsay, memory, prevails, type Verdict } from "../../src/protocol/Hearsay.ts"
import { digestOf, Told } from "../../src/protocol/Told.ts"
import * as Past from "../../src/protocol/Past.ts"
import { Tuple } from "../../src/protocol/Tuple.ts"
import * as TupleMap from "../../src/protocol/TupleMap.ts"
import * as Version from "../../src/protocol/Version.ts"

interface Peer {
  readonly link: number
  readonly told: Told
  /** What it was told, in order. */
  readonly heard: Array<string>
}

/** A node, and peers of version 1 that say what they are told to say; who echoes is played by the test. */
class Node {
  now = 1_000_000
  readonly map = TupleMap.make()
  readonly hearsay = new Hearsay<Peer>()
  readonly peers: ReadonlyArray<Peer> = [1, 2, 3].map((link) => ({ link, told: new Told(), heard: [] }))
  readonly resolutions: Array<Resolution<Peer>> = []
  readonly #echoed = new Map<number, number>()

  /** All peers are known to echo. */
  constructor({ echoes = true } = {}) {
    for (const peer of echoes ? this.peers : []) {
      peer.told.tell("ready", 1, this.now)
      peer.told.hear("ready", 1, this.now)
    }
  }

  get held(): string | undefined {
    return this.map.entries.get("k")?.tuple.value
  }

  peer(link: number): Peer {
    return this.peers[link - 1] ?? assert.fail("no such peer")
  }

  /** A peer says a value. */
  say(link: number, value: string, key = "k"): Verdict | "first" {
    const peer = this.peer(link)
    const tuple = new Tuple(key, value)
    const held = this.map.entries.get(key)
    const verdict = held === undefined ? "first" : this.hearsay.hear(held, tuple, peer, this.now)
    if (verdict === "first" || verdict === "News") this.#merge({ tuple }, link, true)
    if (verdict === "Answer" && held !== undefined) this.#tell(peer, held.tuple)
    return verdict
  }

  /** A node of ours sets a value, or this one does. */
  set(value: string, key = "k"): void {
    const version = { time: this.now + 1, counter: 0, origin: "somebody" }
    this.#merge({ tuple: new Tuple(key, value), version }, TupleMap.elsewhere, true)
  }

  /** A peer echoes all that it was told. */
  echo(link: number): void {
    const { heard } = this.peer(link)
    for (const value of heard.slice(this.#echoed.get(link) ?? 0)) this.say(link, value)
    this.#echoed.set(link, heard.length)
  }

  /** Time passes, until there is something to resolve or for so long. */
  pass(milliseconds: number): void {
    const end = this.now + milliseconds
    for (let due = this.hearsay.deadline(); due <= end; due = this.hearsay.deadline()) {
      this.now = due
      this.hearsay.resolve(
        this.now,
        (key) => this.map.entries.get(key),
        (key, resolution) => {
          this.resolutions.push(resolution)
          const { agree, tell, winner } = resolution
          const held = this.map.entries.get(key)
          if (winner !== undefined) this.#merge({ tuple: winner.tuple }, winner.from.link, false, agree)
          else if (held !== undefined) for (const peer of tell) this.#tell(peer, held.tuple)
        }
      )
    }
    this.now = end
  }

  /** Time passes until the key is resolved. */
  resolve(): void {
    this.pass(this.hearsay.deadline() - this.now)
  }

  /** Values of these come and go by one link until the key is damped; gives how many were taken. */
  chase(link: number, values: string): number {
    for (let taken = 0; ; taken++) {
      assert.isBelow(taken, 100, "it is never damped")
      if (this.say(link, values.charAt(taken % values.length)) === "Damped") return taken
      for (const peer of this.peers) if (peer.link !== link) this.echo(peer.link)
      this.now += 1
    }
  }

  #merge(change: TupleMap.Change, link: number, newer: boolean, agree?: ReadonlySet<Peer>): void {
    const old = this.map.entries.get(change.tuple.keyOctets)
    TupleMap.merge(this.map, change, { link, now: this.now })
    if (old !== undefined) {
      this.hearsay.changed(old, { bare: change.version === undefined, newer }, this.now, this.now)
    }
    const agreeing = agree ?? this.hearsay.agreeing(change.tuple)
    for (const peer of this.peers)
      if (peer.link !== link && agreeing?.has(peer) !== true) this.#tell(peer, change.tuple)
  }

  #tell(peer: Peer, tuple: Tuple): void {
    peer.heard.push(tuple.value)
    peer.told.tell(tuple.keyOctets, digestOf(tuple), this.now)
  }
}

describe("one value", () => {
  it("that is held is an echo, whoever says it", () => {
    const node = new Node()
    node.set("a")
    assert.deepStrictEqual([node.say(1, "a"), node.say(2, "a"), node.say(1, "a")], ["Echo", "Echo", "Echo"])
    assert.deepStrictEqual(node.peer(1).heard, ["a"])
  })

  it("that is not held is news, and is said to the others only", () => {
    const node = new Node()
    node.set("a")
    for (const link of [1, 2, 3]) node.say(link, "a")
    assert.strictEqual(node.say(1, "b"), "News")
    assert.strictEqual(node.held, "b")
    assert.deepStrictEqual(
      node.peers.map(({ heard }) => heard.join("")),
      ["a", "ab", "ab"]
    )
  })

  it("set to and fro by one peer gets through each time", () => {
    const node = new Node()
    for (const value of "aba") {
      node.say(1, value)
      node.say(2, value)
    }
    assert.strictEqual(node.held, "a")
    assert.deepStrictEqual(node.peer(2).heard, ["a", "b", "a"])
  })
})

describe("while a newer one is on its way to the peer", () => {
  it("the echo of an older one is stale", () => {
    const node = new Node()
    for (const value of "abc") node.set(value)
    assert.deepStrictEqual(
      Array.from("abc", (value) => node.say(1, value)),
      ["Stale", "Stale", "Echo"]
    )
    assert.deepStrictEqual(node.peer(1).heard, ["a", "b", "c"])
    assert.strictEqual(node.say(1, "a"), "News", "acknowledged: what it says now is newer")
  })

  it("what the peer says without having heard it is stale, and it is told once more, once", () => {
    const node = new Node()
    node.say(1, "a")
    assert.deepStrictEqual(
      Array.from("xyx", (value) => node.say(2, value)),
      ["Answer", "Stale", "Stale"]
    )
    assert.deepStrictEqual(node.peer(2).heard, ["a", "a"])
    assert.strictEqual(node.say(2, "a"), "Echo")
    assert.strictEqual(node.held, "a")
  })

  it("of a peer that echoes nothing it is news: it may have heard it", () => {
    const node = new Node({ echoes: false })
    node.say(1, "a")
    assert.strictEqual(node.say(2, "x"), "News")
    assert.strictEqual(node.held, "x")
  })

  it("CZMQ cuts values at a NUL, and is followed", () => {
    const node = new Node()
    node.set("before\0behind")
    assert.strictEqual(node.say(1, "before"), "News")
    assert.strictEqual(node.held, "before")
  })
})

describe("a late copy", () => {
  it("of what others set and set again a moment ago is told what is held", () => {
    const node = new Node()
    for (const value of "xab") node.say(1, value)
    for (const value of "xab") node.say(2, value)
    assert.deepStrictEqual([node.say(2, "a"), node.held], ["Answer", "b"])
  })

  it("is news of the peer that had set it, and where it was held for longer", () => {
    const node = new Node()
    for (const value of "xab") node.say(1, value)
    assert.strictEqual(node.say(1, "a"), "News")
    node.pass(200)
    node.say(1, "b")
    node.echo(2)
    assert.strictEqual(node.say(2, "a"), "News")
  })
})

describe("values that chase each other", () => {
  it("are taken a few times, then not any more", () => {
    const node = new Node()
    const taken = node.chase(1, "ab")
    assert.strictEqual(taken, comebacks.most + 2)
    for (let n = 0; n < 1000; n++) assert.notStrictEqual(node.say(1, "ab".charAt(n % 2)), "News")
    assert.strictEqual(node.peer(2).heard.length, taken)
  })

  it("not where they come back seldom", () => {
    const node = new Node()
    for (let n = 0; n < 100; n++) {
      assert.notStrictEqual(node.say(1, "ab".charAt(n % 2)), "Damped")
      node.pass((1.2 * comebacks.window) / comebacks.most)
    }
  })

  it("not where they are all different", () => {
    const node = new Node()
    for (let n = 0; n < 1000; n++) assert.notStrictEqual(node.say(1, String(n)), "Damped")
    assert.strictEqual(node.held, "999")
  })

  it("when they come to rest, what was said last is held, and said to the others", () => {
    const node = new Node()
    node.chase(1, "ba")
    for (const value of "babababa") node.say(1, value)
    node.pass(99)
    assert.strictEqual(node.hearsay.deadline(), node.now + 1)
    assert.notStrictEqual(node.peer(2).heard.length, 12)
    node.pass(1)
    assert.strictEqual(node.held, "a")
    assert.strictEqual(node.peer(2).heard.at(-1), "a")
    for (const link of [2, 3]) node.echo(link)
    node.pass(1000)
    assert.strictEqual(node.hearsay.deadline(), Number.POSITIVE_INFINITY, "the key is free")
    assert.strictEqual(node.say(1, "c"), "News")
  })

  it.each(["ab", "ba"])("if that brings another one again, the greater one is (%s)", (values) => {
    const node = new Node()
    node.chase(1, values)
    node.resolve()
    const [last = "", other = ""] = values
    assert.strictEqual(node.held, last)
    assert.strictEqual(node.say(1, other), "Damped")
    const before = node.peers.map(({ heard }) => heard.length)
    node.resolve()
    assert.strictEqual(node.held, "b")
    // Those who are known to hold it are not told
    assert.deepStrictEqual(
      node.peers.map(({ heard }, n) => heard.length - (before[n] ?? 0)),
      other === "b" ? [0, 1, 1] : [1, 0, 0]
    )
  })

  it("a value that did not chase is taken at once, and so is what has a version", () => {
    const node = new Node()
    node.chase(1, "ab")
    assert.strictEqual(node.say(2, "new"), "News")
    assert.strictEqual(node.peer(1).heard.at(-1), "new")
    node.set("newer")
    assert.strictEqual(node.held, "newer")
    assert.strictEqual(node.peer(2).heard.at(-1), "newer")
  })

  it("one that has a version is insisted on, though it is the smaller one; not for ever", () => {
    const node = new Node()
    node.chase(1, "xy")
    node.resolve()
    node.say(1, "y")
    node.set("a")
    let insisted = 0
    for (; node.held === "a"; insisted++) {
      assert.isBelow(insisted, 10)
      assert.strictEqual(node.peer(1).heard.at(-1), "a")
      node.echo(1)
      assert.strictEqual(node.say(1, insisted % 2 === 0 ? "x" : "y"), "Damped")
      node.resolve()
    }
    assert.strictEqual(insisted, 4)
  })
})

describe("a storm", () => {
  it("is named and left alone; others of the key are heard", () => {
    const node = new Node()
    node.chase(1, "ab")
    const told = node.peer(1).heard.length
    for (let n = 0; n < 10_000; n++) {
      node.say(1, "ab".charAt(n % 2))
      node.pass(0.1)
    }
    assert.strictEqual(node.peer(1).heard.length, told)
    assert.deepStrictEqual(new Set(node.resolutions.flatMap(({ storms }) => storms)), new Set([node.peer(1)]))
    assert.isBelow(node.resolutions.length, 3)
    node.set("c")
    assert.strictEqual(node.peer(2).heard.at(-1), "c")
    node.say(1, "c")
    node.pass(10_000)
    assert.strictEqual(node.hearsay.deadline(), Number.POSITIVE_INFINITY, "it is over")
    assert.strictEqual(node.held, "c")
  })
})

describe("bounds", () => {
  it("so many keys are remembered, those that changed last, and for so long", () => {
    const node = new Node()
    for (let n = 0; n < memory.keys + 100; n++) {
      node.say(1, "a", `k${n}`)
      node.say(1, "b", `k${n}`)
    }
    assert.strictEqual(node.hearsay.size, memory.keys)
    node.pass(memory.time)
    node.say(1, "a", "k0")
    assert.strictEqual(node.hearsay.size, 1)
  })

  it("a key that changes all the while is not among those that make room", () => {
    const node = new Node()
    node.chase(1, "ba")
    assert.isBelow(node.hearsay.deadline(), Number.POSITIVE_INFINITY, "it is damped")
    for (let n = 0; n < memory.keys + 100; n++) {
      node.now += 1
      if (n % 50 === 0) node.set(`${n}`)
      node.say(1, "a", `k${n}`)
      node.say(1, "b", `k${n}`)
    }
    assert.strictEqual(node.hearsay.size, memory.keys)
    assert.isBelow(node.hearsay.deadline(), Number.POSITIVE_INFINITY, "and still is")
  })

  it("nothing is remembered of what only nodes of ours say", () => {
    const node = new Node()
    for (let n = 0; n < 10; n++) node.set(`${n}`)
    assert.strictEqual(node.hearsay.size, 0)
  })
})

describe("what nobody knew the age of", () => {
  const held = (at: number, version?: Version.Version): TupleMap.Entry => {
    const map = TupleMap.make("me------")
    TupleMap.merge(map, { tuple: new Tuple("k", "heard"), version }, { link: 1, now: at })
    return map.entries.get("k") ?? assert.fail("not held")
  }
  const change = (at: number, past: ReadonlyArray<string> = [], more: Partial<TupleMap.Change> = {}) => ({
    tuple: new Tuple("k", "set"),
    version: Version.next(undefined, at, "somebody"),
    past: past.map(Past.digest),
    ...more
  })

  it.each([
    ["what was set before it, by who did not know of it", held(100), change(99), true],
    ["a delete from before it, by who did not know of it", held(100), change(99, [], { deleted: true }), true],
    ["what took its place", held(100), change(99, ["heard"]), false],
    ["a delete of it", held(100), change(99, ["older", "heard"], { deleted: true }), false],
    ["itself, which had its time", held(100), change(99, [], { tuple: new Tuple("k", "heard") }), false],
    ["what does not tell what was before it", held(100), change(99, [], { past: undefined }), false],
    ["what was set later", held(100), change(101), false],
    ["what was heard like it", held(100), change(1, [], { version: Version.hearsay(101, 0) }), false],
    ["what comes without version", held(100), change(1, [], { version: undefined }), false],
    ["anything, as it was set", held(0, Version.next(undefined, 50, "a-------")), change(99), false]
  ] as const)("and %s", (_, entry, said, expected) => {
    assert.strictEqual(prevails(entry, said), expected)
  })
})
