/**
 * `npm run bench:fetch`, `bench:startup`, `bench:verify`, `bench:backup`, `bench:workers`: runs the bench of that name in the Python environment of the
 * tests. In: the name, then its arguments. Out: its exit code. Must not: measure anything itself.
 */
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { paths } from "../test/support/paths.ts";
import { pythonEnvironment } from "../test/support/python.ts";

const [name = "", ...rest] = process.argv.slice(2);
const result = await execa(await pythonEnvironment(), [join(paths.root, "bench", name), ...rest], {
  stdio: "inherit",
  reject: false,
  env: {
    PYTHONPATH: [join(paths.imageGen, "src"), join(paths.root, "bench/common")].join(delimiter),
    PYTHONDONTWRITEBYTECODE: "1",
  },
});
process.exitCode = result.exitCode ?? 1;
