/**
 * Rows of sums modulo 2^128, each in a slot: four words of 32 bits, the greatest first. A bigint would be an
 * object of its own for each, and a new one at every change.
 *
 * @since 0.1.0
 */
import type { Octets } from "./Octets.ts"

/**
 * @since 0.1.0
 * @category models
 */
export type Sums = Uint32Array

/**
 * Octets of a sum.
 *
 * @since 0.1.0
 * @category limits
 */
export const length = 16

const words = 4

/**
 * So many slots, all of them 0.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (slots: number): Sums => new Uint32Array(slots * words)

/**
 * Reads the first slot from the beginning of octets, big-endian.
 *
 * @since 0.1.0
 * @category conversions
 */
export const read = (to: Sums, octets: Octets): void => {
  for (let word = 0; word < words; word++) {
    const at = 4 * word
    to[word] =
      (octets.charCodeAt(at) << 24) |
      (octets.charCodeAt(at + 1) << 16) |
      (octets.charCodeAt(at + 2) << 8) |
      octets.charCodeAt(at + 3)
  }
}

/**
 * Writes the first slot to the beginning of octets.
 *
 * @since 0.1.0
 * @category conversions
 */
export const write = (from: Sums, octets: Uint8Array): void => {
  for (let at = 0; at < length; at++) octets[at] = (from[at >> 2] ?? 0) >>> (24 - 8 * (at & 3))
}

/**
 * @since 0.1.0
 * @category changes
 */
export const add = (to: Sums, toSlot: number, from: Sums, fromSlot: number): void => {
  let carry = 0
  for (let word = words - 1; word >= 0; word--) {
    const sum = (to[toSlot * words + word] ?? 0) + (from[fromSlot * words + word] ?? 0) + carry
    to[toSlot * words + word] = sum
    carry = sum > 0xffffffff ? 1 : 0
  }
}

/**
 * @since 0.1.0
 * @category changes
 */
export const subtract = (to: Sums, toSlot: number, from: Sums, fromSlot: number): void => {
  let borrow = 0
  for (let word = words - 1; word >= 0; word--) {
    const difference = (to[toSlot * words + word] ?? 0) - (from[fromSlot * words + word] ?? 0) - borrow
    to[toSlot * words + word] = difference
    borrow = difference < 0 ? 1 : 0
  }
}

/**
 * Makes room for a slot, which is 0. The last one is lost.
 *
 * @since 0.1.0
 * @category changes
 */
export const open = (sums: Sums, at: number): void => {
  sums.copyWithin((at + 1) * words, at * words, sums.length - words)
  sums.fill(0, at * words, (at + 1) * words)
}

/**
 * Takes a slot away.
 *
 * @since 0.1.0
 * @category changes
 */
export const close = (sums: Sums, at: number): void => {
  sums.copyWithin(at * words, (at + 1) * words)
}

/**
 * Takes the slots from `slot` on out of a row, into one of the same length.
 *
 * @since 0.1.0
 * @category changes
 */
export const tail = (sums: Sums, slot: number): Sums => {
  const taken = new Uint32Array(sums.length)
  taken.set(sums.subarray(slot * words))
  return taken
}

/**
 * Puts so many slots of another row behind the first `slot`.
 *
 * @since 0.1.0
 * @category changes
 */
export const append = (sums: Sums, slot: number, other: Sums, count: number): void => {
  sums.set(other.subarray(0, count * words), slot * words)
}
