import "./test/support/node-version.ts";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { NAMES, partsOf, projectsOf, suiteOf } from "./test/suites.ts";

/** The package's name, as the examples import it, without a build. */
const LIBRARY = Object.fromEntries(
  Object.entries({ local: "local-image-gen", aws: "aws-image-gen", fleet: "aws-image-gen-fleet" }).map(
    ([door, file]) => [`picture-perfect-challenge/${door}`, join(import.meta.dirname, `infra/library/${file}.ts`)],
  ),
);

/** The projects of each part of a suite; test/suites.ts says which there are. */
const projects = NAMES.filter((name) => suiteOf(name).runner === "vitest").flatMap((name) => {
  const { timeoutSeconds = 120, workers, globalSetup } = suiteOf(name);
  const ofSuite = partsOf(name).flatMap((part) => projectsOf(name, part));
  return ofSuite.map((project) => ({
    resolve: { alias: LIBRARY },
    test: {
      ...project,
      environment: "node",
      // Printed commands begin with `npx` under `npx imagegen`, and so they would under `npx vitest`.
      // A machine without a locale gets the one that every Debian has: file names are UTF-8 then.
      env: { npm_lifecycle_event: "test", LANG: process.env.LANG || "C.UTF-8" },
      testTimeout: timeoutSeconds * 1000,
      hookTimeout: timeoutSeconds * 1000,
      // What is true in the end may take its time on a busy machine; vitest gives it a second.
      expect: { poll: { timeout: 30_000 } },
      ...(workers ? { maxWorkers: workers } : {}),
      ...(globalSetup ? { globalSetup } : {}),
    },
  }));
});

export default defineConfig({ test: { projects } });
