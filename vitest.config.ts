import { defineConfig } from "vitest/config"

/** A file for the results as JSON, beside what is printed; .ci/run reads it. */
const report = process.env["ZGOSSIP_TEST_REPORT"]

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/globalSetup.ts"],
    // Processes, not threads: a socket library with native state stays apart from one file to the next.
    pool: "forks",
    // Most tests of sockets wait most of the time.
    maxWorkers: 3,
    maxConcurrency: 16,
    testTimeout: 15_000,
    hookTimeout: 30_000,
    reporters: report ? ["default", ["json", { outputFile: report }]] : ["default"]
  }
})
