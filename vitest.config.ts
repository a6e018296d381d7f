import "./test/support/node-version.ts";
import { defineConfig } from "vitest/config";
import { filesOf, NAMES, partsOf, projectOf, ringOf } from "./test/rings.ts";

/** A project for each part of a ring; test/rings.ts says which there are. */
const projects = NAMES.filter((name) => ringOf(name).runner === "vitest").flatMap((name) => {
  const { timeoutSeconds = 120, serial, globalSetup } = ringOf(name);
  return partsOf(name).map((part) => ({
    test: {
      name: projectOf(name, part),
      ...filesOf(name, part),
      environment: "node",
      testTimeout: timeoutSeconds * 1000,
      hookTimeout: timeoutSeconds * 1000,
      fileParallelism: !serial,
      ...(globalSetup ? { globalSetup } : {}),
    },
  }));
});

export default defineConfig({ test: { projects } });
