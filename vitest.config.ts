import { defineConfig } from "vitest/config"

/** A file for the results as JSON, beside what is printed; .ci/run reads it. */
const report = process.env["ZGOSSIP_TEST_REPORT"]

/** They take descriptors from their process until none is left, or count them. */
const alone = ["test/cli/KeyFiles.test.ts", "test/interop/chaos.test.ts", "test/transport/zmq.test.ts"]

export default defineConfig({
  test: {
    // Most tests of sockets wait most of the time.
    maxWorkers: 4,
    reporters: report ? ["default", ["json", { outputFile: report }]] : ["default"],
    // Processes, not threads: a thread that ends with a socket open aborts the process.
    pool: "forks",
    projects: [
      // To load Effect takes longer than most files take: a process runs many of them.
      { extends: true, test: { name: "together", include: ["test/**/*.test.ts"], exclude: alone, isolate: false } },
      { extends: true, test: { name: "alone", include: alone } }
    ],
    globalSetup: ["test/globalSetup.ts"],
    maxConcurrency: 16,
    testTimeout: 15_000,
    hookTimeout: 30_000
  }
})
