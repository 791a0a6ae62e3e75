/**
 * The key/value tuple that nodes gossip about. Both are octets, any octets: text is only how they are shown.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import * as Octets from "./Octets.ts"

/**
 * The length of a key is one octet on the wire.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxKeyLength = 255

/**
 * 256 MiB. The wire has four octets for the length of a value; this is what one string of the engine safely holds.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxValueLength = 2 ** 28

/**
 * One tuple. `key` and `value` are the octets read as UTF-8 text; `keyBytes` and `valueBytes` are exact.
 *
 * @since 0.1.0
 * @category models
 */
export class Tuple {
  /** At most {@link maxKeyLength} octets; may be empty. */
  readonly keyOctets: Octets.Octets
  /** At most {@link maxValueLength} octets; may be empty. */
  readonly valueOctets: Octets.Octets

  constructor(keyOctets: Octets.Octets, valueOctets: Octets.Octets) {
    this.keyOctets = keyOctets
    this.valueOctets = valueOctets
  }

  get key(): string {
    return Octets.toText(this.keyOctets)
  }

  get value(): string {
    return Octets.toText(this.valueOctets)
  }

  get keyBytes(): Uint8Array {
    return Octets.toBytes(this.keyOctets)
  }

  get valueBytes(): Uint8Array {
    return Octets.toBytes(this.valueOctets)
  }
}

/**
 * The key or the value is longer than the wire can say. `length` and `limit` are octets.
 *
 * @since 0.1.0
 * @category errors
 */
export class TupleTooLong extends Data.TaggedError("TupleTooLong")<{
  readonly field: "key" | "value"
  readonly length: number
  readonly limit: number
}> {
  override get message(): string {
    return `the ${this.field} has ${this.length} octets, the limit is ${this.limit}`
  }
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (key: Octets.Input, value: Octets.Input): Result.Result<Tuple, TupleTooLong> =>
  fromOctets(Octets.from(key), Octets.from(value))

/**
 * All of them, or the error of the first that is too long.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeAll = (
  tuples: Iterable<readonly [key: Octets.Input, value: Octets.Input]>
): Result.Result<ReadonlyArray<Tuple>, TupleTooLong> =>
  Result.all(Array.from(tuples, ([key, value]) => make(key, value)))

/**
 * A tuple as people write it in arguments and variables: the key ends at the first `=`. The error says what is wrong.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromText = (text: string): Result.Result<Tuple, string> => {
  const equals = text.indexOf("=")
  return equals < 0
    ? Result.fail("it has no value, write key=value")
    : Result.mapError(make(text.slice(0, equals), text.slice(equals + 1)), ({ message }) => message)
}

/**
 * From octets: no text is encoded any more.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromOctets = (
  keyOctets: Octets.Octets,
  valueOctets: Octets.Octets
): Result.Result<Tuple, TupleTooLong> => {
  const tuple = new Tuple(keyOctets, valueOctets)
  if (tuple.keyOctets.length > maxKeyLength) {
    return Result.fail(new TupleTooLong({ field: "key", length: tuple.keyOctets.length, limit: maxKeyLength }))
  }
  if (tuple.valueOctets.length > maxValueLength) {
    return Result.fail(new TupleTooLong({ field: "value", length: tuple.valueOctets.length, limit: maxValueLength }))
  }
  return Result.succeed(tuple)
}
