/**
 * Tuples as text: for people, and as JSON that loses nothing.
 *
 * @since 0.1.0
 */
import * as Octets from "../protocol/Octets.ts"
import type { Tuple } from "../protocol/Tuple.ts"

/**
 * One line. What is no UTF-8 stands as base64 under another name: `{"key":"a","valueBase64":"/w=="}`.
 *
 * @since 0.1.0
 * @category JSON
 */
export const tupleJson = (tuple: Tuple, more: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({ ...more, ...field("key", tuple.keyOctets), ...field("value", tuple.valueOctets) })

const field = (name: string, octets: Octets.Octets): Record<string, string> => {
  const text = Octets.toText(octets)
  return Octets.from(text) === octets
    ? { [name]: text }
    : { [`${name}Base64`]: Buffer.from(octets, "latin1").toString("base64") }
}
