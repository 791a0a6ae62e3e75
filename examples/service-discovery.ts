/**
 * Service discovery between two Effect services that know nothing of each other but a key.
 *
 *     node examples/service-discovery.ts
 *
 * A printer and an office each run a node of their own. The printer publishes where it can be reached; the office waits
 * until it hears of a printer. Which of the two starts first does not matter.
 */
import { Context, Effect, Layer, Option, Stream } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Gossip } from "../src/index.ts" // in your project: from "effect-zgossip"

/** Serves HTTP on a port that nobody knows beforehand, and says so. */
const Printer = Layer.effectDiscard(
  Effect.gen(function* () {
    const gossip = yield* Gossip.Gossip
    const server = yield* Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createServer>>((resume) => {
        const server = createServer((request, response) => response.end(`printed ${request.url}\n`))
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
    )
    const { port } = server.address() as AddressInfo
    yield* gossip.publish("service/printer", `http://127.0.0.1:${port}`)
  })
)

/** The address of a service: known already, or heard of later. */
const locate = Effect.fn("locate")(function* (name: string) {
  const gossip = yield* Gossip.Gossip
  const news = yield* gossip.subscribe
  const known = yield* gossip.get(name)
  if (Option.isSome(known)) return known.value.value
  const heard = yield* news.pipe(
    Stream.filter(({ key }) => key === name),
    Stream.runHead
  )
  return Option.getOrThrow(heard).value
}, Effect.scoped)

class Office extends Context.Service<Office, { readonly print: (text: string) => Effect.Effect<string> }>()("Office") {
  static readonly layer = Layer.effect(
    Office,
    Effect.gen(function* () {
      const printer = yield* locate("service/printer")
      return { print: (text) => Effect.promise(() => fetch(`${printer}/${text}`).then((reply) => reply.text())) }
    })
  )
}

const endpoint = "inproc://office-building"
const printer = Printer.pipe(Layer.provide(Gossip.layer({ connect: [endpoint] })))
const office = Office.layer.pipe(Layer.provide(Gossip.layer({ bind: [endpoint] })))

const program = Office.use((office) => office.print("invoice")).pipe(
  Effect.tap((answer) => Effect.sync(() => process.stdout.write(answer))),
  Effect.provide([office, printer])
)

await Effect.runPromise(Effect.scoped(program))
