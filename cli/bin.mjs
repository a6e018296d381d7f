#!/usr/bin/env node
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = dirname(fileURLToPath(import.meta.url));
if (existsSync(join(folder, "main.ts"))) {
  const { run } = await import("./bootstrap.mjs");
  await run(join(folder, "main.ts"), process.argv.slice(2));
} else {
  // npm puts a package's command into its tarball, whatever else is in it.
  console.error("imagegen is part of a checkout, and this package has the components alone. Fix: run it in a checkout");
  process.exitCode = 1;
}
