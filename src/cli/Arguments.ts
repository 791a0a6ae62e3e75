/**
 * The arguments as they were typed, made ready for the parser.
 *
 * @since 0.1.0
 */

/**
 * The short flags that take a value, of whatever command.
 *
 * @since 0.1.0
 * @category flags
 */
export const valueFlags = "ceio"

/** Those that take none may stand in front of it, in one word. */
const attached = new RegExp(`^-[hqv]*[${valueFlags}](?=[^=])`)

/**
 * Every shell tool takes the value of a short flag in the same word, `-ojson`; the parser wants `-o=json`. What stands
 * behind `--` is nobody's flag.
 *
 * @since 0.1.0
 * @category parsing
 */
export const separate = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = args.indexOf("--")
  return args.map((arg, index) => (end >= 0 && index > end ? arg : arg.replace(attached, (flags) => `${flags}=`)))
}

/**
 * `zgossip help get` and `zgossip version`, which people try first, are `zgossip get --help` and `zgossip --version`.
 *
 * @since 0.1.0
 * @category parsing
 */
export const asFlags = ([first, ...rest]: ReadonlyArray<string>): ReadonlyArray<string> =>
  first === "help"
    ? [...rest, "--help"]
    : first === "version" && rest.length === 0
      ? ["--version"]
      : first === undefined
        ? []
        : [first, ...rest]

/**
 * What the parser has to say about wrong arguments, in one line and in words for people.
 *
 * @since 0.1.0
 * @category text
 */
export const complaint = (message: string): string =>
  message
    .replace(
      /\s+Did you mean this\?\s+(.+)$/s,
      (_, names: string) => `, did you mean ${names.trim().split(/\s+/).join(" or ")}?`
    )
    .replace(/^Invalid value for flag (\S+): "(\d+) occurrences".*$/s, "$1 stands there $2 times: write it once")
    .replace("a string representing a finite number", "a whole number")
    .replaceAll(/\s*\n\s*/g, " ")
