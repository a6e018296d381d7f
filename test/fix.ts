/** `npm run fix`: formats and applies the safe fixes, in any state of the checkout. Exit code 1 when something is left to do by hand. */
import { join } from "node:path";
import { execa } from "execa";
import { paths } from "./support/paths.ts";
import { checksEnvironment } from "./support/python.ts";

const python = await checksEnvironment();
const code = ["image-gen", "bench", "scripts/reference"];
const fixes: readonly (readonly [string, readonly string[]])[] = [
  [join(paths.root, "node_modules/.bin/biome"), ["check", "--write", "."]],
  [python, ["-m", "ruff", "check", "--fix", "--config", "image-gen/pyproject.toml", ...code]],
  [python, ["-m", "ruff", "format", "--config", "image-gen/pyproject.toml", ...code]],
];
for (const [command, args] of fixes) {
  const { exitCode } = await execa(command, args, { cwd: paths.root, stdio: "inherit", reject: false });
  if (exitCode !== 0) process.exitCode = 1;
}
