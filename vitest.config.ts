import "./test/support/node-version.ts";
import { defineConfig } from "vitest/config";

/** One project a ring; `npm test` runs them cheapest first. Rings that start containers run one file at a time. */
const ring = (name: string, options: { timeoutSeconds: number; serial?: boolean; globalSetup?: string }) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    environment: "node",
    testTimeout: options.timeoutSeconds * 1000,
    hookTimeout: options.timeoutSeconds * 1000,
    fileParallelism: !options.serial,
    ...(options.globalSetup ? { globalSetup: options.globalSetup } : {}),
  },
});

export default defineConfig({
  test: {
    projects: [
      ring("unit", { timeoutSeconds: 120 }),
      ring("component", { timeoutSeconds: 120 }),
      ring("policy", { timeoutSeconds: 120 }),
      ring("operations", { timeoutSeconds: 180 }),
      ring("start", { timeoutSeconds: 600, serial: true }),
      ring("host", { timeoutSeconds: 300 }),
      ring("engine", { timeoutSeconds: 600, serial: true }),
      ring("registry", { timeoutSeconds: 600, serial: true }),
      ring("e2e", { timeoutSeconds: 600, serial: true, globalSetup: "test/e2e/global-setup.ts" }),
    ],
  },
});
