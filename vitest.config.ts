import "./test/support/node-version.ts";
import { defineConfig } from "vitest/config";
import { NAMES, partsOf, projectsOf, suiteOf } from "./test/suites.ts";

/** The projects of each part of a suite; test/suites.ts says which there are. */
const projects = NAMES.filter((name) => suiteOf(name).runner === "vitest").flatMap((name) => {
  const { timeoutSeconds = 120, serial, globalSetup } = suiteOf(name);
  const ofSuite = partsOf(name).flatMap((part) => projectsOf(name, part));
  return ofSuite.map((project) => ({
    test: {
      ...project,
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
