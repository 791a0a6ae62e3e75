/**
 * The settings of a node that can change while it runs, and their names in the configuration tree (SET path value).
 *
 * | path                   | type         | unset means                                      | a change takes effect |
 * | ---------------------- | ------------ | ------------------------------------------------ | --------------------- |
 * | `server/timeout`       | milliseconds | a client lives as long as its connection         | at once, for all      |
 * | `server/verbose`       | 0 or 1       | 0                                                | at once               |
 * | `remote/timeout`       | milliseconds | 1000: the `server/timeout` of CZMQ's servers     | with the next PING    |
 * | `remote/ping-interval` | milliseconds | a quarter of `remote/timeout`; at most a half    | with the next PING    |
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"

/**
 * Times are milliseconds. `serverTimeout` 0 means never, as in CZMQ; unset (`undefined`) clients are not timed at all.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  readonly serverTimeout: number | undefined
  readonly verbose: boolean
  readonly remoteTimeout: number
  readonly pingInterval: number | undefined
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const defaults: Settings = {
  serverTimeout: undefined,
  verbose: false,
  remoteTimeout: 1000,
  pingInterval: undefined
}

/**
 * @since 0.1.0
 * @category errors
 */
export class SettingError extends Data.TaggedError("SettingError")<{
  readonly path: string
  readonly value: string
  readonly detail: string
}> {
  override get message(): string {
    return `cannot set ${this.path} to ${JSON.stringify(this.value)}: ${this.detail}`
  }
}

/**
 * The settings with one changed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const set = (settings: Settings, path: string, value: string): Result.Result<Settings, SettingError> => {
  const fail = (detail: string) => Result.fail(new SettingError({ path, value, detail }))
  const milliseconds = (least: number, apply: (value: number) => Settings) => {
    const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN
    return number >= least && number <= longest
      ? Result.succeed(apply(number))
      : fail(`write milliseconds, a whole number from ${least} to ${longest}`)
  }
  switch (path) {
    case "server/timeout":
      return milliseconds(0, (serverTimeout) => ({ ...settings, serverTimeout }))
    case "server/verbose":
      return value === "0" || value === "1"
        ? Result.succeed({ ...settings, verbose: value === "1" })
        : fail("write 0 or 1")
    case "remote/timeout":
      return milliseconds(1, (remoteTimeout) => ({ ...settings, remoteTimeout }))
    case "remote/ping-interval":
      return milliseconds(1, (pingInterval) => ({ ...settings, pingInterval }))
    default:
      return fail(`no such setting, there are ${Object.values(pathOf).join(", ")}`)
  }
}

/**
 * The defaults, save what is given; each checked as {@link set} checks it. What is `undefined` is not given.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (given: Partial<Settings>): Result.Result<Settings, SettingError> => {
  let settings: Result.Result<Settings, SettingError> = Result.succeed(defaults)
  for (const [name, path] of Object.entries(pathOf)) {
    const value = given[name as keyof Settings]
    if (value === undefined) continue
    const text = typeof value === "boolean" ? String(Number(value)) : String(value)
    settings = Result.flatMap(settings, (settings) => set(settings, path, text))
  }
  return settings
}

/**
 * The time between two PINGs: as set, and short enough that one that is late does not cost the membership.
 *
 * @since 0.1.0
 * @category getters
 */
export const pingInterval = (settings: Settings): number =>
  Math.max(
    1,
    Math.min(settings.pingInterval ?? Math.floor(settings.remoteTimeout / 4), Math.floor(settings.remoteTimeout / 2))
  )

const pathOf = {
  serverTimeout: "server/timeout",
  verbose: "server/verbose",
  remoteTimeout: "remote/timeout",
  pingInterval: "remote/ping-interval"
} as const satisfies Record<keyof Settings, string>

/** The longest time that a timer of the runtime can wait, some 24 days. */
const longest = 2 ** 31 - 1
