/** What the property tests draw from. */
import { Arbitrary, Schema } from "effect"
import * as Tuple from "../../src/protocol/Tuple.ts"

export const integer = (minimum: number, maximum: number): Arbitrary.Arbitrary<number> =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

export const oneOf = <const A extends string>(...all: ReadonlyArray<A>): Arbitrary.Arbitrary<A> =>
  Arbitrary.schema(Schema.Literals(all))

export const bytes = (maxLength: number): Arbitrary.Arbitrary<Uint8Array> =>
  Arbitrary.array(integer(0, 255), { maxLength }).pipe(Arbitrary.map((octets) => Uint8Array.from(octets)))

export const octets = (maxLength: number): Arbitrary.Arbitrary<string> =>
  bytes(maxLength).pipe(Arbitrary.map((frame) => String.fromCharCode(...frame)))

export const tuple: Arbitrary.Arbitrary<Tuple.Tuple> = Arbitrary.all([octets(255), octets(1000)]).pipe(
  Arbitrary.map(([key, value]) => new Tuple.Tuple(key, value))
)

/** Any UTF-16, with lone surrogates. */
export const text: Arbitrary.Arbitrary<string> = Arbitrary.array(
  Arbitrary.all([oneOf("ascii", "latin", "any", "surrogate"), integer(0, 0xffff)]),
  { maxLength: 40 }
).pipe(
  Arbitrary.map((units) =>
    units
      .map(([kind, unit]) => {
        switch (kind) {
          case "ascii":
            return String.fromCharCode(unit & 0x7f)
          case "latin":
            return String.fromCharCode(unit & 0xff)
          case "any":
            return String.fromCharCode(unit)
          case "surrogate":
            return String.fromCharCode(0xd800 + (unit & 0x7ff))
        }
      })
      .join("")
  )
)

/** Each octet once, in order. */
export const everyOctet: string = String.fromCharCode(...Array.from({ length: 256 }, (_, octet) => octet))

export const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex"))

export const toHex = (frame: Uint8Array): string =>
  Array.from(frame, (octet) => octet.toString(16).padStart(2, "0").toUpperCase()).join(" ")
