/** More than a hundred kinds of broken message, each with the reason for which it is none. Golden octets, by hand. */
import { Wire } from "./RawPeer.ts"

export type Reason = "Frames" | "Short" | "Signature" | "Version" | "Id" | "Length"

export interface Broken {
  readonly what: string
  readonly reason: Reason
  readonly frames: ReadonlyArray<Buffer>
}

const whole = Wire.PUBLISH("key", "value")

/** A PUBLISH whose lengths are what they are said to be, whatever follows. */
const lengths = (keyLength: number, key: string, valueLength: number, rest: string): Buffer => {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(valueLength)
  return Buffer.concat([Wire.hex("aaa00201"), Buffer.from([keyLength]), Buffer.from(key), length, Buffer.from(rest)])
}

const one = (reason: Reason, what: string, frame: Buffer): Broken => ({
  what: `${reason}: ${what}`,
  reason,
  frames: [frame]
})

const hex = (octet: number): string => octet.toString(16).padStart(2, "0")

const cut = Array.from({ length: whole.length }, (_, length) =>
  one("Short", `a PUBLISH cut after ${length} octets`, whole.subarray(0, length))
)

const signatures = Array.from({ length: 16 }, (_, bit) => {
  const frame = Buffer.from(Wire.HELLO)
  frame[bit >> 3] = (frame[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  return one("Signature", frame.toString("hex"), frame)
}).concat(["0000", "ffff", "a0aa", "aaa1"].map((two) => one("Signature", two, Wire.hex(`${two}0301`))))

const versions = [1, 2, 3, 4, 5].flatMap((id) =>
  [0, 2, 3, 0x7f, 0x80, 0xff].map((version) =>
    one("Version", `${version} of message ${id}`, Wire.hex(`aaa0${hex(id)}${hex(version)}`))
  )
)

const ids = [0, 6, 7, 8, 0x10, 0x20, 0x40, 0x7f, 0x80, 0xc1, 0xfe, 0xff].map((id) =>
  one("Id", hex(id), Wire.hex(`aaa0${hex(id)}01`))
)

const keys = ["", "k", "k".repeat(255)] as const

const tooLong = keys.flatMap((key) =>
  [0x10000001, 0x7fffffff, 0x80000000, 0xffffffff].map((length) =>
    one("Length", `${length} octets behind a key of ${key.length}`, lengths(key.length, key, length, "value\0\0\0\0"))
  )
)

const notThere = keys.flatMap((key) =>
  [6, 0x100, 0xffff, 0xfffffff, 0x10000000].map((length) =>
    one("Short", `5 octets of ${length}, a key of ${key.length}`, lengths(key.length, key, length, "value\0\0\0\0"))
  )
)

const noKey = [3, 4, 0x7f, 0x80, 0xff].map((length) =>
  one(
    "Short",
    `2 octets of a key of ${length}`,
    Buffer.concat([Wire.hex("aaa00201"), Buffer.from([length]), Buffer.from("ke")])
  )
)

const noTtl = [0, 1, 2, 3].map((octets) =>
  one("Short", `${octets} octets of a ttl`, Buffer.concat([whole.subarray(0, -4), Buffer.alloc(octets)]))
)

const nothing = Buffer.alloc(0)
const frames: ReadonlyArray<Broken> = [
  [nothing, nothing],
  [nothing, Wire.HELLO],
  [Wire.HELLO, nothing],
  [Wire.HELLO, Wire.HELLO],
  [Wire.PING, Wire.HELLO, Wire.PING],
  [Wire.PING, Buffer.from("another"), Wire.HELLO],
  [nothing, nothing, nothing, whole],
  [whole.subarray(0, 9), whole.subarray(9)],
  Array.from({ length: 100 }, () => whole),
  Array.from({ length: 1000 }, () => nothing)
].map((all) => ({ what: `Frames: ${all.length}, of ${all.slice(0, 4).map(({ length }) => length).join(", ")}`, reason: "Frames", frames: all })) // prettier-ignore

export const broken: ReadonlyArray<Broken> = [
  ...cut,
  ...signatures,
  ...versions,
  ...ids,
  ...tooLong,
  ...notThere,
  ...noKey,
  ...noTtl,
  ...frames
]

/** How many there are of each reason. */
export const counts = (): Record<Reason, number> => {
  const counted = { Frames: 0, Short: 0, Signature: 0, Version: 0, Id: 0, Length: 0 }
  for (const { reason } of broken) counted[reason] += 1
  return counted
}
