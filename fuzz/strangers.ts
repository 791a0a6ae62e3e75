/** The process of the strangers: it does the acts that it is told to do, on a listener or as a server. */
import { createServer } from "node:net"
import { onListener, onServer, serve } from "./acts.ts"
import { generator } from "./frames.ts"

export interface Order {
  readonly id: number
  readonly name: string
  readonly seed: number
  readonly endpoint: string
  readonly ms: number
  readonly crowd: number
}

/** What the server does with connections that come now; it stays the same until the next order. */
let behaviour = onServer["server that hangs up"]
let stage = { endpoint: "", random: generator(1), on: () => false, crowd: 0 }

const server = createServer((socket) => {
  if (behaviour === undefined) socket.destroy()
  else serve(socket, behaviour, stage)
})
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  process.send?.({ port: typeof address === "object" ? address?.port : undefined })
})

process.on("message", ({ crowd, endpoint, id, ms, name, seed }: Order) => {
  const end = performance.now() + ms
  const here = { endpoint, random: generator(seed), on: () => performance.now() < end, crowd }
  const act = onListener[name]
  if (act === undefined) {
    behaviour = onServer[name]
    stage = here
  }
  const done = act === undefined ? new Promise((resolve) => setTimeout(resolve, ms)) : act(here)
  void done.finally(() => process.send?.({ done: id }))
})
process.on("disconnect", () => process.exit(0))
