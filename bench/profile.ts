/**
 * Where the time of our worker processes goes: self time of CPU profiles, by what it is spent on.
 *
 *     npm run bench -- --only fan-out-10 --profile profiles     measures ours alone, and prints this at the end
 *     node bench/profile.ts profiles                            the same again, from the files
 *
 * The files open in Chrome's developer tools, too. A profile covers the life of a process, its start included.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

interface CallFrame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
}

interface CpuProfile {
  readonly nodes: ReadonlyArray<{ readonly id: number; readonly callFrame: CallFrame }>
  readonly samples: ReadonlyArray<number>
  readonly timeDeltas: ReadonlyArray<number>
}

/** The first that matches. */
const groups: ReadonlyArray<readonly [name: string, matches: (frame: CallFrame) => boolean]> = [
  ["idle", ({ functionName }) => functionName === "(idle)"],
  ["garbage collection", ({ functionName }) => functionName === "(garbage collector)"],
  ["native code outside of JavaScript", ({ functionName }) => functionName === "(program)"],
  // V8 charges a native call to the function that makes it, and these make one for each message and do little else.
  [
    "zeromq: send and receive, each through the addon into libzmq",
    ({ functionName, url }) => /\/layers\/Zmq\w+\.ts$/.test(url) && /^(transmit|drain)$/.test(functionName)
  ],
  ["zeromq's JavaScript", ({ url }) => url.includes("/node_modules/zeromq/")],
  ["Effect", ({ url }) => url.includes("/node_modules/effect/")],
  ["ours: the rest of the sockets (src/layers/Zmq*)", ({ url }) => /\/src\/layers\/Zmq\w+\.ts$/.test(url)],
  ["ours: codec, machines, outbox, store (src/protocol)", ({ url }) => url.includes("/src/protocol/")],
  ["ours: engine and fibers (other src/layers)", ({ url }) => url.includes("/src/")],
  ["the benchmark", ({ url }) => url.includes("/bench/")],
  ["Node's own JavaScript", ({ url }) => url.startsWith("node:")],
  ["builtins of V8 and Node", ({ url }) => url === ""],
  ["other", () => true]
]

const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1).padStart(5)} %`

const place = ({ functionName, lineNumber, url }: CallFrame): string =>
  `${functionName === "" ? "(anonymous)" : functionName}${url === "" ? "" : ` ${url.split("/").slice(-2).join("/")}:${lineNumber + 1}`}`

const summary = ({ nodes, samples, timeDeltas }: CpuProfile): string => {
  const frames = new Map(nodes.map(({ callFrame, id }) => [id, callFrame]))
  const byGroup = new Map<string, number>()
  const byPlace = new Map<string, number>()
  const add = (map: Map<string, number>, key: string, time: number) => map.set(key, (map.get(key) ?? 0) + time)
  let total = 0
  let busy = 0
  samples.forEach((id, i) => {
    const frame = frames.get(id)
    const time = timeDeltas[i] ?? 0
    if (frame === undefined) return
    const group = groups.find(([, matches]) => matches(frame))?.[0] ?? "other"
    total += time
    if (group === "idle") return
    busy += time
    add(byGroup, group, time)
    add(byPlace, place(frame), time)
  })
  const lines = (map: Map<string, number>, most: number) =>
    Array.from(map)
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, most)
      .map(([name, time]) => `  ${percent(time, busy)}  ${name}`)
  return [
    `busy ${(busy / 1e6).toFixed(2)} s of ${(total / 1e6).toFixed(2)} s; of that`,
    ...lines(byGroup, Infinity),
    "the functions with the most self time",
    ...lines(byPlace, 20)
  ].join("\n")
}

export const summaries = (directory: string): string =>
  readdirSync(directory)
    .filter((file) => file.endsWith(".cpuprofile"))
    .toSorted()
    .map((file) => `${file}: ${summary(JSON.parse(readFileSync(join(directory, file), "utf8")) as CpuProfile)}\n`)
    .join("\n")

if (import.meta.main && process.argv[2] !== undefined) console.log(summaries(process.argv[2]))
