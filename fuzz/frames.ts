/**
 * Frames that a stranger may send, from seeds: good ones, written by hand as the wire has them, and mutations of them.
 */

/** A small generator: the same seed gives the same run. */
export const generator = (seed: number) => {
  let state = Math.imul(seed, 2654435761) + 1
  const next = () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0
    return (state ^ (state >>> 13)) >>> 0
  }
  return {
    next,
    below: (bound: number) => next() % bound,
    octets: (length: number) => Buffer.from(Array.from({ length }, () => next() & 0xff))
  }
}

export type Random = ReturnType<typeof generator>

export const oneOf = <A>(random: Random, all: readonly [A, ...ReadonlyArray<A>]): A =>
  all[random.below(all.length)] ?? all[0]

export const hello = Buffer.from("aaa00101", "hex")
export const ping = Buffer.from("aaa00301", "hex")
export const pong = Buffer.from("aaa00401", "hex")
export const invalid = Buffer.from("aaa00501", "hex")

export const publish = (key: string | Uint8Array, value: string | Uint8Array): Buffer => {
  const [keyOctets, valueOctets] = [Buffer.from(key as string), Buffer.from(value as string)]
  const length = Buffer.alloc(4)
  length.writeUInt32BE(valueOctets.length)
  const header = Buffer.from([0xaa, 0xa0, 2, 1, keyOctets.length])
  return Buffer.concat([header, keyOctets, length, valueOctets, Buffer.alloc(4)])
}

const good = (random: Random): Buffer => {
  const kind = random.below(8)
  return (
    [hello, ping, pong, invalid][kind] ?? publish(random.octets(random.below(256)), random.octets(random.below(40)))
  )
}

/** What length fields are tried with. */
const extremes = [0, 1, 2, 0x7f, 0x80, 0xff, 0x0fffffff, 0x10000000, 0x10000001, 0x7fffffff, 0x80000000, 0xffffffff]

const mutate = (frame: Buffer, random: Random): Buffer => {
  const at = random.below(frame.length + 1)
  const copy = Buffer.from(frame)
  switch (random.below(8)) {
    case 0:
      if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8))
      return copy
    case 1:
      return copy.subarray(0, at)
    case 2:
      return Buffer.concat([copy, random.octets(random.below(20))])
    case 3:
      if (at + 4 <= copy.length) copy.writeUInt32BE(extremes[random.below(extremes.length)] ?? 0, at)
      return copy
    case 4:
      return Buffer.concat([copy.subarray(0, at), random.octets(random.below(5)), copy.subarray(at)])
    case 5: {
      // The length of the value, wherever its key ends
      const end = 5 + (copy[4] ?? 0)
      if (end + 4 <= copy.length) copy.writeUInt32BE(extremes[random.below(extremes.length)] ?? 0, end)
      return copy
    }
    case 6:
      return Buffer.concat([copy, copy]).subarray(0, 600)
    default:
      return random.octets(random.below(40))
  }
}

/** The frames of one message: mostly one, mutated up to three times. */
export const fuzzed = (random: Random): ReadonlyArray<Buffer> => {
  let frame = good(random)
  for (let times = random.below(4); times > 0; times--) frame = mutate(frame, random)
  const more = random.below(20)
  return more === 0 ? [] : more === 1 ? [frame, good(random)] : [frame]
}
