/** What went over the links, and what happened, as lines that a person can read. */
import * as Batch from "../../src/protocol/Batch.ts"
import * as Message from "../../src/protocol/Message.ts"
import * as Trailer from "../../src/protocol/Trailer.ts"
import type * as TupleMap from "../../src/protocol/TupleMap.ts"
import * as Version from "../../src/protocol/Version.ts"
import { epoch, type Host } from "./Host.ts"

/** Milliseconds since the run began, counter, and who: the origins of the simulation are names. */
export const showVersion = (version: Version.Version): string => {
  const { counter, origin, time } = version
  if (Version.isHearsay(version)) return `heard ${Version.setAt(version) - epoch}`
  return `${time - epoch}${counter === 0 ? "" : `+${counter}`}@${origin.replace(/-+$/, "")}`
}

const showChange = ({ deleted = false, lifetime = 0, tuple, version }: TupleMap.Change): string =>
  `${deleted ? `no ${tuple.key}` : `${tuple.key}=${tuple.value}`}${version === undefined ? "" : ` ${showVersion(version)}`}` +
  (lifetime > 0 ? ` for ${lifetime} ms` : "")

const { digest, entries, node, ranges, wanted } = Trailer.tags

const showSection = ({ body, tag }: Trailer.Section): ReadonlyArray<string> => {
  switch (tag) {
    case node:
    case digest:
      return []
    case entries:
      return [`[${Batch.decode(body)?.map(showChange).join(", ") ?? "broken"}]`]
    case ranges:
      return ["and where the two differ"]
    case wanted:
      return [`and wants ${Batch.decodeKeys(body)?.join(" ") ?? "something broken"}`]
    default:
      return ["and more"]
  }
}

export const showFrame = (frame: Uint8Array): string => {
  const message = Message.decode([frame])
  switch (message._tag) {
    case "Malformed":
      return `malformed, ${message.reason}`
    case "Publish":
      return `PUBLISH ${showChange(message)}`
    case "Invalid":
      return "INVALID"
    default: {
      const sections = message.trailer?._tag === "Trailer" ? message.trailer.sections : []
      return [message._tag.toUpperCase(), ...sections.flatMap(showSection)].join(" ")
    }
  }
}

/** Where the tag of the first section stands in the trailer of a PING or PONG. */
const tagAt = 4 + 9

/** A PING or PONG that carries nothing, and at most says what is held. */
export const isHeartbeat = (frame: Uint8Array): boolean =>
  (frame[2] === 3 || frame[2] === 4) && (frame.length === 4 || frame[tagAt] === node || frame[tagAt] === digest)

export class Trace {
  readonly lines: Array<string> = []
  readonly #now: () => number
  readonly #heartbeats: boolean

  constructor(now: () => number, heartbeats: boolean) {
    this.#now = now
    this.#heartbeats = heartbeats
  }

  note(text: string): void {
    this.lines.push(`${this.#now().toFixed(0).padStart(6)}  ${text}`)
  }

  arrives(from: Host, to: Host, frame: Uint8Array, sentAt: number): void {
    if (!this.#heartbeats && isHeartbeat(frame)) return
    const took = this.#now() - sentAt
    this.note(`${from.name} > ${to.name}  ${showFrame(frame)}${took < 50 ? "" : `  (${took.toFixed(0)} ms)`}`)
  }
}
