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
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type * as Octets from "./Octets.ts"
import * as Tuple from "./Tuple.ts"
import * as Zpl from "./Zpl.ts"

/**
 * @since 0.1.0
 * @category conversions
 */
export const toDocument = (tuples: Iterable<Tuple.Tuple>): Zpl.Document =>
  Zpl.document([Zpl.item("zgossip", undefined, Array.from(tuples, toItem))])

/**
 * The section that publishes a tuple.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toItem = ({ keyOctets, valueOctets }: Tuple.Tuple): Zpl.Item =>
  Zpl.isName(keyOctets)
    ? Zpl.item("publish", undefined, [Zpl.item(keyOctets, valueOctets)])
    : Zpl.item("tuple", undefined, [Zpl.item("key", keyOctets), Zpl.item("value", valueOctets)])

/**
 * The tuples that a document publishes, in its order: of all its sections `zgossip`, so that what was exported twice can
 * stand in one file.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromDocument = ({ items }: Zpl.Document): Result.Result<ReadonlyArray<Tuple.Tuple>, Zpl.ZplError> =>
  Result.all(items.flatMap(({ children, name }) => (name === "zgossip" ? children : [])).flatMap(fromItem))

/**
 * The tuples of one section; none where it is another.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromItem = (section: Zpl.Item): ReadonlyArray<Result.Result<Tuple.Tuple, Zpl.ZplError>> => {
  if (section.name === "publish") return section.children.map((item) => make(item, item.name, item.value))
  if (section.name !== "tuple") return []
  const [key, value] = ["key", "value"].map((name) => Zpl.get({ items: section.children }, name))
  return key?.value === undefined
    ? [Result.fail(wrong(section, 1, "this tuple has no key, write key = ... below it"))]
    : [make(key, key.value, value?.value)]
}

const make = (item: Zpl.Item, key: Octets.Octets, value: Octets.Octets = "") =>
  Result.mapError(Tuple.fromOctets(key, value), (error) => wrong(item, 2, error.message))

/** `level` says how deep the item lies: a section is at level 1, what it holds at level 2. */
const wrong = ({ line = 0 }: Zpl.Item, level: number, detail: string) =>
  new Zpl.ZplError({ line, column: level * Zpl.indent + 1, detail })
