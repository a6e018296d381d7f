/** `npm run test:faults`: seeded faults of cache, hub and machine, listed with how each one ended. */
import { execa } from "execa";
import { paths } from "./support/paths.ts";
import { pythonEnvironment } from "./support/python.ts";

const result = await execa(await pythonEnvironment(), ["-m", "tests.faults", ...process.argv.slice(2)], {
  cwd: paths.imageGen,
  stdio: "inherit",
  reject: false,
  env: { PYTHONPATH: "src" },
});
process.exitCode = result.exitCode ?? 1;
