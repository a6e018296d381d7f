/**
 * Runs `bench/verify` in the Python environment of the tests. In: its arguments. Out: its exit code.
 * Must not: measure anything itself.
 */
import { join } from "node:path";
import { execa } from "execa";
import { paths } from "../test/support/paths.ts";
import { pythonEnvironment } from "../test/support/python.ts";

const python = await pythonEnvironment();
const result = await execa(python, [join(paths.root, "bench/verify"), ...process.argv.slice(2)], {
  stdio: "inherit",
  reject: false,
});
process.exitCode = result.exitCode ?? 1;
