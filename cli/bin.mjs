#!/usr/bin/env node
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./bootstrap.mjs";

await run(join(dirname(fileURLToPath(import.meta.url)), "main.ts"), process.argv.slice(2));
