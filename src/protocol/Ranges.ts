/**
 * What two nodes say to each other to find out where they differ: ranges of keys, and of each what its sender holds in
 * it. See Reconcile for what they say when.
 *
 *     ranges      = depth kept *range  ; in the order of keys, each from where the one before it ends
 *     depth       = OCTET              ; 1 for what begins a round, for an answer one more than what it answers;
 *                                      ; without meaning where there is no range
 *     kept        = OCTET              ; depth of the deepest that the sender has not answered in full, or 0
 *
 *     range       = (skip / fingerprint / items) [bound]
 *
 *     skip        = %x00
 *     fingerprint = %x01 count 16OCTET ; see Summary
 *     items       = %x02 count *item   ; all that the sender holds there, in the order of keys
 *     item        = key stamp
 *
 *     count       = 4OCTET
 *     key         = shared length *OCTET
 *     stamp       = length *OCTET
 *     bound       = key                ; the range ends in front of it
 *     shared      = OCTET              ; so many octets of the key or bound before it in these ranges come first
 *     length      = OCTET
 *
 * `%x80` added to the first octet of a range says that it has no bound: it ends with the last key, and the ranges with
 * it. Where they end otherwise the rest is skipped. Numbers are big-endian.
 *
 * @since 0.1.0
 */
import * as Octets from "./Octets.ts"
import { type Entry, type Fingerprint as Of, fingerprintLength, maxLength as longest } from "./Summary.ts"

/**
 * Nothing is said or asked of the keys up to `to`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Skip {
  readonly _tag: "Skip"
  readonly to: Octets.Octets | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Fingerprint extends Of {
  readonly _tag: "Fingerprint"
  readonly to: Octets.Octets | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Items {
  readonly _tag: "Items"
  readonly to: Octets.Octets | undefined
  readonly items: ReadonlyArray<Entry>
}

/**
 * Up to but not with the key `to`, from where the one before it ends.
 *
 * @since 0.1.0
 * @category models
 */
export type Part = Skip | Fingerprint | Items

/**
 * @since 0.1.0
 * @category models
 */
export interface Ranges {
  readonly _tag: "Ranges"
  /** 0 to 255. */
  readonly depth: number
  /** 0 to 255. */
  readonly kept: number
  readonly parts: ReadonlyArray<Part>
}

/**
 * - `Length`: more than {@link maxLength} octets
 * - `Short`: ends within its head or a range
 * - `Kind`: a range of no known kind
 * - `Count`: more items than octets, or more entries than {@link maxCount}
 * - `Key`: shares more octets than the one before it has, or has more than 255
 * - `Order`: a range that is empty or without end before others, or a key outside of its range or its order
 *
 * @since 0.1.0
 * @category models
 */
export interface Broken {
  readonly _tag: "Broken"
  readonly reason: "Length" | "Short" | "Kind" | "Count" | "Key" | "Order"
}

/**
 * Octets of the longest ranges that are read: half of what a trailer may have.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxLength: number = 2 ** 15

/**
 * Octets in front of the parts.
 *
 * @since 0.1.0
 * @category limits
 */
export const headLength = 2

/**
 * Of entries that anybody may claim to hold.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxCount: number = 2 ** 30

const kinds = { Skip: 0, Fingerprint: 1, Items: 2 } as const
const unbounded = 0x80
const countLength = 4
/** A key that ends with the one before it, and no stamp. */
const leastItem = 3

/**
 * The octets that a part takes behind the key or bound `before`, and the last key or bound that stands in it.
 *
 * @since 0.1.0
 * @category encoding
 */
export const measure = (
  part: Part,
  before: Octets.Octets
): { readonly length: number; readonly last: Octets.Octets } => {
  let length = part._tag === "Skip" ? 1 : part._tag === "Items" ? 1 + countLength : 1 + countLength + fingerprintLength
  let last = before
  if (part._tag === "Items") {
    for (const { key, stamp } of part.items) {
      length += 3 + key.length - shared(last, key) + stamp.length
      last = key
    }
  }
  return part.to === undefined
    ? { length, last }
    : { length: length + 2 + part.to.length - shared(last, part.to), last: part.to }
}

const shared = (before: Octets.Octets, key: Octets.Octets): number => {
  const most = Math.min(before.length, key.length)
  let at = 0
  while (at < most && before.charCodeAt(at) === key.charCodeAt(at)) at += 1
  return at
}

/**
 * Its limits are for the caller to keep.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = ({ depth, kept, parts }: Ranges): Octets.Octets => {
  let length = headLength
  let last = ""
  for (const part of parts) {
    const measured = measure(part, last)
    length += measured.length
    last = measured.last
  }
  const octets = Buffer.allocUnsafe(length)
  octets[0] = depth
  octets[1] = kept
  let at = headLength
  last = ""
  const key = (key: Octets.Octets) => {
    const same = shared(last, key)
    octets[at] = same
    at += 1
    text(key.slice(same))
    last = key
  }
  const text = (text: Octets.Octets) => {
    octets[at] = text.length
    at += 1 + octets.write(text, at + 1, "latin1")
  }
  for (const part of parts) {
    octets[at] = kinds[part._tag] | (part.to === undefined ? unbounded : 0)
    at += 1
    if (part._tag !== "Skip") at = octets.writeUInt32BE(part._tag === "Items" ? part.items.length : part.count, at)
    if (part._tag === "Fingerprint") at += octets.write(part.fingerprint, at, "latin1")
    if (part._tag === "Items") {
      for (const item of part.items) {
        key(item.key)
        text(item.stamp)
      }
    }
    if (part.to !== undefined) key(part.to)
  }
  return octets.toString("latin1")
}

/**
 * Total: what is no ranges is a value. What it gives takes up to some 80 times the memory of the octets, as keys share
 * theirs.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (body: Octets.Octets): Ranges | Broken => {
  if (body.length > maxLength) return broken("Length")
  const reader = new Reader(body)
  const [depth, kept] = [reader.octet(), reader.octet()]
  if (reader.failed !== undefined) return broken(reader.failed)
  const parts: Array<Part> = []
  for (let from: Octets.Octets | undefined = ""; !reader.done;) {
    if (from === undefined) return broken("Order")
    const part = decodePart(reader, from)
    if (reader.failed !== undefined) return broken(reader.failed)
    if (part === undefined) return broken("Order")
    parts.push(part)
    from = part.to
  }
  return { _tag: "Ranges", depth, kept, parts }
}

/** What is read after a failure is without meaning, but within the limits. */
const decodePart = (reader: Reader, from: Octets.Octets): Part | undefined => {
  const head = reader.octet()
  const bound = () => (head & unbounded ? undefined : reader.key())
  switch (head & ~unbounded) {
    case kinds.Skip: {
      const to = bound()
      return isBehind(to, from) ? { _tag: "Skip", to } : undefined
    }
    case kinds.Fingerprint: {
      const count = reader.count(maxCount)
      const fingerprint = reader.octets(fingerprintLength)
      const to = bound()
      return isBehind(to, from) ? { _tag: "Fingerprint", to, count, fingerprint } : undefined
    }
    case kinds.Items: {
      const items: Array<Entry> = []
      let last: Octets.Octets | undefined
      for (
        let left = reader.count(Math.floor((reader.left - countLength) / leastItem));
        left > 0 && reader.failed === undefined;
        left--
      ) {
        const key = reader.key()
        if (last === undefined ? key < from : key <= last) return undefined
        items.push({ key, stamp: reader.octets(reader.octet()) })
        last = key
      }
      const to = bound()
      return isBehind(to, last ?? from) && isBehind(to, from) ? { _tag: "Items", to, items } : undefined
    }
    default:
      return reader.fail("Kind")
  }
}

const isBehind = (to: Octets.Octets | undefined, key: Octets.Octets): boolean => to === undefined || to > key

const broken = (reason: Broken["reason"]): Broken => ({ _tag: "Broken", reason })

/** Reads on and on; the first thing that is wrong stays, and nothing is read behind it. */
class Reader {
  failed: Broken["reason"] | undefined
  private readonly body: Buffer
  private at = 0
  private readonly last = Buffer.alloc(longest)
  private lastLength = 0

  constructor(body: Octets.Octets) {
    this.body = Buffer.from(body, "latin1")
  }

  get left(): number {
    return this.body.length - this.at
  }

  get done(): boolean {
    return this.left === 0
  }

  fail(reason: Broken["reason"]): undefined {
    this.failed ??= reason
    this.at = this.body.length
  }

  octet(): number {
    const octet = this.body[this.at]
    if (octet === undefined) this.fail("Short")
    else this.at += 1
    return octet ?? 0
  }

  count(most: number): number {
    if (this.left < countLength) this.fail("Short")
    const count = this.failed === undefined ? this.body.readUInt32BE(this.at) : 0
    this.at += this.failed === undefined ? countLength : 0
    if (count > most) this.fail("Count")
    return this.failed === undefined ? count : 0
  }

  octets(length: number): Octets.Octets {
    if (this.left < length) this.fail("Short")
    if (this.failed !== undefined) return ""
    this.at += length
    return Octets.slice(this.body, this.at - length, this.at)
  }

  /** Put together in place: pieces of strings would keep whole messages in memory. */
  key(): Octets.Octets {
    const same = this.octet()
    const length = this.octet()
    if (this.left < length) this.fail("Short")
    else if (same > this.lastLength || same + length > longest) this.fail("Key")
    if (this.failed !== undefined) return ""
    this.body.copy(this.last, same, this.at, this.at + length)
    this.at += length
    this.lastLength = same + length
    return Octets.slice(this.last, 0, this.lastLength)
  }
}
