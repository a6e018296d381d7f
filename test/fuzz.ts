/** `npm run test:fuzz`: seeded requests that no client should send, listed with what the service should not have answered. */
import { execa } from "execa";
import { paths } from "./support/paths.ts";
import { pythonEnvironment } from "./support/python.ts";

const result = await execa(await pythonEnvironment(), ["-m", "tests.fuzz", ...process.argv.slice(2)], {
  cwd: paths.imageGen,
  stdio: "inherit",
  reject: false,
  env: { PYTHONPATH: "src" },
});
process.exitCode = result.exitCode ?? 1;
