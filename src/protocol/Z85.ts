/**
 * Z85, the text form of keys (rfc.zeromq.org/spec/32): five characters for each four octets.
 *
 * @since 0.1.0
 */

const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

const digits = new Map(Array.from(alphabet, (character, value) => [character, value] as const))

/** Characters of a key of 32 octets. */
const keyLength = 40

/**
 * The text of octets, whose number has to be a multiple of four.
 *
 * @since 0.1.0
 * @category conversions
 */
export const encode = (octets: Uint8Array): string => {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength)
  let text = ""
  for (let at = 0; at < octets.length; at += 4) {
    let rest = view.getUint32(at)
    let group = ""
    for (let n = 0; n < 5; n++) {
      group = alphabet.charAt(rest % 85) + group
      rest = Math.floor(rest / 85)
    }
    text += group
  }
  return text
}

/**
 * The octets of a text; nothing where it is no Z85.
 *
 * @since 0.1.0
 * @category conversions
 */
export const decode = (text: string): Uint8Array | undefined => {
  if (text.length % 5 !== 0) return undefined
  const octets = new Uint8Array((text.length / 5) * 4)
  const view = new DataView(octets.buffer)
  for (let at = 0; at < text.length; at += 5) {
    let value = 0
    for (const character of text.slice(at, at + 5)) {
      const digit = digits.get(character)
      if (digit === undefined) return undefined
      value = value * 85 + digit
    }
    if (value > 0xffff_ffff) return undefined
    view.setUint32((at / 5) * 4, value)
  }
  return octets
}

/**
 * Whether a text is that of a CURVE key.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isKey = (text: string): boolean => text.length === keyLength && decode(text) !== undefined
