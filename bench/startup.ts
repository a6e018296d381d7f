/**
 * Runs `bench/startup` in the Python environment of the tests. In: its arguments. Out: its exit code.
 * Must not: measure anything itself.
 */
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { paths } from "../test/support/paths.ts";
import { pythonEnvironment } from "../test/support/python.ts";

const python = await pythonEnvironment();
const result = await execa(python, [join(paths.root, "bench/startup"), ...process.argv.slice(2)], {
  stdio: "inherit",
  reject: false,
  env: { PYTHONPATH: [join(paths.imageGen, "src"), join(paths.root, "bench/common")].join(delimiter) },
});
process.exitCode = result.exitCode ?? 1;
