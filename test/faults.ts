/**
 * `npm run test:faults`: seeded faults of cache, hub and machine, listed with how each one ended. `npm run
 * test:power-cuts`: the power of a disk cut after and amid each command, as a table.
 */
import { execa } from "execa";
import { paths } from "./support/paths.ts";
import { pythonEnvironment } from "./support/python.ts";

const [first, ...rest] = process.argv.slice(2);
const command =
  first === "--power-cuts" ? ["tests.faults.power_cuts", ...rest] : ["tests.faults", ...process.argv.slice(2)];
const result = await execa(await pythonEnvironment(), ["-m", ...command], {
  cwd: paths.imageGen,
  stdio: "inherit",
  reject: false,
  env: { PYTHONPATH: "src" },
});
process.exitCode = result.exitCode ?? 1;
