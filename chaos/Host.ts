/** What this machine lets a process do to itself without harm to others: namespaces, limits, a library for the clock. */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const libraries = ["x86_64-linux-gnu", "aarch64-linux-gnu"].flatMap((machine) =>
  [`/usr/lib/${machine}/faketime/libfaketimeMT.so.1`, `/usr/lib/${machine}/faketime/libfaketime.so.1`].filter(
    existsSync
  )
)

/** A process whose time of day is read from a file, by whoever asks the system for it; the monotonic clock stays. */
export const clockOf = (folder: string, name: string): Readonly<Record<string, string>> | undefined => {
  const [library] = libraries
  if (library === undefined) return undefined
  const file = join(folder, `${name}.time`)
  writeFileSync(file, "+0")
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1"
  }
}

/** With so many descriptors at most. */
export const limited = (descriptors: number): ReadonlyArray<string> => [
  "sh",
  "-c",
  `ulimit -n ${descriptors} && exec "$@"`,
  "sh"
]

export const hostName = "zgossip.chaos"

/** A process with its own list of hosts and no name server; with a disk of its own, which is full at 256 KiB. */
export class Namespace {
  readonly within: ReadonlyArray<string>
  readonly disk: string
  readonly #hosts: string

  constructor(folder: string, name: string) {
    this.#hosts = join(folder, `${name}.hosts`)
    this.disk = join(folder, `${name}.disk`)
    const resolver = join(folder, `${name}.resolv`)
    mkdirSync(this.disk)
    writeFileSync(resolver, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    this.resolves(true)
    const mounts = [
      `mount --bind '${this.#hosts}' /etc/hosts`,
      `mount --bind '${resolver}' /etc/resolv.conf`,
      `mount -t tmpfs -o size=256k none '${this.disk}'`
    ]
    this.within = ["unshare", "-Urm", "sh", "-c", `${mounts.join(" && ")} && exec "$@"`, "sh"]
  }

  resolves(name: boolean): void {
    writeFileSync(this.#hosts, `127.0.0.1 localhost${name ? ` ${hostName}` : ""}\n`)
  }

  /** Whether this system gives a process namespaces. */
  works(): boolean {
    const [program, ...args] = [...this.within, "true"]
    return spawnSync(program, args).status === 0
  }
}
