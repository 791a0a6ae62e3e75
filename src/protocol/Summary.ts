/**
 * What a node holds, as far as two nodes have to compare it: for each key a stamp, in the order of keys, and for any
 * range of keys how many there are and a fingerprint of them, each within O(log n).
 *
 * A key is 0 to {@link maxLength} octets, a stamp too; the greater stamp is the newer one.
 *
 * The fingerprint of a range is the hash of the sum, modulo 2^128, of the hashes of its entries, and of their count. A
 * sum can be taken back, so it is kept up to date through every change, and that of a range is the difference of two. An
 * exclusive or could be, too, but who may choose entries finds some that cancel each other by solving linear equations.
 * With sums it is a search, though not a hopeless one for somebody who may write thousands of entries: what is gained by
 * it is that two nodes take a range for equal until anything else in it changes.
 *
 * It is a B+ tree, every node of which has the sums of its children. Plain and synchronous: whoever owns it changes it
 * in place.
 *
 * @since 0.1.0
 */
import type { Octets } from "./Octets.ts"
import * as Sums from "./Sums.ts"

/**
 * Gives at least 16 octets, of which the first 16 count; on the wire it is SHA-256. What it is given is good only until
 * it returns. This folder imports nothing of Node, so whoever makes a summary brings it.
 *
 * @since 0.1.0
 * @category models
 */
export type Hash = (octets: Uint8Array) => Octets

/**
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly key: Octets
  readonly stamp: Octets
}

/**
 * The keys from `from` on, up to but not with `to`; to the last one where there is no `to`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Range {
  readonly from: Octets
  readonly to: Octets | undefined
}

/**
 * All keys.
 *
 * @since 0.1.0
 * @category models
 */
export const everything: Range = { from: "", to: undefined }

/**
 * @since 0.1.0
 * @category models
 */
export interface Fingerprint {
  readonly count: number
  /** {@link fingerprintLength} octets. */
  readonly fingerprint: Octets
}

/**
 * @since 0.1.0
 * @category limits
 */
export const fingerprintLength: number = Sums.length

/**
 * Of keys and of stamps.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxLength = 255

/** A node has fewer slots than this. Each slot has a key and a sum: of an entry, or of all entries of a child. */
const width = 64

interface Leaf {
  readonly keys: Array<Octets>
  readonly sums: Sums.Sums
  readonly stamps: Array<Octets>
}

interface Branch {
  /** No key of a child is less than its key here, except in the first child. */
  readonly keys: Array<Octets>
  readonly sums: Sums.Sums
  readonly children: Array<Node>
  readonly counts: Array<number>
}

type Node = Leaf | Branch

/**
 * @since 0.1.0
 * @category models
 */
export interface Summary {
  readonly hash: Hash
  root: Node
  size: number
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (hash: Hash): Summary => ({ hash, root: leaf(), size: 0 })

const leaf = (): Leaf => ({ keys: [], sums: Sums.make(width), stamps: [] })
const branch = (): Branch => ({ keys: [], sums: Sums.make(width), children: [], counts: [] })

// ---------------------------------------------------------------------------------------------------------------------
// Changes

/** What a change adds to every node above it. There is one change at a time, and a million must not leave waste. */
const change = { count: 0, sum: Sums.make(1) }
const text = Buffer.alloc(1 + maxLength + maxLength)

/**
 * Sets the stamp of a key, be it newer or not. That neither is too long is for the caller to keep.
 *
 * @since 0.1.0
 * @category changes
 */
export const set = (summary: Summary, key: Octets, stamp: Octets): void => {
  text[0] = key.length
  text.write(key, 1, "latin1")
  text.write(stamp, 1 + key.length, "latin1")
  Sums.read(change.sum, summary.hash(text.subarray(0, 1 + key.length + stamp.length)))
  change.count = 1
  put(summary.root, key, stamp)
  summary.size += change.count
  if (summary.root.keys.length === width) {
    const root = branch()
    insert(root, 0, "", summary.root)
    split(root, 0)
    summary.root = root
  }
}

const put = (node: Node, key: Octets, stamp: Octets): void => {
  if ("children" in node) {
    const at = childOf(node, key)
    const child = node.children[at]
    if (child === undefined) return
    put(child, key, stamp)
    node.counts[at] = (node.counts[at] ?? 0) + change.count
    Sums.add(node.sums, at, change.sum, 0)
    if (child.keys.length === width) split(node, at)
    return
  }
  const at = lowerBound(node.keys, key)
  if (node.keys[at] === key) {
    node.stamps[at] = stamp
    Sums.subtract(change.sum, 0, node.sums, at)
    change.count = 0
  } else {
    node.keys.splice(at, 0, key)
    node.stamps.splice(at, 0, stamp)
    Sums.open(node.sums, at)
  }
  Sums.add(node.sums, at, change.sum, 0)
}

/**
 * @since 0.1.0
 * @category changes
 */
export const remove = (summary: Summary, key: Octets): boolean => {
  change.sum.fill(0)
  change.count = 0
  take(summary.root, key)
  summary.size += change.count
  while ("children" in summary.root && summary.root.keys.length < 2) summary.root = summary.root.children[0] ?? leaf()
  return change.count !== 0
}

const take = (node: Node, key: Octets): void => {
  if ("children" in node) {
    const at = childOf(node, key)
    const child = node.children[at]
    if (child === undefined) return
    take(child, key)
    if (change.count === 0) return
    node.counts[at] = (node.counts[at] ?? 0) + change.count
    Sums.add(node.sums, at, change.sum, 0)
    if (child.keys.length === 0) drop(node, at)
    else if (!join(node, at)) join(node, at - 1)
    return
  }
  const at = lowerBound(node.keys, key)
  if (node.keys[at] !== key) return
  Sums.subtract(change.sum, 0, node.sums, at)
  change.count = -1
  node.keys.splice(at, 1)
  node.stamps.splice(at, 1)
  Sums.close(node.sums, at)
}

/** Puts a child into a slot of its own. */
const insert = (node: Branch, at: number, key: Octets, child: Node): void => {
  node.keys.splice(at, 0, key)
  node.children.splice(at, 0, child)
  node.counts.splice(at, 0, "children" in child ? child.counts.reduce((a, b) => a + b, 0) : child.keys.length)
  Sums.open(node.sums, at)
  for (let slot = 0; slot < child.keys.length; slot++) Sums.add(node.sums, at, child.sums, slot)
}

const drop = (node: Branch, at: number): void => {
  node.keys.splice(at, 1)
  node.children.splice(at, 1)
  node.counts.splice(at, 1)
  Sums.close(node.sums, at)
}

/** Makes two of a full child. */
const split = (node: Branch, at: number): void => {
  const child = node.children[at]
  if (child === undefined) return
  const middle = width / 2
  const right = { ...("children" in child ? branch() : leaf()), sums: Sums.tail(child.sums, middle) }
  right.keys.push(...child.keys.splice(middle))
  if ("children" in child && "children" in right) {
    right.children.push(...child.children.splice(middle))
    right.counts.push(...child.counts.splice(middle))
  } else if ("stamps" in child && "stamps" in right) right.stamps.push(...child.stamps.splice(middle))
  insert(node, at + 1, right.keys[0] ?? "", right)
  node.counts[at] = (node.counts[at] ?? 0) - (node.counts[at + 1] ?? 0)
  Sums.subtract(node.sums, at, node.sums, at + 1)
}

/** Makes one of a child and the next, where they have become small: says whether they had. */
const join = (node: Branch, at: number): boolean => {
  const [left, right] = [node.children[at], node.children[at + 1]]
  if (left === undefined || right === undefined || left.keys.length + right.keys.length > width / 2) return false
  Sums.append(left.sums, left.keys.length, right.sums, right.keys.length)
  if ("children" in left && "children" in right) {
    // The first key of a branch is not sure to be as small as what is in its first child.
    left.keys.push(node.keys[at + 1] ?? "", ...right.keys.slice(1))
    left.children.push(...right.children)
    left.counts.push(...right.counts)
  } else if ("stamps" in left && "stamps" in right) {
    left.keys.push(...right.keys)
    left.stamps.push(...right.stamps)
  }
  node.counts[at] = (node.counts[at] ?? 0) + (node.counts[at + 1] ?? 0)
  Sums.add(node.sums, at, node.sums, at + 1)
  drop(node, at + 1)
  return true
}

// ---------------------------------------------------------------------------------------------------------------------
// Questions

/**
 * How many keys are less than this one, and its stamp where it is held.
 *
 * @since 0.1.0
 * @category questions
 */
export const find = (summary: Summary, key: Octets): { readonly rank: number; readonly stamp: Octets | undefined } => {
  let rank = 0
  let node = summary.root
  while ("children" in node) {
    const at = childOf(node, key)
    for (let before = 0; before < at; before++) rank += node.counts[before] ?? 0
    node = node.children[at] ?? leaf()
  }
  const at = lowerBound(node.keys, key)
  return { rank: rank + at, stamp: node.keys[at] === key ? node.stamps[at] : undefined }
}

/**
 * The entry whose key this many are less than.
 *
 * @since 0.1.0
 * @category questions
 */
export const entryAt = (summary: Summary, rank: number): Entry | undefined => {
  let left = rank
  let node = summary.root
  while ("children" in node) {
    let at = 0
    for (; at < node.keys.length - 1 && left >= (node.counts[at] ?? 0); at++) left -= node.counts[at] ?? 0
    node = node.children[at] ?? leaf()
  }
  const [key, stamp] = [node.keys[left], node.stamps[left]]
  return key === undefined || stamp === undefined ? undefined : { key, stamp }
}

/**
 * @since 0.1.0
 * @category questions
 */
export const fingerprint = (summary: Summary, range: Range): Fingerprint => {
  const count = Math.max(0, sumBefore(summary, range.to, upper) - sumBefore(summary, range.from, lower))
  if (count === 0) upper.set(lower)
  Sums.subtract(upper, 0, lower, 0)
  Sums.write(upper, final)
  final.writeUInt32BE(count, Sums.length)
  return { count, fingerprint: summary.hash(final).slice(0, fingerprintLength) }
}

const upper = Sums.make(1)
const lower = Sums.make(1)
const final = Buffer.alloc(Sums.length + 4)

/** The count, and into `sum` the sum, of all entries with lesser keys. */
const sumBefore = (summary: Summary, key: Octets | undefined, sum: Sums.Sums): number => {
  sum.fill(0)
  let count = 0
  let node = summary.root
  while ("children" in node) {
    const at = key === undefined ? node.keys.length - 1 : childOf(node, key)
    for (let before = 0; before < at; before++) {
      count += node.counts[before] ?? 0
      Sums.add(sum, 0, node.sums, before)
    }
    node = node.children[at] ?? leaf()
  }
  const at = key === undefined ? node.keys.length : lowerBound(node.keys, key)
  for (let before = 0; before < at; before++) Sums.add(sum, 0, node.sums, before)
  return count + at
}

/**
 * The entries of a range in the order of keys, lazily: what changes meanwhile is there as it is when its turn comes.
 *
 * @since 0.1.0
 * @category questions
 */
export function* entries(summary: Summary, { from, to }: Range): Generator<Entry, void> {
  for (let least = from; ;) {
    const entry = entryAt(summary, find(summary, least).rank)
    if (entry === undefined || (to !== undefined && entry.key >= to)) return
    yield entry
    least = after(entry.key)
  }
}

/**
 * The least key that is greater. It may be longer than a key can be.
 *
 * @since 0.1.0
 * @category questions
 */
export const after = (key: Octets): Octets => `${key}\0`

// ---------------------------------------------------------------------------------------------------------------------
// Slots

/** Of the first key that is not less. */
const lowerBound = (keys: ReadonlyArray<Octets>, key: Octets): number => {
  let [low, high] = [0, keys.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((keys[middle] ?? "") < key) low = middle + 1
    else high = middle
  }
  return low
}

/** Of the child that has this key, if any has. */
const childOf = ({ keys }: Branch, key: Octets): number => {
  const at = lowerBound(keys, key)
  return keys[at] === key ? at : Math.max(0, at - 1)
}
