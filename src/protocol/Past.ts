/**
 * The values that a key had last, as far as one has to know them again: a number for each. A node that was told a value
 * long ago, and knows no versions, says it again when it comes back, though it was deleted meanwhile. To keep the values
 * themselves would keep what was deleted.
 *
 * The number is the CRC-32C of the value's octets, exclusive-or their count; of a value of more than 64 KiB that of its
 * first and its last 32 KiB, as a node must not stand still for it. Other nodes are told of it, so it is the same
 * everywhere and for good. Two values of one key have the same one with a chance of 1 in 4 billion, or where they are
 * that long, of one length and differ in their middle; then a new value is taken for an old one.
 *
 * @since 0.1.0
 */
import type { Octets } from "./Octets.ts"
import * as Trailer from "./Trailer.ts"

/**
 * The oldest first.
 *
 * @since 0.1.0
 * @category models
 */
export type Past = ReadonlyArray<number>

/**
 * @since 0.1.0
 * @category constructors
 */
export const none: Past = []

/**
 * How many are remembered.
 *
 * @since 0.1.0
 * @category limits
 */
export const most = 4

/**
 * 0 to 4294967295.
 *
 * @since 0.1.0
 * @category conversions
 */
export const digest = (value: Octets): number => {
  const { length } = value
  const octets = length > scratch.length ? value.slice(0, half) + value.slice(-half) : value
  scratch.write(octets, "latin1")
  return (Trailer.crc32c(scratch, 0, octets.length) ^ length) >>> 0
}

const half = 2 ** 15
const scratch = Buffer.alloc(2 * half)

/**
 * The last of both, those of `later` behind those of `past`, each once.
 *
 * @since 0.1.0
 * @category combinators
 */
export const join = (past: Past, later: Past): Past => {
  if (later.length === 0) return past
  const last = later.slice(-most)
  return past
    .filter((one) => !last.includes(one))
    .concat(last)
    .slice(-most)
}

/**
 * With one more value.
 *
 * @since 0.1.0
 * @category combinators
 */
export const add = (past: Past, value: Octets): Past =>
  past.length === 0 ? [digest(value)] : join(past, [digest(value)])

/**
 * @since 0.1.0
 * @category getters
 */
export const has = (past: Past, value: Octets): boolean => past.length > 0 && past.includes(digest(value))
