import "./test/support/node-version.ts";
import { defineConfig } from "vitest/config";
import { filesOf, NAMES, partsOf, projectOf, suiteOf } from "./test/suites.ts";

/** A project for each part of a suite; test/suites.ts says which there are. */
const projects = NAMES.filter((name) => suiteOf(name).runner === "vitest").flatMap((name) => {
  const { timeoutSeconds = 120, serial, globalSetup } = suiteOf(name);
  return partsOf(name).map((part) => ({
    test: {
      name: projectOf(name, part),
      ...filesOf(name, part),
      environment: "node",
      // Printed commands begin with `npx` under `npx imagegen`, and so they would under `npx vitest`.
      env: { npm_lifecycle_event: "test" },
      testTimeout: timeoutSeconds * 1000,
      hookTimeout: timeoutSeconds * 1000,
      fileParallelism: !serial,
      ...(globalSetup ? { globalSetup } : {}),
    },
  }));
});

export default defineConfig({ test: { projects } });
