/**
 * Tuples in ZPL, as configurations name them and `export` writes them. A key that is a name of the language:
 *
 *     zgossip
 *         publish
 *             printer = "tcp://10.0.0.7:9100"
 *
 * and any key, with any octets:
 *
 *     zgossip
 *         tuple
 *             key = "two words"
 *             value = "..."
 *
 * One that ends has `lifetime` and `remaining`, in milliseconds, below its value or beside it; whoever does not know
 * them passes over them:
 *
 *     zgossip
 *         publish
 *             host/web-1 = up
 *                 lifetime = 10000
 *                 remaining = 7200
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Lifetime from "./Lifetime.ts"
import type { Said } from "./Message.ts"
import type * as Octets from "./Octets.ts"
import * as Tuple from "./Tuple.ts"
import * as Zpl from "./Zpl.ts"

/**
 * @since 0.1.0
 * @category conversions
 */
export const toDocument = (tuples: Iterable<Said>): Zpl.Document =>
  Zpl.document([Zpl.item("zgossip", undefined, Array.from(tuples, toItem))])

/**
 * The section that publishes a tuple.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toItem = ({ lifetime = 0, remaining = lifetime, tuple: { keyOctets, valueOctets } }: Said): Zpl.Item => {
  const times =
    lifetime === 0 ? [] : Object.entries({ lifetime, remaining }).map(([name, time]) => Zpl.item(name, `${time}`))
  return Zpl.isName(keyOctets)
    ? Zpl.item("publish", undefined, [Zpl.item(keyOctets, valueOctets, times)])
    : Zpl.item("tuple", undefined, [Zpl.item("key", keyOctets), Zpl.item("value", valueOctets), ...times])
}

/**
 * The tuples that a document publishes, in its order: of all its sections `zgossip`, so that what was exported twice can
 * stand in one file.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromDocument = ({ items }: Zpl.Document): Result.Result<ReadonlyArray<Said>, Zpl.ZplError> =>
  Result.all(items.flatMap(({ children, name }) => (name === "zgossip" ? children : [])).flatMap(fromItem))

/**
 * The tuples of one section; none where it is another.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromItem = (section: Zpl.Item): ReadonlyArray<Result.Result<Said, Zpl.ZplError>> => {
  if (section.name === "publish") return section.children.map((item) => make(item, item.name, item.value, item))
  if (section.name !== "tuple") return []
  const [key, value] = ["key", "value"].map((name) => Zpl.get({ items: section.children }, name))
  return key?.value === undefined
    ? [Result.fail(wrong(section, 1, "this tuple has no key, write key = ... below it"))]
    : [make(key, key.value, value?.value, section)]
}

const make = (
  item: Zpl.Item,
  key: Octets.Octets,
  value: Octets.Octets = "",
  { children, name }: Zpl.Item
): Result.Result<Said, Zpl.ZplError> => {
  const tuple = Tuple.fromOctets(key, value)
  if (Result.isFailure(tuple)) return Result.fail(wrong(item, 2, tuple.failure.message))
  const said: { tuple: Tuple.Tuple; lifetime?: number; remaining?: number } = { tuple: tuple.success }
  for (const time of ["lifetime", "remaining"] as const) {
    const found = Zpl.get({ items: children }, time)
    if (found === undefined) continue
    const milliseconds = /^\d{1,16}$/.test(found.value ?? "") ? Number(found.value) : Number.POSITIVE_INFINITY
    if (milliseconds > (time === "remaining" ? (said.lifetime ?? 0) : Lifetime.most)) {
      const detail = `this is no ${time}, write ${time} = and milliseconds${time === "lifetime" ? "" : ", no more than its lifetime"}`
      return Result.fail(wrong(found, name === "tuple" ? 2 : 3, detail))
    }
    said[time] = milliseconds
  }
  return Result.succeed(said)
}

/** `level` says how deep the item lies: a section is at level 1, what it holds at level 2. */
const wrong = ({ line = 0 }: Zpl.Item, level: number, detail: string) =>
  new Zpl.ZplError({ line, column: level * Zpl.indent + 1, detail })
